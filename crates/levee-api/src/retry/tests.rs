//! Against a server that answers by a script. Time is Tokio's and passes only in pauses, so what was
//! waited for is known exactly.

use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::Instant;

use super::*;

/// What the server does with a request.
#[derive(Clone)]
enum Act {
    /// Status, further headers, body.
    Say(u16, &'static str, String),
    /// Closes the connection without an answer.
    Close,
}

/// The heads of requests, in order, and the milliseconds at which they came.
type Seen = Arc<Mutex<Vec<(String, u128)>>>;

/// Answers by the script, whose last act is repeated.
async fn serve(script: Vec<Act>) -> (String, Seen) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("bound").to_string();
    let seen = Seen::default();
    let (started, script, all_seen) = (Instant::now(), Arc::new(script), Arc::clone(&seen));
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(converse(stream, Arc::clone(&script), Arc::clone(&all_seen), started));
        }
    });
    (address, seen)
}

async fn converse(mut stream: TcpStream, script: Arc<Vec<Act>>, seen: Seen, started: Instant) {
    let mut bytes = Vec::new();
    loop {
        // Requests of these tests have no body.
        while !bytes.ends_with(b"\r\n\r\n") {
            if stream.read_buf(&mut bytes).await.is_ok_and(|read| read > 0) {
                continue;
            }
            return;
        }
        let head = String::from_utf8(std::mem::take(&mut bytes)).expect("text");
        let place = {
            let mut seen = seen.lock().expect("nothing panics with it");
            seen.push((head, started.elapsed().as_millis()));
            seen.len() - 1
        };
        match &script[place.min(script.len() - 1)] {
            Act::Close => return,
            Act::Say(status, headers, body) => {
                let length = body.len();
                let answer = format!(
                    "HTTP/1.1 {status} X\r\n{headers}content-length: {length}\r\n\r\n{body}"
                );
                if stream.write_all(answer.as_bytes()).await.is_err() {
                    return;
                }
            }
        }
    }
}

fn problem(status: u16, code: &str, more: &str) -> Act {
    let body = format!(
        r#"{{"type": "t", "title": "t", "status": {status}, "code": "{code}", "request_id": "r"{more}}}"#
    );
    Act::Say(status, "", body)
}

fn ok() -> Act {
    Act::Say(200, "", "{}".to_owned())
}

fn waiting(pass: &str, poll_after_ms: u64) -> Act {
    let place = format!(
        r#", "pass": "{pass}", "position_ahead": 1, "eta_ms": 1, "eta_p90_ms": 1,
        "poll_after_ms": {poll_after_ms}, "page": "/wait""#
    );
    problem(429, "waiting", &place)
}

const CLAIMS: &str = "/v1/campaigns/spring/claims";

