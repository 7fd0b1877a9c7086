//! Who may import whom: the table in ARCHITECTURE.md against `cargo metadata`.

use std::collections::BTreeSet;

use anyhow::Result;

use super::Project;
use crate::markdown;
use crate::repo::Finding;
use crate::rust_text;
use crate::workspace::Package;

const DOCUMENT: &str = "ARCHITECTURE.md";
const HEADS: &[&str] = &["crate", "purpose", "may import"];

/// One row of the table.
#[derive(Debug)]
struct Row {
    line: usize,
    name: String,
    /// Marked `(later)`: planned, so it need not exist.
    later: bool,
    /// What it may import, as written.
    cell: String,
}

/// What a crate may import.
#[derive(Debug, PartialEq, Eq)]
enum Allowed {
    All,
    /// Full names of crates.
    Only(BTreeSet<String>),
}

/// Every crate has a row, every row a crate, and no crate imports more than its row says.
pub(super) fn as_in_the_table(project: &Project) -> Result<Vec<Finding>> {
    if !project.repo.files.iter().any(|path| path == DOCUMENT) {
        return Ok(vec![Finding::new(DOCUMENT, 1, "missing; write it, with the table of crates")]);
    }
    Ok(compare(&project.repo.read(DOCUMENT)?, &project.workspace.packages))
}

fn compare(document: &str, packages: &[Package]) -> Vec<Finding> {
    let Some(rows) = rows(document) else {
        let text = "no table with the columns crate, purpose, may import; add it";
        return vec![Finding::new(DOCUMENT, 1, text)];
    };
    // Rows first: names of planned crates may be used by others already.
    let names: Vec<&str> = rows.iter().map(|row| row.name.as_str()).collect();
    let mut findings = Vec::new();

    for row in &rows {
        let Some(package) = packages.iter().find(|package| package.name == row.name) else {
            if !row.later {
                let text =
                    format!("there is no crate {}; remove the row or mark it (later)", row.name);
                findings.push(Finding::new(DOCUMENT, row.line, text));
            }
            continue;
        };
        let allowed = match allowed(&row.cell, &names) {
            Ok(allowed) => allowed,
            Err(word) => {
                let text = format!(
                    "`{word}` is no crate; write `nothing of Levee`, `all`, or short names with \
                     commas, and prose only after a `;`"
                );
                findings.push(Finding::new(DOCUMENT, row.line, text));
                continue;
            }
        };
        for import in &package.imports {
            let ours = packages.iter().any(|package| package.name == *import);
            let permitted = match &allowed {
                Allowed::All => true,
                Allowed::Only(names) => names.contains(import),
            };
            if ours && !permitted {
                let text = format!(
                    "{} may not import {import}; remove the dependency, or change the table in \
                     {DOCUMENT} with a reason",
                    package.name
                );
                findings.push(Finding::new(&package.manifest, 1, text));
            }
        }
    }

    for package in packages {
        let Some(folder) = package.manifest.strip_prefix("crates/") else { continue };
        if folder.strip_suffix("/Cargo.toml") != Some(&package.name) {
            let text = format!("the folder of {} has another name; rename one", package.name);
            findings.push(Finding::new(&package.manifest, 1, text));
        }
        if !names.contains(&package.name.as_str()) {
            let text = format!("{} is not in the table of {DOCUMENT}; add a row", package.name);
            findings.push(Finding::new(&package.manifest, 1, text));
        }
    }
    findings
}

fn rows(document: &str) -> Option<Vec<Row>> {
    let rows = markdown::table(document, HEADS)?;
    Some(
        rows.into_iter()
            .map(|(line, cells)| Row {
                line,
                name: markdown::code_spans(&cells[0])
                    .next()
                    .or_else(|| cells[0].split_whitespace().next())
                    .unwrap_or_default()
                    .to_owned(),
                later: cells.iter().any(|cell| cell.contains("(later)")),
                cell: cells[2].clone(),
            })
            .collect(),
    )
}

/// Reads `nothing of Levee`, `all`, or `core, journal; for the audit also api, never gate`: short
/// names with commas, and behind a `;` prose in which every short name up to a `never` counts.
/// An error is the word in the strict part that names no crate.
fn allowed(cell: &str, names: &[&str]) -> Result<Allowed, String> {
    let (strict, prose) = cell.split_once(';').unwrap_or((cell, ""));
    let strict = strict.replace("(later)", "");
    let full = |word: &str| {
        let word = word.trim_matches('`');
        names.iter().find(|name| **name == word || name.strip_prefix("levee-") == Some(word))
    };

    let mut only = BTreeSet::new();
    match strict.trim() {
        "all" => return Ok(Allowed::All),
        "nothing of Levee" => {}
        list => {
            for word in list.split(',').map(str::trim) {
                only.insert((*full(word).ok_or_else(|| word.to_owned())?).to_owned());
            }
        }
    }
    let extra = prose.split("never").next().unwrap_or_default();
    for word in extra.split(|c: char| !(c.is_alphanumeric() || c == '-')) {
        only.extend(full(word).map(|name| (*name).to_owned()));
    }
    Ok(Allowed::Only(only))
}

