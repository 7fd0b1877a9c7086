//! The checkout: where it is, which files belong to it, and what a rule has to say about one.

use std::fmt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::process;

/// What one rule found at one place.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Finding {
    /// From the root, with slashes.
    pub(crate) path: String,
    /// From 1; 1 also where the whole file is meant.
    pub(crate) line: usize,
    /// What is wrong, and what to do.
    pub(crate) text: String,
}

impl Finding {
    pub(crate) fn new(path: &str, line: usize, text: impl Into<String>) -> Finding {
        Finding { path: path.to_owned(), line, text: text.into() }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.path, self.line, self.text)
    }
}

/// The checkout and the names of its files.
pub(crate) struct Repo {
    pub(crate) root: PathBuf,
    /// Tracked files, and new ones that git does not ignore: a rule should speak before the
    /// commit, not after it. From the root, with slashes.
    pub(crate) files: Vec<String>,
}

impl Repo {
    pub(crate) fn open() -> Result<Repo> {
        let root = root()?;
        // A build server's checkout often belongs to another user, which git refuses by default.
        let listing = process::output(process::command(&root, "git").args([
            "-c",
            "safe.directory=*",
            "ls-files",
            "-z",
            "--cached",
            "--others",
            "--exclude-standard",
        ]))
        .context("the list of files comes from git")?;
        let mut files: Vec<String> = listing
            .split('\0')
            .filter(|path| !path.is_empty() && root.join(path).is_file())
            .map(str::to_owned)
            .collect();
        files.sort();
        files.dedup();
        Ok(Repo { root, files })
    }

    /// A file's text; bytes that are not UTF-8 are replaced, for rules that look for words.
    pub(crate) fn read(&self, path: &str) -> Result<String> {
        let bytes = std::fs::read(self.root.join(path)).with_context(|| format!("read {path}"))?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }

    /// Files whose name ends so, without those that are other people's work.
    pub(crate) fn with_ending<'a>(&'a self, ending: &'a str) -> impl Iterator<Item = &'a str> {
        self.files
            .iter()
            .map(String::as_str)
            .filter(move |path| path.ends_with(ending) && !path.contains("/vendor/"))
    }
}

/// The repository's root: the folder above this crate's.
pub(crate) fn root() -> Result<PathBuf> {
    let here = std::env::var_os("CARGO_MANIFEST_DIR")
        .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")), PathBuf::from);
    here.parent().map(Path::to_path_buf).context("xtask has no folder above it")
}
