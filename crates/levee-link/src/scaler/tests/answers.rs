//! Over a socket, with a client of tonic's.

use std::collections::HashMap;
use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;

use levee_api::advice::Reason;
use levee_api::intake::{GateReport, Intake, Why};
use levee_api::types::Level;
use tokio::time::{sleep, timeout};
use tonic::codegen::http::uri::PathAndQuery;
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Request, Status, Streaming};
use tonic_prost::ProstCodec;

use crate::scaler::Scaler;
use crate::scaler::desk::Desk;
use crate::scaler::wire::{
    GetMetricSpecResponse, GetMetricsRequest, GetMetricsResponse, IsActiveResponse, MetricSpec,
    MetricValue, ScaledObjectRef,
};

/// After so long a test gives up, and fails.
const PATIENCE: Duration = Duration::from_secs(30);

fn object(metadata: &[(&str, &str)]) -> ScaledObjectRef {
    let owned = metadata.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    ScaledObjectRef {
        name: "gates".to_owned(),
        namespace: "shop".to_owned(),
        scaler_metadata: owned.collect::<HashMap<_, _>>(),
    }
}

fn metrics(metadata: &[(&str, &str)]) -> GetMetricsRequest {
    GetMetricsRequest {
        scaled_object_ref: Some(object(metadata)),
        metric_name: "levee-gates".to_owned(),
    }
}

/// A scaler and a connection to it.
struct Bench {
    scaler: Scaler,
    intake: Arc<Intake>,
    channel: Channel,
}

impl Bench {
    async fn new() -> Self {
        let intake = Arc::<Intake>::default();
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let scaler = Scaler::start(listener, Arc::clone(&intake)).expect("a scaler");
        let endpoint = Endpoint::from_shared(format!("http://{}", scaler.local_addr()));
        let channel = endpoint.expect("an address").connect().await.expect("it listens");
        Self { scaler, intake, channel }
    }

