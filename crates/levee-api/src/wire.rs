//! The JSON of requests and replies, for gates, clients and the OpenAPI document.

mod replies;
mod requests;

pub use replies::*;
pub use requests::*;
