//! `levee key`: API keys. A secret is shown once, when it is made; only its hash is kept.

use std::path::{Path, PathBuf};

use anyhow::{Result, ensure};
use clap::{Subcommand, ValueEnum};
use levee_gate::{Role, keys};

use crate::Ending;

#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Cmd,
}

#[derive(Subcommand)]
enum Cmd {
    /// Make a key and show its secret, once.
    Create {
        /// What its holder may do.
        #[arg(long)]
        role: RoleArg,
        /// The brand of an outlet key; no other key has one.
        #[arg(long, required_if_eq("role", "outlet"))]
        brand: Option<String>,
        /// The server's data folder.
        #[arg(long, value_name = "DIR", default_value = "levee-data")]
        data: PathBuf,
    },
    /// List keys, without their secrets.
    List {
        /// The server's data folder.
        #[arg(long, value_name = "DIR", default_value = "levee-data")]
        data: PathBuf,
    },
    /// Make a key void; a running server notices within a second or two.
    Revoke {
        /// As listed.
        id: String,
        /// The server's data folder.
        #[arg(long, value_name = "DIR", default_value = "levee-data")]
        data: PathBuf,
    },
}

#[derive(Clone, Copy, ValueEnum)]
enum RoleArg {
    Operator,
    App,
    Outlet,
    Provider,
    Viewer,
}

impl From<RoleArg> for Role {
    fn from(role: RoleArg) -> Self {
        match role {
            RoleArg::Operator => Self::Operator,
            RoleArg::App => Self::App,
            RoleArg::Outlet => Self::Outlet,
            RoleArg::Provider => Self::Provider,
            RoleArg::Viewer => Self::Viewer,
        }
    }
}

/// Where a data folder has its keys.
pub(crate) fn file(data: &Path) -> PathBuf {
    data.join("keys.json")
}

pub(crate) fn run(args: &Args) -> Result<Ending> {
    let (Cmd::Create { data, .. } | Cmd::List { data } | Cmd::Revoke { data, .. }) = &args.command;
    ensure!(
        data.is_dir(),
        "there is no data folder {}: start the server once, or name another with --data",
        data.display()
    );
    match &args.command {
        Cmd::Create { role, brand, data } => {
            let (id, secret) = keys::create(&file(data), (*role).into(), brand.as_deref())?;
            println!("{secret}");
            eprintln!("key {id} made; its secret is shown only this once");
        }
        Cmd::List { data } => {
            for key in keys::list(&file(data))? {
                let brand = key.brand.as_deref().unwrap_or("-");
                println!("{}  {:8}  {brand}  {}", key.id, key.role.name(), key.created_at);
            }
        }
        Cmd::Revoke { id, data } => {
            keys::revoke(&file(data), id)?;
            println!("key {id} revoked");
        }
    }
    Ok(Ending::Good)
}
