//! What the figures were measured on.

use std::path::Path;

use serde_json::{Value, json};

use crate::process;

#[derive(Debug)]
pub(super) struct Machine {
    cores: usize,
    processor: String,
    memory_gib: u64,
    kernel: String,
    /// Of the folder in which everybody's logs are synced.
    file_system: String,
    versions: Vec<String>,
}

impl Machine {
    pub(super) fn look(root: &Path, scratch: &Path) -> Self {
        let read = |file: &str| std::fs::read_to_string(file).unwrap_or_default();
        let say = |program: &str, arguments: &[&str]| {
            let text = process::output(process::command(root, program).args(arguments));
            text.map_or_else(|_| "unknown".to_owned(), |text| text.trim().to_owned())
        };
        let kib = field(&read("/proc/meminfo"), "MemTotal").trim_end_matches(" kB").parse::<u64>();
        let packages = ["redis-server", "nginx", "libnginx-mod-http-lua"];
        let version = |name: &&str| {
            let version = say("dpkg-query", &["-W", "-f", "${Version}", name]);
            format!("{name} {version}")
        };
        Self {
            cores: std::thread::available_parallelism().map_or(0, usize::from),
            processor: field(&read("/proc/cpuinfo"), "model name"),
            memory_gib: kib.map_or(0, |kib| kib >> 20),
            kernel: say("uname", &["-r"]),
            file_system: file_system(&say("df", &["-PT", &scratch.to_string_lossy()])),
            versions: packages.iter().map(version).collect(),
        }
    }

    pub(super) fn line(&self) -> String {
        format!(
            "{} cores of {}, {} GiB, Linux {}, logs on {}; {}",
            self.cores,
            self.processor,
            self.memory_gib,
            self.kernel,
            self.file_system,
            self.versions.join(", ")
        )
    }

    pub(super) fn json(&self) -> Value {
        json!({
            "cores": self.cores,
            "processor": self.processor,
            "memory_gib": self.memory_gib,
            "kernel": self.kernel,
            "file_system": self.file_system,
            "versions": self.versions,
        })
    }
}

/// The type in the second line of `df -PT`.
fn file_system(df: &str) -> String {
    let kind = df.lines().nth(1).and_then(|line| line.split_whitespace().nth(1));
    kind.unwrap_or("unknown").to_owned()
}

/// The first value under a name in the kernel's `name : value` files.
fn field(text: &str, name: &str) -> String {
    let lines = text.lines().filter_map(|line| line.split_once(':'));
    let mut values = lines.filter(|(key, _)| key.trim() == name).map(|(_, value)| value.trim());
    values.next().unwrap_or("unknown").to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_found() {
        let text = "processor\t: 0\nmodel name\t: A: B\nprocessor\t: 1\nmodel name\t: C\n";
        assert_eq!(field(text, "model name"), "A: B");
        assert_eq!(field(text, "flags"), "unknown");
        assert_eq!(file_system("Filesystem Type 1\n/dev/a ext4 5\n"), "ext4");
        assert_eq!(file_system("unknown"), "unknown");
    }
}
