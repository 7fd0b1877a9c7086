//! The binary as its users meet it: real processes, real sockets, real files, killed and starved.

mod benches;
mod breakers;
mod commands;
mod crashes;
mod disk;
mod gates;
mod harness;
mod orders;
mod outlets;
mod providers;
mod races;
mod rehearsal;
mod sandbox;
mod sockets;
mod webhooks;
