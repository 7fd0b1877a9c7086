//! The HTTP front: keys, strictness, routes, OpenAPI.
