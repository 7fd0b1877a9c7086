//! `levee bench claims`: a generator in this process, the real engine, a real journal, and no reply
//! before its sync.

use std::path::PathBuf;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Instant;

use anyhow::{Context, Result, bail, ensure};
use levee_api::port::{Ask, AskBody, Deliver, Origin, Priority, Reply, Submit};
use levee_core::types::{
    CampaignId, CampaignNo, ChangeCampaignState, ClaimVoucher, Command, CreateCampaign, Direction,
    MoveBudget, Purpose, Reference, RequestKey, StateChange, UserKey,
};
use levee_engine::{Engine, EngineConfig, Keys, SystemClock};
use serde::Serialize;

use super::{AckMs, latencies, resident_bytes, write_json};
use crate::Ending;

#[derive(clap::Args)]
pub(super) struct Args {
    /// Distinct users, each claiming once.
    #[arg(long, default_value_t = 10_000_000)]
    users: u32,
    /// Claims handed over at a time, as a gate thread does once a turn.
    #[arg(long, default_value_t = 512)]
    vector: u32,
    /// Claims under way at most.
    #[arg(long, default_value_t = 16_384)]
    in_flight: u32,
    /// Where the journal is written [default: a temporary folder].
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Write the figures as JSON.
    #[arg(long, value_name = "FILE", num_args = 0..=1, default_missing_value = "-")]
    json: Option<PathBuf>,
}

#[derive(Debug, Serialize)]
struct Figures {
    users: u32,
    seconds: f64,
    claims_per_s: f64,
    ack_ms: AckMs,
    bytes_per_claim: f64,
    journal_bytes_per_claim: f64,
    records: u64,
}

/// What has been acknowledged.
struct Acked {
    count: Mutex<u64>,
    changed: Condvar,
    /// Replies are looked at by the generator's side, not on the engine's thread.
    replies: SyncSender<(Instant, Vec<(u64, Reply)>)>,
}

impl Deliver for Acked {
    fn deliver(&self, replies: Vec<(u64, Reply)>) {
        *self.count.lock().expect("nothing panics with it") += replies.len() as u64;
        self.changed.notify_one();
        // The receiver lives until all have come.
        let _ = self.replies.send((Instant::now(), replies));
    }
}

pub(super) fn run(args: &Args) -> Result<Ending> {
    ensure!(args.vector > 0 && args.in_flight >= args.vector, "--in-flight is below --vector");
    let temporary = tempfile::tempdir()?;
    let data = args.data.clone().unwrap_or_else(|| temporary.path().to_path_buf());
    let keys = Keys { pseudonym: &[1; 32], code: &[2; 32] };
    let mut config = EngineConfig::new(&data, [3; 16]);
    config.queue_capacity = args.in_flight as usize;
    let engine = Engine::start(&config, keys, |_| SystemClock)?;
    let (replies, received) = sync_channel(1 << 16);
    let acked = Arc::new(Acked { count: Mutex::new(0), changed: Condvar::new(), replies });
    let origin = engine.register(Arc::clone(&acked) as Arc<dyn Deliver>);
    let campaign = open_campaign(&engine, origin, &received, u64::from(args.users))?;
    *acked.count.lock().expect("nothing panics with it") = 0;

    let memory_before = resident_bytes("self")?;
    let journal_before = engine.vitals().journal_bytes.load(Relaxed);
    let records_before = engine.vitals().records.load(Relaxed);
    let started = Instant::now();
    let users = args.users;
    let watcher = std::thread::spawn(move || watch(&received, users, started));
    generate(args, &engine, origin, campaign, &acked, started)?;
    let (histogram, last) = watcher.join().expect("the watcher returns its errors")?;
    let seconds = last.duration_since(started).as_secs_f64();

    let memory = resident_bytes("self")?.saturating_sub(memory_before);
    let journal = engine.vitals().journal_bytes.load(Relaxed) - journal_before;
    let records = engine.vitals().records.load(Relaxed) - records_before;
    engine.stop()?;
    #[expect(clippy::cast_precision_loss, reason = "figures for people")]
    let each = |bytes: u64| bytes as f64 / f64::from(args.users);
    let figures = Figures {
        users: args.users,
        seconds,
        claims_per_s: f64::from(args.users) / seconds,
        ack_ms: AckMs::of(&histogram),
        bytes_per_claim: each(memory),
        journal_bytes_per_claim: each(journal),
        records,
    };
    if args.json.as_ref().is_some_and(|file| file.as_os_str() == "-") {
        println!("{}", serde_json::to_string_pretty(&figures)?);
        return Ok(Ending::Good);
    }
    write_json(args.json.as_ref(), &figures)?;
    println!(
        "{} users in {:.2} s: {:.0} durable claims/s in {} records",
        figures.users, figures.seconds, figures.claims_per_s, figures.records
    );
    let ack = figures.ack_ms;
    println!(
        "acknowledged after {:.3} ms (p50), {:.3} (p99), {:.3} (p999), {:.3} (max)",
        ack.p50, ack.p99, ack.p999, ack.max
    );
    println!(
        "{:.1} bytes of memory and {:.1} bytes of journal a claim",
        figures.bytes_per_claim, figures.journal_bytes_per_claim
    );
    Ok(Ending::Good)
}

