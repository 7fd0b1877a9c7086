//! Killed, told to stop, and on disks that are slow or broken.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fs;
use std::process::{Child, Command, Stdio};
use std::rc::Rc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use levee_api::client::ClientError;
use serde_json::json;
use tokio::task::JoinSet;

use crate::harness::{Address, Place, SMALL_SEGMENTS, Server, levee, path, run, text};

/// What was acknowledged: the body by user.
pub(crate) type Acked = Rc<RefCell<BTreeMap<String, Bytes>>>;

/// Claims for ever new users until the server is gone.
async fn claim_until_gone(server: Address, name: String, acked: Acked) {
    let mut client = server.app().await;
    for number in 0.. {
        let user = format!("{name}-{number}");
        let body = json!({"user_id": user});
        match client.post("/v1/campaigns/crash/claims", None, &body).await {
            Ok(raw) if raw.status == 201 => {
                acked.borrow_mut().insert(user, raw.body);
            }
            // Told to stop, or gone.
            Ok(raw) => return assert_eq!(raw.status, 503, "{raw:?}"),
            Err(ClientError::Connection { .. }) => return,
            Err(error) => panic!("{error}"),
        }
    }
}

/// Starts eight of them, and returns once so many claims were acknowledged.
pub(crate) async fn load(
    server: &Address,
    round: usize,
    acked: &Acked,
    enough: usize,
) -> JoinSet<()> {
    let mut tasks = JoinSet::new();
    for connection in 0..8 {
        let name = format!("user-{round}-{connection}");
        tasks.spawn_local(claim_until_gone(server.clone(), name, Rc::clone(acked)));
    }
    while acked.borrow().len() < enough {
        tokio::task::yield_now().await;
    }
    tasks
}

/// Every acknowledged claim is there, once: asking again gives the same body.
pub(crate) async fn all_there(server: &Address, acked: &BTreeMap<String, Bytes>) {
    let mut client = server.app().await;
    for (user, body) in acked {
        let raw = client.post("/v1/campaigns/crash/claims", None, &json!({"user_id": user})).await;
        let raw = raw.expect("answered");
        assert_eq!((raw.status, &raw.body), (200, body), "{user}");
    }
    assert!(server.campaign("crash").await.counts.claims >= acked.len() as u64);
}

#[test]
fn killed_fifty_times_in_mid_load() {
    let seed = std::env::var("LEVEE_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(7);
    println!("LEVEE_SEED={seed} plays this again");
    let mut random = fastrand::Rng::with_seed(seed);
    let place = Place::new("[journal]\nsegment_bytes = 1048576\nreserve_bytes = 0\n");
    let mut all = BTreeMap::new();
    for round in 0..50 {
        let server = place.start();
        let acked = Acked::default();
        let enough = random.usize(1..150);
        run(async {
            server.open_campaign("crash", 1, 100_000_000).await;
            let mut tasks = load(&server, round, &acked, enough).await;
            server.kill();
            while let Some(ended) = tasks.join_next().await {
                ended.expect("they end when the server is gone");
            }
        });
        let server = place.start();
        run(all_there(&server, &acked.borrow()));
        all.append(&mut acked.borrow_mut());
        server.kill();
    }
    let server = place.start();
    run(all_there(&server, &all));
    server.stop();
    place.audit_is_clean();
}

#[test]
fn told_to_stop_it_finishes_what_is_under_way() {
    let place = Place::new(SMALL_SEGMENTS);
    let mut server = place.start();
    let acked = Acked::default();
    run(async {
        server.open_campaign("crash", 1, 1_000_000).await;
        let mut tasks = load(&server, 0, &acked, 200).await;
        server.terminate();
        while let Some(ended) = tasks.join_next().await {
            ended.expect("they end when the server is gone");
        }
        assert!(server.wait().success());
    });
    // The journal was closed: nothing is torn, and every acknowledged claim is there.
    let server = place.start();
    run(all_there(&server, &acked.borrow()));
    server.stop();
    place.audit_is_clean();
}

#[test]
fn a_data_folder_has_one_server() {
    let place = Place::new(SMALL_SEGMENTS);
    let server = place.start();
    let second = place.fail_to_start();
    assert_eq!(second.status.code(), Some(3));
    let said = String::from_utf8_lossy(&second.stderr).into_owned();
    assert!(said.contains("another"), "{said}");
    server.stop();
}

#[test]
fn two_first_starts_at_once_agree_on_the_keys() {
    for _ in 0..10 {
        let place = Place::new(SMALL_SEGMENTS);
        let starts = std::thread::scope(|scope| {
            let starts = [(); 2].map(|()| scope.spawn(|| place.try_start()));
            starts.map(|start| start.join().expect("it tells how it went"))
        });
        let started = starts.into_iter().filter_map(Result::ok).collect::<Vec<_>>();
        assert_eq!(started.len(), 1, "one of two has the folder");
        started.into_iter().for_each(Server::stop);
        place.start().stop();
    }
}

#[test]
fn rehearsals_keep_off_real_data() {
    let place = Place::new(SMALL_SEGMENTS);
    place.start().stop();
    let data = place.data();
    let speed = ["serve", "--data", path(&data), "--speed", "100", "--listen", "127.0.0.1:0"];
    let output = levee(&speed);
    assert_eq!(output.status.code(), Some(3), "{}", text(&output));
    assert!(text(&output).contains("--dev"), "{}", text(&output));
    let made = levee(&["key", "create", "--role", "app", "--data", path(&data)]);
    assert!(made.status.success(), "{}", text(&made));
    let output = place.fail_to_start();
    assert_eq!(output.status.code(), Some(3), "{}", text(&output));
    assert!(text(&output).contains("keys of its own"), "{}", text(&output));
}

#[test]
fn another_key_file_is_refused() {
    let place = Place::new(SMALL_SEGMENTS);
    let server = place.start();
    run(server.open_campaign("crash", 1, 1));
    server.stop();
    for name in ["pseudonym", "code"] {
        let file = place.data().join("keys").join(format!("{name}.key"));
        let aside = file.with_extension("aside");
        // A copy keeps the mode: a key that others can read is refused for that.
        fs::copy(&file, &aside).expect("made at the first start");
        fs::write(&file, "00".repeat(32)).expect("written");
        let output = place.fail_to_start();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(3), "{said}");
        assert!(said.contains(&format!("the {name} key")), "{said}");
        fs::remove_file(&file).expect("removed");
        assert_eq!(place.fail_to_start().status.code(), Some(3), "a missing key is not made anew");
        fs::rename(&aside, &file).expect("put back");
    }
    place.start().stop();
}

