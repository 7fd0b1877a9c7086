//! Redis and nginx from Debian, without their services: the comparison runs its own instances.

use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use anyhow::{Context, Result, bail};

use crate::{process, tools};

/// What must be there, and the package that brings it. A name without a slash is looked for among
/// the programs.
const NEEDED: &[(&str, &str)] = &[
    ("redis-server", "redis-server"),
    ("nginx", "nginx"),
    (LUA_MODULE, "libnginx-mod-http-lua"),
    ("/usr/share/lua/5.1/cjson", "lua-cjson"),
];

const LUA_MODULE: &str = "/usr/share/nginx/modules-available/mod-http-lua.conf";
/// The lines that load nginx's modules, in the order in which they depend on each other.
const MODULES: &[&str] = &["/usr/share/nginx/modules-available/mod-http-ndk.conf", LUA_MODULE];

/// Asked by Debian's packages before they start a service: 101 forbids it.
const POLICY: &str = "/usr/sbin/policy-rc.d";

/// Where programs of the system live that an ordinary user's PATH may lack.
const SYSTEM_PROGRAMS: &str = "/usr/sbin";

/// PATH with those.
pub(super) fn path() -> std::ffi::OsString {
    let mut path = std::env::var_os("PATH").unwrap_or_default();
    path.push(":");
    path.push(SYSTEM_PROGRAMS);
    path
}

/// Installs or names what is missing.
pub(super) fn prepare(root: &Path) -> Result<()> {
    let missing = missing();
    if missing.is_empty() {
        return Ok(());
    }
    let packages = missing.join(" ");
    let advice = format!(
        "missing: {packages}; on Debian: `sudo apt-get install -y --no-install-recommends \
         {packages}`, then stop and disable the services that this starts"
    );
    if !tools::can_install(root) {
        bail!("{advice}");
    }
    println!("installing {packages}");
    let policy = Policy::forbid_services()?;
    let installed = tools::apt_get(root, &missing);
    drop(policy);
    if !installed || !self::missing().is_empty() {
        bail!("the installation did not succeed; {advice}");
    }
    // Nor at the next start of the machine; without systemd there is nothing to disable.
    for service in ["redis-server", "nginx"].iter().filter(|name| missing.contains(name)) {
        process::succeeds(process::command(root, "systemctl").args(["disable", service]));
    }
    Ok(())
}

fn missing() -> Vec<&'static str> {
    let there = |name: &str| {
        if name.contains('/') {
            Path::new(name).exists()
        } else {
            tools::on_path(name) || Path::new(SYSTEM_PROGRAMS).join(name).is_file()
        }
    };
    NEEDED.iter().filter(|(name, _)| !there(name)).map(|(_, package)| *package).collect()
}

/// The directives that load nginx's Lua.
pub(super) fn nginx_modules() -> Result<String> {
    let mut text = String::new();
    for file in MODULES {
        let directives = std::fs::read_to_string(file);
        text.push_str(&directives.with_context(|| format!("read {file}"))?);
    }
    // Debian's paths are relative to its own prefix.
    Ok(text.replace("load_module modules/", "load_module /usr/lib/nginx/modules/"))
}

/// While it lives no service is started. A policy that somebody wrote already stays: it is theirs.
struct Policy {
    ours: bool,
}

impl Policy {
    fn forbid_services() -> Result<Self> {
        let file = OpenOptions::new().write(true).create_new(true).mode(0o755).open(POLICY);
        match file {
            Ok(mut file) => {
                let policy = Self { ours: true };
                file.write_all(b"#!/bin/sh\nexit 101\n")?;
                Ok(policy)
            }
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {
                let forbids = std::fs::read_to_string(POLICY)
                    .is_ok_and(|text| text.lines().any(|line| line.trim() == "exit 101"));
                if !forbids {
                    bail!(
                        "{POLICY} is there and may allow services to be started; install \
                         redis-server and nginx by hand"
                    );
                }
                Ok(Self { ours: false })
            }
            Err(error) => Err(error).context(format!("cannot write {POLICY}")),
        }
    }
}

impl Drop for Policy {
    fn drop(&mut self) {
        if self.ours && std::fs::remove_file(POLICY).is_err() {
            eprintln!("could not remove {POLICY}, which keeps services from starting; please do");
        }
    }
}
