//! Wire types, codes, typed client and the port through which gates reach an engine.
