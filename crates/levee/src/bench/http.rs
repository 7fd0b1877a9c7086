//! `levee bench http`: one claim a request over keep-alive connections, in turns with a bare hyper
//! hello in the same run, because these figures mean little without the machine's mood.

use std::cell::Cell;
use std::convert::Infallible;
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::Command;
use std::rc::Rc;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response};
use hyper_util::rt::TokioIo;
use levee_api::client::Client;
use serde::Serialize;

use super::against::{write_claim, write_hello};
use super::load::{Load, Seen};
use super::pace::Pace;
use super::{AckMs, Stolen, cpu_us, latencies, median, report, resident_bytes};
use crate::Ending;
use crate::server::Server;

#[derive(clap::Args)]
pub(super) struct Args {
    /// Keep-alive connections.
    #[arg(long, default_value_t = 256)]
    connections: usize,
    /// Pairs of runs, in the order ABBA.
    #[arg(long, default_value_t = 5)]
    pairs: u32,
    /// Length of one run.
    #[arg(long, default_value_t = 2.0)]
    seconds: f64,
    /// Write the figures as JSON.
    #[arg(long, value_name = "FILE", num_args = 0..=1, default_missing_value = "-")]
    json: Option<PathBuf>,
}

#[derive(Debug, Serialize)]
struct Figures {
    connections: usize,
    claims_per_s: f64,
    hello_per_s: f64,
    /// Median of the pairs' ratios.
    share_of_hello: f64,
    shares: Vec<f64>,
    ack_ms: AckMs,
    /// At half of the claims a second, counted from when each should have gone out.
    half_load_ms: AckMs,
    /// The p99 of each run at that load, and the median of them: a pause, whoever's it is, spoils one
    /// run, and shows in `half_load_ms`, which is of all of them.
    half_load_p99s_ms: Vec<f64>,
    half_load_p99_median_ms: f64,
    hello_ms: AckMs,
    /// At as many a second as claims in `half_load_ms`: what the machine itself takes.
    hello_at_that_load_ms: AckMs,
    /// Processor time of both ends for one request, in microseconds.
    cpu_us_per_claim: CpuUs,
    cpu_us_per_claim_at_half_load: CpuUs,
    cpu_us_per_hello: CpuUs,
    /// Share of the processors' time that the host kept to itself in the runs with claims, and in
    /// those at half load: whoever waited then waited for the machine.
    stolen_share: f64,
    stolen_share_at_half_load: f64,
    bytes_per_claim: f64,
    journal_bytes_per_claim: f64,
}

/// Processor time: less moody than what passes on the wall clock.
#[derive(Clone, Copy, Debug, Default, Serialize)]
struct CpuUs {
    server: f64,
    generator: f64,
}

pub(super) fn run(args: &Args) -> Result<Ending> {
    ensure!(args.pairs > 0 && args.seconds > 0.0, "--pairs and --seconds must be above 0");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let figures = runtime.block_on(measure(args))?;
    report(args.json.as_ref(), &figures, print)?;
    Ok(Ending::Good)
}

fn print(figures: &Figures) {
    println!(
        "{:.0} claims/s over {} connections, {:.0} hello/s: {:.2} of a bare hyper hello",
        figures.claims_per_s, figures.connections, figures.hello_per_s, figures.share_of_hello
    );
    for (name, ms) in [
        ("acknowledged", figures.ack_ms),
        ("acknowledged at half of that load", figures.half_load_ms),
        ("hello", figures.hello_ms),
        ("hello at half of the claims' load", figures.hello_at_that_load_ms),
    ] {
        println!("{name} after {ms}");
    }
    for (name, us) in [
        ("claim", figures.cpu_us_per_claim),
        ("claim at half of that load", figures.cpu_us_per_claim_at_half_load),
        ("hello", figures.cpu_us_per_hello),
    ] {
        println!(
            "a {name} takes {:.1} us of the server, {:.1} of the generator",
            us.server, us.generator
        );
    }
    println!(
        "p99 at half of that load by runs: {:.1?}, median {:.1} ms",
        figures.half_load_p99s_ms, figures.half_load_p99_median_ms
    );
    println!(
        "the machine's host kept {:.1}% of the processors' time, {:.1}% at half of that load",
        figures.stolen_share * 100.0,
        figures.stolen_share_at_half_load * 100.0
    );
    println!(
        "{:.1} bytes of memory and {:.1} bytes of journal a claim",
        figures.bytes_per_claim, figures.journal_bytes_per_claim
    );
}

