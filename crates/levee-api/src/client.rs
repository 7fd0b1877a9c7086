//! The typed client: one keep-alive connection, one request at a time.
//!
//! Crowds and tools open as many as they want requests under way. It repeats nothing by itself, but
//! for [`Client::send_with_retries`]: what that repeats, and how often, stands in [`crate::retry`].

use std::error::Error;
use std::io;
use std::sync::Arc;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HOST, HeaderMap, HeaderValue};
use hyper::{Method, Request};
use hyper_util::rt::TokioIo;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::problem::Problem;
use crate::retry::Retries;
use crate::stream::{Stream, host_of};
use crate::wire::{
    CampaignBody, ClaimBody, ClaimRequest, RedemptionBody, RedemptionRequest, RollbackBody,
};

/// Why a request has no answer of the expected kind.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// No connection, or it broke: whether the request had an effect is not known.
    #[error("connection to {address}: {cause}")]
    Connection {
        /// Whom it should have reached.
        address: String,
        /// What went wrong.
        cause: String,
    },
    /// The server said no.
    #[error("{} {}{}: {}", .0.status, .0.code.as_str(), field(.0), detail(.0))]
    Refused(Box<Problem>),
    /// The server answered with something else than its interface says.
    #[error("unexpected answer with status {status}: {body}")]
    Unexpected {
        /// The HTTP status.
        status: u16,
        /// The first bytes of the body.
        body: String,
    },
}

fn field(problem: &Problem) -> String {
    problem.field.as_ref().map_or(String::new(), |field| format!(" ({field})"))
}

fn detail(problem: &Problem) -> &str {
    problem.detail.as_deref().unwrap_or(&problem.title)
}

/// An answer as it came.
#[derive(Debug)]
pub struct Raw {
    /// The HTTP status.
    pub status: u16,
    /// All headers.
    pub headers: HeaderMap,
    /// The whole body.
    pub body: Bytes,
}

impl Raw {
    /// Whether the server says that it had done this before.
    #[must_use]
    pub fn replayed(&self) -> bool {
        self.headers.contains_key("idempotent-replayed")
    }

    /// The body of a good answer.
    ///
    /// # Errors
    /// The answer is a problem, or nothing that this client knows.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, ClientError> {
        if self.status < 300
            && let Ok(body) = serde_json::from_slice(&self.body)
        {
            return Ok(body);
        }
        if let Ok(problem) = serde_json::from_slice(&self.body) {
            return Err(ClientError::Refused(Box::new(problem)));
        }
        let body = String::from_utf8_lossy(&self.body[..self.body.len().min(200)]).into_owned();
        Err(ClientError::Unexpected { status: self.status, body })
    }
}

/// A good answer, and whether it is a repeated one.
#[derive(Clone, Debug)]
pub struct Answered<T> {
    /// The body.
    pub body: T,
    /// `Idempotent-Replayed: true`.
    pub replayed: bool,
}

fn broken(address: &str, cause: &str) -> ClientError {
    ClientError::Connection { address: address.to_owned(), cause: cause.to_owned() }
}

async fn open(address: &str) -> Result<SendRequest<Full<Bytes>>, ClientError> {
    let broken = |error: &dyn Error| broken(address, &error.to_string());
    let stream = Stream::connect(address).await.map_err(|error| broken(&error))?;
    let (sender, connection) =
        handshake(TokioIo::new(stream)).await.map_err(|error| broken(&error))?;
    // Ends with the sender or the peer; how it ends shows in the next request.
    tokio::spawn(connection);
    Ok(sender)
}

/// One connection.
#[derive(Debug)]
pub struct Client {
    address: String,
    host: HeaderValue,
    key: HeaderValue,
    sender: SendRequest<Full<Bytes>>,
    retries: Arc<Retries>,
}

impl Client {
    /// Connects to `HOST:PORT` or `unix:PATH`, to act with this key.
    ///
    /// # Errors
    /// Nobody listens there, or the key cannot be a header.
    pub async fn connect(address: &str, key: &str) -> Result<Self, ClientError> {
        let header = |text: &str| {
            HeaderValue::from_str(text).map_err(|_| {
                broken(address, &io::Error::from(io::ErrorKind::InvalidInput).to_string())
            })
        };
        Ok(Self {
            address: address.to_owned(),
            host: header(host_of(address))?,
            key: header(&format!("Bearer {key}"))?,
            sender: open(address).await?,
            retries: Arc::default(),
        })
    }

