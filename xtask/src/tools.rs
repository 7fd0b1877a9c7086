//! Tools that the checks need and a fresh machine may lack: installed where that is ours to do,
//! else named with the command that installs them.

use std::path::Path;

use crate::process;

/// Programs that tests call, with their Debian packages.
const PROGRAMS: &[(&str, &str)] = &[("strace", "strace"), ("curl", "curl")];

/// Cargo's own tools that must be there, with the commands that install them.
const COMPONENTS: &[(&str, &str)] =
    &[("fmt", "rustup component add rustfmt"), ("clippy", "rustup component add clippy")];

/// Whether `cargo NAME` exists.
pub(crate) fn has_cargo_tool(root: &Path, name: &str) -> bool {
    process::succeeds(process::cargo(root).args([name, "--version"]))
}

/// Installs or names what is missing.
pub(crate) fn prepare(root: &Path) {
    for (name, install) in COMPONENTS {
        if !has_cargo_tool(root, name) {
            println!("missing: cargo {name}; install it with `{install}`");
        }
    }
    let missing: Vec<&str> = PROGRAMS
        .iter()
        .filter(|(program, _)| !on_path(program))
        .map(|(_, package)| *package)
        .collect();
    if missing.is_empty() {
        return;
    }
    let packages = missing.join(" ");
    if can_install(root) {
        println!("installing {packages}");
        if apt_get(root, &missing) {
            return;
        }
    }
    println!("missing: {packages}; on Debian: `sudo apt-get install -y {packages}`");
}

/// Whether installing Debian's packages is ours to do.
pub(crate) fn can_install(root: &Path) -> bool {
    on_path("apt-get") && is_root(root)
}

/// Installs packages, and says whether that worked.
pub(crate) fn apt_get(root: &Path, packages: &[&str]) -> bool {
    let install = || {
        process::check(
            process::command(root, "apt-get")
                .env("DEBIAN_FRONTEND", "noninteractive")
                .args(["install", "-y", "--no-install-recommends"])
                .args(packages),
        )
    };
    // A fresh image has no package lists; one that has them need not load them again.
    install().is_ok()
        || (process::check(process::command(root, "apt-get").arg("update")).is_ok()
            && install().is_ok())
}

pub(crate) fn on_path(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|folder| folder.join(program).is_file())
}

pub(crate) fn is_root(root: &Path) -> bool {
    process::output(process::command(root, "id").arg("-u")).is_ok_and(|id| id.trim() == "0")
}
