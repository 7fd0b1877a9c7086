//! The libraries with which merchants speak to payment providers, and those of Standard Webhooks,
//! beside ours: they take what we send, and we take what they send, over loopback.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

use crate::{process, python};

/// The scripts and the lists of packages.
const SCRIPTS: &str = "peers/sdk";

/// Where they run: Node looks for packages beside a script, and they belong below `target`.
const FOLDER: &str = "target/sdk";
const PACKAGES: &str = "peers/sdk/requirements.txt";
const PYTHON_FOLDER: &str = "target/sdk/python";
const LOCK: &str = "package-lock.json";

/// What the libraries for Node ask for.
const NODE_MAJOR_MIN: u32 = 20;

/// The program that a script talks to: how it is built, and where it is then.
const PEER: Program = (&["-p", "levee-pay", "--example", "peer"], "target/debug/examples/peer");
const WEBHOOKS: Program =
    (&["-p", "levee-api", "--example", "webhooks"], "target/debug/examples/webhooks");
const SERVER: Program = (&["-p", "levee", "--bin", "levee"], "target/debug/levee");

type Program = (&'static [&'static str], &'static str);

const CHECKS: &[(&str, Program)] = &[
    ("alipay.mjs", PEER),
    ("stripe.mjs", PEER),
    ("wechat.py", PEER),
    ("orders.mjs", SERVER),
    ("webhooks.mjs", WEBHOOKS),
    ("webhooks.py", WEBHOOKS),
];

/// Runs all of them; `false` where Node or Python are not to be had.
pub(crate) fn run(root: &Path) -> Result<bool> {
    if !has_node(root) || !has_node_packages(root)? {
        return Ok(false);
    }
    let Some(python) = python::with_packages(root, PACKAGES, PYTHON_FOLDER)? else {
        return Ok(false);
    };
    for (build, _) in [PEER, WEBHOOKS, SERVER] {
        process::check(process::cargo(root).arg("build").args(build))?;
    }
    for (script, (_, program)) in CHECKS {
        let mut command = if script.ends_with(".py") {
            process::command(root, &python)
        } else {
            process::command(root, "node")
        };
        process::check(command.arg(format!("{FOLDER}/{script}")).arg(program))?;
    }
    Ok(true)
}

fn has_node(root: &Path) -> bool {
    let version = process::output(process::command(root, "node").arg("--version"));
    let major = version.ok().and_then(|text| {
        let (major, _) = text.trim().strip_prefix('v')?.split_once('.')?;
        major.parse::<u32>().ok()
    });
    major.is_some_and(|major| major >= NODE_MAJOR_MIN)
        && process::succeeds(process::command(root, "npm").arg("--version"))
}

/// Copies the scripts, and installs the packages that they import unless they are there.
fn has_node_packages(root: &Path) -> Result<bool> {
    let folder = root.join(FOLDER);
    fs::create_dir_all(&folder).context("cannot make the folder for scripts")?;
    let installed = folder.join("installed");
    let lock = fs::read_to_string(root.join(SCRIPTS).join(LOCK)).context("read the packages")?;
    for entry in fs::read_dir(root.join(SCRIPTS)).context("read the scripts")? {
        let file = entry?.path();
        let name = file.file_name().context("a script has a name")?;
        if file.is_file() {
            fs::copy(&file, folder.join(name)).context("cannot copy a script")?;
        }
    }
    if fs::read_to_string(&installed).unwrap_or_default() == lock {
        return Ok(true);
    }
    let mut npm = process::command(root, "npm");
    npm.current_dir(&folder);
    // Nothing that a package brings is run while it is installed.
    npm.args(["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--silent"]);
    // Where there is npm, what it cannot install is no reason to pass over the check.
    process::check(&mut npm).context("the packages of peers/sdk cannot be installed")?;
    fs::write(installed, lock).context("cannot note the packages")?;
    Ok(true)
}
