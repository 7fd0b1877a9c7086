//! `cargo xtask peers`: Levee beside what it replaces, on one machine, in turns.
//!
//! Machines like these change their speed within seconds, so a figure by itself says little: every
//! round runs every system once, and what counts is Levee's ratio to each within a round. Each
//! system proves afterwards that it did the work: as many vouchers in its account as answers, one
//! a user, each paid for, and the log synced as stated.
//!
//! What the peers run is in `peers/`: they are tuned as for a contest that they should win.

mod contest;
mod http;
mod install;
mod levee;
mod machine;
mod options;
mod pipelined;
mod redis;
mod resp;
mod rounds;
mod scratch;
mod sites;
mod stacks;

use std::io::Write;
use std::path::Path;

use anyhow::{Context, Result};
use serde_json::{Value, json};

use crate::repo;
use crate::workspace::Workspace;
use contest::{Contest, Entry};
use levee::Levee;
use machine::Machine;
use options::Options;
use pipelined::Pipes;
use redis::{Redis, Sync};
use rounds::{Aim, Sample};
use scratch::Scratch;
use sites::{Account, Site, Trial};

const REDIS_ALWAYS: Aim = Aim { goal: 30.0, must: 15.0 };
const AXUM: Aim = Aim { goal: 2.0, must: 1.5 };
const NGINX: Aim = Aim { goal: 3.0, must: 2.0 };
const HELLO: Aim = Aim { goal: 0.75, must: 0.60 };

/// Connections to Redis and threads with which the axum peer is tried.
const AXUM_TRIALS: [(usize, usize); 5] = [(1, 1), (2, 1), (1, 2), (2, 2), (4, 2)];

pub(crate) fn run(arguments: impl IntoIterator<Item = String>) -> Result<()> {
    let Some(options) = options::parse(arguments)? else {
        println!("{}", options::HELP);
        return Ok(());
    };
    let root = repo::root()?;
    install::prepare(&root)?;
    let workspace = Workspace::load(&root)?;
    let binary = Levee::build(&root, &workspace)?;
    let axum = stacks::build_axum(&root, &workspace)?;

    let scratch = Scratch::new()?;
    let levee = Levee::new(binary, &scratch);
    let machine = Machine::look(&root, scratch.path());
    println!("{}", machine.line());
    let in_process = claims(&root, &scratch, &levee, &options)?;
    let mut trials = Vec::new();
    let (over_http, checked) = claims_over_http(
        &Place { root: &root, scratch: &scratch, axum: &axum },
        &levee,
        &options,
        &mut trials,
    )?;

    println!("\n{}\n\n{}\n{}", machine.line(), in_process.table(), over_http.table());
    println!("{checked}");
    if let Some(file) = &options.json {
        let figures = json!({
            "machine": machine.json(),
            "seconds": options.seconds,
            "contests": [in_process.json(), over_http.json()],
            "trials": trials.iter().map(trial_json).collect::<Vec<_>>(),
            "checked": checked,
        });
        let text = serde_json::to_string_pretty(&figures)?;
        std::fs::write(file, text).with_context(|| format!("write {}", file.display()))?;
    }
    Ok(())
}

/// Durable claims without HTTP.
fn claims(root: &Path, scratch: &Scratch, levee: &Levee<'_>, options: &Options) -> Result<Contest> {
    let mut always = Redis::start(root, scratch, "redis-always", Sync::Always)?;
    let mut everysec = Redis::start(root, scratch, "redis-everysec", Sync::EverySecond)?;
    println!("durable claims without HTTP: warm-up");
    let users = levee.users_for(options.length())?;
    for redis in [&mut always, &mut everysec] {
        pipelined::run(redis, Pipes::FEW, options.length() / 4)?;
    }
    let who = ["Levee", "always", "always+", "everysec"];
    let samples = play(options, &who, |system| match system {
        0 => levee.bench_claims(users),
        1 => pipelined::run(&mut always, Pipes::FEW, options.length()),
        2 => pipelined::run(&mut always, Pipes::AS_LEVEE, options.length()),
        _ => pipelined::run(&mut everysec, Pipes::FEW, options.length()),
    })?;
    let (few, many) = (Pipes::FEW, Pipes::AS_LEVEE);
    let names = [
        (format!("Levee, {} under way", pipelined::LEVEE_UNDER_WAY), None),
        (format!("Redis + Lua, always, {few}"), Some(REDIS_ALWAYS)),
        (format!("Redis + Lua, always, {many}"), Some(REDIS_ALWAYS)),
        (format!("Redis + Lua, everysec (may lose a second), {few}"), None),
    ];
    Ok(Contest {
        title: format!(
            "Durable claims a second, each by another user, without HTTP: median of {} rounds of \
             about {} s (Levee: {users} users)",
            options.rounds, options.seconds
        ),
        entries: entries(names, samples),
    })
}

