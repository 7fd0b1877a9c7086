//! All tickets or payments as NDJSON: made while it is read, some at a time, so that ten million
//! lines need no memory and hold up nobody.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use hyper::body::{Body, Frame};
use serde::Serialize;

use super::world::Shared;

/// Lines that are made under one lock.
const LINES_MAX: usize = 500;

/// Which records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Tickets,
    Payments,
}

/// A body of lines. What changes or comes while it is read is in it or not, each line by itself.
#[derive(Debug)]
pub(super) struct Lines {
    shared: Arc<Shared>,
    kind: Kind,
    next: usize,
}

impl Lines {
    pub(super) fn new(shared: Arc<Shared>, kind: Kind) -> Self {
        Self { shared, kind, next: 0 }
    }
}

fn write(lines: impl Iterator<Item = impl Serialize>) -> (usize, Vec<u8>) {
    let (mut count, mut bytes) = (0, Vec::new());
    for line in lines.take(LINES_MAX) {
        serde_json::to_writer(&mut bytes, &line).expect("a line is written to memory");
        bytes.push(b'\n');
        count += 1;
    }
    (count, bytes)
}

impl Body for Lines {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let (kind, next) = (self.kind, self.next);
        let (count, bytes) = self.shared.with(|world, _| match kind {
            Kind::Tickets => write(world.kitchens.lines(next)),
            Kind::Payments => write(world.provider.lines(next)),
        });
        self.next += count;
        Poll::Ready((count > 0).then(|| Ok(Frame::data(bytes.into()))))
    }
}
