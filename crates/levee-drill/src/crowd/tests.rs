//! A small crowd against a stand-in server that sometimes breaks off, is overloaded, or lies.

mod ordering;

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use levee_api::code::Codes;
use levee_api::types::{LockNo, RedemptionNo, VoucherNo};
use serde_json::{Value, json};

use super::*;
use crate::scenario::Scenario;

/// What the stand-in does to the first claim of a user.
#[derive(Clone, Copy, PartialEq)]
enum Mood {
    /// Answers.
    Good,
    /// Does it, and breaks off without an answer.
    BreaksOff,
    /// Says that it is overloaded.
    Overloaded,
    /// Tells a repeat of another voucher.
    Lies,
    /// Gives a place in the waiting room, twice, each time with a newer pass.
    Waits,
    /// Says that the user asks too often.
    Limited,
    /// Takes the claim, and has the code at the next ask.
    Later,
    /// Takes the claim, and never has the code.
    NeverACode,
}

/// By the user's number, so that every run is alike.
fn mood(user: u32) -> Mood {
    match user % 20 {
        3 => Mood::BreaksOff,
        4 => Mood::Overloaded,
        5 => Mood::Lies,
        6 => Mood::Waits,
        7 => Mood::Limited,
        8 => Mood::Later,
        9 => Mood::NeverACode,
        _ => Mood::Good,
    }
}

struct StandIn {
    plan: Arc<FestivalPlan>,
    codes: Codes,
    claims_seen: Mutex<HashMap<u32, u32>>,
    /// The newest pass of each user, by its number; 3 is let in.
    passes: Mutex<HashMap<u32, u32>>,
    orders: ordering::Orders,
    /// Lines of an import that are answered, at most.
    outlets_max: usize,
}

struct Answer(u16, bool, Value);

fn problem(status: u16, code: &str) -> Answer {
    Answer(status, false, json!({"type": "t", "status": status, "code": code, "retry_after_ms": 3}))
}

impl StandIn {
    /// The campaign as any server would tell it.
    fn campaign(&self) -> Value {
        let scenario = self.plan.scenario();
        let zero = json!({"funded_minor": 0, "available_minor": 0, "reserved_minor": 0,
            "in_flight_minor": 0, "escrowed_minor": 0, "owed_minor": 0, "spent_minor": 0,
            "returned_minor": 0});
        json!({"id": scenario.campaign.id, "state": "open", "version": 1,
            "created_at": levee_api::time::Instant { ms: scenario.starts_at_ms() }.to_string(),
            "document": scenario.campaign, "money": zero,
            "set_aside": {"invites_minor": 0, "envelopes_minor": 0, "compensation_minor": 0},
            "counts": {"claims": 0, "vouchers_live": 0, "vouchers_locked": 0,
                "vouchers_redeemed": 0, "vouchers_expired": 0, "vouchers_revoked": 0,
                "envelopes_open": 0, "envelope_openings": 0, "invites_accepted": 0, "orders": 0}})
    }

    /// `None` to break off.
    fn answer(&self, path: &str, pass: Option<&str>, body: &Value) -> Option<Answer> {
        let number = |name: &str| -> u32 {
            let text = body[name].as_str().unwrap_or_default();
            text.rsplit('-').next().and_then(|digits| digits.parse().ok()).unwrap_or_default()
        };
        if path.ends_with("/claims") {
            return self.claim(number("user_id"), pass, body);
        }
        if path.starts_with("/v1/orders") {
            return self.order(path, body);
        }
        let code = path.split('/').nth(3).unwrap_or_default();
        Some(if path == "/v1/redemptions" {
            let code = body["voucher_code"].as_str().unwrap_or_default();
            let Some(voucher) = self.codes.parse_voucher(code) else {
                return Some(problem(404, "voucher_not_found"));
            };
            let id = self.codes.redemption(RedemptionNo(voucher.0));
            let seq = 1_000_000 + voucher.0;
            let info = json!({"id": id, "discount_minor": 900});
            Answer(201, false, json!({"redemption": info, "seq": seq}))
        } else if path.ends_with("/rollback") {
            Answer(200, false, json!({"redemption": code, "seq": 2_000_000}))
        } else if path.ends_with("/lock") {
            let voucher = self.codes.parse_voucher(code).expect("only real ones are locked");
            let id = self.codes.lock(LockNo(voucher.0));
            Answer(201, false, json!({"lock": {"id": id}, "seq": 3_000_000}))
        } else if path.starts_with("/v1/vouchers/") {
            problem(404, "voucher_not_found")
        } else if path.starts_with("/v1/campaigns") {
            Answer(200, false, self.campaign())
        } else {
            problem(404, "not_found")
        })
    }