/// The one place where the audit meets the core's rules: its test, which compares the two counts.
const COMPARISON: &str = "crates/levee-drill/src/audit/tests/rules.rs";

/// The audit counts by rules of its own: from the core it takes types and nothing else.
pub(super) fn audit_is_independent(project: &Project) -> Result<Vec<Finding>> {
    let mut findings = Vec::new();
    for path in project.repo.with_ending(".rs") {
        if path.starts_with("crates/levee-drill/src/") && path != COMPARISON {
            findings.extend(core_uses(path, &project.repo.read(path)?));
        }
    }
    Ok(findings)
}

fn core_uses(path: &str, source: &str) -> Vec<Finding> {
    let code = rust_text::code_only(source);
    rust_text::word_uses(&code, "levee_core")
        .filter(|(_, behind)| {
            behind
                .strip_prefix("::types")
                .is_none_or(|rest| rest.starts_with(|c: char| c.is_alphanumeric() || c == '_'))
        })
        .map(|(line, _)| {
            let text = "the audit uses the core's types, never its rules; name it as \
                        `levee_core::types::...`, or count it here independently";
            Finding::new(path, line, text)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const NAMES: &[&str] = &["levee-core", "levee-journal", "levee-api", "levee-gate", "levee"];

    #[track_caller]
    fn check(cell: &str, expected: &str) {
        let got = match allowed(cell, NAMES) {
            Ok(Allowed::All) => "all".to_owned(),
            Ok(Allowed::Only(names)) => names.into_iter().collect::<Vec<_>>().join(" "),
            Err(word) => format!("? {word}"),
        };
        assert_eq!(got, expected, "{cell}");
    }

    #[test]
    fn cells_are_read() {
        check("all", "all");
        check("nothing of Levee", "");
        check("api", "levee-api");
        check("core, `journal`, levee-api", "levee-api levee-core levee-journal");
        check(
            "api; for the audit also journal (reader) and core's `types` module, never gate's",
            "levee-api levee-core levee-journal",
        );
        check("core, jornal", "? jornal");
        check("core and api", "? core and api");
        check("", "? ");
    }

    fn package(name: &str, imports: &[&str]) -> Package {
        Package {
            name: name.to_owned(),
            manifest: format!("crates/{name}/Cargo.toml"),
            imports: imports.iter().map(|name| (*name).to_owned()).collect(),
        }
    }

    #[test]
    fn the_table_is_compared() {
        let document = "\
| crate | purpose | may import |
|---|---|---|
| `levee-core` | the rules | nothing of Levee |
| `levee-api` | wire types | core |
| `levee-console` (later) | pages | nothing of Levee |
| `levee-gone` | old | api |
";
        let mut xtask = package("xtask", &["levee-core"]);
        xtask.manifest = "xtask/Cargo.toml".to_owned();
        let mut moved = package("levee-moved", &[]);
        moved.manifest = "crates/other/Cargo.toml".to_owned();
        let packages = [
            package("levee-core", &["hashbrown", "levee-api"]),
            package("levee-api", &["levee-core", "serde"]),
            moved,
            xtask,
        ];
        let found: Vec<String> =
            compare(document, &packages).iter().map(Finding::to_string).collect();
        let expected = [
            "crates/levee-core/Cargo.toml:1: levee-core may not import levee-api",
            "ARCHITECTURE.md:6: there is no crate levee-gone",
            "crates/other/Cargo.toml:1: the folder of levee-moved",
            "crates/other/Cargo.toml:1: levee-moved is not in the table",
        ];
        assert_eq!(found.len(), expected.len(), "{found:#?}");
        for (found, expected) in found.iter().zip(expected) {
            assert!(found.starts_with(expected), "{found}");
        }
        assert_eq!(compare("no table", &packages).len(), 1);
    }

    #[test]
    fn the_audit_sees_types_only() {
        let source = "use levee_core::types::Command;\n// levee_core::rules\n\
                      use levee_core::{types, apply};\nuse levee_core::typesetting;\n";
        let lines: Vec<usize> = core_uses("a.rs", source).iter().map(|f| f.line).collect();
        assert_eq!(lines, [3, 4]);
    }
}
