//! What `cargo metadata` knows: packages, what each imports, and where builds go.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde_json::Value;

use crate::process;

/// One package of the workspace.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Package {
    pub(crate) name: String,
    /// Its Cargo.toml, from the root, with slashes.
    pub(crate) manifest: String,
    /// Names of what it depends on outside its tests.
    pub(crate) imports: Vec<String>,
}

/// The workspace as cargo sees it.
pub(crate) struct Workspace {
    pub(crate) packages: Vec<Package>,
    /// Binaries that `cargo run` without `-p` may choose from; it works when there is one.
    pub(crate) default_binaries: Vec<String>,
    /// Where builds go; `CARGO_TARGET_DIR` is respected, as cargo itself says the path.
    pub(crate) target: PathBuf,
}

impl Workspace {
    pub(crate) fn load(root: &Path) -> Result<Workspace> {
        let text = process::output(process::cargo(root).args([
            "metadata",
            "--format-version",
            "1",
            "--no-deps",
        ]))?;
        let metadata = serde_json::from_str(&text).context("cargo metadata is not JSON")?;
        Workspace::parse(&metadata).context("cargo metadata has another form than expected")
    }

    fn parse(metadata: &Value) -> Option<Workspace> {
        let root = metadata["workspace_root"].as_str()?;
        let defaults: Vec<&str> = metadata["workspace_default_members"]
            .as_array()?
            .iter()
            .filter_map(Value::as_str)
            .collect();
        let mut workspace = Workspace {
            packages: Vec::new(),
            default_binaries: Vec::new(),
            target: PathBuf::from(metadata["target_directory"].as_str()?),
        };
        for package in metadata["packages"].as_array()? {
            let manifest = package["manifest_path"].as_str()?;
            let imports = package["dependencies"].as_array()?.iter();
            workspace.packages.push(Package {
                name: package["name"].as_str()?.to_owned(),
                manifest: manifest
                    .strip_prefix(root)
                    .unwrap_or(manifest)
                    .trim_start_matches('/')
                    .to_owned(),
                imports: imports
                    .filter(|dependency| dependency["kind"].as_str() != Some("dev"))
                    .filter_map(|dependency| dependency["name"].as_str().map(str::to_owned))
                    .collect(),
            });
            if defaults.contains(&package["id"].as_str()?) {
                for target in package["targets"].as_array()? {
                    if target["kind"].as_array()?.iter().any(|kind| kind == "bin") {
                        workspace.default_binaries.push(target["name"].as_str()?.to_owned());
                    }
                }
            }
        }
        Some(workspace)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metadata_is_read() {
        let metadata = serde_json::json!({
            "workspace_root": "/r",
            "target_directory": "/t",
            "workspace_default_members": ["b 1"],
            "packages": [
                {
                    "id": "a 1", "name": "a", "manifest_path": "/r/crates/a/Cargo.toml",
                    "targets": [{"kind": ["bin"], "name": "other"}],
                    "dependencies": [
                        {"name": "x", "kind": null},
                        {"name": "y", "kind": "dev"},
                        {"name": "z", "kind": "build"},
                    ],
                },
                {
                    "id": "b 1", "name": "b", "manifest_path": "/r/crates/b/Cargo.toml",
                    "targets": [{"kind": ["lib"], "name": "b"}, {"kind": ["bin"], "name": "bin"}],
                    "dependencies": [],
                },
            ],
        });
        let workspace = Workspace::parse(&metadata).unwrap();
        assert_eq!(workspace.target, PathBuf::from("/t"));
        assert_eq!(workspace.default_binaries, ["bin"]);
        assert_eq!(workspace.packages[0].manifest, "crates/a/Cargo.toml");
        assert_eq!(workspace.packages[0].imports, ["x", "z"]);
    }
}
