//! `levee campaign`: campaign documents as files.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow};
use bytes::Bytes;
use clap::Subcommand;
use levee_api::client::Raw;
use levee_api::document::{CampaignDocument, compile, from_toml};
use levee_api::strict::{Malformed, parse};
use levee_api::types::Definition;
use levee_api::wire::CampaignBody;

use crate::Ending;
use crate::remote::{Server, block_on, print};

#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Cmd,
}

#[derive(Subcommand)]
enum Cmd {
    /// Check a document, TOML or JSON; needs no server.
    Check {
        /// The document.
        file: PathBuf,
    },
    /// Make a campaign of a document, or replace the one of the same id.
    Apply {
        /// The document.
        file: PathBuf,
        #[command(flatten)]
        server: Server,
    },
    /// Show a campaign with its money.
    Show {
        /// Its id.
        id: String,
        #[command(flatten)]
        server: Server,
    },
}

pub(crate) fn run(args: &Args) -> Result<Ending> {
    match &args.command {
        Cmd::Check { file } => {
            let (_, definition) = read(file)?;
            println!("{} is good: campaign {}", file.display(), definition.id);
        }
        Cmd::Apply { file, server } => {
            let body = block_on(apply(file, server))??;
            print(&body)?;
        }
        Cmd::Show { id, server } => {
            let body = block_on(async { server.connect().await?.campaign(id).await })??;
            print(&body)?;
        }
    }
    Ok(Ending::Good)
}

/// A document from a file of JSON or TOML, and what the engine makes of it.
fn read(file: &Path) -> Result<(CampaignDocument, Definition)> {
    let text =
        fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
    let is_json = file.extension().is_some_and(|extension| extension == "json");
    let document = if is_json { parse(text.as_bytes()) } else { from_toml(&text) };
    let compiled = document.and_then(|document| Ok((compile(&document)?, document)));
    let (definition, document) = compiled.map_err(|Malformed { field, detail }| {
        let field = field.map_or(String::new(), |field| format!("{field}: "));
        anyhow!("{}: {field}{detail}", file.display())
    })?;
    Ok((document, definition))
}

async fn apply(file: &Path, server: &Server) -> Result<CampaignBody> {
    // Errors in the document are told with the file's name before the server is asked.
    let (document, definition) = read(file)?;
    let json = definition.document;
    let mut client = server.connect().await?;
    let path = format!("/v1/campaigns/{}", document.id);
    let there = client.send(hyper::Method::GET, &path, &[], Bytes::new()).await?;
    let raw: Raw = if there.status == 404 {
        // One document makes one campaign: the id is as good a key as any, and a repeat with
        // another document is told apart.
        let key = format!("apply-{}", document.id);
        let headers = [("idempotency-key", key.as_str())];
        client.send(hyper::Method::POST, "/v1/campaigns", &headers, json.into()).await?
    } else {
        let version = there.json::<CampaignBody>()?.version;
        let etag = format!("\"{version}\"");
        let headers = [("if-match", etag.as_str())];
        client.send(hyper::Method::PUT, &path, &headers, json.into()).await?
    };
    Ok(raw.json()?)
}
