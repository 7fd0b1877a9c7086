//! Commands that ask a running server.

use anyhow::Result;
use levee_api::client::{Client, ClientError};
use serde::Serialize;

/// Which server, and who asks.
#[derive(clap::Args)]
pub(crate) struct Server {
    /// Where the server listens: HOST:PORT or unix:PATH.
    #[arg(long, default_value = "127.0.0.1:8080", value_name = "ADDRESS")]
    server: String,
    /// An API key.
    #[arg(long, env = "LEVEE_KEY", hide_env_values = true)]
    key: String,
}

impl Server {
    pub(crate) async fn connect(&self) -> Result<Client, ClientError> {
        Client::connect(&self.server, &self.key).await
    }

    /// `HOST:PORT` or `unix:PATH`.
    pub(crate) fn address(&self) -> &str {
        &self.server
    }

    pub(crate) fn key(&self) -> &str {
        &self.key
    }
}

/// Runs what asks a server, to its end.
pub(crate) fn block_on<T>(future: impl Future<Output = T>) -> Result<T> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    Ok(runtime.block_on(tokio::task::LocalSet::new().run_until(future)))
}

/// Shows what a server answered.
pub(crate) fn print(body: &impl Serialize) -> Result<()> {
    println!("{}", serde_json::to_string_pretty(body)?);
    Ok(())
}
