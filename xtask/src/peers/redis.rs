//! One Redis of this run: its settings, the claim function, and what its account must say.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

use super::install;
use super::resp::{Connection, Value};
use super::scratch::{Running, Scratch};

/// Enough for any run; a voucher costs one.
pub(super) const BUDGET: i64 = 1_000_000_000;

/// When Redis syncs its log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sync {
    /// Before it answers.
    Always,
    /// Once a second, so that a second of answers may be lost.
    EverySecond,
}

impl Sync {
    fn word(self) -> &'static str {
        match self {
            Sync::Always => "always",
            Sync::EverySecond => "everysec",
        }
    }
}

pub(super) struct Redis<'a> {
    name: String,
    running: Running<'a>,
    sync: Sync,
    pub(super) socket: PathBuf,
}

impl<'a> Redis<'a> {
    /// Starts an instance. A socket in the folder is faster than TCP and cannot meet a port that is
    /// taken; what Redis would do beside logging claims is off.
    pub(super) fn start(
        root: &Path,
        scratch: &'a Scratch,
        name: &str,
        sync: Sync,
    ) -> Result<Redis<'a>> {
        let folder = scratch.folder(name)?;
        let socket = folder.join("socket");
        let mut command = Command::new("redis-server");
        command.env("PATH", install::path());
        command.args(["--port", "0", "--save", "", "--appendonly", "yes"]);
        command.args(["--appendfsync", sync.word(), "--auto-aof-rewrite-percentage", "0"]);
        command.arg("--unixsocket").arg(&socket).arg("--dir").arg(&folder);
        let mut running = Running::start(scratch, name, command)?;
        let mut connection = running.wait_for(|_| Connection::open(&socket).ok())?;
        let file = root.join("peers/claim.lua");
        let text = std::fs::read_to_string(&file);
        let text = text.with_context(|| format!("read {}", file.display()))?;
        let loaded = connection.call(&["FUNCTION", "LOAD", &text]);
        loaded.context("peers/claim.lua needs Redis 7 or newer")?;
        let mut redis = Redis { name: name.to_owned(), running, sync, socket };
        Self::check_function(&mut connection)?;
        redis.clear()?;
        Ok(redis)
    }

    /// An error when it runs no more.
    pub(super) fn check(&mut self) -> Result<()> {
        self.running.check()
    }

    pub(super) fn connect(&mut self) -> Result<Connection> {
        self.check()?;
        Connection::open(&self.socket)
    }

    /// An empty campaign with its budget.
    pub(super) fn clear(&mut self) -> Result<()> {
        let mut connection = self.connect()?;
        connection.call(&["FLUSHALL", "SYNC"])?;
        connection.call(&["SET", "budget", &BUDGET.to_string()])?;
        Ok(())
    }

    /// The function itself: once a user, never over budget, and a refusal changes nothing.
    fn check_function(connection: &mut Connection) -> Result<()> {
        connection.call(&["SET", "budget", "5"])?;
        // User, what is answered, what is left. A voucher costs two.
        for (user, expected, left) in
            [("a", 1, 3), ("a", -1, 3), ("b", 2, 1), ("c", 0, 1), ("a", -1, 1)]
        {
            let claim = ["FCALL", "claim", "2", "users", "budget", user, "2"];
            let answer = connection.call(&claim)?.integer()?;
            let budget = connection.call(&["GET", "budget"])?.integer()?;
            ensure!(
                (answer, budget) == (expected, left),
                "peers/claim.lua answers {answer} to user {user} and leaves {budget}, instead of \
                 {expected} and {left}"
            );
        }
        Ok(())
    }

    /// Counts again: as many users as answers, as much money gone, vouchers numbered without a
    /// gap or a double; and that the log is synced as said.
    pub(super) fn check_account(&mut self, answers: u64) -> Result<()> {
        let name = self.name.clone();
        let mut connection = self.connect()?;
        let setting = connection.call(&["CONFIG", "GET", "appendfsync"])?.list()?;
        let setting = setting.get(1).context("CONFIG GET answers name and value")?.text()?;
        ensure!(setting == self.sync.word(), "{name}: appendfsync is {setting}");
        let info = connection.call(&["INFO", "persistence"])?.text()?;
        for line in ["aof_enabled:1", "aof_last_write_status:ok"] {
            ensure!(info.lines().any(|has| has == line), "{name}: its log is not {line}");
        }

        let users = connection.call(&["HLEN", "users"])?.integer()?;
        ensure!(
            u64::try_from(users)? == answers,
            "{name}: {answers} claims were answered, and {users} users have a voucher"
        );
        let left = connection.call(&["GET", "budget"])?.integer()?;
        ensure!(left == BUDGET - users, "{name}: {users} vouchers cost {}", BUDGET - left);
        let numbers = connection.call(&["HVALS", "users"])?.list()?;
        let mut numbers: Vec<i64> = numbers.iter().map(Value::integer).collect::<Result<_>>()?;
        numbers.sort_unstable();
        ensure!(
            numbers.iter().zip(1..).all(|(number, expected)| *number == expected),
            "{name}: two users have one voucher"
        );
        Ok(())
    }
}
