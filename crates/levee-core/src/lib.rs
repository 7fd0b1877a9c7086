//! The rules of Levee: a deterministic state machine, command in, outcome out.
#![no_std]
extern crate alloc;
