//! `levee bench http`: one claim a request over keep-alive connections, in turns with a bare hyper
//! hello in the same run, because these figures mean little without the machine's mood.

use std::cell::Cell;
use std::convert::Infallible;
use std::io::Write;
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

use super::load::{Load, Seen};
use super::{AckMs, latencies, resident_bytes, write_json};
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
    hello_ms: AckMs,
    bytes_per_claim: f64,
    journal_bytes_per_claim: f64,
}

pub(super) fn run(args: &Args) -> Result<Ending> {
    ensure!(args.pairs > 0 && args.seconds > 0.0, "--pairs and --seconds must be above 0");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let figures = runtime.block_on(measure(args))?;
    if args.json.as_ref().is_some_and(|file| file.as_os_str() == "-") {
        println!("{}", serde_json::to_string_pretty(&figures)?);
        return Ok(Ending::Good);
    }
    write_json(args.json.as_ref(), &figures)?;
    println!(
        "{:.0} claims/s over {} connections, {:.0} hello/s: {:.2} of a bare hyper hello",
        figures.claims_per_s, figures.connections, figures.hello_per_s, figures.share_of_hello
    );
    for (name, ms) in [("acknowledged", figures.ack_ms), ("hello", figures.hello_ms)] {
        println!(
            "{name} after {:.3} ms (p50), {:.3} (p99), {:.3} (p999), {:.3} (max)",
            ms.p50, ms.p99, ms.p999, ms.max
        );
    }
    println!(
        "{:.1} bytes of memory and {:.1} bytes of journal a claim",
        figures.bytes_per_claim, figures.journal_bytes_per_claim
    );
    Ok(Ending::Good)
}

async fn measure(args: &Args) -> Result<Figures> {
    let folder = tempfile::tempdir()?;
    let levee = Server::start(folder.path(), &["--dev", "--log", "warn"])?;
    let mut hello = Command::new(std::env::current_exe()?);
    hello.args(["bench", "hello"]);
    let hello = Server::spawn(hello)?;
    open_campaign(&levee.address).await?;

    let mut claims = Load::connect(&levee.address, args.connections, "HTTP/1.1 201").await?;
    let mut hellos = Load::connect(&hello.address, args.connections, "HTTP/1.1 200").await?;
    let user = Rc::new(Cell::new(0_u64));
    let host = levee.address.clone();
    let claim = move |out: &mut Vec<u8>| {
        let number = user.get();
        user.set(number + 1);
        let body = format!("{{\"user_id\":\"user-{number:012}\"}}");
        let written = write!(
            out,
            "POST /v1/campaigns/bench/claims HTTP/1.1\r\nhost: {host}\r\nauthorization: Bearer \
             dev-app\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        );
        written.expect("writing to memory");
    };
    let host = hello.address.clone();
    let greet = move |out: &mut Vec<u8>| {
        let written = write!(out, "GET / HTTP/1.1\r\nhost: {host}\r\n\r\n");
        written.expect("writing to memory");
    };

    let length = Duration::from_secs_f64(args.seconds);
    // A run of each to warm up: connections, caches, the first pages.
    claims.run(length / 4, &claim).await?;
    hellos.run(length / 4, &greet).await?;
    let memory_before = resident_bytes(&levee.pid().to_string())?;
    let journal_before = journal_bytes(&levee.address).await?;
    let (mut with_claims, mut with_hello) = (Vec::new(), Vec::new());
    for pair in 0..args.pairs {
        if pair % 2 == 0 {
            with_claims.push(claims.run(length, &claim).await?);
            with_hello.push(hellos.run(length, &greet).await?);
        } else {
            with_hello.push(hellos.run(length, &greet).await?);
            with_claims.push(claims.run(length, &claim).await?);
        }
    }
    let memory = resident_bytes(&levee.pid().to_string())?.saturating_sub(memory_before);
    let journal = journal_bytes(&levee.address).await? - journal_before;
    let answers: u64 = with_claims.iter().map(|seen| seen.answers).sum();
    let shares: Vec<f64> =
        with_claims.iter().zip(&with_hello).map(|(a, b)| a.per_s() / b.per_s()).collect();
    #[expect(clippy::cast_precision_loss, reason = "figures for people")]
    let each = |bytes: u64| bytes as f64 / answers as f64;
    Ok(Figures {
        connections: args.connections,
        claims_per_s: median(with_claims.iter().map(Seen::per_s).collect()),
        hello_per_s: median(with_hello.iter().map(Seen::per_s).collect()),
        share_of_hello: median(shares.clone()),
        shares,
        ack_ms: merged(&with_claims)?,
        hello_ms: merged(&with_hello)?,
        bytes_per_claim: each(memory),
        journal_bytes_per_claim: each(journal),
    })
}

fn merged(runs: &[Seen]) -> Result<AckMs> {
    let mut all = latencies();
    for run in runs {
        all.add(&run.latencies)?;
    }
    Ok(AckMs::of(&all))
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
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

async fn open_campaign(address: &str) -> Result<()> {
    let mut client = Client::connect(address, "dev-operator").await?;
    let document = serde_json::json!({
        "id": "bench", "name": "Bench", "currency": "CNY",
        "opens_at": "2020-01-01T00:00:00Z", "closes_at": "2100-01-01T00:00:00Z",
        "voucher": {"kind": "amount_off", "face_minor": 1, "valid_for": "P7D"}
    });
    let budget = serde_json::json!({"amount_minor": 100_000_000, "reference": "bench"});
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
