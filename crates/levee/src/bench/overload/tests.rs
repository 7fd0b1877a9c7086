//! The crowd before a listener that answers by a script: what a real server does only now and then
//! must be right here every time.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::thread;
use std::time::Duration;

use super::super::load::whole;
use super::crowd::{Arrivals, Crowd, Manner};
use super::tally::Tally;

/// Longer than any of these takes, if all is well.
const LIMIT: Duration = Duration::from_secs(60);

/// What the script does with a request.
enum Act {
    Answer(String),
    /// So much of an answer, and the end of the connection.
    Break(&'static str),
}

/// One request: whose, and with which pass.
struct Request {
    user: u32,
    pass: Option<String>,
}

fn claimed() -> Act {
    answer("201 Created", "{\"seq\":1}")
}

fn waiting(pass: &str) -> Act {
    let body = format!(
        "{{\"code\":\"waiting\",\"pass\":\"{pass}\",\"position_ahead\":3,\"eta_ms\":5,\
         \"eta_p90_ms\":60000,\"poll_after_ms\":2}}"
    );
    answer("429 Too Many Requests", &body)
}

fn answer(status: &str, body: &str) -> Act {
    Act::Answer(format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\n\r\n{body}", body.len()))
}

/// Lets so many users meet a script, over one connection at a time, until all are done.
#[track_caller]
fn play(
    manner: Manner,
    users: u32,
    mut script: impl FnMut(&Request) -> Act + Send + 'static,
) -> (Crowd, bool) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("bound").to_string();
    // Ends with the test's process: the crowd may keep its connection.
    thread::spawn(move || {
        for stream in listener.incoming() {
            serve(stream.expect("accepted"), &mut script);
        }
    });
    let mut crowd = Crowd::connect(&address, 1).expect("connected");
    crowd.begin(manner, Arrivals::Closed { left: users }, Duration::ZERO);
    let done = crowd.finish(LIMIT).expect("no error of the crowd's");
    (crowd, done)
}

fn serve(mut stream: TcpStream, script: &mut impl FnMut(&Request) -> Act) {
    let (mut text, mut part) = (Vec::new(), [0; 1_024]);
    loop {
        while whole(&text).is_none() {
            match stream.read(&mut part) {
                Ok(read) if read > 0 => text.extend_from_slice(&part[..read]),
                _ => return,
            }
        }
        let request = String::from_utf8(std::mem::take(&mut text)).expect("text");
        let behind = |name: &str| {
            let rest = &request[request.find(name)? + name.len()..];
            Some(rest[..rest.find(['\r', '"'])?].to_owned())
        };
        let user = behind("\"user_id\":\"user-").expect("a claim").parse().expect("a number");
        match script(&Request { user, pass: behind("levee-pass: ") }) {
            Act::Answer(answer) => {
                // In two parts, as a network may.
                let (first, second) = answer.split_at(answer.len() / 2);
                stream.write_all(first.as_bytes()).expect("sent");
                stream.write_all(second.as_bytes()).expect("sent");
            }
            Act::Break(part) => return stream.write_all(part.as_bytes()).expect("sent"),
        }
    }
}

fn counts(tally: &Tally) -> [u64; 5] {
    [tally.sent_in_all, tally.admitted, tally.told, tally.waited, tally.shed]
}

#[test]
fn who_waits_comes_again_with_the_newest_pass() {
    let mut asked = 0;
    let (crowd, done) = play(Manner::Cooperating, 1, move |request| {
        asked += 1;
        match (asked, request.pass.as_deref()) {
            (1, None) => waiting("first"),
            (2, Some("first")) => waiting("second"),
            (3, Some("second")) => answer("503 Busy", "{\"retry_after_ms\":1}"),
            (4, Some("second")) => claimed(),
            _ => answer("400 Bad Request", "{}"),
        }
    });
    assert!(done);
    let tally = crowd.checked().expect("answers that are known");
    assert_eq!(counts(tally), [4, 1, 2, 1, 1]);
    assert_eq!((tally.in_time, tally.fairness_inversions), (1, 0));
    assert_eq!(crowd.acknowledged().collect::<Vec<_>>(), [0]);
}

#[test]
fn who_hammers_shows_no_pass_and_gives_up_after_four_requests() {
    let (crowd, done) = play(Manner::Hammering, 3, |request| match (request.user, &request.pass) {
        (_, Some(_)) => answer("400 Bad Request", "{}"),
        (0, None) => waiting("ignored"),
        (_, None) => answer("429 Too Many Requests", "{\"code\":\"rate_limited\"}"),
    });
    assert!(done);
    let tally = crowd.checked().expect("answers that are known");
    assert_eq!(counts(tally), [12, 0, 4, 1, 8]);
    assert_eq!(crowd.acknowledged().count(), 0);
    assert_eq!(crowd.within_p90().value(), None);
}

#[test]
fn a_later_place_that_is_admitted_first_is_an_inversion() {
    // User 0 is told to wait once more after user 1, who came later, was let in.
    let (mut later_is_in, mut told_since) = (false, false);
    let (crowd, done) =
        play(Manner::Cooperating, 2, move |request| match (request.user, request.pass.is_some()) {
            (0, true) if told_since => claimed(),
            (1, true) => {
                later_is_in = true;
                claimed()
            }
            _ => {
                told_since = later_is_in;
                waiting("pass")
            }
        });
    assert!(done);
    assert_eq!(crowd.checked().expect("known").fairness_inversions, 1);
}

#[test]
fn an_earlier_place_that_is_admitted_first_is_none() {
    let mut first_is_in = false;
    let (crowd, done) =
        play(Manner::Cooperating, 2, move |request| match (request.user, request.pass.is_some()) {
            (0, true) => {
                first_is_in = true;
                claimed()
            }
            (1, true) if first_is_in => claimed(),
            _ => waiting("pass"),
        });
    assert!(done);
    assert_eq!(crowd.checked().expect("known").fairness_inversions, 0);
}

#[test]
fn a_broken_connection_is_replaced_and_its_request_sent_again() {
    for part in ["", "HTTP/1.1 201 Created\r\ncontent-le"] {
        let mut broken = false;
        let (crowd, done) = play(Manner::Cooperating, 1, move |_| {
            if std::mem::replace(&mut broken, true) { claimed() } else { Act::Break(part) }
        });
        assert!(done);
        let tally = crowd.checked().expect("answers that are known");
        assert_eq!((tally.broken, tally.admitted, tally.sent_in_all), (1, 1, 2));
    }
}

#[test]
fn an_answer_that_no_claim_gets_is_an_error() {
    let (crowd, done) = play(Manner::Cooperating, 1, |_| answer("404 Not Found", "{\"code\":1}"));
    assert!(done);
    let error = crowd.checked().expect_err("unexpected").to_string();
    assert!(error.contains("1 unexpected answers") && error.contains("404"), "{error}");
}

#[test]
fn who_is_not_answered_gives_up_or_waits_by_manner() {
    // The first request is held longer than a user waits.
    for (manner, abandoned) in [(Manner::Hammering, 1), (Manner::Cooperating, 0)] {
        let mut held = false;
        let (crowd, done) = play(manner, 1, move |_| {
            if !std::mem::replace(&mut held, true) {
                thread::sleep(Duration::from_millis(1_400));
            }
            claimed()
        });
        assert!(done);
        let tally = crowd.checked().expect("answers that are known");
        // What came too late is acknowledged all the same, and never counts as in time; the repeat
        // of whoever gave up does.
        assert_eq!((tally.abandoned, tally.in_time), (abandoned, abandoned), "{manner:?}");
        assert!(crowd.acknowledged().count() >= 1);
    }
}