/// strace beside a running server, until dropped.
struct Tracer(Child);

impl Tracer {
    /// Attaches and injects into the server's calls; returns once it is attached.
    fn attach(pid: u32, inject: &str) -> Self {
        let mut command = Command::new("strace");
        command.args(["-f", "-qq", "-e", "trace=fdatasync", "-e", inject, "-o", "/dev/null"]);
        command.args(["-p", &pid.to_string()]).stderr(Stdio::null());
        let tracer = Self(command.spawn().expect("strace is installed by the checks"));
        let threads = || fs::read_dir(format!("/proc/{pid}/task")).expect("it runs");
        let traced = || {
            threads().all(|thread| {
                let status = thread.map(|thread| thread.path().join("status"));
                let status = status.and_then(fs::read_to_string).unwrap_or_default();
                status.lines().any(|line| line.starts_with("TracerPid:") && !line.ends_with("\t0"))
            })
        };
        while !traced() {
            std::thread::yield_now();
        }
        tracer
    }
}

impl Drop for Tracer {
    fn drop(&mut self) {
        // Ends with the server, or now.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn no_reply_comes_before_its_sync() {
    let delay = Duration::from_millis(200);
    let place = Place::new(SMALL_SEGMENTS);
    let server = place.start();
    run(async {
        server.open_campaign("crash", 1, 1_000_000).await;
        let _tracer = Tracer::attach(server.pid(), "inject=fdatasync:delay_exit=200000");
        let mut client = server.app().await;
        for number in 0..5 {
            let body = json!({"user_id": format!("user-{number}")});
            let asked = Instant::now();
            let raw = client.post("/v1/campaigns/crash/claims", None, &body).await;
            assert_eq!(raw.expect("answered").status, 201);
            // A lower bound: a busy machine only makes it longer.
            assert!(asked.elapsed() >= delay, "{:?}", asked.elapsed());
        }
    });
}

#[test]
fn a_failed_sync_stops_the_server_and_loses_nothing() {
    let place = Place::new(SMALL_SEGMENTS);
    let mut server = place.start();
    let acked = Acked::default();
    run(async {
        server.open_campaign("crash", 1, 1_000_000).await;
        let tasks = load(&server, 0, &acked, 100).await;
        let tracer = Tracer::attach(server.pid(), "inject=fdatasync:error=EIO");
        let status = server.wait();
        drop(tracer);
        assert_eq!(status.code(), Some(1), "{status}");
        tasks.join_all().await;
    });
    let server = place.start();
    run(all_there(&server, &acked.borrow()));
    server.stop();
    place.audit_is_clean();
}
