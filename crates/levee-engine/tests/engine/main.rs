//! The engine over real journals and real threads.

mod harness;
mod operations;
mod overload;
mod recovery;
mod running;
mod snapshots;
