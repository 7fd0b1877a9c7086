//! The scaler as a whole: what it needs, what it holds, what it answers, and when, beside a signal
//! from the processor's load.

mod answers;
mod holding;
mod needs;
mod ramp;
