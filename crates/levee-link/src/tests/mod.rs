//! Gates and engines over real sockets: the state machine in memory stands for the engine, peers
//! that misbehave are made of frames by hand.

mod bench;
mod engine;
mod messages;
mod mirrors;
mod peers;
mod sessions;
