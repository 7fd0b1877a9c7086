//! `levee reconcile`: a provider's bill of a day beside the journal.
//!
//! | file | what is there |
//! |---|---|
//! | `books.rs` | payments and refunds as the journal has them |
//! | `compare.rs` | what differs, and what is to be done about it; pure |

mod books;
mod compare;

use std::fs::{self, File};
use std::io::BufReader;
use std::path::PathBuf;

use anyhow::{Context, Result, bail};
use jiff::civil::Date;
use levee_api::code::Codes;
use levee_api::types::NameHash;
use levee_pay::read_bill;
use serde::Serialize;

use crate::Ending;
use crate::secrets::Secrets;
use books::Books;
use compare::{Bill, Day, Difference, compare};

/// Exceptions that are shown; all are counted, and all are in the JSON.
const SHOWN_MAX: usize = 1_000;

#[derive(clap::Args)]
pub(crate) struct Args {
    /// The bill, as CSV in UTF-8 or GB18030: Alipay's of trades, WeChat Pay's trade bill, or Stripe's
    /// itemized balance changes.
    file: PathBuf,
    /// A data folder; a copy or a live server's will do.
    #[arg(long, value_name = "DIR", default_value = "levee-data")]
    data: PathBuf,
    /// The provider's section in the configuration [default: alipay, wechat or stripe, as the bill is].
    #[arg(long, value_name = "NAME")]
    provider: Option<String>,
    /// The bill's day, such as 2026-02-06 [default: that of its first line].
    #[arg(long, value_name = "DAY")]
    day: Option<Date>,
    /// Write the report as JSON, too.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

#[derive(Debug, Serialize)]
struct Report {
    provider: String,
    day: String,
    /// Of the lines about Levee's orders.
    #[serde(skip_serializing_if = "Option::is_none")]
    currency: Option<String>,
    paid_count: u64,
    refunded_count: u64,
    /// Lines of the bill that are about other software's payments.
    foreign_count: u64,
    exceptions: Vec<Difference>,
    /// Recorded so soon after midnight that the bill of the day before may have it.
    near_midnight: Vec<Difference>,
    ok: bool,
}

pub(crate) fn run(args: &Args) -> Result<Ending> {
    let codes = Codes::new(&Secrets::load(&args.data)?.code, 0);
    let (bill, day) = read(args, &codes).with_context(|| args.file.display().to_string())?;
    let name = args.provider.clone().unwrap_or_else(|| bill.of().name().to_owned());
    let provider = NameHash::of(&name);
    let span = day.span(bill.of());
    let orders = bill.orders();
    let books = beside_a_server(|| Books::read(&args.data, provider, &span, &orders))?;
    let show = |order| codes.payment(order);
    let (exceptions, near_midnight) = compare(&bill, &books, &span, &show);
    let report = Report {
        provider: name,
        day: day.to_string(),
        currency: bill.currency().map(|currency| currency.to_string()),
        paid_count: bill.paid_count(),
        refunded_count: bill.refunded_count(),
        foreign_count: bill.foreign_count(),
        ok: exceptions.is_empty(),
        exceptions,
        near_midnight,
    };
    if let Some(file) = &args.json {
        let json = serde_json::to_vec_pretty(&report)?;
        fs::write(file, json).with_context(|| format!("cannot write {}", file.display()))?;
    }
    print(&report);
    Ok(if report.ok { Ending::Good } else { Ending::Failed })
}

fn read(args: &Args, codes: &Codes) -> Result<(Bill, Day)> {
    let file = File::open(&args.file).context("cannot be opened")?;
    let mut bill = Bill::default();
    let mut day = args.day.map(Day);
    let of = read_bill(BufReader::new(file), |of, line| {
        let known = *day.get_or_insert_with(|| Day::of(of, line.at_s));
        if !known.span(of).holds_s(line.at_s) {
            bail!("line {} is not of {known}: a bill is of one day", line.place);
        }
        bill.add(of, line, codes);
        Ok(())
    })?;
    bill.ends(of);
    let day = day.context("it has no payments: say its --day")?;
    Ok((bill, day))
}

/// Beside a running server the end of the journal moves while it is read: what looks damaged is
/// looked at again.
fn beside_a_server(read: impl Fn() -> Result<Books>) -> Result<Books> {
    const LOOKS_MAX: u32 = 3;
    let mut looks = 1;
    loop {
        match read() {
            Err(error) if looks < LOOKS_MAX && error.is::<levee_journal::OpenError>() => looks += 1,
            read => return read,
        }
    }
}

fn print(report: &Report) {
    println!(
        "{} {}: {} paid and {} refunded in the bill{}, {} of others",
        report.provider,
        report.day,
        report.paid_count,
        report.refunded_count,
        report.currency.as_ref().map(|code| format!(" in {code}")).unwrap_or_default(),
        report.foreign_count
    );
    for exception in report.exceptions.iter().take(SHOWN_MAX) {
        println!("EXCEPTION {exception}");
    }
    if let hidden @ 1.. = report.exceptions.len().saturating_sub(SHOWN_MAX) {
        println!("... and {hidden} more: --json FILE has them all");
    }
    for note in report.near_midnight.iter().take(SHOWN_MAX) {
        println!("near midnight, look in the bill of the day before: {note}");
    }
    println!("{}", if report.ok { "reconciled" } else { "NOT reconciled" });
}