    /// The place of a user who is not in yet; whoever shows an older pass than the newest, or none
    /// after one was given, is told so.
    fn wait(&self, user: u32, pass: Option<&str>) -> Option<Answer> {
        let mut passes = self.passes.lock().expect("nobody panics with it");
        let newest = passes.entry(user).or_default();
        if *newest == 3 {
            return None;
        }
        let shown = pass.map(|pass| pass.rsplit('-').next().unwrap().parse::<u32>().unwrap());
        match shown {
            // Asks at once come before the first answer, each without a pass.
            None if *newest > 1 => return Some(problem(400, "bad_request")),
            Some(shown) if shown != *newest => return Some(problem(400, "bad_request")),
            None => *newest = 1,
            Some(_) => *newest += 1,
        }
        if *newest == 3 {
            return None;
        }
        Some(Answer(
            429,
            false,
            json!({"type": "t", "status": 429, "code": "waiting", "retry_after_ms": 3,
                "pass": format!("p-{user}-{newest}"), "position_ahead": 7, "eta_ms": 4,
                "eta_p90_ms": 60_000, "poll_after_ms": 3, "page": "/wait/p"}),
        ))
    }

    fn claim(&self, user: u32, pass: Option<&str>, body: &Value) -> Option<Answer> {
        let version = body["attributes"]["app_version"].as_str().unwrap_or_default();
        if version < "6.0" {
            return Some(problem(409, "not_eligible"));
        }
        if mood(user) == Mood::Waits
            && let Some(place) = self.wait(user, pass)
        {
            return Some(place);
        }
        let mut seen = self.claims_seen.lock().expect("nobody panics with it");
        let times = seen.entry(user).or_default();
        *times += 1;
        let other = match (mood(user), *times) {
            (Mood::BreaksOff, 1) => return None,
            (Mood::Overloaded, 1) => return Some(problem(503, "overloaded")),
            (Mood::Lies, times) if times > 1 => 1_000,
            (Mood::Limited, 1) => return Some(problem(429, "rate_limited")),
            (Mood::Later, 1) | (Mood::NeverACode, _) => {
                let later_ms = if mood(user) == Mood::Later { 100_u64 } else { 1_u64 << 40 };
                let body = json!({"state": "accepted", "code_at": "t",
                    "code_after_ms": later_ms, "seq": user + 1});
                return Some(Answer(202, false, body));
            }
            _ => 0,
        };
        let code = self.codes.voucher(VoucherNo(user + other));
        let status = if *times == 1 { 201 } else { 200 };
        let voucher = json!({"code": code, "face_minor": 2_500});
        Some(Answer(status, *times > 1, json!({"voucher": voucher, "seq": user + 1})))
    }

    /// Serves one connection until either side has enough.
    fn serve(&self, stream: TcpStream) -> Option<()> {
        let mut out = stream.try_clone().ok()?;
        let mut lines = BufReader::new(stream);
        loop {
            let mut first = String::new();
            lines.read_line(&mut first).ok().filter(|read| *read > 0)?;
            let path = first.split(' ').nth(1)?.to_owned();
            let (mut len, mut pass, mut chunked) = (0, None, false);
            loop {
                let mut line = String::new();
                lines.read_line(&mut line).ok()?;
                if line == "\r\n" {
                    break;
                }
                if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
                    len = value.trim().parse().ok()?;
                }
                chunked |= line.to_ascii_lowercase().starts_with("transfer-encoding: chunked");
                if let Some(value) = line.strip_prefix("levee-pass:") {
                    pass = Some(value.trim().to_owned());
                }
            }
            if chunked {
                let body = Self::imported(read_chunks(&mut lines)?.min(self.outlets_max));
                let head = format!("HTTP/1.1 200 X\r\ncontent-length: {}\r\n\r\n", body.len());
                out.write_all((head + &body).as_bytes()).ok()?;
                continue;
            }
            let mut body = vec![0; len];
            lines.read_exact(&mut body).ok()?;
            let body = serde_json::from_slice(&body).unwrap_or_default();
            let Answer(status, replayed, body) = self.answer(&path, pass.as_deref(), &body)?;
            let replayed = if replayed { "idempotent-replayed: true\r\n" } else { "" };
            let (body, len) = (body.to_string(), body.to_string().len());
            let head = format!("HTTP/1.1 {status} X\r\n{replayed}content-length: {len}\r\n\r\n");
            out.write_all((head + &body).as_bytes()).ok()?;
        }
    }
}

/// Reads a body in chunks; how many lines it has.
fn read_chunks(lines: &mut BufReader<TcpStream>) -> Option<usize> {
    let mut count = 0;
    loop {
        let mut size = String::new();
        lines.read_line(&mut size).ok()?;
        let size = usize::from_str_radix(size.trim(), 16).ok()?;
        let mut chunk = vec![0; size + 2];
        lines.read_exact(&mut chunk).ok()?;
        if size == 0 {
            return Some(count);
        }
        count += chunk[..size].iter().filter(|byte| **byte == b'\n').count();
    }
}

/// Starts the stand-in; it lives as long as the test's process.
fn start(plan: &Arc<FestivalPlan>) -> ServerAccess {
    start_with(plan, usize::MAX)
}