    /// Another connection to the same server, with the same key and the same budget for repeats.
    ///
    /// # Errors
    /// Nobody listens there.
    pub async fn connect_another(&self) -> Result<Self, ClientError> {
        Ok(Self {
            address: self.address.clone(),
            host: self.host.clone(),
            key: self.key.clone(),
            sender: open(&self.address).await?,
            retries: Arc::clone(&self.retries),
        })
    }

    /// Connects again if the connection is gone.
    pub(crate) async fn reconnect(&mut self) -> Result<(), ClientError> {
        if self.sender.is_closed() {
            self.sender = open(&self.address).await?;
        }
        Ok(())
    }

    pub(crate) fn retries(&self) -> &Arc<Retries> {
        &self.retries
    }

    /// Any request, with any further headers; an empty body sends none.
    ///
    /// # Errors
    /// The connection broke before the answer was whole.
    pub async fn send(
        &mut self,
        method: Method,
        path: &str,
        headers: &[(&'static str, &str)],
        body: Bytes,
    ) -> Result<Raw, ClientError> {
        let broken =
            |cause: String| ClientError::Connection { address: self.address.clone(), cause };
        let mut request = Request::builder()
            .method(method)
            .uri(path)
            .header(HOST, &self.host)
            .header(AUTHORIZATION, &self.key);
        if !body.is_empty() {
            request = request.header(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Full::new(body)).map_err(|error| broken(error.to_string()))?;
        self.sender.ready().await.map_err(|error| broken(error.to_string()))?;
        let answer =
            self.sender.send_request(request).await.map_err(|error| broken(error.to_string()))?;
        let (head, body) = answer.into_parts();
        let body = body.collect().await.map_err(|error| broken(error.to_string()))?.to_bytes();
        Ok(Raw { status: head.status.as_u16(), headers: head.headers, body })
    }

    /// A request with a JSON body and, where the path needs one, an idempotency key.
    ///
    /// # Errors
    /// As [`Self::send`].
    pub async fn post<B: Serialize>(
        &mut self,
        path: &str,
        idempotency_key: Option<&str>,
        body: &B,
    ) -> Result<Raw, ClientError> {
        let body = serde_json::to_vec(body).expect("request types have only string keys");
        let key = idempotency_key.map(|key| ("idempotency-key", key));
        self.send(Method::POST, path, key.as_slice(), body.into()).await
    }

    /// A question.
    ///
    /// # Errors
    /// As [`Self::send`], or the answer is no such body.
    pub async fn get<T: DeserializeOwned>(&mut self, path: &str) -> Result<T, ClientError> {
        self.send(Method::GET, path, &[], Bytes::new()).await?.json()
    }

    /// Claims a voucher. A repeat is harmless where a user may have one.
    ///
    /// # Errors
    /// As [`Self::send`], or the claim was refused.
    pub async fn claim(
        &mut self,
        campaign: &str,
        claim: &ClaimRequest,
    ) -> Result<Answered<ClaimBody>, ClientError> {
        let path = format!("/v1/campaigns/{campaign}/claims");
        let raw = self.post(&path, None, claim).await?;
        Ok(Answered { body: raw.json()?, replayed: raw.replayed() })
    }

    /// Redeems a voucher.
    ///
    /// # Errors
    /// As [`Self::send`], or the redemption was refused.
    pub async fn redeem(
        &mut self,
        idempotency_key: &str,
        redemption: &RedemptionRequest,
    ) -> Result<Answered<RedemptionBody>, ClientError> {
        let raw = self.post("/v1/redemptions", Some(idempotency_key), redemption).await?;
        Ok(Answered { body: raw.json()?, replayed: raw.replayed() })
    }

    /// Rolls a redemption back.
    ///
    /// # Errors
    /// As [`Self::send`], or it was refused.
    pub async fn roll_back(
        &mut self,
        idempotency_key: &str,
        redemption: &str,
        reason: &str,
    ) -> Result<Answered<RollbackBody>, ClientError> {
        let path = format!("/v1/redemptions/{redemption}/rollback");
        let body = serde_json::json!({ "reason": reason });
        let raw = self.post(&path, Some(idempotency_key), &body).await?;
        Ok(Answered { body: raw.json()?, replayed: raw.replayed() })
    }

    /// One campaign as it is now.
    ///
    /// # Errors
    /// As [`Self::get`].
    pub async fn campaign(&mut self, id: &str) -> Result<CampaignBody, ClientError> {
        self.get(&format!("/v1/campaigns/{id}")).await
    }
}
