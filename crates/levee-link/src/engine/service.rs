//! The two methods as tonic calls them.

use std::convert::Infallible;
use std::future::{Ready, ready};
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::body::Body;
use tonic::codegen::{BoxFuture, Service, http};
use tonic::server::{Grpc, NamedService};
use tonic::transport::server::TlsConnectInfo;
use tonic::{Extensions, Request, Response, Status, Streaming};

use super::connections::Proven;
use super::{Hall, export, session};
use crate::framing::{CONNECT, EXPORT, Opaque, SERVICE};
use crate::limits::{FRAME_TO_ENGINE_LEN_MAX, FRAMES_WAITING_MAX};

/// The service, one clone a request.
#[derive(Clone)]
pub(super) struct Gates(pub(super) Arc<Hall>);

pub(super) type Frames = ReceiverStream<Result<Bytes, Status>>;

impl NamedService for Gates {
    const NAME: &'static str = SERVICE;
}

impl Service<http::Request<Body>> for Gates {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<http::Response<Body>, Infallible>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        let hall = Arc::clone(&self.0);
        let mut grpc = Grpc::new(Opaque).max_decoding_message_size(FRAME_TO_ENGINE_LEN_MAX);
        match request.uri().path() {
            CONNECT => Box::pin(async move { Ok(grpc.streaming(Connect(hall), request).await) }),
            EXPORT => {
                Box::pin(async move { Ok(grpc.server_streaming(Journal(hall), request).await) })
            }
            _ => Box::pin(ready(Ok(Status::unimplemented("no such method").into_http()))),
        }
    }
}

struct Connect(Arc<Hall>);

impl Service<Request<Streaming<Bytes>>> for Connect {
    type Response = Response<Frames>;
    type Error = Status;
    type Future = Ready<Result<Response<Frames>, Status>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Status>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Streaming<Bytes>>) -> Self::Future {
        let (out, frames) = mpsc::channel(FRAMES_WAITING_MAX);
        let proven = proven(request.extensions());
        tokio::spawn(session::run(Arc::clone(&self.0), proven, request.into_inner(), out));
        ready(Ok(Response::new(ReceiverStream::new(frames))))
    }
}

/// The mark of the connection that a request came on, with TLS or without.
fn proven(extensions: &Extensions) -> Proven {
    let by_tls = || extensions.get::<TlsConnectInfo<Proven>>().map(TlsConnectInfo::get_ref);
    let proven = extensions.get::<Proven>().or_else(by_tls);
    proven.cloned().expect("every connection has one")
}

struct Journal(Arc<Hall>);

impl Service<Request<Bytes>> for Journal {
    type Response = Response<Frames>;
    type Error = Status;
    type Future = BoxFuture<Response<Frames>, Status>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Status>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Bytes>) -> Self::Future {
        let hall = Arc::clone(&self.0);
        Box::pin(async move {
            let frames = export::begin(&hall, &request.into_inner()).await?;
            Ok(Response::new(frames))
        })
    }
}
