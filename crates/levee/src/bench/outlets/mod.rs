//! `levee bench outlets`: an installation's outlets, imported, kept in a gate's directory, and
//! searched by place.

mod country;

use std::path::PathBuf;
use std::rc::Rc;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use bytes::Bytes;
use hyper::Method;
use levee_api::client::Client;
use levee_api::import::{ImportFormat, import};
use levee_api::types::{OutletId, OutletNo};
use levee_api::wire::ImportOutcome;
use levee_gate::outlets::Outlets;
use serde::Serialize;
use tokio::sync::mpsc::channel;

use super::load::Load;
use super::pace::Pace;
use super::{AckMs, latencies, per_s, report, resident_bytes};
use crate::Ending;
use crate::server::Server;
use country::{Country, Menus};

/// Outlets that a search is for.
const NEAR: usize = 20;

/// Pieces of the file that wait for the server.
const PIECES_WAITING_MAX: usize = 4;

/// Lines of one piece.
const LINES_A_PIECE: u32 = 64;

#[derive(clap::Args)]
pub(super) struct Args {
    /// How many outlets, each with ten items on its menu.
    #[arg(long, default_value_t = 300_000, value_parser = clap::value_parser!(u32).range(1..=300_000))]
    outlets: u32,
    /// Searches in process.
    #[arg(long, default_value_t = 100_000)]
    searches: u32,
    /// Length of the run of searches over HTTP.
    #[arg(long, default_value_t = 5.0)]
    seconds: f64,
    /// Keep-alive connections that search.
    #[arg(long, default_value_t = 32)]
    connections: usize,
    /// Where outlets and searches are.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Write the figures as JSON.
    #[arg(long, value_name = "FILE", num_args = 0..=1, default_missing_value = "-")]
    json: Option<PathBuf>,
}

#[derive(Debug, Serialize)]
struct Figures {
    outlets: u32,
    /// Chains share their menus, as they do.
    shared_menus: Directory,
    /// Every outlet has prices of its own.
    own_menus: Directory,
    http: Http,
}

/// A directory alone, in this process.
#[derive(Debug, Serialize)]
struct Directory {
    puts_per_s: f64,
    bytes_per_outlet: f64,
    searches_per_s: f64,
    /// One after another.
    search_ms: AckMs,
    /// For the nearest of one brand.
    search_of_brand_ms: AckMs,
}

/// A server with its journal, over HTTP.
#[derive(Debug, Serialize)]
struct Http {
    imports_per_s: f64,
    /// The same file again, of which nothing is written.
    unchanged_per_s: f64,
    /// Gate, engine and documents.
    server_bytes_per_outlet: f64,
    /// From the start of the server until a search is answered: journal read, directory filled.
    restart_s: f64,
    searches_per_s: f64,
    search_ms: AckMs,
}

pub(super) fn run(args: &Args) -> Result<Ending> {
    ensure!(args.seconds > 0.0 && args.connections > 0, "--seconds and --connections are above 0");
    let shared_menus = directory(args, Menus::OfBrands)?;
    let own_menus = directory(args, Menus::OfOutlets)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let http = runtime.block_on(over_http(args))?;
    let figures = Figures { outlets: args.outlets, shared_menus, own_menus, http };
    report(args.json.as_ref(), &figures, print)?;
    Ok(Ending::Good)
}

fn print(figures: &Figures) {
    for (name, directory) in
        [("shared menus", &figures.shared_menus), ("menus of their own", &figures.own_menus)]
    {
        println!(
            "directory of {} outlets with {name}: {:.0} puts/s, {:.0} bytes an outlet, {:.0} \
             searches/s",
            figures.outlets,
            directory.puts_per_s,
            directory.bytes_per_outlet,
            directory.searches_per_s
        );
        println!("a search for {NEAR} takes {}", directory.search_ms);
        println!("a search for {NEAR} of a brand takes {}", directory.search_of_brand_ms);
    }
    let http = &figures.http;
    println!(
        "over HTTP: {:.0} outlets/s imported, {:.0}/s unchanged, {:.0} bytes of the server an \
         outlet, restarted in {:.1} s",
        http.imports_per_s, http.unchanged_per_s, http.server_bytes_per_outlet, http.restart_s
    );
    println!("{:.0} searches/s, answered after {}", http.searches_per_s, http.search_ms);
}

