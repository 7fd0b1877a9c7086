//! The single writer: sequence, apply, append, publish, recover.
