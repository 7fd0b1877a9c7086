//! How frames travel: gRPC messages whose content this crate itself gives a meaning, on two methods.
//!
//! gRPC brings what a wire of one's own would have to: streams with flow control on one connection,
//! TLS, an end with a reason. Its usual encoding is left out: commands have a binary form already,
//! with one layout, one set of limits and tests of its own, and no generated code.

use bytes::{Buf, BufMut, Bytes};
use tonic::Status;
use tonic::codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};

/// The service's name in paths.
pub(crate) const SERVICE: &str = "levee.link.v1.Gates";
/// A gate's own stream: frames both ways.
pub(crate) const CONNECT: &str = "/levee.link.v1.Gates/Connect";
/// The journal as NDJSON, in chunks.
pub(crate) const EXPORT: &str = "/levee.link.v1.Gates/Export";

/// Bytes in, bytes out.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Opaque;

impl Codec for Opaque {
    type Encode = Bytes;
    type Decode = Bytes;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        Self
    }

    fn decoder(&mut self) -> Self {
        Self
    }
}

impl Encoder for Opaque {
    type Item = Bytes;
    type Error = Status;

    fn encode(&mut self, frame: Bytes, out: &mut EncodeBuf<'_>) -> Result<(), Status> {
        out.put(frame);
        Ok(())
    }
}

impl Decoder for Opaque {
    type Item = Bytes;
    type Error = Status;

    fn decode(&mut self, input: &mut DecodeBuf<'_>) -> Result<Option<Bytes>, Status> {
        Ok(Some(input.copy_to_bytes(input.remaining())))
    }
}
