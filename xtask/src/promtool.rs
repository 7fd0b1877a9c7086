//! Prometheus' own checks of the rules in `deploy/prometheus`.

use std::path::{Path, PathBuf};

use anyhow::Result;

use crate::{process, tools};

const FOLDER: &str = "deploy/prometheus";

/// Where the program is kept if the system has none.
const OWN: &str = "target/tools/promtool";

/// Takes the program out of Debian's package without installing it: the package starts a server.
const FETCH: &str = r"
set -e
rm -rf target/tools/prometheus && mkdir -p target/tools/prometheus && cd target/tools/prometheus
apt-get -o APT::Sandbox::User=root download prometheus
dpkg-deb --fsys-tarfile prometheus_*.deb | tar -x ./usr/bin/promtool
mv usr/bin/promtool ../promtool && cd .. && rm -rf prometheus
";

/// Checks and tests the rules; `false` without the program.
pub(crate) fn run(root: &Path) -> Result<bool> {
    let Some(program) = program(root) else { return Ok(false) };
    let folder = root.join(FOLDER);
    // The key of the example is on nobody's disk.
    let config = ["check", "config", "--syntax-only", "prometheus.yml"];
    for arguments in
        [&config[..], &["check", "rules", "rules.yml"], &["test", "rules", "rules_test.yml"]]
    {
        process::check(process::command(&folder, &program).args(arguments))?;
    }
    Ok(true)
}

fn program(root: &Path) -> Option<PathBuf> {
    if tools::on_path("promtool") {
        return Some("promtool".into());
    }
    let own = root.join(OWN);
    if !own.is_file() && tools::can_install(root) {
        println!("taking promtool out of Debian's package prometheus, into {OWN}");
        let fetch = || process::succeeds(process::command(root, "sh").args(["-c", FETCH]));
        // A fresh image has no package lists.
        let _ = fetch()
            || (process::check(process::command(root, "apt-get").arg("update")).is_ok() && fetch());
    }
    own.is_file().then_some(own)
}
