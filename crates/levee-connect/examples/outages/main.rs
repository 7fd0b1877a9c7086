//! Outages in virtual time: the real rules, the real connectors and the sandbox's outlets and payment
//! provider in one thread, by a clock that goes on when everybody waits.
//!
//!     cargo run --release -p levee-connect --example outages
//!
//! Plays a town of a thousand outlets, of which one in a hundred each is a black hole, slow, or up and
//! down, beside the same town without faults, order by order; and a country in which a vendor of
//! 30,000 outlets is dark for forty minutes, without and with kills of everything of Levee's at random
//! moments. Fails where something that must hold does not.

mod cases;
mod crowd;
mod door;
#[cfg(test)]
mod forgetful;
mod judge;
mod play;
mod rules;
#[cfg(test)]
mod unpaid;

use std::process::ExitCode;
use std::time::Instant;

use judge::Judged;
use play::play;

/// How much is played.
struct Args {
    outlets: usize,
    dark: usize,
    seed: u64,
    kills: usize,
}

fn args() -> Result<Args, String> {
    let mut args = Args { outlets: 1_000, dark: 30_000, seed: 1, kills: 5 };
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        let value = words.next().ok_or_else(|| format!("{word} needs a number"))?;
        let value: usize = value.parse().map_err(|_| format!("{word} needs a number"))?;
        match word.as_str() {
            "--outlets" => args.outlets = value,
            "--dark" => args.dark = value,
            "--seed" => args.seed = value as u64,
            "--kills" => args.kills = value,
            _ => return Err(format!("{word} is not known: --outlets, --dark, --seed, --kills")),
        }
    }
    Ok(args)
}

fn main() -> ExitCode {
    let args = match args() {
        Ok(args) => args,
        Err(wrong) => {
            eprintln!("{wrong}");
            return ExitCode::from(2);
        }
    };
    let Args { outlets, dark, seed, kills } = args;
    println!("seed {seed}");
    let mut holds = true;
    let mut show = |title: &str, began: Instant, judged: Judged| {
        println!("\n{title} ({:.1} s)", began.elapsed().as_secs_f64());
        judged.lines.iter().for_each(|line| println!("  {line}"));
        holds &= judged.holds;
    };
    let began = Instant::now();
    let clean = play(&cases::town(outlets, seed, false));
    let plan = cases::town(outlets, seed, true);
    let faulty = play(&plan);
    show("A town with faults, beside itself without", began, judge::town(&plan, &clean, &faulty));
    for kills in [0, kills] {
        let began = Instant::now();
        let plan = cases::country(dark, seed, kills);
        let played = play(&plan);
        show(&format!("A vendor dark, {kills} kills"), began, judge::country(&plan, &played));
    }
    println!("\n{}", if holds { "GOOD: all that must hold does." } else { "MISSED: see above." });
    if holds { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
