//! A gate's behaviour over real sockets, with a small engine behind it.

mod bench;
mod claims;
mod engine;
mod wire;
