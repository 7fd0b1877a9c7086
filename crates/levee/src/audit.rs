//! `levee audit`: recount everything from the journal alone.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result};

use crate::Ending;

#[derive(clap::Args)]
pub(crate) struct Args {
    /// A data folder; a copy or a live server's will do.
    dir: PathBuf,
    /// Write the report as JSON, too.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

pub(crate) fn run(args: &Args) -> Result<Ending> {
    let report = levee_drill::audit::audit(&args.dir, &mut |_| {})?;
    if let Some(file) = &args.json {
        let json = serde_json::to_vec_pretty(&report)?;
        fs::write(file, json).with_context(|| format!("cannot write {}", file.display()))?;
    }
    print!("{report}");
    Ok(if report.ok { Ending::Good } else { Ending::Failed })
}
