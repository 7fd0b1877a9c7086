//! `cargo xtask tidy`: the project's own rules.
//!
//! Each rule is a function that returns its findings, `path:line: what is wrong, and what to do`;
//! it fails with an error only where it could not look at all.

mod commands;
mod imports;
mod links;
mod source;
mod words;

use anyhow::{Result, bail};

use crate::repo::{Finding, Repo};
use crate::workspace::Workspace;

/// What the rules look at.
struct Project {
    repo: Repo,
    workspace: Workspace,
}

type Rule = fn(&Project) -> Result<Vec<Finding>>;

/// All rules, with the names under which they report.
const RULES: &[(&str, Rule)] = &[
    ("imports: as in ARCHITECTURE.md", imports::as_in_the_table),
    ("imports: the audit has rules of its own", imports::audit_is_independent),
    ("documents: cargo commands exist", commands::cargo_commands_exist),
    ("documents: levee commands exist", commands::levee_commands_exist),
    ("documents: links lead to files", links::lead_to_files),
    ("source: file length", source::file_length),
    ("source: the core is no_std", source::core_is_no_std),
    ("source: no unsafe", source::no_unsafe),
    ("words: what must not be committed", words::forbidden),
];

pub(crate) fn run() -> Result<()> {
    let repo = Repo::open()?;
    let workspace = Workspace::load(&repo.root)?;
    let project = Project { repo, workspace };
    let mut count = 0;
    for (name, rule) in RULES {
        let mut findings = rule(&project)?;
        findings.sort();
        if !findings.is_empty() {
            println!("{name}");
        }
        for finding in &findings {
            println!("  {finding}");
        }
        count += findings.len();
    }
    if count > 0 {
        bail!("tidy: {count} findings");
    }
    println!("tidy: {} rules, no findings", RULES.len());
    Ok(())
}
