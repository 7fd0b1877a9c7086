//! The JSON of requests and replies, for gates, clients and the OpenAPI document.

mod intake;
mod live;
mod orders;
mod outlets;
mod replies;
mod requests;
mod webhooks;

pub use intake::*;
pub use live::*;
pub use orders::*;
pub use outlets::*;
pub use replies::*;
pub use requests::*;
pub use webhooks::*;