async fn measure(args: &Args) -> Result<Figures> {
    let folder = tempfile::tempdir()?;
    let levee = Server::start(folder.path(), &["--dev", "--log", "warn"])?;
    let mut hello = Command::new(std::env::current_exe()?);
    hello.args(["bench", "hello"]);
    let hello = Server::spawn(hello)?;
    open_campaign(&levee.address, 100_000_000).await?;

    let mut claims = Load::connect(&levee.address, args.connections, "HTTP/1.1 201").await?;
    let mut hellos = Load::connect(&hello.address, args.connections, "HTTP/1.1 200").await?;
    let user = Rc::new(Cell::new(0_u64));
    let host = levee.address.clone();
    let claim = move |out: &mut Vec<u8>| {
        let number = user.get();
        user.set(number + 1);
        write_claim(out, &host, number);
    };
    let host = hello.address.clone();
    let greet = move |out: &mut Vec<u8>| write_hello(out, &host);

    let length = Duration::from_secs_f64(args.seconds);
    // A run of each to warm up: connections, caches, the first pages.
    claims.run(Pace::closed(length / 4), &claim).await?;
    hellos.run(Pace::closed(length / 4), &greet).await?;
    let memory_before = resident_bytes(&levee.pid().to_string())?;
    let journal_before = journal_bytes(&levee.address).await?;
    let (mut with_claims, mut with_hello) = (Runs::of(&levee), Runs::of(&hello));
    for pair in 0..args.pairs {
        if pair % 2 == 0 {
            with_claims.add(claims.run(Pace::closed(length), &claim)).await?;
            with_hello.add(hellos.run(Pace::closed(length), &greet)).await?;
        } else {
            with_hello.add(hellos.run(Pace::closed(length), &greet)).await?;
            with_claims.add(claims.run(Pace::closed(length), &claim)).await?;
        }
    }
    let memory = resident_bytes(&levee.pid().to_string())?.saturating_sub(memory_before);
    let journal = journal_bytes(&levee.address).await? - journal_before;
    let pairs = with_claims.seen.iter().zip(&with_hello.seen);
    let shares: Vec<f64> = pairs.map(|(claims, hello)| claims.per_s() / hello.per_s()).collect();
    #[expect(clippy::cast_precision_loss, reason = "figures for people")]
    let each = |bytes: u64| bytes as f64 / with_claims.answers();
    let claims_per_s = with_claims.per_s();
    let (mut at_half, mut hello_there) = (Runs::of(&levee), Runs::of(&hello));
    for _ in 0..args.pairs {
        at_half.add(claims.run(Pace::open(length, claims_per_s / 2.0), &claim)).await?;
        hello_there.add(hellos.run(Pace::open(length, claims_per_s / 2.0), &greet)).await?;
    }
    let half_load_p99s_ms = at_half.p99s_ms();
    Ok(Figures {
        connections: args.connections,
        claims_per_s,
        hello_per_s: with_hello.per_s(),
        share_of_hello: median(shares.clone()),
        shares,
        ack_ms: with_claims.latencies()?,
        half_load_ms: at_half.latencies()?,
        half_load_p99_median_ms: median(half_load_p99s_ms.clone()),
        half_load_p99s_ms,
        hello_ms: with_hello.latencies()?,
        hello_at_that_load_ms: hello_there.latencies()?,
        cpu_us_per_claim: with_claims.cpu_us(),
        cpu_us_per_claim_at_half_load: at_half.cpu_us(),
        cpu_us_per_hello: with_hello.cpu_us(),
        stolen_share: with_claims.stolen.share(),
        stolen_share_at_half_load: at_half.stolen.share(),
        bytes_per_claim: each(memory),
        journal_bytes_per_claim: each(journal),
    })
}

/// Runs against one server.
struct Runs {
    server: String,
    seen: Vec<Seen>,
    /// Of all of them.
    cpu_us: CpuUs,
    stolen: Stolen,
}

impl Runs {
    fn of(server: &Server) -> Self {
        let server = server.pid().to_string();
        Self { server, seen: Vec::new(), cpu_us: CpuUs::default(), stolen: Stolen::default() }
    }

