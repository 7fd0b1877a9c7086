//! The two usual stacks in front of Redis: nginx with Lua, and axum. Started with the settings that
//! a trial compares; what they do with a claim is in `peers/`.

use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};

use super::install;
use super::redis::Redis;
use super::scratch::{Running, Scratch};
use super::sites::count;
use crate::workspace::Workspace;
use crate::{process, tools};

/// A free port may be taken by somebody else before nginx has it.
const PORT_TRIES: u32 = 5;

/// A server that runs, with its settings in words.
pub(super) struct Started<'a> {
    pub(super) running: Running<'a>,
    pub(super) address: String,
    pub(super) settings: String,
}

/// nginx with so many workers.
pub(super) fn nginx<'a>(
    root: &Path,
    scratch: &'a Scratch,
    redis: &Redis<'_>,
    workers: usize,
) -> Result<Started<'a>> {
    let name = format!("nginx-{workers}");
    let folder = scratch.folder(&name)?;
    let template = root.join("peers/nginx/nginx.conf");
    let template = std::fs::read_to_string(&template).context("read peers/nginx/nginx.conf")?;
    let text = |path: &Path| path.to_string_lossy().into_owned();
    // Workers of root's would give up its rights, and with them the way to the folder.
    let user = if tools::is_root(root) { "user root;" } else { "" };
    let mut taken = String::new();
    for _ in 0..PORT_TRIES {
        // nginx cannot choose a port by itself.
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port();
        let filled = fill(
            &template,
            &[
                ("USER", user),
                ("WORKERS", &workers.to_string()),
                ("FOLDER", &text(&folder)),
                ("MODULES", &install::nginx_modules()?),
                ("PEERS", &text(&root.join("peers"))),
                ("REDIS", &text(&redis.socket)),
                ("PORT", &port.to_string()),
            ],
        )?;
        let file = folder.join("nginx.conf");
        std::fs::write(&file, filled).with_context(|| format!("write {}", file.display()))?;
        let mut command = Command::new("nginx");
        command.env("PATH", install::path()).arg("-p").arg(&folder).arg("-c").arg(&file);
        command.arg("-e").arg(folder.join("error.log"));
        let mut running = Running::start(scratch, &name, command)?;
        let address = format!("127.0.0.1:{port}");
        // It binds before it writes its process id.
        let pid = folder.join("nginx.pid");
        let up = running.wait_for(|_| (pid.exists()).then(|| TcpStream::connect(&address).ok()));
        match up {
            Ok(_) => {
                let settings = count(workers as u64, "worker");
                return Ok(Started { running, address, settings });
            }
            Err(error) if error.to_string().contains("Address already in use") => {
                taken = error.to_string();
            }
            Err(error) => return Err(error),
        }
    }
    bail!("nginx found no free port in {PORT_TRIES} tries: {taken}")
}

/// The words between @ replaced; a word that nobody fills in is a mistake.
fn fill(template: &str, words: &[(&str, &str)]) -> Result<String> {
    let mut text = String::new();
    // What is a comment explains the words and is not filled in.
    for line in template.lines().filter(|line| !line.trim_start().starts_with('#')) {
        let mut line = line.to_owned();
        for (word, value) in words {
            line = line.replace(&format!("@{word}@"), value);
        }
        text.push_str(&line);
        text.push('\n');
    }
    let left = text.find('@');
    ensure!(left.is_none(), "nginx.conf: a word between @ has no value");
    Ok(text)
}

pub(super) fn build_axum(root: &Path, workspace: &Workspace) -> Result<PathBuf> {
    println!("building the axum peer");
    let target = workspace.target.join("peers");
    let mut build = process::cargo(root);
    build.args(["build", "--quiet", "--release", "--locked"]);
    build.args(["--manifest-path", "peers/axum-redis/Cargo.toml", "--target-dir"]).arg(&target);
    process::check(&mut build)?;
    Ok(target.join("release").join("axum-redis"))
}

/// axum with so many connections to Redis and threads.
pub(super) fn axum<'a>(
    binary: &Path,
    scratch: &'a Scratch,
    redis: &Redis<'_>,
    connections: usize,
    threads: usize,
) -> Result<Started<'a>> {
    let mut command = Command::new(binary);
    command.arg(format!("redis+unix://{}", redis.socket.display()));
    command.args([connections.to_string(), threads.to_string()]);
    let name = format!("axum-{connections}-{threads}");
    let mut running = Running::start(scratch, &name, command)?;
    let address = running.address()?;
    let settings =
        [count(connections as u64, "connection"), count(threads as u64, "thread")].join(", ");
    Ok(Started { running, address, settings })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn templates_are_filled() {
        let template = "# @A@\na @A@;\n  b \"@B@/@A@\";\n";
        assert_eq!(fill(template, &[("A", "1"), ("B", "x")]).unwrap(), "a 1;\n  b \"x/1\";\n");
        assert!(fill(template, &[("A", "1")]).is_err());
    }
}
