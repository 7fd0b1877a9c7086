//! `levee gate`: a gate in a process of its own.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context, Result, bail, ensure};
use levee_api::code::Codes;
use levee_api::port::Submit;
use levee_api::pseudonym::PseudonymKey;
use levee_gate::{KeyEntry, KeyRing, Ports, Role};
use levee_link::ApiKey;
use levee_link::gate::Address;

use crate::Ending;
use crate::config::{Config, check_label};
use crate::gates::read_shared_key;
use crate::listen::bind;
use crate::outside::Outside;
use crate::serve::{LISTEN_DEFAULT, Signals, limit_connections, log};

/// By how much a gate stands back behind an engine on the same machine: sockets are many, the
/// engine is one.
const NICE: i32 = 5;

#[derive(clap::Args)]
pub(crate) struct Args {
    /// The engine: unix:PATH, or https://HOST:PORT with --ca and --shared-key.
    #[arg(long, value_name = "ADDRESS")]
    engine: String,
    /// Where to listen: HOST:PORT, of which port 0 takes a free one, or unix:PATH
    /// [default: 127.0.0.1:8080].
    #[arg(long, value_name = "ADDRESS")]
    listen: Option<String>,
    /// The gate's name in metrics [default: gate].
    #[arg(long, value_parser = parse_label)]
    name: Option<String>,
    /// Where its users are.
    #[arg(long, value_parser = parse_label)]
    region: Option<String>,
    /// The tier of their cities.
    #[arg(long, value_parser = parse_label)]
    tier: Option<String>,
    /// The certificate authority that vouches for the engine, as PEM.
    #[arg(long, value_name = "FILE")]
    ca: Option<PathBuf>,
    /// A file with the key that gates and the engine share.
    #[arg(long, value_name = "FILE")]
    shared_key: Option<PathBuf>,
    /// A TOML file, of which listen and the sections gate and sandbox count; flags go before it.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// What to log: error, warn, info, debug or trace.
    #[arg(long, value_name = "LEVEL", default_value_t = tracing::Level::INFO)]
    log: tracing::Level,
}

fn parse_label(text: &str) -> Result<String, String> {
    check_label(text)?;
    Ok(text.to_owned())
}

impl Args {
    fn address(&self) -> Result<Address> {
        let shared_key = self.shared_key.as_deref().map(read_shared_key).transpose()?;
        if let Some(path) = self.engine.strip_prefix("unix:") {
            ensure!(self.ca.is_none(), "--ca is for TLS, and unix:{path} has none");
            return Ok(Address::Unix { path: path.into(), shared_key });
        }
        ensure!(
            self.engine.starts_with("https://"),
            "--engine must be unix:PATH or https://HOST:PORT, not {}: between machines a gate \
             speaks TLS only",
            self.engine
        );
        let (Some(ca), Some(shared_key)) = (&self.ca, shared_key) else {
            bail!("--engine {} needs --ca FILE and --shared-key FILE", self.engine);
        };
        let ca_pem = fs::read(ca).with_context(|| format!("cannot read {}", ca.display()))?;
        Ok(Address::Tls { url: self.engine.clone(), ca_pem, shared_key })
    }
}

pub(crate) fn run(args: &Args) -> Result<Ending> {
    log(args.log);
    let mut config = Config::load(args.config.as_deref())?;
    let mut gate_config = config.gate_config()?;
    for (flag, into) in [
        (&args.name, &mut gate_config.name),
        (&args.region, &mut gate_config.region),
        (&args.tier, &mut gate_config.tier),
    ] {
        if let Some(text) = flag {
            text.clone_into(into);
        }
    }
    let address = args.address()?;
    let listen = args.listen.clone().or(config.listen.take());
    let listen = listen.unwrap_or_else(|| LISTEN_DEFAULT.to_owned());
    let (listens_on, listener) = bind(&listen)?;
    let mut signals = Signals::take()?;

    let ring = Arc::new(KeyRing::fed());
    let link = {
        let ring = Arc::clone(&ring);
        levee_link::gate::start(address, &gate_config.name, move |keys| {
            ring.replace(entries(keys));
        })?
    };
    // The link's thread is made already, and stays where the engine's own are.
    if let Err(error) = rustix::process::nice(NICE) {
        tracing::debug!(%error, "the gate runs with the engine's priority");
    }
    // An engine that is not there yet, or reads its journal, is waited for.
    if signals.come_before(|| link.is_connected() || link.ended().is_some()) {
        return Ok(Ending::Good);
    }
    if let Some(ended) = link.ended() {
        bail!("{ended}");
    }
    let installation = link.installation().context("a connection begins with a welcome")?;
    ensure!(
        !installation.dev || listens_on.is_local(),
        "the engine runs with --dev and well-known keys: its gates listen on loopback only, not on \
         {listen}"
    );
    gate_config.signers = Outside::load(&mut config, installation.dev)?.signers();
    let engine = link.engine();
    let ports = Ports {
        submit: Arc::clone(&engine) as Arc<dyn Submit>,
        export: engine,
        codes: Arc::new(Codes::new(&installation.code_key, 0)),
        pseudonyms: PseudonymKey::new(&installation.pseudonym_key),
        keys: ring,
    };
    limit_connections(&mut gate_config);
    let gate = levee_gate::start(listener, gate_config, ports)?;
    let listens_on_url = listens_on.url("http");
    println!("levee gate listens on {listens_on_url} before the engine at {}", args.engine);
    let signalled = signals.come_before(|| link.ended().is_some());
    drop(listens_on);
    gate.drain();
    // Why a link ends was logged where it did.
    Ok(if signalled { Ending::Good } else { Ending::Failed })
}

/// Keys as the gate has them. A role that this build does not know allows nothing.
fn entries(keys: Vec<ApiKey>) -> Vec<KeyEntry> {
    let entry = |key: ApiKey| {
        let role = Role::from_name(&key.role)?;
        Some(KeyEntry { sha256: key.sha256, id: key.id, role, brand: key.brand })
    };
    keys.into_iter().filter_map(entry).collect()
}