/// Fills a directory and searches it.
fn directory(args: &Args, menus: Menus) -> Result<Directory> {
    let mut country = Country::new(args.seed, menus);
    let before = resident_bytes("self")?;
    let outlets = Outlets::default();
    let mut spent = Duration::ZERO;
    for number in 0..args.outlets {
        let document = country.document(number);
        let id = OutletId::new(&country::id(number)).expect("an id");
        let began = Instant::now();
        outlets.put(OutletNo(number), 1, id, &document)?;
        spent += began.elapsed();
    }
    ensure!(outlets.count() == args.outlets as usize, "an outlet is missing");
    let bytes = resident_bytes("self")?.saturating_sub(before);

    let mut search = |of_brand: bool| {
        let mut took = latencies();
        for _ in 0..args.searches {
            let brand = country.brand();
            let (place, brand) = (country.place(), of_brand.then_some(brand));
            let began = Instant::now();
            let found = outlets.near(place, brand, NEAR).len();
            took.record(u64::try_from(began.elapsed().as_micros())?.max(1))?;
            ensure!(found > 0 || args.outlets < 1_000, "a search found nothing");
        }
        anyhow::Ok(took)
    };
    let began = Instant::now();
    let all = search(false)?;
    let seconds = began.elapsed().as_secs_f64();
    let of_brand = search(true)?;
    Ok(Directory {
        puts_per_s: per_s(u64::from(args.outlets), spent.as_secs_f64()),
        bytes_per_outlet: super::each_of(bytes, args.outlets),
        searches_per_s: per_s(u64::from(args.searches), seconds),
        search_ms: AckMs::of(&all),
        search_of_brand_ms: AckMs::of(&of_brand),
    })
}

async fn over_http(args: &Args) -> Result<Http> {
    let folder = tempfile::tempdir()?;
    let server = Server::start(folder.path(), &["--dev", "--log", "warn"])?;
    let before = resident_bytes(&server.pid().to_string())?;
    let imports_per_s = import_all(args, &server.address, ImportOutcome::Created).await?;
    let unchanged_per_s = import_all(args, &server.address, ImportOutcome::Unchanged).await?;
    let bytes = resident_bytes(&server.pid().to_string())?.saturating_sub(before);
    server.stop()?;

    let began = Instant::now();
    let server = Server::start(folder.path(), &["--dev", "--log", "warn"])?;
    until_filled(&server.address).await?;
    let restart_s = began.elapsed().as_secs_f64();

    let mut load = Load::connect(&server.address, args.connections, "HTTP/1.1 200").await?;
    let country = Rc::new(std::cell::RefCell::new(Country::new(args.seed, Menus::OfBrands)));
    let host = server.address.clone();
    let search = move |out: &mut Vec<u8>| {
        let place = country.borrow_mut().place();
        let (lat, lng) = (place.lat.degrees(), place.lng.degrees());
        let request = format!(
            "GET /v1/outlets?near={lat},{lng}&limit={NEAR} HTTP/1.1\r\nHost: {host}\r\n\
             Authorization: Bearer dev-app\r\n\r\n"
        );
        out.extend_from_slice(request.as_bytes());
    };
    let length = Duration::from_secs_f64(args.seconds);
    load.run(Pace::closed(length / 4), &search).await?;
    let seen = load.run(Pace::closed(length), &search).await?;
    Ok(Http {
        imports_per_s,
        unchanged_per_s,
        server_bytes_per_outlet: super::each_of(bytes, args.outlets),
        restart_s,
        searches_per_s: seen.per_s(),
        search_ms: AckMs::of(&seen.latencies),
    })
}

/// Imports every outlet, each of which must have this outcome; outlets a second.
async fn import_all(args: &Args, address: &str, expected: ImportOutcome) -> Result<f64> {
    let mut country = Country::new(args.seed, Menus::OfBrands);
    let (sender, pieces) = channel(PIECES_WAITING_MAX);
    let count = args.outlets;
    let writer = tokio::task::spawn_blocking(move || {
        let mut number = 0;
        while number < count {
            let until = count.min(number + LINES_A_PIECE);
            let mut piece = Vec::new();
            for number in number..until {
                let mut document = country.document(number);
                document.id = Some(country::id(number));
                serde_json::to_writer(&mut piece, &document).expect("only string keys");
                piece.push(b'\n');
            }
            number = until;
            if sender.blocking_send(Ok(Bytes::from(piece))).is_err() {
                return;
            }
        }
    });
    let began = Instant::now();
    let (mut good, mut other) = (0_u64, None);
    import(address, "dev-operator", ImportFormat::Ndjson, pieces, |line| {
        if line.outcome == Some(expected) {
            good += 1;
        } else {
            other = Some(line);
        }
    })
    .await?;
    writer.await?;
    ensure!(good == u64::from(count), "{good} of {count} lines are {expected:?}; {other:?}");
    Ok(per_s(good, began.elapsed().as_secs_f64()))
}

/// Asks until a search is answered.
async fn until_filled(address: &str) -> Result<()> {
    let mut client = Client::connect(address, "dev-app").await?;
    let until = Instant::now() + Duration::from_secs(120);
    loop {
        let path = "/v1/outlets?near=31.2,121.4&limit=1";
        if client.send(Method::GET, path, &[], Bytes::new()).await?.status == 200 {
            return Ok(());
        }
        ensure!(Instant::now() < until, "the gate does not come to know its outlets");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}