fn show(trials: &[Trial]) {
    for trial in trials {
        let chosen = if trial.chosen { "  <- chosen" } else { "" };
        println!("  {:>9.0}/s  {}, {}{chosen}", trial.per_s, trial.name, trial.settings);
    }
}

/// What the stacks are started from.
struct Place<'a> {
    root: &'a Path,
    scratch: &'a Scratch,
    axum: &'a Path,
}

/// One claim a request, and what was found when counting again.
fn claims_over_http(
    place: &Place<'_>,
    levee: &Levee<'_>,
    options: &Options,
    trials: &mut Vec<Trial>,
) -> Result<(Contest, String)> {
    let Place { root, scratch, axum } = *place;
    let (running, address) = levee.serve()?;
    let ours = Site::open("Levee", running, address, Account::Levee)?;
    let (running, address) = levee.hello()?;
    let hello = Site::open("hyper hello", running, address, Account::Nobody)?;

    println!("claims over HTTP: the fastest settings of the peers");
    let trial = options.trial_length();
    let redis = Redis::start(root, scratch, "redis-nginx", Sync::Always)?;
    let cores = std::thread::available_parallelism().map_or(2, usize::from);
    let candidates = [1, cores.max(2)]
        .iter()
        .map(|workers| stacks::nginx(root, scratch, &redis, *workers))
        .collect::<Result<_>>()?;
    let nginx =
        Site::fastest(levee, "nginx + Lua + Redis always", redis, candidates, trial, trials)?;
    let redis = Redis::start(root, scratch, "redis-axum", Sync::Always)?;
    let candidates = AXUM_TRIALS
        .iter()
        .map(|(connections, threads)| stacks::axum(axum, scratch, &redis, *connections, *threads))
        .collect::<Result<_>>()?;
    let axum = Site::fastest(levee, "axum + Redis always", redis, candidates, trial, trials)?;
    show(trials);

    let mut sites = [ours, axum, nginx, hello];
    println!("claims over HTTP: warm-up");
    for site in &mut sites {
        site.run(levee, options.length() / 4)?;
    }
    let samples = play(options, &["Levee", "axum", "nginx", "hello"], |system| {
        sites[system].run(levee, options.length())
    })?;
    let aims = [None, Some(AXUM), Some(NGINX), Some(HELLO)];
    let mut checked = Vec::new();
    let mut names = Vec::new();
    for (site, aim) in sites.iter_mut().zip(aims) {
        if let Some(claims) = site.check_account()? {
            checked.push(format!("{claims} at {}", site.name));
        }
        names.push((site.name.clone(), aim));
    }
    let contest = Contest {
        title: format!(
            "Claims a second over HTTP, one a request, 256 keep-alive connections, each by another \
             user: median of {} rounds of {} s",
            options.rounds, options.seconds
        ),
        entries: entries(names, samples),
    };
    let checked = format!(
        "Counted again: as many vouchers as answers, one a user, each paid for ({}); in every \
         Redis the numbers have no gap and no double, and appendfsync is as stated.",
        checked.join(", ")
    );
    Ok((contest, checked))
}

/// Lets every system run once a round; returns the samples of each.
fn play(
    options: &Options,
    names: &[&str],
    mut run: impl FnMut(usize) -> Result<Sample>,
) -> Result<Vec<Vec<Sample>>> {
    let mut samples = vec![Vec::new(); names.len()];
    for round in 0..options.rounds {
        print!("round {}:", round + 1);
        for system in rounds::order(names.len(), round) {
            let sample = run(system)?;
            print!("  {} {:.0}", names[system], sample.per_s);
            // Shows progress, which is no reason to fail.
            let _ = std::io::stdout().flush();
            samples[system].push(sample);
        }
        println!();
    }
    Ok(samples)
}

fn entries(
    names: impl IntoIterator<Item = (String, Option<Aim>)>,
    samples: Vec<Vec<Sample>>,
) -> Vec<Entry> {
    let named = names.into_iter().zip(samples);
    named.map(|((name, aim), samples)| Entry { name, aim, samples }).collect()
}

fn trial_json(trial: &Trial) -> Value {
    json!({
        "name": trial.name,
        "settings": trial.settings,
        "per_s": trial.per_s,
        "chosen": trial.chosen,
    })
}
