//! `levee outlets`: outlets from files.

use std::fs::File;
use std::io::{self, IsTerminal, Read, stderr, stdin};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use bytes::Bytes;
use clap::{Subcommand, ValueEnum};
use levee_api::import::{ImportFormat, import};
use levee_api::wire::{ImportLineBody, ImportOutcome};
use serde::Serialize;
use tokio::sync::mpsc::{Receiver, Sender, channel};

use crate::Ending;
use crate::remote::{Server, block_on, print};

/// A file is read in pieces of this size.
const PIECE_LEN: usize = 64 * 1024;

/// Pieces that wait for the server; then reading does.
const PIECES_WAITING_MAX: usize = 4;

/// How often a terminal is told how far it is.
const PROGRESS_EVERY: Duration = Duration::from_millis(200);

/// Lines that failed and are shown; of the others only the number is.
const SHOWN_MAX: u64 = 100;

#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Cmd,
}

#[derive(Subcommand)]
enum Cmd {
    /// Make outlets of a file, or replace their documents; to run it again does what is missing.
    Import {
        /// NDJSON or CSV; `-` is the standard input.
        file: PathBuf,
        /// How it is written; by the file's extension, if absent.
        #[arg(long)]
        format: Option<Format>,
        /// Show the summary as JSON.
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        server: Server,
    },
}

#[derive(Clone, Copy, ValueEnum)]
enum Format {
    Ndjson,
    Csv,
}

impl From<Format> for ImportFormat {
    fn from(format: Format) -> Self {
        match format {
            Format::Ndjson => Self::Ndjson,
            Format::Csv => Self::Csv,
        }
    }
}

/// What became of a file.
#[derive(Debug, Default, Serialize)]
struct Summary {
    created: u64,
    replaced: u64,
    unchanged: u64,
    failed: u64,
    seconds: f64,
}

impl Summary {
    fn lines(&self) -> u64 {
        self.created + self.replaced + self.unchanged + self.failed
    }
}

pub(crate) fn run(args: &Args) -> Result<Ending> {
    let Cmd::Import { file, format, json, server } = &args.command;
    let format = match format {
        Some(format) => (*format).into(),
        None => format_of(file)?,
    };
    let summary = block_on(import_file(file, format, server))??;
    if *json {
        print(&summary)?;
    } else {
        let Summary { created, replaced, unchanged, failed, seconds } = &summary;
        println!(
            "{created} created, {replaced} replaced, {unchanged} unchanged, {failed} failed, in \
             {seconds:.1} s"
        );
    }
    Ok(if summary.failed == 0 { Ending::Good } else { Ending::Failed })
}

fn is_standard_input(file: &Path) -> bool {
    file.as_os_str() == "-"
}

fn format_of(file: &Path) -> Result<ImportFormat> {
    if is_standard_input(file) {
        bail!("say with --format how the standard input is written: ndjson or csv");
    }
    match file.extension().and_then(|extension| extension.to_str()) {
        Some("ndjson" | "jsonl") => Ok(ImportFormat::Ndjson),
        Some("csv") => Ok(ImportFormat::Csv),
        _ => bail!(
            "{}: the extension is not ndjson, jsonl or csv; say with --format how it is written",
            file.display()
        ),
    }
}

async fn import_file(file: &Path, format: ImportFormat, server: &Server) -> Result<Summary> {
    let input: Box<dyn Read + Send> = if is_standard_input(file) {
        Box::new(stdin())
    } else {
        let opened = File::open(file);
        Box::new(opened.with_context(|| format!("cannot read {}", file.display()))?)
    };
    let began = Instant::now();
    let mut summary = Summary::default();
    let mut progress = Progress { is_shown: stderr().is_terminal(), at: began };
    let each = |line: ImportLineBody| {
        progress.clear_before(&line);
        summary.count(&line);
        progress.show(&summary);
    };
    import(server.address(), server.key(), format, pieces(input), each).await?;
    progress.end();
    if summary.failed > SHOWN_MAX {
        eprintln!("... and {} more failed", summary.failed - SHOWN_MAX);
    }
    summary.seconds = began.elapsed().as_secs_f64();
    Ok(summary)
}

/// The file, read on a thread that may wait for a disk or a pipe.
fn pieces(mut input: Box<dyn Read + Send>) -> Receiver<io::Result<Bytes>> {
    let (sender, receiver): (Sender<io::Result<Bytes>>, _) = channel(PIECES_WAITING_MAX);
    tokio::task::spawn_blocking(move || {
        loop {
            let mut piece = vec![0; PIECE_LEN];
            let read = match input.read(&mut piece) {
                Ok(0) => return,
                Ok(len) => {
                    piece.truncate(len);
                    Ok(Bytes::from(piece))
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => Err(error),
            };
            let is_over = read.is_err();
            // Fails when the import has ended already.
            if sender.blocking_send(read).is_err() || is_over {
                return;
            }
        }
    });
    receiver
}

impl Summary {
    /// Counts a line, and says what is wrong with it if something is.
    fn count(&mut self, line: &ImportLineBody) {
        match line.outcome {
            Some(ImportOutcome::Created) => self.created += 1,
            Some(ImportOutcome::Replaced) => self.replaced += 1,
            Some(ImportOutcome::Unchanged) => self.unchanged += 1,
            None => {
                self.failed += 1;
                if self.failed <= SHOWN_MAX {
                    eprintln!("{}", complaint(line));
                }
            }
        }
    }
}

/// `line 7 (sh-001): menu[1].work: ...`
fn complaint(line: &ImportLineBody) -> String {
    let place = if line.line == 0 { "the file".to_owned() } else { format!("line {}", line.line) };
    let id = line.id.as_ref().map_or(String::new(), |id| format!(" ({id})"));
    let Some(problem) = &line.problem else { return format!("{place}{id}: {}", line.status) };
    let field = problem.field.as_ref().map_or(String::new(), |field| format!("{field}: "));
    let detail = problem.detail.as_ref().unwrap_or(&problem.title);
    format!("{place}{id}: {field}{detail}")
}

/// One line of a terminal that says how far it is.
struct Progress {
    is_shown: bool,
    at: Instant,
}

impl Progress {
    fn show(&mut self, summary: &Summary) {
        if self.is_shown && self.at.elapsed() >= PROGRESS_EVERY {
            self.at = Instant::now();
            eprint!("\r{} outlets, {} failed ", summary.lines(), summary.failed);
        }
    }

    /// Complaints have lines of their own.
    fn clear_before(&self, line: &ImportLineBody) {
        if self.is_shown && line.outcome.is_none() {
            self.end();
        }
    }

    fn end(&self) {
        if self.is_shown {
            eprint!("\r\x1b[K");
        }
    }
}
