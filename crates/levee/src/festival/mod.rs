//! `levee festival`: the reference day against a real server, in minutes; then an audit, a verdict
//! and a report.

mod killer;
mod players;
mod town;

use std::fs;
use std::io::{IsTerminal, Write, stderr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use levee_api::code::Codes;
use levee_api::pseudonym::PseudonymKey;
use levee_connect::sandbox::Profile;
use levee_drill::crowd::{
    self, CrowdResult, Nobody, Progress, ServerAccess, calibrate, progress_line,
};
use levee_drill::festival::outside::Outside as Account;
use levee_drill::festival::{Summary, judge};
use levee_drill::market::Kitchen;
use levee_drill::plan::FestivalPlan;
use levee_drill::report;
use levee_drill::scenario::Scenario;
use levee_journal::FileJournal;
use tokio::signal::unix::{SignalKind, signal};

use crate::Ending;
use crate::secrets::Secrets;
use crate::server::Server;
use killer::Killer;
use players::Players;
use town::{Outside, Town};

/// Real time from the start of the server to the first arrival: enough to make a campaign, and to
/// import so many outlets a second and start what stands beside.
const LEAD: Duration = Duration::from_millis(1_500);
const IMPORTED_PER_S: f64 = 3_000.0;

/// How long the machine is measured before the scale is chosen.
const CALIBRATION_S: f64 = 2.0;

/// Without a terminal, a progress line is printed this often.
const PLAIN_PROGRESS: Duration = Duration::from_secs(5);

#[derive(clap::Args)]
pub(crate) struct Args {
    /// A scenario file [default: the reference day, examples/lunar-new-year-2026.toml].
    scenario: Option<PathBuf>,
    /// Real seconds for the whole day.
    #[arg(long, default_value_t = 60, value_parser = clap::value_parser!(u32).range(1..=3_600))]
    seconds: u32,
    /// Share of the day's users, 0 to 1; auto: as large as this machine holds.
    #[arg(long, default_value = "auto", value_parser = parse_scale)]
    scale: Scale,
    /// Draws the crowd; the same seed draws the same crowd.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Write the facts as JSON.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Where to write the report.
    #[arg(long, value_name = "FILE.html", default_value = "festival.html")]
    report: PathBuf,
    /// A fresh data folder for the server, kept afterwards [default: a temporary one].
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Kill the engine so many times at random moments of the day, as a power cut would, and start it
    /// again. Requests may then go without an answer; nothing acknowledged may be lost or doubled.
    #[arg(long, default_value_t = 0, value_parser = clap::value_parser!(u32).range(0..=20))]
    kills: u32,
    /// Leave the server running at the end, after the report, until it is interrupted.
    #[arg(long)]
    stay: bool,
}

/// How large a share of the day is played.
#[derive(Clone, Copy)]
enum Scale {
    Auto,
    Share(f64),
}

fn parse_scale(text: &str) -> Result<Scale, String> {
    if text == "auto" {
        return Ok(Scale::Auto);
    }
    let share = text.parse().ok().filter(|share| *share > 0.0 && *share <= 1.0);
    share.map(Scale::Share).ok_or_else(|| "is auto, or a share above 0 and at most 1".to_owned())
}

pub(crate) fn run(args: &Args) -> Result<Ending> {
    let scenario = match &args.scenario {
        Some(file) => Scenario::load(file)?,
        None => Scenario::reference(),
    };
    let temporary = tempfile::Builder::new().prefix("levee-festival-").tempdir()?;
    let data = args.data.clone().unwrap_or_else(|| temporary.path().join("data"));
    ensure!(
        !FileJournal::exists(&data),
        "{} holds a journal already: a festival starts with a fresh folder",
        data.display()
    );
    let scale = match args.scale {
        Scale::Auto => auto_scale(&scenario, args, temporary.path())?,
        Scale::Share(share) => share,
    };
    let kitchen = kitchens(&scenario, args.seed);
    let plan = FestivalPlan::new(scenario, args.seconds, args.seed, scale);
    let plan = Arc::new(plan.with_outlets(&kitchen).with_kills(args.kills));
    ensure!(
        args.kills == 0 || !plan.scenario().gates.is_empty(),
        "--kills needs a scenario with gates: they stay while the engine is gone"
    );
    eprintln!(
        "{}: {} users, {:.3}% of the day, {:.0} times as fast, seed {}",
        plan.scenario().name,
        plan.users(),
        plan.scale() * 100.0,
        plan.speed(),
        plan.seed()
    );

    let speed = plan.speed().to_string();
    let outlets = plan.market().map_or(0, |market| market.outlets().len());
    let import_s = f64::from(u32::try_from(outlets)?) / IMPORTED_PER_S;
    let lead = LEAD + Duration::from_secs_f64(import_s);
    let clock = plan.clock_start(lead);
    let flags = ["--dev", "--log", "warn", "--speed", &speed];
    let outside = plan.market().map(|_| Outside::reserve()).transpose()?;
    let mut town = Town::start(&plan, outside.as_ref(), temporary.path(), &data, &flags, &clock)?;
    town.congest(&plan)?;
    let killer = match town.engine().filter(|_| args.kills > 0) {
        Some(engine) => Some(Killer::start(engine, &plan, clock, lead)?),
        None => None,
    };
    let access = town.access();
    let gone;
    let (result, account) = if let Some(outside) = outside {
        let scenario = args.scenario.clone();
        let mut players = Players::new(&plan, scenario, outside.sandbox, access.address.clone());
        let result = crowd::run(&plan, access, &mut players, &mut progress())?;
        eprintln!();
        gone = killer.map(Killer::finish).transpose()?.unwrap_or_default();
        // First the server: from then on both sides stay as they are.
        town.stop()?;
        let account = players.account()?;
        players.stop()?;
        (result, Some(account))
    } else {
        let result = crowd::run(&plan, access, &mut Nobody, &mut progress())?;
        eprintln!();
        gone = killer.map(Killer::finish).transpose()?.unwrap_or_default();
        town.stop()?;
        (result, None)
    };

    let mut summary = verdict(&result, account.as_ref(), &data)?;
    summary.kills = gone.iter().map(|gone| gone.as_secs_f64() * 1_000.0).collect();
    if let Some(file) = &args.json {
        write(file, &serde_json::to_vec_pretty(&summary)?)?;
    }
    write(&args.report, report::html(&summary).as_bytes())?;
    print!("{}", summary.text());
    println!("report: {}", args.report.display());
    if args.data.is_some() {
        println!("data: {}", data.display());
    }
    if args.stay {
        let clock = clock.to_string();
        let flags: Vec<&str> = flags.into_iter().chain(["--clock", &clock]).collect();
        stay(&data, &flags)?;
    }
    Ok(if summary.ok { Ending::Good } else { Ending::Failed })
}

/// How outlets' kitchens work, as the sandbox will play them.
fn kitchens(scenario: &Scenario, seed: u64) -> impl Fn(&str, &str) -> Kitchen + use<> {
    let kitchens = scenario.kitchens.clone();
    move |vendor: &str, id: &str| {
        // Where there are outlets and nobody says how they work, nobody orders, either.
        let Some(kitchens) = &kitchens else { return Kitchen { stations: 1, unit_ms: 60_000 } };
        let Profile { stations, unit_ms, .. } = Profile::of(kitchens, seed, vendor, id);
        Kitchen { stations, unit_ms }
    }
}

fn access(server: &Server) -> ServerAccess {
    ServerAccess {
        address: server.address.clone(),
        gates: Vec::new(),
        operator_key: "dev-operator".to_owned(),
        app_key: "dev-app".to_owned(),
    }
}

/// Measures the machine on a server of its own, so that the festival's journal holds the festival
/// alone.
fn auto_scale(scenario: &Scenario, args: &Args, folder: &Path) -> Result<f64> {
    eprintln!("measuring this machine for {CALIBRATION_S} s ...");
    let server = Server::start(&folder.join("warm-up"), &["--dev", "--log", "warn"])?;
    let capacity = calibrate(scenario, &access(&server), CALIBRATION_S)?;
    ensure!(server.stop()?.success(), "the server did not end well; what it said is above");
    eprintln!("it answers {capacity:.0} claims a second with the crowd beside it");
    let kitchen = kitchens(scenario, args.seed);
    Ok(FestivalPlan::scale_for(scenario, args.seconds, args.seed, capacity, &kitchen))
}

/// Audits the journal and compares what the crowd and those outside hold with what is in it.
fn verdict(result: &CrowdResult, account: Option<&Account>, data: &Path) -> Result<Summary> {
    let secrets = Secrets::load(data)?;
    let codes = Codes::new(&secrets.code, 0);
    let pseudonyms = PseudonymKey::new(&secrets.pseudonym);
    Ok(judge(result, data, &codes, &pseudonyms, account))
}

/// On a terminal a line that moves, otherwise a line now and then.
fn progress() -> impl FnMut(&Progress) {
    let terminal = stderr().is_terminal();
    let mut next = Instant::now();
    move |progress| {
        if terminal {
            eprint!("\r{}", progress_line(progress));
            // A lost progress line harms nobody.
            let _ = stderr().flush();
        } else if Instant::now() >= next {
            eprintln!("{}", progress_line(progress));
            next += PLAIN_PROGRESS;
        }
    }
}

/// Starts the server again on what the festival left, until it is interrupted or ended.
fn stay(data: &Path, flags: &[&str]) -> Result<()> {
    let server = Server::start(data, flags)?;
    println!("the server stays at http://{} until you interrupt it", server.address);
    // This process must outlive the interrupt, to take its temporary folder away.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        anyhow::Ok(())
    })?;
    server.stop()?;
    Ok(())
}

fn write(file: &Path, bytes: &[u8]) -> Result<()> {
    fs::write(file, bytes).with_context(|| format!("cannot write {}", file.display()))
}
