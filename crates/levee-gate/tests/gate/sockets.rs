//! A gate on a Unix socket.

use std::io::{Read, Write};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use levee_gate::{AdmissionConfig, Gate, GateConfig, KeyRing, Proxies};
use tempfile::TempDir;

use crate::bench::{Bench, request};
use crate::notifications::alipay;
use crate::shop::{grape, shop_at, text};

/// A gate on a socket in a folder of its own.
struct Beside {
    gate: Gate,
    socket: PathBuf,
    _folder: TempDir,
}

fn beside(bench: &Bench, config: GateConfig) -> Beside {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("gate.sock");
    let gate = bench.beside_on(&socket, config);
    Beside { gate, socket, _folder: folder }
}

fn connect(socket: &Path) -> UnixStream {
    let stream = UnixStream::connect(socket).expect("the gate listens");
    // A test that hangs says nothing; no answer takes this long.
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    stream
}

/// One request on a connection of its own, and all that comes back.
fn ask(socket: &Path, line: &str, role: &str, headers: &str, body: &str) -> String {
    let mut stream = connect(socket);
    let headers = format!("{headers}Connection: close\r\n");
    stream.write_all(request(line, role, &headers, body).as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

#[test]
fn a_socket_serves_what_a_port_does() {
    let bench = Bench::new();
    bench.campaign("spring", 10, "", "");
    let beside = beside(&bench, GateConfig { workers: 3, ..GateConfig::default() });
    let claims = "POST /v1/campaigns/spring/claims";
    // More connections than workers, so that some are handed over, all open at once.
    let mut streams: Vec<_> = (0..9).map(|_| connect(&beside.socket)).collect();
    for (user, stream) in streams.iter_mut().enumerate() {
        let body = format!("{{\"user_id\":\"user-{user}\"}}");
        stream.write_all(request(claims, "app", "", &body).as_bytes()).unwrap();
    }
    for stream in &mut streams {
        stream.shutdown(Shutdown::Write).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 201 "), "{answer}");
    }
    let again = ask(&beside.socket, claims, "app", "", "{\"user_id\":\"user-3\"}");
    assert!(again.starts_with("HTTP/1.1 200 "), "{again}");
    let seen = ask(&beside.socket, "GET /v1/campaigns/spring", "viewer", "", "");
    assert!(seen.starts_with("HTTP/1.1 200 ") && seen.contains("\"claims\":9"), "{seen}");
    let unknown = ask(&beside.socket, "GET /v1/campaigns/spring", "", "", "");
    assert!(unknown.starts_with("HTTP/1.1 401 "), "{unknown}");
}

#[test]
fn who_reads_slowly_gets_everything_and_holds_up_nobody() {
    let bench = Bench::new();
    let beside = beside(&bench, GateConfig { workers: 1, ..GateConfig::default() });
    let document = bench.ask("GET /openapi.json", "", "", "").body;
    // Far more than the socket has room for.
    let times = 2_000_000 / document.len() + 2;
    let mut slow = connect(&beside.socket);
    for _ in 0..times {
        slow.write_all(request("GET /openapi.json", "", "", "").as_bytes()).unwrap();
    }
    let ready = ask(&beside.socket, "GET /healthz", "", "", "");
    assert!(ready.starts_with("HTTP/1.1 200 "), "{ready}");
    slow.shutdown(Shutdown::Write).unwrap();
    let mut answers = String::new();
    slow.read_to_string(&mut answers).unwrap();
    assert_eq!(answers.matches("HTTP/1.1 200 ").count(), times);
    assert_eq!(answers.matches(&document).count(), times);
}

#[test]
fn a_gate_that_closes_lets_connections_of_its_socket_go() {
    let bench = Bench::new();
    let beside = beside(&bench, GateConfig { workers: 2, ..GateConfig::default() });
    let mut idle = connect(&beside.socket);
    let ready = ask(&beside.socket, "GET /healthz", "", "", "");
    assert!(ready.starts_with("HTTP/1.1 200 "), "{ready}");
    beside.gate.drain();
    let mut rest = Vec::new();
    assert_eq!(idle.read_to_end(&mut rest).unwrap(), 0);
    assert!(UnixStream::connect(&beside.socket).is_err());
}

/// Forges until it is refused unread, at most so often; whether it was.
fn is_limited(trusts_socket: bool) -> bool {
    let bench = shop_at(Bench::with(GateConfig::default(), KeyRing::dev()));
    let order = bench.placed("k", &grape());
    let id = text(&order["payment"]["id"]);
    let proxies = Proxies { ranges: Vec::new(), socket: trusts_socket };
    let admission = AdmissionConfig { forged_per_s: 1, ..AdmissionConfig::default() };
    let config = GateConfig { workers: 1, proxies, admission, ..GateConfig::default() };
    let beside = beside(&bench, config);
    let (headers, body) = alipay(id, 1_900);
    let headers = format!("X-Forwarded-For: 198.51.100.7\r\n{headers}");
    let body = body.replacen('1', "2", 1);
    (0..200).any(|_| {
        let line = "POST /v1/payments/alipay/notify";
        let answer = ask(&beside.socket, line, "", &headers, &body);
        let refused = answer.starts_with("HTTP/1.1 429 ");
        assert!(refused || answer.starts_with("HTTP/1.1 401 "), "{answer}");
        refused
    })
}

#[test]
fn senders_behind_a_socket_are_those_that_its_proxy_names_if_it_is_known() {
    assert!(is_limited(true));
    // Everybody would be one.
    assert!(!is_limited(false));
}
