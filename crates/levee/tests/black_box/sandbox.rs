//! `levee sandbox` as a connector meets it.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::{SystemTime, UNIX_EPOCH};

use hyper::Method;
use levee_api::client::{Client, Raw};
use levee_api::webhook::{DEV_OUTLETS_SECRET, WebhookSecrets};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

use crate::harness::{BINARY, levee, path, run, text};

/// Secrets of the test's own.
const OUTLETS: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const PAYMENTS: &str = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD";

/// A running sandbox; killed when dropped.
struct Sandbox {
    child: Child,
    output: BufReader<ChildStdout>,
    address: String,
}

impl Sandbox {
    fn start(arguments: &[&str]) -> Self {
        let mut command = Command::new(BINARY);
        command.args(["sandbox", "--listen", "127.0.0.1:0"]).args(arguments);
        let child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = child.spawn().expect("the binary runs");
        let mut output = BufReader::new(child.stdout.take().expect("piped"));
        let mut line = String::new();
        output.read_line(&mut line).expect("a line");
        let rest = line.split_once("listens on http://").expect("where it listens").1;
        let address = rest.split(' ').next().expect("an address").to_owned();
        Self { child, output, address }
    }

    /// Ends it as a person would; all that it said after its first line.
    fn stop(mut self) -> String {
        let pid = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw);
        kill_process(pid.expect("a process has an id"), Signal::TERM).expect("it was running");
        let mut said = String::new();
        self.output.read_to_string(&mut said).expect("text");
        assert!(self.child.wait().expect("it ended").success());
        said
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        // Already ended, in most tests.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

async fn post(client: &mut Client, path: &str, secret: Option<&str>, body: &Value) -> Raw {
    let body = body.to_string();
    let now_s = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs();
    let signed = secret.map(|secret| {
        WebhookSecrets::from_text(secret).expect("a secret").headers(
            "msg_1",
            now_s,
            body.as_bytes(),
        )
    });
    let headers = signed.iter().flatten().map(|(name, value)| (*name, value.as_str()));
    let headers: Vec<_> = headers.collect();
    client.send(Method::POST, path, &headers, body.clone().into()).await.expect("answered")
}

#[test]
fn the_sandbox_takes_tickets_and_payments_and_says_at_the_end_what_was() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let secrets = folder.path().join("secrets.toml");
    fs::write(&secrets, format!("outlets = \"{OUTLETS}\"\npayments = \"{PAYMENTS}\"\n"))
        .expect("written");
    // Nobody listens at that Levee: steps are said again and again.
    let sandbox = Sandbox::start(&[
        "--levee",
        "http://127.0.0.1:9",
        "--clock",
        "2026-02-06T00:00:00Z",
        "--seed",
        "7",
        "--secret-file",
        path(&secrets),
    ]);
    run(async {
        let mut client = Client::connect(&sandbox.address, "none").await.expect("it listens");
        let ticket = json!({
            "ticket": "tkt_1", "order": "ord_1", "version": 1, "outlet_id": "o-1",
            "items": [{"sku": "s", "name": "Tea", "quantity": 1}], "work": 1000,
            "ready_at": "2026-02-06T00:20:00Z", "accept_by": "2026-02-06T00:10:00Z"
        });
        let at = "/pos/pos-a/o-1/tickets";
        for (secret, status) in [(None, 401), (Some(DEV_OUTLETS_SECRET), 401), (Some(OUTLETS), 200)]
        {
            assert_eq!(post(&mut client, at, secret, &ticket).await.status, status);
        }
        let payment = json!({
            "payment": "pay_1", "amount_minor": 1250, "currency": "CNY",
            "notify_url": "http://127.0.0.1:9/notify"
        });
        let made = post(&mut client, "/pay/payments", None, &payment).await;
        let made: Value = made.json().expect("made");
        let url = made["pay_url"].as_str().expect("an address").to_owned();
        let way = url.strip_prefix(&format!("http://{}", sandbox.address)).expect("its own");
        let paid: Value = post(&mut client, way, None, &json!({})).await.json().expect("paid");
        assert_eq!((&paid["state"], &paid["captured_minor"]), (&json!("succeeded"), &json!(1250)));
        let stats: Value = client.get("/stats").await.expect("counts");
        assert_eq!((&stats["tickets"]["received"], &stats["seed"]), (&json!(1), &json!(7)));
        let line: Value = client.get("/payments.ndjson").await.expect("one line is JSON, too");
        assert_eq!(line["payment"], "pay_1");
    });
    let said = sandbox.stop();
    assert!(said.contains("Lunar New Year 2026") && said.contains("2% slow"), "{said}");
    let stats: Value = serde_json::from_str(&said[said.find('{').expect("JSON")..]).expect("JSON");
    assert_eq!(stats["payments"]["captured_minor"], 1_250);
    assert_eq!(stats["requests"]["unsigned"], 2);
}

#[track_caller]
fn check(arguments: &[&str], status: i32, says: &str) {
    let output = levee(&[&["sandbox", "--listen", "127.0.0.1:0"], arguments].concat());
    let said = text(&output);
    assert_eq!(output.status.code(), Some(status), "{arguments:?}: {said}");
    assert!(said.contains(says), "{arguments:?}: {said}");
}

#[test]
fn what_cannot_be_played_is_said() {
    check(&["--speed", "0"], 2, "--speed");
    check(&["--clock", "noon"], 2, "--clock");
    check(&["--levee", "https://levee"], 3, "no address such as");
    check(&["/nonexistent"], 3, "cannot read /nonexistent");
    check(&["--secret-file", "/nonexistent"], 3, "cannot read /nonexistent");
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("secrets.toml");
    for (secrets, says) in [
        ("outlets = \"whsec_AAAA\"\npayments = \"whsec_AAAA\"", "24 to 64 bytes"),
        ("outlets = \"hush\"", "the texts outlets and payments"),
    ] {
        fs::write(&file, secrets).expect("written");
        check(&["--secret-file", path(&file)], 3, says);
        let said = text(&levee(&["sandbox", "--secret-file", path(&file)]));
        assert!(!said.contains("hush"), "a secret is shown: {said}");
    }
    // A scenario for the crowd alone has nothing to play here.
    let reference = include_str!(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../examples/lunar-new-year-2026.toml"
    ));
    let crowd = &reference[..reference.find("[kitchens]").expect("it is there")];
    let campaign =
        concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples/campaigns/lunar-new-year-2026.toml");
    let file = folder.path().join("crowd.toml");
    fs::create_dir(folder.path().join("campaigns")).expect("made");
    fs::copy(campaign, folder.path().join("campaigns/lunar-new-year-2026.toml")).expect("copied");
    fs::write(&file, crowd).expect("written");
    check(&[path(&file)], 3, "no table kitchens");
}
