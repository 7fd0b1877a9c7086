//! The sandbox without sockets.

use std::sync::Arc;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::Request;

use super::config::{SandboxConfig, SandboxError};
use super::stats::Stats;
use super::world::Shared;
use super::{live, routes};
use crate::http::{Answering, CALL_MAX, Http, Party};

/// Where it is, as it says itself.
const OWN_URL: &str = "http://127.0.0.1:8480";

/// Outlets and a payment provider in the runtime in which they were started, for as long as that runs.
/// Of their waits all are tokio's.
#[derive(Clone, Debug)]
pub struct Outside(Arc<Shared>);

impl Outside {
    /// Starts them; what they say goes to `levee`. It listens nowhere.
    ///
    /// # Errors
    /// Something in the configuration is wrong.
    ///
    /// # Panics
    /// Not in a runtime.
    pub fn start(config: SandboxConfig, levee: &Arc<dyn Party>) -> Result<Self, SandboxError> {
        let address = config.check()?;
        let shared = Arc::new(Shared::new(config, address, OWN_URL.to_owned()));
        live(&shared, [(); 2].map(|()| Http::to(CALL_MAX, Arc::clone(levee))));
        Ok(Self(shared))
    }

    /// All counts as they are now.
    #[must_use]
    pub fn stats(&self) -> Stats {
        self.0.stats()
    }
}

impl Party for Outside {
    fn answer(&self, request: Request<Bytes>) -> Answering {
        let shared = Arc::clone(&self.0);
        Box::pin(async move {
            let (head, body) =
                routes::answer(shared, request.map(Full::new)).await.ok()?.into_parts();
            let body = body.collect().await.expect("it is in memory").to_bytes();
            Some(hyper::Response::from_parts(head, body))
        })
    }
}
