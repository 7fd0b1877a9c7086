//! The JSON of requests and replies, for gates, clients and the OpenAPI document.

mod intake;
mod replies;
mod requests;

pub use intake::*;
pub use replies::*;
pub use requests::*;
