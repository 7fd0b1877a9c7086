//! Commands that the documents name must exist, with the flags they are shown with.
//!
//! Read are fenced blocks without a language or with one of a shell's. A line there that begins
//! with `levee` (also by path, or as `cargo run ... --`) is a command: its leading plain words are
//! the subcommand (up to an argument in capitals, a flag, a file name or a wide gap), and each
//! `--flag` on it must be in the subcommand's `--help`. Plain words are checked by asking for that
//! help too: the parser refuses a subcommand it does not know.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::Result;

use super::Project;
use crate::markdown::{self, Fence};
use crate::process;
use crate::readme;
use crate::repo::Finding;
use crate::workspace::Workspace;

/// One use of the program in a document.
#[derive(Debug, PartialEq, Eq)]
struct Usage {
    line: usize,
    words: Vec<String>,
    flags: Vec<String>,
    /// Written as `cargo run` without saying which binary.
    by_default_run: bool,
}

/// README.md and everything below docs/.
fn documents(project: &Project) -> impl Iterator<Item = &str> {
    project.repo.with_ending(".md").filter(|path| !path.contains('/') || path.starts_with("docs/"))
}

/// `levee ...` commands are accepted by the program, and `cargo run` finds it.
pub(super) fn levee_commands_exist(project: &Project) -> Result<Vec<Finding>> {
    let mut findings = Vec::new();
    let mut usages = Vec::new();
    for path in documents(project) {
        let text = project.repo.read(path)?;
        for fence in markdown::fences(&text).iter().filter(|fence| is_shell(fence)) {
            usages.extend(usages_in(fence).into_iter().map(|usage| (path, usage)));
        }
    }
    if usages.is_empty() {
        return Ok(findings);
    }

    let binary = readme::build(&project.repo.root, &project.workspace)?;
    let mut helps = BTreeMap::new();
    for (path, usage) in usages {
        let help = helps
            .entry(usage.words.clone())
            .or_insert_with(|| help_of(&project.repo.root, &binary, &usage.words));
        findings.extend(judge(path, &usage, help.as_deref(), &project.workspace));
    }
    Ok(findings)
}

/// The help of a subcommand, or nothing when there is no such subcommand.
fn help_of(root: &Path, binary: &Path, words: &[String]) -> Option<String> {
    process::output(process::command(root, binary).args(words).arg("--help")).ok()
}

fn judge(path: &str, usage: &Usage, help: Option<&str>, workspace: &Workspace) -> Vec<Finding> {
    let command = usage.words.join(" ");
    let mut findings = Vec::new();
    let mut say = |text: String| findings.push(Finding::new(path, usage.line, text));
    match help {
        None => say(format!(
            "`levee {command}` is not accepted (`levee {command} --help` fails); correct the \
             document or add the command"
        )),
        Some(help) => {
            let known = |flag: &str| {
                help.split(|c: char| !(c.is_ascii_alphanumeric() || c == '-')).any(|w| w == flag)
            };
            for flag in usage.flags.iter().filter(|flag| !known(flag)) {
                say(format!("`levee {command}` has no `{flag}`; correct the document"));
            }
        }
    }
    if usage.by_default_run && workspace.default_binaries != ["levee"] {
        say("`cargo run` alone does not find levee here; write `cargo run -p levee`, or make \
             crates/levee the workspace's default member"
            .to_owned());
    }
    findings
}

fn is_shell(fence: &Fence) -> bool {
    matches!(fence.info.as_str(), "" | "sh" | "bash" | "shell" | "console" | "text")
}

fn usages_in(fence: &Fence) -> Vec<Usage> {
    let mut usages = Vec::new();
    let mut joined = String::new();
    let mut start = fence.line;
    for (index, line) in fence.body.iter().enumerate() {
        if joined.is_empty() {
            start = fence.line + index;
        }
        if let Some(line) = line.strip_suffix('\\') {
            joined.push_str(line);
            joined.push(' ');
            continue;
        }
        joined.push_str(line);
        // An aligned list may hold two commands a line.
        let list = fence.info.is_empty() || fence.info == "text";
        let pieces = if list { split_at_gaps(&joined, "levee ") } else { vec![joined.as_str()] };
        usages.extend(pieces.into_iter().filter_map(|piece| usage_of(start, piece)));
        joined.clear();
    }
    usages
}

/// Cuts a line where a word stands behind a gap of two spaces or more.
fn split_at_gaps<'a>(line: &'a str, word: &str) -> Vec<&'a str> {
    let mut pieces = Vec::new();
    let mut from = 0;
    for (at, _) in line.match_indices(&format!("  {word}")) {
        pieces.push(&line[from..at]);
        from = at + 2;
    }
    pieces.push(&line[from..]);
    pieces
}