    async fn add(&mut self, run: impl Future<Output = Result<Seen>>) -> Result<()> {
        let server = self.server.clone();
        let so_far = || anyhow::Ok((cpu_us(&server)?, cpu_us("self")?, Stolen::so_far()?));
        let before = so_far()?;
        self.seen.push(run.await?);
        let after = so_far()?;
        self.cpu_us.server += after.0 - before.0;
        self.cpu_us.generator += after.1 - before.1;
        self.stolen.add(before.2, after.2);
        Ok(())
    }

    fn answers(&self) -> f64 {
        #[expect(clippy::cast_precision_loss, reason = "a figure for people")]
        let answers = self.seen.iter().map(|seen| seen.answers).sum::<u64>() as f64;
        answers
    }

    /// The median run's.
    fn per_s(&self) -> f64 {
        median(self.seen.iter().map(Seen::per_s).collect())
    }

    fn cpu_us(&self) -> CpuUs {
        let CpuUs { server, generator } = self.cpu_us;
        CpuUs { server: server / self.answers(), generator: generator / self.answers() }
    }

    fn p99s_ms(&self) -> Vec<f64> {
        self.seen.iter().map(|seen| AckMs::of(&seen.latencies).p99).collect()
    }

    fn latencies(&self) -> Result<AckMs> {
        let mut all = latencies();
        for run in &self.seen {
            all.add(&run.latencies)?;
        }
        Ok(AckMs::of(&all))
    }
}

async fn journal_bytes(address: &str) -> Result<u64> {
    let mut client = Client::connect(address, "dev-operator").await?;
    let raw = client.send(Method::GET, "/metrics", &[], Bytes::new()).await?;
    let text = String::from_utf8(raw.body.to_vec())?;
    let name = "levee_engine_journal_bytes_total ";
    let value = text.lines().find_map(|line| line.strip_prefix(name));
    let value = value.with_context(|| format!("no {name}in /metrics"))?;
    Ok(value.trim().parse()?)
}

/// A campaign named `bench` with a budget for so many vouchers, open.
pub(super) async fn open_campaign(address: &str, vouchers: u32) -> Result<()> {
    let mut client = Client::connect(address, "dev-operator").await?;
    let document = serde_json::json!({
        "id": "bench", "name": "Bench", "currency": "CNY",
        "opens_at": "2020-01-01T00:00:00Z", "closes_at": "2100-01-01T00:00:00Z",
        "voucher": {"kind": "amount_off", "face_minor": 1, "valid_for": "P7D"}
    });
    let budget = serde_json::json!({"amount_minor": vouchers, "reference": "bench"});
    for (path, body) in [
        ("/v1/campaigns", document),
        ("/v1/campaigns/bench/fund", budget),
        ("/v1/campaigns/bench/open", serde_json::json!({})),
    ] {
        client.post(path, Some(path), &body).await?.json::<serde_json::Value>()?;
    }
    Ok(())
}

/// A server that does nothing but answer, with as many threads as a gate has.
pub(super) fn hello() -> Result<Ending> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    listener.set_nonblocking(true)?;
    println!("hello listens on http://{}", listener.local_addr()?);
    let workers = levee_gate::GateConfig::default().workers;
    let threads: Vec<_> = (0..workers)
        .map(|_| {
            let listener = listener.try_clone()?;
            anyhow::Ok(std::thread::spawn(move || serve_hello(listener)))
        })
        .collect::<Result<_>>()?;
    for thread in threads {
        thread.join().expect("the thread returns its errors")?;
    }
    Ok(Ending::Good)
}

fn serve_hello(listener: TcpListener) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let local = tokio::task::LocalSet::new();
    local.block_on(&runtime, async {
        let listener = tokio::net::TcpListener::from_std(listener)?;
        loop {
            let (stream, _) = listener.accept().await?;
            stream.set_nodelay(true)?;
            let service = service_fn(|_: Request<Incoming>| async {
                Ok::<_, Infallible>(Response::new(Full::new(Bytes::from_static(b"hello"))))
            });
            // A connection ends when its client wants; how is nobody's business here.
            let connection = http1::Builder::new()
                .pipeline_flush(true)
                .serve_connection(TokioIo::new(stream), service);
            tokio::task::spawn_local(async move {
                let _ = connection.await;
            });
        }
    })
}
