//! Rules about Rust files.

use anyhow::Result;

use super::Project;
use crate::repo::Finding;
use crate::rust_text;

/// A file that holds one idea fits; a longer one says why near its top.
const LINES_MAX: usize = 600;
/// How near.
const TOP_LINES: usize = 20;
const LONG_MARK: &str = "// Long because: ";

const CORE: &str = "crates/levee-core/src/lib.rs";

/// Files that may say `unsafe`, each with its reason. Empty: the page store and system calls are
/// the only candidates.
const UNSAFE_ALLOWED: &[(&str, &str)] = &[
    ("crates/levee-api/src/stream.rs", "tokio has no safe way to ask for one of two interests"),
    ("crates/levee-core/src/tables/chunk.rs", "two mebibytes of zeros straight onto the heap"),
    ("crates/levee-core/src/tables/prefetch.rs", "the instruction has no safe form"),
    ("crates/levee-engine/src/memory.rs", "advice to the system about memory has no safe form"),
];

/// No file over [`LINES_MAX`] lines without a stated reason.
pub(super) fn file_length(project: &Project) -> Result<Vec<Finding>> {
    let mut findings = Vec::new();
    for path in project.repo.with_ending(".rs") {
        findings.extend(length_of(path, &project.repo.read(path)?));
    }
    Ok(findings)
}

fn length_of(path: &str, source: &str) -> Option<Finding> {
    let lines = source.lines().count();
    let reason = source
        .lines()
        .take(TOP_LINES)
        .any(|line| line.strip_prefix(LONG_MARK).is_some_and(|reason| !reason.trim().is_empty()));
    (lines > LINES_MAX && !reason).then(|| {
        let text = format!(
            "{lines} lines, more than {LINES_MAX}; split the file, or say `{LONG_MARK}<reason>` \
             within its first {TOP_LINES} lines"
        );
        Finding::new(path, 1, text)
    })
}

/// The core has no operating system under it, so it cannot reach for a clock or a file.
pub(super) fn core_is_no_std(project: &Project) -> Result<Vec<Finding>> {
    if project.repo.files.iter().any(|path| path == CORE) && is_no_std(&project.repo.read(CORE)?) {
        return Ok(Vec::new());
    }
    Ok(vec![Finding::new(CORE, 1, "the core must be no_std; write `#![no_std]` at its top")])
}

fn is_no_std(source: &str) -> bool {
    rust_text::code_only(source)
        .lines()
        .any(|line| matches!(line.trim(), "#![no_std]" | "#![cfg_attr(not(test), no_std)]"))
}

/// No `unsafe` outside of the files that are allowed it, and no allowance that nobody needs.
pub(super) fn no_unsafe(project: &Project) -> Result<Vec<Finding>> {
    let mut findings = Vec::new();
    for path in project.repo.with_ending(".rs") {
        findings.extend(unsafe_in(path, &project.repo.read(path)?, UNSAFE_ALLOWED));
    }
    for (path, _) in UNSAFE_ALLOWED {
        if !project.repo.files.iter().any(|file| file == path) {
            findings.push(Finding::new(path, 1, STALE_ALLOWANCE));
        }
    }
    Ok(findings)
}

const STALE_ALLOWANCE: &str =
    "no unsafe here any more; remove its entry from UNSAFE_ALLOWED in xtask/src/tidy/source.rs";

fn unsafe_in(path: &str, source: &str, allowed: &[(&str, &str)]) -> Vec<Finding> {
    let code = rust_text::code_only(source);
    let uses: Vec<usize> = rust_text::word_uses(&code, "unsafe").map(|(line, _)| line).collect();
    if allowed.iter().any(|(allowed, _)| *allowed == path) {
        let stale = uses.is_empty().then(|| Finding::new(path, 1, STALE_ALLOWANCE));
        return stale.into_iter().collect();
    }
    uses.into_iter()
        .map(|line| {
            let text = "unsafe; find a safe way, or add the file with its reason to \
                        UNSAFE_ALLOWED in xtask/src/tidy/source.rs";
            Finding::new(path, line, text)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_files_say_why() {
        let long = "x\n".repeat(LINES_MAX + 1);
        let table = [
            ("x\n".repeat(LINES_MAX), false),
            (long.clone(), true),
            (format!("//! Top.\n{LONG_MARK}one table.\n{long}"), false),
            (format!("{LONG_MARK}\n{long}"), true),
            (format!("{long}{LONG_MARK}too late.\n"), true),
        ];
        for (index, (source, found)) in table.iter().enumerate() {
            assert_eq!(length_of("a.rs", source).is_some(), *found, "row {index}");
        }
    }

    #[test]
    fn the_attribute_is_read() {
        assert!(is_no_std("//! Doc.\n#![no_std]\n"));
        assert!(is_no_std("#![cfg_attr(not(test), no_std)]\n"));
        assert!(!is_no_std("// #![no_std]\n"));
    }

    #[test]
    fn unsafe_is_found() {
        let source = "#![deny(unsafe_code)]\n// unsafe\nlet a = \"unsafe\";\nunsafe { b() }\n";
        let lines = |path, source| -> Vec<usize> {
            let allowed = &[("allowed.rs", "system calls")];
            unsafe_in(path, source, allowed).iter().map(|finding| finding.line).collect()
        };
        assert_eq!(lines("a.rs", source), [4]);
        assert!(lines("allowed.rs", source).is_empty());
        assert_eq!(lines("allowed.rs", "safe();\n"), [1]);
    }
}
