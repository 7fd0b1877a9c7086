//! Judging, on synthetic drills.