fn start_with(plan: &Arc<FestivalPlan>, outlets_max: usize) -> ServerAccess {
    let stand_in = Arc::new(StandIn {
        plan: Arc::clone(plan),
        codes: Codes::new(&[1; 32], 0),
        claims_seen: Mutex::default(),
        passes: Mutex::default(),
        orders: ordering::Orders::default(),
        outlets_max,
    });
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let stand_in = Arc::clone(&stand_in);
            std::thread::spawn(move || stand_in.serve(stream));
        }
    });
    ServerAccess { address, gates: Vec::new(), operator_key: "o".into(), app_key: "a".into() }
}

#[test]
fn a_crowd_keeps_its_books() {
    let plan = Arc::new(FestivalPlan::new(Scenario::reference(), 1, 3, 1e-4));
    let mut lines = 0;
    let result = run(&plan, &start(&plan), &mut Nobody, &mut |_| lines += 1).unwrap();
    let tally = &result.tally;
    for (op, counted) in Op::ALL.iter().zip(&tally.ops) {
        let answered = counted.acked + counted.replayed + counted.refused + counted.unknown;
        assert_eq!(counted.attempted, answered, "{}", op.name());
    }

    let users = 0..plan.users();
    let eligible: Vec<u32> =
        users.clone().filter(|user| plan.is_eligible(&plan.script(*user))).collect();
    let with = |wanted: Mood| eligible.iter().filter(|user| mood(**user) == wanted).count() as u64;
    // Everybody who may have a voucher has one, breaks and overload notwithstanding.
    // Those whose code never came hold an acknowledged claim all the same.
    let (waited, no_code) = (with(Mood::Waits), with(Mood::NeverACode));
    assert!(waited > 0 && no_code > 0 && with(Mood::Later) > 0 && with(Mood::Limited) > 0);
    assert_eq!(result.ledger.claimed_count(), eligible.len() as u64);
    assert_eq!(result.ledger.claims.len() as u64, eligible.len() as u64 - no_code);
    assert_eq!(tally.refusals[&(Op::Claim, "rate_limited")], with(Mood::Limited));
    // Two polls each, every time with the newest pass; a wait is none of a claim's attempts.
    assert!(!tally.refusals.contains_key(&(Op::Claim, "bad_request")), "{:?}", tally.refusals);
    assert_eq!((tally.waits.count(), tally.waits_within_bound), (waited, waited));
    assert_eq!(tally.estimates.count(), waited);
    assert!(tally.told_to_wait >= 2 * waited && tally.waits.ms_at(0.01) >= 6.0);
    assert!(tally.codes_later >= with(Mood::Later) + no_code);
    assert_eq!(tally.of(Op::Claim).acked, eligible.len() as u64);
    assert_eq!(tally.of(Op::Claim).unknown, with(Mood::BreaksOff));
    assert_eq!(tally.refusals[&(Op::Claim, "overloaded")], with(Mood::Overloaded));
    assert!(tally.refusals[&(Op::Claim, "not_eligible")] >= u64::from(plan.users()) / 50);
    // Repeats that were told of another voucher are seen.
    let lied_to = eligible.iter().filter(|user| mood(**user) == Mood::Lies);
    let repeats = lied_to.map(|user| plan.script(*user).repeats_after_us.len() as u64);
    assert_eq!(result.ledger.claims_different, repeats.sum::<u64>());

    // Whoever redeems does so once, with the voucher that the claim's answer named.
    assert_eq!(tally.of(Op::Redeem).acked, result.ledger.redemptions.len() as u64);
    assert!(result.ledger.redemptions.len() > eligible.len() / 2);
    assert!(result.ledger.redemptions.keys().all(|user| result.ledger.claims.contains_key(user)));
    assert!(tally.of(Op::Lock).acked > 0 && tally.of(Op::Rollback).acked > 0);

    let guesses = [Op::GuessLookUp, Op::GuessRedeem];
    let guessed: u64 = guesses.iter().map(|op| tally.of(*op).refused).sum();
    let expected: u64 = users.map(|user| 2 * u64::from(plan.script(user).guesses)).sum();
    assert_eq!((guessed, tally.guesses_found), (expected, 0));
    assert_eq!(tally.unsent, 0);
    let arrived: u64 = tally.buckets.iter().map(|bucket| bucket.arrivals).sum();
    assert_eq!(arrived, u64::from(plan.users()));
    assert!(lines > 0 && !result.money.is_empty());
}

#[test]
fn nobody_at_home_is_an_error() {
    let plan = Arc::new(FestivalPlan::new(Scenario::reference(), 1, 3, 1e-5));
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    drop(listener);
    let access =
        ServerAccess { address, gates: Vec::new(), operator_key: "o".into(), app_key: "a".into() };
    let error = run(&plan, &access, &mut Nobody, &mut |_| {}).expect_err("nobody listens");
    assert!(error.to_string().contains("connecting as operator"), "{error}");
}
