//! The gRPC service, by hand: paths, and which message comes and goes on each.

use std::convert::Infallible;
use std::task::{Context, Poll};

use tokio_stream::wrappers::ReceiverStream;
use tonic::body::Body;
use tonic::codegen::{BoxFuture, Service, http};
use tonic::server::{Grpc, NamedService, ServerStreamingService, UnaryService};
use tonic::{Request, Response, Status};
use tonic_prost::ProstCodec;

use super::desk::Desk;
use super::wire::{
    GetMetricSpecResponse, GetMetricsRequest, GetMetricsResponse, IsActiveResponse, ScaledObjectRef,
};

/// A message is a name and a few targets.
const MESSAGE_LEN_MAX: usize = 64 * 1024;

/// `externalscaler.ExternalScaler`.
#[derive(Clone, Debug)]
pub(crate) struct ExternalScaler(pub(crate) Desk);

impl NamedService for ExternalScaler {
    const NAME: &'static str = "externalscaler.ExternalScaler";
}

impl Service<http::Request<Body>> for ExternalScaler {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<Self::Response, Infallible>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        let desk = self.0.clone();
        Box::pin(async move {
            Ok(match request.uri().path() {
                "/externalscaler.ExternalScaler/IsActive" => {
                    grpc().unary(IsActive(desk), request).await
                }
                "/externalscaler.ExternalScaler/StreamIsActive" => {
                    grpc().server_streaming(StreamIsActive(desk), request).await
                }
                "/externalscaler.ExternalScaler/GetMetricSpec" => {
                    grpc().unary(GetMetricSpec(desk), request).await
                }
                "/externalscaler.ExternalScaler/GetMetrics" => {
                    grpc().unary(GetMetrics(desk), request).await
                }
                // Newer ones of KEDA's are asked for too, and done without.
                _ => Status::unimplemented("no such method").into_http(),
            })
        })
    }
}

fn grpc<Out, In>() -> Grpc<ProstCodec<Out, In>>
where
    Out: prost::Message + Send + 'static,
    In: prost::Message + Default + Send + 'static,
{
    Grpc::new(ProstCodec::default()).max_decoding_message_size(MESSAGE_LEN_MAX)
}

struct IsActive(Desk);

impl UnaryService<ScaledObjectRef> for IsActive {
    type Response = IsActiveResponse;
    type Future = BoxFuture<Response<Self::Response>, Status>;

    fn call(&mut self, request: Request<ScaledObjectRef>) -> Self::Future {
        let answer = self.0.is_active(request.get_ref());
        Box::pin(async move { answer.map(Response::new) })
    }
}

struct StreamIsActive(Desk);

impl ServerStreamingService<ScaledObjectRef> for StreamIsActive {
    type Response = IsActiveResponse;
    type ResponseStream = ReceiverStream<Result<IsActiveResponse, Status>>;
    type Future = BoxFuture<Response<Self::ResponseStream>, Status>;

    fn call(&mut self, request: Request<ScaledObjectRef>) -> Self::Future {
        let stream = self.0.stream_is_active(request.get_ref());
        Box::pin(async move { stream.map(Response::new) })
    }
}

struct GetMetricSpec(Desk);

impl UnaryService<ScaledObjectRef> for GetMetricSpec {
    type Response = GetMetricSpecResponse;
    type Future = BoxFuture<Response<Self::Response>, Status>;

    fn call(&mut self, request: Request<ScaledObjectRef>) -> Self::Future {
        let answer = self.0.metric_spec(request.get_ref());
        Box::pin(async move { answer.map(Response::new) })
    }
}

struct GetMetrics(Desk);

impl UnaryService<GetMetricsRequest> for GetMetrics {
    type Response = GetMetricsResponse;
    type Future = BoxFuture<Response<Self::Response>, Status>;

    fn call(&mut self, request: Request<GetMetricsRequest>) -> Self::Future {
        let answer = self.0.metrics(request.get_ref());
        Box::pin(async move { answer.map(Response::new) })
    }
}
