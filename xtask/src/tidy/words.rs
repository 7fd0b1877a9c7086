//! Words that must not be committed. The list is short on purpose: each entry has happened.

use anyhow::Result;

use super::Project;
use crate::repo::Finding;

/// A word, where it is looked for, and what to write instead.
struct Word {
    /// In two halves, so that this file does not contain it.
    halves: (&'static str, &'static str),
    /// Only in files that end so; empty: in all.
    ending: &'static str,
    instead: &'static str,
}

const A_PATH: &str = "a path of one machine; write it relative to the repository";
const A_HOST: &str = "a registry's host; name the crate, or link its page on docs.rs";

const WORDS: &[Word] = &[
    Word { halves: ("/wo", "rk/"), ending: "", instead: A_PATH },
    Word { halves: ("/ho", "me/"), ending: "", instead: A_PATH },
    Word { halves: ("/Us", "ers/"), ending: "", instead: A_PATH },
    Word { halves: ("/ro", "ot/"), ending: "", instead: A_PATH },
    Word { halves: ("index.crates", ".io"), ending: ".md", instead: A_HOST },
    Word { halves: ("static.crates", ".io"), ending: ".md", instead: A_HOST },
];

/// No tracked text holds one of [`WORDS`].
pub(super) fn forbidden(project: &Project) -> Result<Vec<Finding>> {
    let mut findings = Vec::new();
    for path in project.repo.with_ending("") {
        let text = project.repo.read(path)?;
        // Pictures and journals kept as fixtures are not text.
        if !text.contains('\0') {
            findings.extend(words_in(path, &text));
        }
    }
    Ok(findings)
}

fn words_in(path: &str, text: &str) -> Vec<Finding> {
    let mut findings = Vec::new();
    for word in WORDS.iter().filter(|word| path.ends_with(word.ending)) {
        let spelled = format!("{}{}", word.halves.0, word.halves.1);
        for (index, line) in text.lines().enumerate() {
            // Inside of a relative path it is a folder of ours; one that begins with it is a machine's.
            let begins =
                |at: usize| !line[..at].ends_with(|c: char| c.is_alphanumeric() || c == '.');
            if line.match_indices(&spelled).any(|(at, _)| begins(at)) {
                let text = format!("`{spelled}` is {}", word.instead);
                findings.push(Finding::new(path, index + 1, text));
            }
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_found() {
        let host = ["index.crates", ".io"].concat();
        let (work, home) = (["/wo", "rk/a"].concat(), ["\"/ho", "me/a\""].concat());
        let table = [
            ("a.rs", work.as_str(), 1),
            ("a.rs", home.as_str(), 1),
            ("a.rs", "src/home/a.rs and ../home/b", 0),
            ("a.rs", "at home / abroad", 0),
            ("a.rs", host.as_str(), 0),
            ("docs/a.md", host.as_str(), 1),
        ];
        for (path, text, count) in table {
            assert_eq!(words_in(path, text).len(), count, "{path}: {text}");
        }
    }
}
