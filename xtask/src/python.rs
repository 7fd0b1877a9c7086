//! A Python of our own, with packages from PyPI, made anew when the list of them changes.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::process;

/// The Python in `folder` (below `target`) that has what `packages`, a file of pinned versions,
/// lists. None where there is no Python.
pub(crate) fn with_packages(root: &Path, packages: &str, folder: &str) -> Result<Option<PathBuf>> {
    let venv = format!("{folder}/venv");
    let made_of = root.join(folder).join("made-of");
    let python = root.join(&venv).join("bin/python");
    let listed = std::fs::read_to_string(root.join(packages)).context("read the packages")?;
    let made = std::fs::read_to_string(&made_of).unwrap_or_default();
    if made == listed && process::succeeds(process::command(root, &python).arg("--version")) {
        return Ok(Some(python));
    }
    let make = ["-m", "venv", "--clear", &venv];
    if !process::succeeds(process::command(root, "python3").args(make)) {
        return Ok(None);
    }
    let pip = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-r", packages];
    // Where there is Python, what it cannot install is no reason to pass over a check.
    let installed = process::check(process::command(root, &python).args(pip));
    installed.with_context(|| format!("the packages of {packages} cannot be installed"))?;
    std::fs::write(made_of, listed).context("cannot note the packages")?;
    Ok(Some(python))
}