fn usage_of(line: usize, text: &str) -> Option<Usage> {
    let mut text = text.trim_start();
    text = text.strip_prefix("$ ").unwrap_or(text).trim_start();
    // Settings before the command: `RUST_LOG=info levee ...`.
    while let Some((first, rest)) = text.split_once(' ') {
        let name = first.split_once('=').map(|(name, _)| name);
        if !name.is_some_and(|name| {
            !name.is_empty() && name.chars().all(|c| c.is_ascii_uppercase() || c == '_')
        }) {
            break;
        }
        text = rest.trim_start();
    }

    let mut by_default_run = false;
    let rest = if let Some(run) = readme::cargo_run(text) {
        if run.package.is_some_and(|package| package != "levee") {
            return None;
        }
        by_default_run = run.package.is_none();
        run.arguments
    } else {
        let (program, rest) = text.split_once(' ').unwrap_or((text, ""));
        if program != "levee" && !program.ends_with("/levee") {
            return None;
        }
        rest
    };

    // Up to a pipe, a redirection or the next command.
    let end = [" | ", " > ", " && ", " || ", "; ", " # "].iter().filter_map(|s| rest.find(s)).min();
    let rest = rest[..end.unwrap_or(rest.len())].trim_start();
    let is_word = |word: &str| {
        word.starts_with(|c: char| c.is_ascii_lowercase())
            && word.chars().all(|c| c.is_ascii_lowercase() || c == '-')
    };
    let plain = rest.find("  ").map_or(rest, |gap| &rest[..gap]);
    let words: Vec<String> =
        plain.split(' ').take_while(|word| is_word(word)).map(str::to_owned).collect();
    let flags = rest
        .split_whitespace()
        .map(|word| {
            word.trim_start_matches('[').split(['=', ']', '|', ',']).next().unwrap_or_default()
        })
        .filter(|word| word.strip_prefix("--").is_some_and(is_word))
        .map(str::to_owned)
        .collect();
    Some(Usage { line, words, flags, by_default_run })
}

/// `cargo xtask ...` commands, in blocks and code spans, are ours.
pub(super) fn cargo_commands_exist(project: &Project) -> Result<Vec<Finding>> {
    let mut findings = Vec::new();
    for path in documents(project) {
        findings.extend(xtask_commands(path, &project.repo.read(path)?));
    }
    Ok(findings)
}

fn xtask_commands(path: &str, text: &str) -> Vec<Finding> {
    let mut code: Vec<(usize, String)> = Vec::new();
    for fence in markdown::fences(text) {
        code.extend((fence.line..).zip(fence.body));
    }
    for (number, line) in markdown::prose(text) {
        code.extend(markdown::code_spans(line).map(|span| (number, span.to_owned())));
    }
    let mut findings = Vec::new();
    for (number, line) in code {
        for behind in line.split("cargo xtask ").skip(1) {
            let name: String =
                behind.chars().take_while(|c| c.is_ascii_lowercase() || *c == '-').collect();
            if !name.is_empty() && !crate::COMMANDS.iter().any(|(known, _)| *known == name) {
                let text = format!("`cargo xtask {name}` does not exist; correct the document");
                findings.push(Finding::new(path, number, text));
            }
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: &str) {
        let got = usage_of(1, text).map_or_else(
            || "none".to_owned(),
            |usage| {
                let run = if usage.by_default_run { " run" } else { "" };
                format!("{} / {}{run}", usage.words.join(" "), usage.flags.join(" "))
            },
        );
        assert_eq!(got, expected, "{text}");
    }

    #[test]
    fn commands_are_read() {
        check("levee serve --dev", "serve / --dev");
        check("$ levee campaign check examples/a.toml", "campaign check / ");
        check("  levee serve    [--data DIR] [--dev]", "serve / --data --dev");
        check("levee audit    DIR [--json FILE]      recount everything", "audit / --json");
        check("levee bench    claims|http [--json FILE]", "bench / --json");
        check("levee serve     run the server", "serve / ");
        check("RUST_LOG=info ./target/release/levee audit data", "audit data / ");
        check("levee audit data > out.txt --not-ours", "audit data / ");
        check("levee key create --role=app | jq --raw", "key create / --role");
        check("cargo run --release -- serve --dev", "serve / --dev run");
        check("cargo run --release -p levee -- festival --seconds 5", "festival / --seconds");
        check("cargo run -p xtask -- test", "none");
        check("levee", " / ");
        check("levees break", "none");
        check("echo levee serve", "none");
    }

    #[test]
    fn lines_are_joined_and_lists_are_split() {
        let body = "levee serve \\\n  --dev\nlevee key create ...     levee campaign check FILE";
        let fence = Fence {
            info: String::new(),
            above: String::new(),
            line: 10,
            body: body.lines().map(str::to_owned).collect(),
        };
        let found: Vec<(usize, String)> =
            usages_in(&fence).into_iter().map(|u| (u.line, u.words.join(" "))).collect();
        let expected = [(10, "serve"), (12, "key create"), (12, "campaign check")];
        assert_eq!(found, expected.map(|(line, words)| (line, words.to_owned())));
    }

    #[test]
    fn usages_are_judged() {
        let workspace = Workspace {
            packages: Vec::new(),
            default_binaries: vec!["levee".to_owned(), "xtask".to_owned()],
            target: "t".into(),
        };
        let usage = usage_of(3, "cargo run -- serve --dev --devel").unwrap();
        let help = "Usage: levee serve\n  --dev  For development";
        let found = judge("a.md", &usage, Some(help), &workspace);
        assert_eq!(found.len(), 2, "{found:?}");
        assert!(found[0].text.contains("--devel") && found[1].text.contains("cargo run"));
        assert_eq!(judge("a.md", &usage, None, &workspace).len(), 2);
    }

    #[test]
    fn own_commands_are_known() {
        let text = "Run `cargo xtask test`, not `cargo xtask tests`; cargo xtask prose.\n\
                    ```sh\ncargo xtask tidy && cargo xtask tidier\n```\n`cargo xtask X`\n";
        let lines: Vec<usize> = xtask_commands("a.md", text).iter().map(|f| f.line).collect();
        assert_eq!(lines, [3, 1]);
    }
}