    async fn call<In, Out>(&self, method: &'static str, message: In) -> Result<Out, Status>
    where
        In: prost::Message + Send + Sync + 'static,
        Out: prost::Message + Default + Send + Sync + 'static,
    {
        let mut client = tonic::client::Grpc::new(self.channel.clone());
        client.ready().await.expect("the connection stands");
        let codec = ProstCodec::<In, Out>::default();
        let path = PathAndQuery::from_static(method);
        client.unary(Request::new(message), path, codec).await.map(tonic::Response::into_inner)
    }

    async fn get_metrics(&self, metadata: &[(&str, &str)]) -> Result<GetMetricsResponse, Status> {
        self.call("/externalscaler.ExternalScaler/GetMetrics", metrics(metadata)).await
    }

    async fn stream(&self) -> Result<Streaming<IsActiveResponse>, Status> {
        let mut client = tonic::client::Grpc::new(self.channel.clone());
        client.ready().await.expect("the connection stands");
        let codec = ProstCodec::<ScaledObjectRef, IsActiveResponse>::default();
        let path = PathAndQuery::from_static("/externalscaler.ExternalScaler/StreamIsActive");
        let stream = client.server_streaming(Request::new(object(&[])), path, codec).await?;
        Ok(stream.into_inner())
    }
}

fn report(region: &str, connections: u64) -> GateReport {
    GateReport {
        region: region.to_owned(),
        connections,
        connections_max: 1_000,
        ..GateReport::default()
    }
}

fn values(response: &GetMetricsResponse) -> Vec<i64> {
    response.metric_values.iter().map(|value| value.metric_value).collect()
}

#[tokio::test]
async fn keda_is_answered() {
    let bench = Bench::new().await;
    let spec: GetMetricSpecResponse =
        bench.call("/externalscaler.ExternalScaler/GetMetricSpec", object(&[])).await.unwrap();
    let one = MetricSpec {
        metric_name: "levee-gates".to_owned(),
        target_size: 1,
        target_size_float: 1.0,
    };
    assert_eq!(spec.metric_specs, [one]);
    let active: IsActiveResponse =
        bench.call("/externalscaler.ExternalScaler/IsActive", object(&[])).await.unwrap();
    assert!(active.result);

    // No gate, no number: the autoscaler keeps what it has.
    let status = bench.get_metrics(&[]).await.expect_err("nobody reports");
    assert_eq!(status.code(), Code::Unavailable);

    // 2,100 of 3,000 sockets are 70% of three gates; one more asks for a fourth.
    for _ in 0..3 {
        bench.intake.report(bench.intake.register_gate(), report("cn-east", 701));
    }
    let wanted = MetricValue {
        metric_name: "levee-gates".to_owned(),
        metric_value: 4,
        metric_value_float: 4.0,
    };
    timeout(PATIENCE, async {
        loop {
            match bench.get_metrics(&[]).await {
                Ok(got) if got.metric_values == [wanted.clone()] => break,
                Ok(got) => assert_eq!(values(&got), [3], "what is there, until it is looked at"),
                Err(status) => assert_eq!(status.code(), Code::Unavailable),
            }
            sleep(Duration::from_millis(20)).await;
        }
    })
    .await
    .expect("an answer");
    let advice = bench.intake.advice();
    assert_eq!(advice[0].0, "shop/gates/*/*");
    assert_eq!((advice[0].1.gates, advice[0].1.reason), (4, Reason::Sockets));
    bench.scaler.stop();
}

#[tokio::test]
async fn what_is_wrong_is_named() {
    let bench = Bench::new().await;
    let no_object = GetMetricsRequest { scaled_object_ref: None, ..metrics(&[]) };
    let other = GetMetricsRequest { metric_name: "cpu".to_owned(), ..metrics(&[]) };
    let mut nameless = metrics(&[]);
    nameless.scaled_object_ref.as_mut().expect("an object").name.clear();
    let mut long = metrics(&[]);
    long.scaled_object_ref.as_mut().expect("an object").namespace = "x".repeat(254);
    for (request, word) in [
        (metrics(&[("loopDelay", "5")]), "scalerMetadata.loopDelay "),
        (metrics(&[("windowS", "soon")]), "scalerMetadata.windowS "),
        (no_object, "scaledObjectRef "),
        (other, "metricName "),
        (nameless, "name "),
        (long, "namespace "),
    ] {
        let got: Result<GetMetricsResponse, Status> =
            bench.call("/externalscaler.ExternalScaler/GetMetrics", request).await;
        let status = got.expect_err(word);
        assert_eq!(status.code(), Code::InvalidArgument, "{status}");
        assert!(status.message().starts_with(word), "{status}");
    }
    // The other calls read the same metadata.
    let wrong = object(&[("tier", "")]);
    for method in ["IsActive", "GetMetricSpec"] {
        let path: &'static str = match method {
            "IsActive" => "/externalscaler.ExternalScaler/IsActive",
            _ => "/externalscaler.ExternalScaler/GetMetricSpec",
        };
        let got: Result<IsActiveResponse, Status> = bench.call(path, wrong.clone()).await;
        assert_eq!(got.expect_err(method).code(), Code::InvalidArgument);
    }
    let got: Result<IsActiveResponse, Status> =
        bench.call("/externalscaler.ExternalScaler/StreamMetricSpec", object(&[])).await;
    assert_eq!(got.expect_err("a newer method").code(), Code::Unimplemented);
    // Too large to be a question.
    let huge = object(&[("region", &"x".repeat(100_000))]);
    let got: Result<IsActiveResponse, Status> =
        bench.call("/externalscaler.ExternalScaler/IsActive", huge).await;
    assert_eq!(got.expect_err("too large").code(), Code::OutOfRange);
    bench.scaler.stop();
}

#[tokio::test]
async fn a_stream_says_active_at_once_and_ends_with_the_scaler() {
    let bench = Bench::new().await;
    let mut stream = bench.stream().await.expect("a stream");
    let first = timeout(PATIENCE, stream.message()).await.expect("at once").expect("a message");
    assert_eq!(first, Some(IsActiveResponse { result: true }));
    let scaler = bench.scaler;
    tokio::task::spawn_blocking(move || scaler.stop()).await.expect("it stops");
    let end = timeout(PATIENCE, stream.message()).await.expect("an end");
    assert!(matches!(end, Ok(None) | Err(_)), "{end:?}");
}

