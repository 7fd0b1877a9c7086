//! From an address to a connection.

use std::time::Duration;

use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint};

use super::{Address, LinkError};
use crate::SharedKey;
use crate::limits::{CONNECTION_WINDOW, HANDSHAKE_MAX, RETRY_MAX, SILENCE_MAX, STREAM_WINDOW};

/// An address that was looked at.
pub(super) struct Target {
    endpoint: Endpoint,
    pub(super) shared_key: SharedKey,
    /// Whether a key was named: then the engine must know it, too.
    pub(super) wants_proof: bool,
    pub(super) name: String,
}

impl Target {
    pub(super) fn new(address: &Address) -> Result<Self, LinkError> {
        let wrong = |what: String| LinkError::Address(what);
        let (name, shared_key) = match address {
            Address::Unix { path, shared_key } => {
                let path = path.to_str().ok_or_else(|| {
                    wrong(format!("the socket's path {} is no UTF-8 text", path.display()))
                })?;
                (format!("unix:{path}"), shared_key.clone())
            }
            Address::Tls { url, shared_key, .. } => (url.clone(), Some(shared_key.clone())),
        };
        let endpoint = Endpoint::from_shared(name.clone())
            .map_err(|error| wrong(format!("{name} is no address of an engine: {error}")))?;
        let endpoint = endpoint
            .connect_timeout(HANDSHAKE_MAX)
            .initial_stream_window_size(STREAM_WINDOW)
            .initial_connection_window_size(CONNECTION_WINDOW)
            .tcp_nodelay(true)
            .http2_keep_alive_interval(SILENCE_MAX)
            .keep_alive_timeout(SILENCE_MAX);
        let endpoint = match address {
            Address::Unix { .. } => endpoint,
            Address::Tls { ca_pem, .. } => {
                let tls = ClientTlsConfig::new().ca_certificate(Certificate::from_pem(ca_pem));
                endpoint.tls_config(tls).map_err(|error| {
                    wrong(format!("the certificate authority cannot be used: {error}"))
                })?
            }
        };
        let wants_proof = shared_key.is_some();
        let shared_key = shared_key.unwrap_or_else(SharedKey::none);
        Ok(Self { endpoint, shared_key, wants_proof, name })
    }

    pub(super) async fn connect(&self) -> Result<Channel, tonic::transport::Error> {
        self.endpoint.connect().await
    }
}

/// How long to wait before the next attempt: twice as long each time, and never in step with other
/// gates.
pub(super) struct Pauses {
    next: Duration,
    first: Duration,
}

impl Pauses {
    pub(super) fn new(first: Duration) -> Self {
        Self { next: first, first }
    }

    /// The last attempt led to something.
    pub(super) fn reset(&mut self) {
        self.next = self.first;
    }

    /// Half to all of the present pause.
    pub(super) fn next(&mut self) -> Duration {
        let pause = self.next;
        self.next = (pause * 2).min(RETRY_MAX);
        let mut random = [0; 1];
        // Without randomness gates are in step, and that is all.
        let _ = getrandom::fill(&mut random);
        pause / 2 + pause / 2 * u32::from(random[0]) / 255
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::RETRY_MIN;

    #[test]
    fn pauses_grow_to_a_limit_and_begin_anew() {
        let mut pauses = Pauses::new(RETRY_MIN);
        let first = pauses.next();
        assert!(first >= RETRY_MIN / 2 && first <= RETRY_MIN);
        for _ in 0..20 {
            assert!(pauses.next() <= RETRY_MAX);
        }
        assert!(pauses.next() >= RETRY_MAX / 2);
        pauses.reset();
        assert!(pauses.next() <= RETRY_MIN);
    }
}
