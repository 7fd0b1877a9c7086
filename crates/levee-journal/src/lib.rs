//! A durable, ordered log of opaque records.
