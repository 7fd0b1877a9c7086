//! Runs the commands of README.md as a reader would paste them.
//!
//! # The contract
//!
//! A fenced block marked `sh` is run when the line right above its fence is one of
//!
//! - `<!-- test: run -->`: the block is run.
//! - `<!-- test: serve -->`: the block's first command starts the server
//!   (`cargo run ... -- serve ...`, with or without a final `&`). It is started in the background;
//!   the rest runs once `/readyz` answers 200. Then the server gets SIGTERM and must end with
//!   status 0 within [`server::STOP_LIMIT`].
//!
//! For both:
//!
//! - The commands of one block run in one bash (`set -euo pipefail`), so variables carry over.
//!   Each must succeed. All of the block has [`script::LIMIT`] to finish.
//! - A line `# -> text` says that the output of the command above it contains `text`; several
//!   such lines may follow one command. Other comments say nothing.
//! - `cargo run ... --` becomes the binary that was built once, in debug mode; a bare `levee` is
//!   the same one. Lines that begin with `cargo xtask test` are left out, as that is what runs us.
//! - The working folder is a new one that links to the repository's tracked top-level entries: a
//!   command may name `examples/...`, and what it writes beside them is gone afterwards. Other
//!   cargo commands run in the repository itself.
//! - The README says port 8080. Where that is taken a free one is used, or the one that
//!   `LEVEE_README_PORT` names: `:8080` is replaced in the block, and the server gets `--listen`
//!   if its command has none.

mod block;
mod script;
mod server;

use std::collections::BTreeSet;
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use crate::process;
use crate::repo::Repo;
use crate::workspace::Workspace;
pub(crate) use block::cargo_run;
use block::{Block, Kind};

/// The port that the README is written with.
const PORT: u16 = 8080;

pub(crate) fn run() -> Result<()> {
    let repo = Repo::open()?;
    let text = repo.read("README.md")?;
    let blocks = block::blocks(&text)?;
    if blocks.is_empty() {
        bail!("README.md: no block is marked `<!-- test: serve -->` or `<!-- test: run -->`");
    }
    let workspace = Workspace::load(&repo.root)?;
    let binary = build(&repo.root, &workspace)?;
    for block in &blocks {
        let scratch = Scratch::new(&repo)?;
        run_block(block, &repo.root, &scratch.path, &binary)
            .with_context(|| format!("README.md:{}: this block does not work", block.line))?;
        println!("README.md:{}: {} commands work", block.line, block.commands.len());
    }
    Ok(())
}

/// Builds the program in debug mode and says where it is.
pub(crate) fn build(root: &Path, workspace: &Workspace) -> Result<PathBuf> {
    process::check(process::cargo(root).args(["build", "--quiet", "--package", "levee"]))?;
    let binary = workspace.target.join("debug").join("levee");
    if !binary.is_file() {
        bail!("{} was not built", binary.display());
    }
    Ok(binary)
}

fn run_block(block: &Block, root: &Path, scratch: &Path, binary: &Path) -> Result<()> {
    let place = script::Place { root, scratch, binary };
    match &block.kind {
        Kind::Run => script::run(&place, &block.commands),
        Kind::Serve(command) => {
            let port = port()?;
            let server = server::Server::start(&place, command, port)?;
            let commands: Vec<_> = block.commands.iter().map(|c| c.with_port(port)).collect();
            let done = script::run(&place, &commands);
            // The server is ended first, whatever became of the commands.
            let stopped = server.stop();
            done?;
            stopped
        }
    }
}

/// The port to use: the override, the README's own, or any that is free.
fn port() -> Result<u16> {
    if let Ok(port) = std::env::var("LEVEE_README_PORT") {
        return port.parse().with_context(|| format!("LEVEE_README_PORT={port} is no port"));
    }
    let free = |port| TcpListener::bind((Ipv4Addr::LOCALHOST, port));
    if free(PORT).is_ok() {
        return Ok(PORT);
    }
    let port = free(0).context("no port is free")?.local_addr()?.port();
    println!("port {PORT} is taken; using {port}");
    Ok(port)
}

/// A folder that links to the repository's top-level entries and is removed afterwards.
struct Scratch {
    path: PathBuf,
}

impl Scratch {
    fn new(repo: &Repo) -> Result<Scratch> {
        let now = std::time::UNIX_EPOCH.elapsed()?.as_nanos();
        let path = std::env::temp_dir().join(format!("levee-readme-{}-{now}", std::process::id()));
        std::fs::create_dir(&path).with_context(|| format!("create {}", path.display()))?;
        let scratch = Scratch { path };
        let entries: BTreeSet<&str> =
            repo.files.iter().filter_map(|path| path.split('/').next()).collect();
        for entry in entries.into_iter().filter(|entry| !entry.starts_with('.')) {
            std::os::unix::fs::symlink(repo.root.join(entry), scratch.path.join(entry))?;
        }
        Ok(scratch)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // Links are removed, not followed.
        if let Err(error) = std::fs::remove_dir_all(&self.path) {
            eprintln!("could not remove {}: {error}", self.path.display());
        }
    }
}