/// A ticket carries when its vector was handed over: microseconds since the start.
fn generate(
    args: &Args,
    engine: &Engine,
    origin: Origin,
    campaign: CampaignNo,
    acked: &Acked,
    started: Instant,
) -> Result<()> {
    let mut asks = Vec::with_capacity(args.vector as usize);
    let mut user = 0_u32;
    while user < args.users {
        let until = args.users.min(user + args.vector);
        let arrived = Instant::now();
        let ticket = micros(arrived, started);
        for number in user..until {
            let claim = ClaimVoucher {
                campaign,
                terms_version: 1,
                conditions_met: 0,
                user: pseudonym(number),
                request: None,
            };
            let body = AskBody::Command(Command::ClaimVoucher(claim));
            asks.push(Ask { ticket, body });
        }
        let mut count = acked.count.lock().expect("nothing panics with it");
        while u64::from(until) > *count + u64::from(args.in_flight) {
            if let Some(fault) = engine.fault() {
                return Err(fault.into());
            }
            count = acked.changed.wait(count).expect("nothing panics with it");
        }
        drop(count);
        if let Err(failure) = engine.submit(origin, Priority::Claim, arrived, &mut asks) {
            bail!("the engine took no more: {failure:?}");
        }
        user = until;
    }
    Ok(())
}

/// Spreads numbers over all pseudonyms, as the keyed hash does (splitmix64, Steele et al. 2014).
fn pseudonym(number: u32) -> UserKey {
    let mix = |mut z: u64| {
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    };
    let seed = u64::from(number).wrapping_mul(0x9e37_79b9_7f4a_7c15).wrapping_add(1);
    let (head, tail) = (mix(seed), mix(!seed));
    UserKey((u128::from(head) << 64 | u128::from(tail)).to_le_bytes())
}

fn micros(at: Instant, started: Instant) -> u64 {
    u64::try_from(at.duration_since(started).as_micros()).unwrap_or(u64::MAX)
}

type Watched = Result<(hdrhistogram::Histogram<u64>, Instant)>;

/// Checks that every claim was granted, and notes when.
fn watch(
    received: &Receiver<(Instant, Vec<(u64, Reply)>)>,
    users: u32,
    started: Instant,
) -> Watched {
    let mut histogram = latencies();
    let mut left = users as usize;
    let mut last = started;
    while left > 0 {
        let (at, replies) = received.recv().context("the engine ended early")?;
        let now = micros(at, started);
        for (ticket, reply) in &replies {
            let Reply::Done { repeated: false, .. } = reply else {
                bail!("a claim was answered with {reply:?}");
            };
            histogram.record((now - ticket).max(1))?;
        }
        left -= replies.len();
        last = at;
    }
    Ok((histogram, last))
}

/// A campaign with a voucher of one fen for everyone.
fn open_campaign(
    engine: &Engine,
    origin: Origin,
    received: &Receiver<(Instant, Vec<(u64, Reply)>)>,
    users: u64,
) -> Result<CampaignNo> {
    let document = serde_json::json!({
        "id": "bench", "name": "Bench", "currency": "CNY",
        "opens_at": "2020-01-01T00:00:00Z", "closes_at": "2100-01-01T00:00:00Z",
        "voucher": {"kind": "amount_off", "face_minor": 1, "valid_for": "P7D"}
    });
    let definition = levee_api::document::compile_json(document.to_string().as_bytes())?;
    let id = CampaignId::new("bench").expect("a good id");
    let commands = [
        Command::CreateCampaign(Box::new(CreateCampaign {
            request: RequestKey([1; 16]),
            definition,
        })),
        Command::MoveBudget(MoveBudget {
            request: RequestKey([2; 16]),
            campaign: id.clone(),
            direction: Direction::Fund,
            purpose: Purpose::Vouchers,
            amount_minor: users,
            reference: Reference::new("bench").expect("short"),
        }),
        Command::ChangeCampaignState(ChangeCampaignState {
            request: RequestKey([3; 16]),
            campaign: id,
            change: StateChange::Open,
            reason: String::new(),
        }),
    ];
    for command in commands {
        let arrived = Instant::now();
        let body = AskBody::Command(command);
        let mut asks = vec![Ask { ticket: 0, body }];
        if let Err(failure) = engine.submit(origin, Priority::Status, arrived, &mut asks) {
            bail!("the engine took nothing: {failure:?}");
        }
        let (_, replies) = received.recv().context("the engine ended early")?;
        ensure!(matches!(replies[0].1, Reply::Done { .. }), "refused: {:?}", replies[0].1);
    }
    Ok(CampaignNo(0))
}