/// One request; the status that comes of it (0 for a broken connection), how many tries the server
/// saw, and the least and most milliseconds that the pauses between them may take together.
async fn check(
    method: Method,
    path: &str,
    headers: &[(&'static str, &str)],
    script: &[Act],
    (status, tries): (u16, usize),
    ms: std::ops::RangeInclusive<u128>,
) {
    let (address, seen) = serve(script.to_vec()).await;
    let mut client = Client::connect(&address, "key").await.expect("it listens");
    let outcome = client.send_with_retries(method.clone(), path, headers, Bytes::new()).await;
    let seen = seen.lock().expect("nothing panics with it");
    let context = format!("{method} {path} {headers:?}: {outcome:?}, {seen:?}");
    let got = match &outcome {
        Ok(raw) => raw.status,
        Err(ClientError::Connection { .. }) => 0,
        Err(error) => panic!("{error}"),
    };
    assert_eq!((got, seen.len()), (status, tries), "{context}");
    let last_ms = seen.last().expect("some").1;
    assert!(ms.contains(&last_ms), "{last_ms} ms: {context}");
}

#[tokio::test(start_paused = true)]
async fn only_what_is_harmless_and_may_help_is_repeated() {
    let overloaded = || problem(503, "overloaded", r#", "retry_after_ms": 1000"#);
    let limited = || problem(429, "rate_limited", "");
    let key = [("idempotency-key", "k")];
    let (get, post) = (Method::GET, Method::POST);
    check(get.clone(), "/v1/x", &[], &[ok()], (200, 1), 0..=0).await;
    check(get.clone(), "/v1/x", &[], &[overloaded(), ok()], (200, 2), 1_000..=1_050).await;
    check(get.clone(), "/v1/x", &[], &[limited(), limited(), ok()], (200, 3), 0..=150).await;
    check(post.clone(), CLAIMS, &[], &[overloaded(), ok()], (200, 2), 1_000..=1_050).await;
    check(post.clone(), "/v1/redemptions", &key, &[limited(), ok()], (200, 2), 0..=50).await;
    check(post.clone(), "/v1/redemptions", &[], &[overloaded(), ok()], (503, 1), 0..=0).await;
    // A connection that breaks: whether it had an effect is not known.
    check(get.clone(), "/v1/x", &[], &[Act::Close, ok()], (200, 2), 0..=50).await;
    check(post.clone(), "/v1/redemptions", &key, &[Act::Close, ok()], (200, 2), 0..=50).await;
    check(post, "/v1/redemptions", &[], &[Act::Close, ok()], (0, 1), 0..=0).await;
    // Other answers are final.
    for (status, code) in [(404, "not_found"), (409, "budget_exhausted"), (500, "internal_error")] {
        check(get.clone(), "/v1/x", &[], &[problem(status, code, ""), ok()], (status, 1), 0..=0)
            .await;
    }
    // It ends, with the last answer; pauses of 50, 100, 200 and 400 ms at most.
    check(get.clone(), "/v1/x", &[], &[limited()], (429, 5), 0..=750).await;
    check(get.clone(), "/v1/x", &[], &[Act::Close], (0, 5), 0..=750).await;
    // What stands before Levee says it in the header; too long a pause is the caller's matter.
    let elsewhere = |after| Act::Say(503, after, "<html>".to_owned());
    let script = [elsewhere("retry-after: 2\r\n"), ok()];
    check(get.clone(), "/v1/x", &[], &script, (200, 2), 2_000..=2_050).await;
    let script = [elsewhere("retry-after: 61\r\n"), ok()];
    check(get.clone(), "/v1/x", &[], &script, (503, 1), 0..=0).await;
    let script = [elsewhere("retry-after: Fri, 31 Dec 1999 23:59:59 GMT\r\n"), ok()];
    check(get, "/v1/x", &[], &script, (200, 2), 0..=50).await;
}

#[tokio::test(start_paused = true)]
async fn the_waiting_room_is_gone_through_with_the_newest_pass() {
    let mut script: Vec<_> = (0..30).map(|_| waiting("first", 90_000)).collect();
    script.extend([waiting("second", 7), problem(503, "overloaded", ""), ok()]);
    let (address, seen) = serve(script).await;
    let mut client = Client::connect(&address, "key").await.expect("it listens");
    let before = client.retries().earned.load(Relaxed);
    let raw = client.send_with_retries(Method::POST, CLAIMS, &[], Bytes::new()).await;
    assert_eq!(raw.expect("in the end").status, 200);
    let seen = seen.lock().expect("nothing panics with it");
    assert_eq!(seen.len(), 33);
    assert!(!seen[0].0.contains("levee-pass"), "{}", seen[0].0);
    assert!(seen[1..31].iter().all(|(head, _)| head.contains("levee-pass: first\r\n")));
    assert!(seen[31..].iter().all(|(head, _)| head.contains("levee-pass: second\r\n")));
    assert!(seen.windows(2).take(30).all(|pair| pair[1].1 - pair[0].1 >= 90_000), "as told");
    // The request earned one, the one repeat cost ten, the polls nothing.
    assert_eq!(client.retries().earned.load(Relaxed), before + 1 - REQUESTS_PER_REPEAT);
}

#[tokio::test(start_paused = true)]
async fn the_newest_pass_takes_the_place_of_the_callers_own() {
    let (address, seen) = serve(vec![waiting("newer", 1), ok()]).await;
    let mut client = Client::connect(&address, "key").await.expect("it listens");
    let headers = [("Levee-Pass", "older")];
    let raw = client.send_with_retries(Method::POST, CLAIMS, &headers, Bytes::new()).await;
    assert_eq!(raw.expect("in the end").status, 200);
    let seen = seen.lock().expect("nothing panics with it");
    assert!(seen[0].0.contains("levee-pass: older\r\n"));
    assert!(seen[1].0.contains("levee-pass: newer\r\n") && !seen[1].0.contains("older"));
}

#[tokio::test(start_paused = true)]
async fn polls_end_as_well() {
    let (address, seen) = serve(vec![waiting("pass", 1)]).await;
    let mut client = Client::connect(&address, "key").await.expect("it listens");
    let raw = client.send_with_retries(Method::POST, CLAIMS, &[], Bytes::new()).await;
    assert_eq!(raw.expect("an answer").status, 429);
    assert_eq!(seen.lock().expect("nothing panics with it").len(), POLLS_MAX as usize + 1);
}

#[tokio::test(start_paused = true)]
async fn all_connections_of_a_client_share_one_budget() {
    let (address, seen) = serve(vec![problem(503, "overloaded", "")]).await;
    let first = Client::connect(&address, "key").await.expect("it listens");
    let mut clients = Vec::new();
    for _ in 0..4 {
        clients.push(first.connect_another().await.expect("it listens"));
    }
    let requests = 400;
    for place in 0..requests {
        let client = &mut clients[place % 4];
        let raw = client.send_with_retries(Method::GET, "/v1/x", &[], Bytes::new()).await;
        assert_eq!(raw.expect("an answer").status, 503);
    }
    let repeats = seen.lock().expect("nothing panics with it").len() - requests;
    // A tenth, and the reserve that a client begins with: all of it is used, and no more.
    assert_eq!(repeats, requests / 10 + 10);
    let (other_address, other_seen) = serve(vec![problem(503, "overloaded", ""), ok()]).await;
    let mut other = Client::connect(&other_address, "key").await.expect("it listens");
    let raw = other.send_with_retries(Method::GET, "/v1/x", &[], Bytes::new()).await;
    assert_eq!(raw.expect("an answer").status, 200, "another client has its own");
    assert_eq!(other_seen.lock().expect("nothing panics with it").len(), 2);
}

#[test]
fn pauses_grow_and_differ() {
    for (repeat, most) in [(1, 50), (2, 100), (4, 400), (9, PAUSE_MS_MAX), (80, PAUSE_MS_MAX)] {
        let pauses: Vec<_> = (0..1_000).map(|_| jitter_ms(repeat)).collect();
        assert!(pauses.iter().all(|pause| *pause <= most), "{repeat}");
        // A thousand draws that all fall into one half would be no draws.
        assert!(pauses.iter().any(|pause| *pause < most / 2), "{repeat}");
        assert!(pauses.iter().any(|pause| *pause > most / 2), "{repeat}");
    }
}
