//! Servers and gates that clients reach over Unix sockets.

use std::fs;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::os::unix::net::UnixListener;

use serde_json::json;

use crate::harness::{Address, Place, SMALL_SEGMENTS, levee, path, run, text};

impl Place {
    /// Where clients connect.
    fn door(&self) -> String {
        format!("unix:{}", path(&self.beside("clients.sock")))
    }
}

async fn claim(address: &Address, user: &str) -> u16 {
    let mut app = address.app().await;
    let body = json!({"user_id": user});
    app.post("/v1/campaigns/crash/claims", None, &body).await.expect("answered").status
}

#[test]
fn a_server_on_a_socket_serves_clients_and_commands() {
    let place = Place::new(SMALL_SEGMENTS);
    let door = place.door();
    let server = place.start_with(&["--listen", &door]);
    assert_eq!(server.name(), door);
    let socket = place.beside("clients.sock");
    let found = fs::metadata(&socket).expect("it is there");
    assert!(found.file_type().is_socket());
    assert_eq!(found.permissions().mode() & 0o777, 0o666, "as open as a port of loopback");
    run(async {
        server.open_campaign("crash", 5, 10).await;
        assert_eq!(claim(&server, "first").await, 201);
        assert_eq!(claim(&server, "first").await, 200);
    });
    let shown = levee(&["campaign", "show", "crash", "--server", &door, "--key", "dev-viewer"]);
    assert!(shown.status.success(), "{}", text(&shown));
    // While it listens nobody takes its place.
    let second = Place::new(SMALL_SEGMENTS);
    let refused = second.try_start_with(&["--listen", &door]);
    assert!(refused.is_err());
    run(async { assert_eq!(claim(&server, "second").await, 201) });
    server.stop();
    assert!(!socket.exists(), "taken away at the end");
    place.audit_is_clean();
}

#[test]
fn a_socket_that_was_left_behind_is_replaced_and_nothing_else_is() {
    let place = Place::new(SMALL_SEGMENTS);
    let (door, socket) = (place.door(), place.beside("clients.sock"));
    place.start_with(&["--listen", &door]).kill();
    assert!(socket.exists());
    let server = place.start_with(&["--listen", &door]);
    run(server.open_campaign("crash", 5, 10));
    server.stop();
    fs::write(&socket, "a file").expect("written");
    for (listen, says) in [
        (door.as_str(), "is no socket"),
        ("unix:", "must be followed by the path of a socket"),
        ("unix:/no/such/folder/clients.sock", "cannot listen on unix:/no/such/folder/clients.sock"),
    ] {
        let data = place.data();
        let output = levee(&["serve", "--dev", "--listen", listen, "--data", path(&data)]);
        assert_eq!(output.status.code(), Some(3), "{listen}");
        assert!(text(&output).contains(says), "{listen}: {}", text(&output));
    }
    assert_eq!(fs::read_to_string(&socket).expect("still there"), "a file");
    fs::remove_file(&socket).expect("ours");
    let _listener = UnixListener::bind(&socket).expect("free");
    let output = levee(&["serve", "--dev", "--listen", &door, "--data", path(&place.data())]);
    assert!(text(&output).contains("another server listens there"), "{}", text(&output));
}

#[test]
fn a_gate_of_its_own_listens_on_a_socket_too() {
    let place = Place::new(SMALL_SEGMENTS);
    let gates = format!("unix:{}", path(&place.beside("gates.sock")));
    let engine = place.start_with(&["--listen", "none", "--gates", &gates]);
    let gate = place.start_gate_on(&["--engine", &gates, "--listen", &place.door()]);
    run(async {
        gate.open_campaign("crash", 5, 10).await;
        assert_eq!(claim(&gate, "first").await, 201);
    });
    gate.stop();
    assert!(!place.beside("clients.sock").exists());
    engine.stop();
    place.audit_is_clean();
}
