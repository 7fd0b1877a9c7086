//! Keys: their file, and a running gate that follows it.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::thread;

use levee_gate::keys::{KeysError, create, list, revoke};
use levee_gate::{GateConfig, KeyRing, Role};

use crate::bench::{Bench, wait_until};

#[test]
fn a_running_gate_follows_its_keys() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("keys.json");
    let ring = KeyRing::open(&path).unwrap();
    let bench = Bench::with(GateConfig { workers: 1, ..GateConfig::default() }, ring);
    let status = |secret: &str| {
        let header = format!("Authorization: Bearer {secret}\r\n");
        bench.ask("GET /v1/campaigns", "", &header, "").status
    };
    assert_eq!(status("dev-operator"), 401);
    let (id, secret) = create(&path, Role::Operator, None).unwrap();
    wait_until("the new key is taken", || status(&secret) == 200);
    // A broken file changes nothing.
    let good = fs::read(&path).unwrap();
    fs::write(&path, b"[{\"id\":").unwrap();
    let other = folder.path().join("other.json");
    let (_, second) = create(&other, Role::Viewer, None).unwrap();
    assert_eq!(status(&secret), 200);
    let mut keys: Vec<serde_json::Value> = serde_json::from_slice(&good).unwrap();
    let others: Vec<serde_json::Value> =
        serde_json::from_slice(&fs::read(&other).unwrap()).unwrap();
    keys.extend(others);
    fs::write(&path, serde_json::to_vec(&keys).unwrap()).unwrap();
    wait_until("the mended file is read", || status(&second) == 200);
    revoke(&path, &id).unwrap();
    wait_until("the revoked key is refused", || status(&secret) == 401);
    assert_eq!(status(&second), 200);
}

#[test]
fn the_file_holds_no_secret_and_is_private() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("keys.json");
    let (id, secret) = create(&path, Role::Outlet, Some("heytea")).unwrap();
    assert!(secret.starts_with("lv_outlet_") && secret.len() == 42, "{secret}");
    let text = fs::read_to_string(&path).unwrap();
    assert!(!text.contains(&secret[10..]), "{text}");
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    let keys = list(&path).unwrap();
    assert_eq!((keys[0].id.as_str(), keys[0].brand.as_deref()), (id.as_str(), Some("heytea")));
    assert!(matches!(create(&path, Role::Outlet, None), Err(KeysError::Brand)));
    assert!(matches!(create(&path, Role::App, Some("x")), Err(KeysError::Brand)));
    assert!(matches!(revoke(&path, "key_none"), Err(KeysError::Unknown(_))));
    assert!(list(&folder.path().join("none.json")).unwrap().is_empty());
    fs::write(&path, "[{\"id\":\"k\",\"role\":\"king\"}]").unwrap();
    assert!(KeyRing::open(&path).is_err());
}

#[test]
fn two_who_make_keys_at_once_do_not_lose_one() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("keys.json");
    thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| create(&path, Role::App, None).unwrap());
        }
    });
    assert_eq!(list(&path).unwrap().len(), 8);
}
