//! The HTTP front of Levee: keys, strictness, routes, OpenAPI.
//!
//! - [`start`] opens a gate on a listener; [`Gate::drain`] closes it.
//! - `routes` is the one table that everything served comes from; `serve` holds the checks that all
//!   routes share, `handlers` what each does.
//! - `whole` reads and answers the plain requests, which are nearly all; hyper does the others.
//! - `worker` is a thread with an event loop; nothing that a request touches leaves it, save for
//!   the asks and replies that `desk` exchanges with the engine in vectors. `coalesce` says when it
//!   lets a moment pass before it looks for events again.
//! - `lines` answers bodies of lines while they come.
//! - `outlets` is the one directory of outlets that all workers of a gate share.
//! - `follow` has the streams of single orders and of outlets' tickets.
//! - `live` makes the frames of the live stream, on a thread that no request touches.
//!
//! What must not live here: rules about money or vouchers, files other than the keys', the engine.

mod admission;
mod call;
mod coalesce;
mod config;
mod connection;
mod desk;
mod directory;
mod docs;
mod follow;
mod framing;
mod gate;
mod handlers;
mod headers;
mod json;
pub mod keys;
mod lines;
mod listener;
mod live;
mod metrics;
mod openapi;
pub mod outlets;
mod query;
mod reply;
mod routes;
mod sender;
mod serve;
mod signed;
mod slab;
mod socket;
mod trouble;
mod whole;
mod worker;

pub use admission::{Rule, Signal, Steward, StewardConfig};
pub use config::{AdmissionConfig, GateConfig, Ports, Provider, Proxies, Signers, Wire};
pub use gate::{Gate, start};
pub use keys::{KeyEntry, KeyRing, Role};
pub use listener::Listener;
