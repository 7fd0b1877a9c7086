//! gRPC: gates in processes of their own, and what an autoscaler asks.
//!
//! What must not live here: rules, files, HTTP for users.

pub mod scaler;