#[tokio::test]
async fn streams_have_a_limit_and_give_their_places_back() {
    let desk = Desk::new(Arc::default());
    let object = object(&[]);
    let mut open: Vec<_> =
        (0..64).map(|_| desk.stream_is_active(&object).expect("a place")).collect();
    let status = desk.stream_is_active(&object).expect_err("too many");
    assert_eq!(status.code(), Code::ResourceExhausted);
    open.pop();
    open.push(desk.stream_is_active(&object).expect("the place of the one that left"));
    desk.close();
    let status = desk.stream_is_active(&object).expect_err("stopping");
    assert_eq!(status.code(), Code::Unavailable);
}

#[test]
fn regions_and_tiers_are_counted_apart() {
    let intake = Arc::<Intake>::default();
    let desk = Desk::new(Arc::clone(&intake));
    for (region, tier, connections) in
        [("east", "1", 900), ("east", "2", 100), ("west", "1", 100), ("west", "1", 100)]
    {
        let report = GateReport { tier: tier.to_owned(), ..report(region, connections) };
        intake.report(intake.register_gate(), report);
    }
    desk.read(0);
    for (metadata, gates) in [
        (&[][..], 4),
        (&[("region", "east")], 2),
        (&[("region", "east"), ("tier", "1")], 2),
        (&[("region", "west")], 2),
        (&[("tier", "2")], 1),
    ] {
        let got = desk.metrics(&metrics(metadata)).expect("gates report");
        assert_eq!(values(&got), [gates], "{metadata:?}");
    }
    let status = desk.metrics(&metrics(&[("region", "north")])).expect_err("no gate there");
    assert_eq!(status.code(), Code::Unavailable);
    let names: Vec<String> = intake.advice().into_iter().map(|(name, _)| name).collect();
    let expected = [
        "shop/gates/*/*",
        "shop/gates/*/2",
        "shop/gates/east/*",
        "shop/gates/east/1",
        "shop/gates/west/*",
    ];
    assert_eq!(names, expected);

    // Gates that are gone are no gates that are idle: there is no number.
    for gate in 0..4 {
        intake.forget_gate(gate);
    }
    desk.read(1_000);
    assert_eq!(desk.metrics(&metrics(&[])).expect_err("gone").code(), Code::Unavailable);
    assert_eq!(intake.advice(), []);
    // And when they are back, what was held is held.
    intake.report(0, report("east", 900));
    desk.read(2_000);
    assert_eq!(values(&desk.metrics(&metrics(&[])).expect("back")), [4]);
}

#[test]
fn objects_have_a_limit_and_are_forgotten() {
    let intake = Arc::<Intake>::default();
    let desk = Desk::new(Arc::clone(&intake));
    intake.report(0, report("east", 1));
    desk.read(0);
    let named = |number: usize| GetMetricsRequest {
        scaled_object_ref: Some(ScaledObjectRef { name: format!("gates-{number}"), ..object(&[]) }),
        ..metrics(&[])
    };
    for number in 0..64 {
        desk.metrics(&named(number)).expect("followed");
    }
    let status = desk.metrics(&named(64)).expect_err("too many");
    assert_eq!(status.code(), Code::ResourceExhausted);
    desk.metrics(&named(63)).expect("known already");
    desk.read(599_999);
    assert_eq!(intake.advice().len(), 64);
    desk.metrics(&named(63)).expect("known already");
    desk.read(600_000);
    assert_eq!(intake.advice().len(), 1, "only the one that was asked about again");
    desk.metrics(&named(64)).expect("room again");
}

#[test]
fn a_closed_room_is_the_engine_unless_an_opening_is_waited_for() {
    for (watermark_us, hold_us, level, reason) in [
        (u64::MAX, u64::MAX, Level::Normal, Reason::Enough),
        (1, u64::MAX, Level::Normal, Reason::Engine),
        (1, 2, Level::Normal, Reason::Enough),
        (u64::MAX, u64::MAX, Level::Waiting, Reason::Engine),
        (u64::MAX, u64::MAX, Level::Deferred, Reason::Enough),
    ] {
        let intake = Arc::<Intake>::default();
        let desk = Desk::new(Arc::clone(&intake));
        intake.report(0, report("east", 1));
        intake.set_watermark_us(watermark_us);
        intake.set_hold_until_us(hold_us);
        intake.set_level(level, Why::default());
        desk.metrics(&metrics(&[])).expect_err("nothing was read yet");
        for second in 0..3 {
            desk.read(second * 1_000);
        }
        assert_eq!(intake.advice()[0].1.reason, reason, "{watermark_us} {hold_us} {level:?}");
    }
}
