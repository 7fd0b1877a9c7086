//! Outlets over real HTTP.

use std::time::{Duration, Instant};

use hyper::Method;
use levee_api::scenario::Dark;
use serde_json::{Value, json};

use super::levee::{Levee, Mood};
use super::{
    DAY_STARTS_AT_MS, Player, config, healthy, post_ticket, run, signed, ticket_body, until,
};
use crate::sandbox::{Class, Profile, Sandbox, SandboxConfig, Stats};

/// So many tickets at so many outlets; the counts when `done` says so.
async fn play(
    levee: &Levee,
    config: SandboxConfig,
    tickets: usize,
    done: impl Fn(&Stats) -> bool,
) -> (Stats, Vec<Value>) {
    let sandbox = Sandbox::start(config).expect("started");
    let mut player = Player::connect(&sandbox).await;
    for number in 0..tickets {
        let (outlet, ticket) = (format!("o-{}", number % 40), format!("tkt_{number}"));
        let raw = post_ticket(&mut player, "pos-a", &outlet, &ticket, 1).await;
        assert_eq!((raw.status, &raw.body[..]), (200, &br#"{"received":true}"#[..]));
    }
    until(|| done(&sandbox.stats())).await;
    let lines = player.lines("/tickets.ndjson").await;
    assert_eq!(levee.with(|seen| seen.unsigned), 0);
    (sandbox.shutdown(), lines)
}

#[test]
fn tickets_are_made_and_levee_is_told_each_step() {
    run(async {
        let levee = Levee::start().await;
        let (stats, lines) =
            play(&levee, healthy(&levee.url), 120, |stats| stats.tickets.collected == 120).await;
        let tickets = stats.tickets;
        assert_eq!((tickets.received, tickets.accepted, tickets.started), (120, 120, 120));
        assert_eq!((tickets.ready, tickets.cancelled, tickets.double_made), (120, 0, 0));
        assert_eq!(tickets.steps_sent, 480);
        assert_eq!(stats.kitchens.len(), 1);
        assert_eq!((stats.kitchens[0].class, stats.kitchens[0].outlets), (Class::Healthy, 40));
        // 120 tickets of one and a half units of about a minute.
        assert!((7_200_000..18_000_000).contains(&stats.kitchens[0].busy_ms), "{stats:?}");
        levee.with(|seen| {
            assert_eq!(seen.steps.len(), 120);
            for (ticket, steps) in &seen.steps {
                assert_eq!(*steps, ["accept", "start", "ready", "collect"], "{ticket}");
            }
        });
        assert_eq!(lines.len(), 120);
        for (number, line) in lines.iter().enumerate() {
            assert_eq!(
                *line,
                json!({
                    "ticket": format!("tkt_{number}"), "order": format!("ord_tkt_{number}"),
                    "vendor": "pos-a", "outlet_id": format!("o-{}", number % 40),
                    "version": 5, "state": "collected", "begun_count": 1, "made_count": 1,
                    "courier_at": null
                })
            );
        }
    });
}

#[test]
fn steps_are_said_again_until_levee_hears_them() {
    run(async {
        let levee = Levee::start().await;
        let bad = [Mood::Says(503), Mood::BreaksOff, Mood::Says(429), Mood::Says(500)];
        levee.with(|seen| seen.moods.extend(bad));
        let (stats, _) =
            play(&levee, healthy(&levee.url), 2, |stats| stats.tickets.collected == 2).await;
        assert_eq!((stats.tickets.steps_repeated, stats.tickets.refused), (4, 0));
        assert_eq!(stats.tickets.steps_sent, 12);
    });
}

#[test]
fn what_levee_takes_away_is_dropped() {
    run(async {
        let levee = Levee::start().await;
        for (ticket, step) in [("tkt_0", "accept"), ("tkt_1", "start"), ("tkt_2", "ready")] {
            levee.with(|seen| seen.taken.insert(ticket.to_owned(), step));
        }
        let over = |stats: &Stats| stats.tickets.cancelled == 3 && stats.tickets.collected == 1;
        let (stats, lines) = play(&levee, healthy(&levee.url), 4, over).await;
        assert_eq!((stats.tickets.made_for_nothing, stats.tickets.double_made), (1, 0));
        let of = |name: &str| lines.iter().map(|line| line[name].clone()).collect::<Vec<_>>();
        assert_eq!(of("state"), ["cancelled", "cancelled", "cancelled", "collected"]);
        assert_eq!(of("begun_count"), [0, 0, 1, 1]);
    });
}

#[test]
fn some_tickets_are_turned_down_and_some_never_looked_at() {
    run(async {
        let levee = Levee::start().await;
        let mut config = healthy(&levee.url);
        (config.kitchens.rejected, config.kitchens.ignored) = (0.3, 0.3);
        let over = |stats: &Stats| {
            let tickets = stats.tickets;
            tickets.rejected + tickets.ignored + tickets.collected == 60
        };
        let (stats, lines) = play(&levee, config, 60, over).await;
        assert!((8..=28).contains(&stats.tickets.rejected), "{stats:?}");
        assert!((8..=28).contains(&stats.tickets.ignored), "{stats:?}");
        let rejected = lines.iter().filter(|line| line["state"] == "rejected").count();
        assert_eq!(rejected as u64, stats.tickets.rejected);
        let told = |step: &str| {
            levee.with(|seen| seen.steps.values().filter(|steps| steps[0] == step).count() as u64)
        };
        assert_eq!(
            (told("reject"), told("accept")),
            (stats.tickets.rejected, stats.tickets.accepted)
        );
    });
}

#[test]
fn fates_do_not_depend_on_who_came_first() {
    run(async {
        let levee = Levee::start().await;
        let mut fates = Vec::new();
        for backwards in [false, true] {
            let mut config = healthy(&levee.url);
            config.kitchens.ignored = 0.5;
            // Nobody answers within the test: only who is ignored shows.
            config.kitchens.accept_after.median_s = 86_400.0;
            let sandbox = Sandbox::start(config).expect("started");
            let mut player = Player::connect(&sandbox).await;
            for number in 0..40 {
                let number = if backwards { 39 - number } else { number };
                post_ticket(&mut player, "pos-a", "o", &format!("tkt_{number}"), 1).await;
            }
            let mut lines = player.lines("/tickets.ndjson").await;
            lines.sort_by_key(|line| line["ticket"].to_string());
            fates.push(lines);
        }
        assert_eq!(fates[0], fates[1]);
        let ignored = fates[0].iter().filter(|line| line["state"] == "ignored").count();
        assert!((8..=32).contains(&ignored), "{ignored} of 40");
    });
}

/// An outlet of a class, under the seed of the tests.
fn outlet_of(config: &SandboxConfig, class: Class) -> String {
    let ids = (0..100_000).map(|number| format!("o-{number}"));
    let of_class =
        |id: &String| Profile::of(&config.kitchens, config.seed, "pos-a", id).class == class;
    ids.into_iter().find(of_class).expect("the scenario has some of each class")
}

#[test]
fn outlets_fail_in_their_own_way() {
    run(async {
        let levee = Levee::start().await;
        let mut config = config(&levee.url);
        (config.kitchens.rejected, config.kitchens.ignored) = (0.0, 0.0);
        config.kitchens.dark =
            vec![Dark { vendor: "dark".to_owned(), from_hour: 0.0, hours: 24.0 }];
        let outlet = |class| outlet_of(&config, class);
        let (slow, failing, hole, flapping) = (
            outlet(Class::Slow),
            outlet(Class::Failing),
            outlet(Class::BlackHole),
            outlet(Class::Flapping),
        );
        let sandbox = Sandbox::start(config).expect("started");
        let mut player = Player::connect(&sandbox).await;

        // Slow: the ticket is taken, and Levee told of it, before the answer is there.
        let asked = Instant::now();
        let mut patient = Player::connect(&sandbox).await;
        let late = post_ticket(&mut patient, "pos-a", &slow, "tkt_slow", 1);
        let made = until(|| levee.with(|seen| seen.steps.contains_key("tkt_slow")));
        let (raw, ()) = tokio::join!(late, made);
        assert_eq!(raw.status, 200);
        assert!(asked.elapsed() >= Duration::from_millis(500));

        let raw = post_ticket(&mut player, "pos-a", &failing, "tkt_f", 1).await;
        assert_eq!(raw.status, 500);

        // Black holes and dark vendors: connected, and no answer.
        for (vendor, outlet) in [("pos-a", hole.as_str()), ("dark", "o")] {
            let mut lost = Player::connect(&sandbox).await;
            let asked = post_ticket(&mut lost, vendor, outlet, "tkt_b", 1);
            let waited = tokio::time::timeout(Duration::from_millis(300), asked).await;
            assert!(waited.is_err(), "{vendor}/{outlet} answered");
        }

        // Flapping: both within a period, six minutes that take 360 ms here.
        let (mut up, mut down) = (0, 0);
        let mut number = 0;
        let since = Instant::now();
        while (up == 0 || down == 0) && since.elapsed() < Duration::from_secs(5) {
            number += 1;
            let ticket = format!("tkt_{number}");
            let raw = post_ticket(&mut player, "pos-a", &flapping, &ticket, 1).await;
            match raw.status {
                200 => up += 1,
                503 => down += 1,
                other => panic!("{other}"),
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        assert!(up > 0 && down > 0, "{up} times up, {down} times down");

        let stats = sandbox.shutdown();
        let requests = stats.requests;
        assert_eq!((requests.late, requests.failing, requests.silent), (1, 1, 2));
        assert_eq!(requests.down, down);
        // What failed or was never answered was not taken.
        assert_eq!(stats.tickets.received, 1 + up);
    });
}

#[test]
fn requests_are_taken_strictly() {
    run(async {
        let levee = Levee::start().await;
        let sandbox = Sandbox::start(healthy(&levee.url)).expect("started");
        let mut player = Player::connect(&sandbox).await;
        let path = "/pos/pos-a/o/tickets";
        let good = ticket_body("o", "tkt_1", 1);
        let change = |name: &str, value: Value| {
            let mut body = good.clone();
            body[name] = value;
            body.to_string()
        };

        // Nothing signed, another secret, another body than was signed.
        let raw = player.send(Method::POST, path, &[], good.to_string()).await;
        assert_eq!((raw.status, player.code(&raw)), (401, "unsigned".to_owned()));
        let other = levee_api::webhook::WebhookSecrets::from_bytes(&[1; 32]).expect("a secret");
        let headers = other.headers("msg_1", super::now_s(), good.to_string().as_bytes());
        assert_eq!(player.send(Method::POST, path, &headers, good.to_string()).await.status, 401);
        let headers = signed(&good.to_string());
        let changed = change("version", json!(2));
        assert_eq!(player.send(Method::POST, path, &headers, changed).await.status, 401);
        // And one that was sent too long ago.
        let secrets = crate::sandbox::Secrets::dev();
        let old = super::now_s() - 301;
        let headers = secrets.outlets.headers("msg_1", old, good.to_string().as_bytes());
        assert_eq!(player.send(Method::POST, path, &headers, good.to_string()).await.status, 401);

        for (body, field) in [
            (change("outlet_id", json!("p")), "outlet_id"),
            (change("ticket", json!("a b")), "ticket"),
            (change("order", json!("")), "order"),
            (change("version", json!(0)), "version"),
            (change("version", json!("1")), "version"),
            (change("work", json!(0)), "work"),
            (change("items", json!([])), "items"),
            (change("ready_at", json!("soon")), "ready_at"),
            (change("sugar", json!(1)), "sugar"),
        ] {
            let headers = signed(&body);
            let raw = player.send(Method::POST, path, &headers, body.clone()).await;
            let problem: Value = serde_json::from_slice(&raw.body).expect("a problem");
            assert_eq!((raw.status, &problem["field"]), (400, &json!(field)), "{body}");
        }
        let cancel = json!({"ticket": "tkt_2", "version": 1, "reason": "r"}).to_string();
        let headers = signed(&cancel);
        let path = "/pos/pos-a/o/tickets/tkt_1/cancel";
        assert_eq!(player.send(Method::POST, path, &headers, cancel).await.status, 400);
        let large = " ".repeat(70_000);
        let path = "/pos/pos-a/o/tickets";
        assert_eq!(player.send(Method::POST, path, &signed(&large), large).await.status, 413);
        let mut player = Player::connect(&sandbox).await;
        for path in ["/pos/pos-a/o", "/pos/pos-a/o!/tickets", "/", "/pos", "/tickets"] {
            let raw = player.send(Method::POST, path, &[], String::new()).await;
            assert_eq!(raw.status, 404, "{path}");
        }
        let stats = sandbox.shutdown();
        assert_eq!((stats.requests.unsigned, stats.tickets.received), (4, 0));
        assert_eq!(stats.requests.malformed, 11);
    });
}

#[test]
fn tickets_are_idempotent_and_cancellations_end_them() {
    run(async {
        let levee = Levee::start().await;
        let mut config = healthy(&levee.url);
        // An hour: nobody answers within the test.
        config.speed = 1.0;
        config.kitchens.accept_after.median_s = 3_600.0;
        let sandbox = Sandbox::start(config).expect("started");
        let mut player = Player::connect(&sandbox).await;
        for version in [2, 2, 1, 3] {
            assert_eq!(post_ticket(&mut player, "pos-a", "o", "tkt_1", version).await.status, 200);
        }
        let path = "/pos/pos-a/o/tickets/tkt_1/cancel";
        for version in [1, 4, 4] {
            let body = json!({"ticket": "tkt_1", "version": version, "reason": "r"}).to_string();
            let headers = signed(&body);
            assert_eq!(player.send(Method::POST, path, &headers, body).await.status, 200);
        }
        let at = sandbox.stats();
        assert_eq!(at.at.ms - DAY_STARTS_AT_MS, at.elapsed_ms);
        let stats = sandbox.shutdown().tickets;
        assert_eq!((stats.received, stats.repeated, stats.changed), (1, 4, 1));
        assert_eq!((stats.cancelled, stats.made_for_nothing), (1, 0));
    });
}

#[test]
fn thousands_of_tickets_at_once_are_one_task() {
    run(async {
        let levee = Levee::start().await;
        let sandbox = Sandbox::start(healthy(&levee.url)).expect("started");
        let mut players = tokio::task::JoinSet::new();
        for lane in 0..8 {
            let mut player = Player::connect(&sandbox).await;
            players.spawn(async move {
                for number in 0..250 {
                    let ticket = format!("tkt_{lane}_{number}");
                    let outlet = format!("o-{}", number * 8 + lane);
                    let raw = post_ticket(&mut player, "pos-a", &outlet, &ticket, 1).await;
                    assert_eq!(raw.status, 200);
                }
            });
        }
        players.join_all().await;
        until(|| sandbox.stats().tickets.collected == 2_000).await;
        let stats = sandbox.shutdown();
        assert_eq!((stats.tickets.steps_sent, stats.kitchens[0].outlets), (8_000, 2_000));
    });
}
