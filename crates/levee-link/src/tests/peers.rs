//! Peers that misbehave: each is sent away, and everyone else goes on.

use std::io::{Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;

use bytes::Bytes;
use levee_api::port::{Ask, AskBody, Priority, Query, Reply};
use tokio::runtime::Runtime;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::client::Grpc;
use tonic::codegen::http::uri::PathAndQuery;
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Request, Status, Streaming};

use super::bench::{Bench, until};
use crate::SharedKey;
use crate::framing::{CONNECT, EXPORT, Opaque};
use crate::limits::{
    CONNECTION_PROVEN_MAX, FRAME_TO_ENGINE_LEN_MAX, HANDSHAKES_MAX, IN_FLIGHT_MAX,
};
use crate::message::{
    Counts, ExportRequest, Hello, PROTOCOL, ToEngine, ToGate, bytes_of, read_frame, read_one,
};
use crate::proof::{Nonces, Side};

/// A gate by hand.
struct Peer {
    runtime: Runtime,
    out: mpsc::Sender<Bytes>,
    inbound: Streaming<Bytes>,
}

impl Peer {
    fn connect(path: &Path) -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let (out, inbound) = runtime.block_on(async {
            let mut grpc = Grpc::new(channel(path).await);
            grpc.ready().await.unwrap();
            let (out, frames) = mpsc::channel(64);
            let request = Request::new(ReceiverStream::new(frames));
            let answer = grpc.streaming(request, PathAndQuery::from_static(CONNECT), Opaque).await;
            (out, answer.unwrap().into_inner())
        });
        Self { runtime, out, inbound }
    }

    fn send(&self, frame: Vec<u8>) {
        self.runtime.block_on(self.out.send(frame.into())).expect("the stream is open");
    }

    fn say(&self, message: &ToEngine) {
        self.send(bytes_of(message));
    }

    fn hear(&mut self) -> Result<Option<Bytes>, Status> {
        self.runtime.block_on(self.inbound.message())
    }

    fn hello(&self) -> [u8; 16] {
        let nonce = [4; 16];
        self.say(&ToEngine::Hello(Hello {
            protocol: PROTOCOL,
            nonce,
            sent_us: 0,
            name: "by hand".to_owned(),
        }));
        nonce
    }

    /// Up to the welcome.
    fn shake_hands(&mut self) {
        let gate = self.hello();
        let first = self.hear().unwrap().expect("a challenge");
        let Ok(ToGate::Challenge(challenge)) = read_one(&first) else { panic!("{first:?}") };
        let nonces = Nonces { gate, engine: challenge.nonce };
        self.say(&ToEngine::Proof(SharedKey::none().prove(Side::Gate, &nonces)));
        let second = self.hear().unwrap().expect("a welcome");
        assert!(matches!(read_one(&second), Ok(ToGate::Welcome(_))));
    }

    /// Why the engine ends it.
    fn end(&mut self) -> Status {
        loop {
            match self.hear() {
                Ok(Some(frame)) => drop(read_frame::<ToGate>(&frame).expect("an engine's word")),
                Ok(None) => panic!("it ended in order"),
                Err(status) => return status,
            }
        }
    }
}

async fn channel(path: &Path) -> Channel {
    let endpoint = Endpoint::from_shared(format!("unix:{}", path.display())).unwrap();
    endpoint.connect().await.unwrap()
}

/// What a peer says after the handshake, and how the engine ends it.
#[track_caller]
fn check(bench: &Bench, code: Code, say: impl FnOnce(&Peer)) {
    let mut peer = Peer::connect(&bench.path());
    peer.shake_hands();
    say(&peer);
    let status = peer.end();
    assert_eq!(status.code(), code, "{status:?}");
    until(|| bench.engine.origins.lock().unwrap().len() == 1);
}

fn asks(count: u64) -> ToEngine {
    let ask = |ticket| {
        let body = AskBody::Query(Box::new(Query::Campaigns { after: None, limit: 1 }));
        Ask { ticket, within_ms: 1, body }
    };
    ToEngine::Asks { priority: Priority::Browse, age_us: 0, asks: (0..count).map(ask).collect() }
}

#[test]
fn who_breaks_the_rules_is_sent_away_and_the_others_go_on() {
    let bench = Bench::start(None);
    let gate = bench.gate();
    check(&bench, Code::InvalidArgument, |peer| peer.send(vec![0xff; 100]));
    check(&bench, Code::InvalidArgument, |peer| {
        peer.hello();
    });
    check(&bench, Code::InvalidArgument, |peer| {
        // Counts that skip one.
        peer.say(&ToEngine::Counts(Counts { number: 2, ..Counts::default() }));
    });
    check(&bench, Code::InvalidArgument, |peer| {
        let passes = vec![(1 << 16, 1)];
        peer.say(&ToEngine::Counts(Counts { number: 1, passes, ..Counts::default() }));
    });
    check(&bench, Code::OutOfRange, |peer| peer.send(vec![6; FRAME_TO_ENGINE_LEN_MAX + 1]));
    bench.engine.silent.store(true, std::sync::atomic::Ordering::Relaxed);
    check(&bench, Code::ResourceExhausted, |peer| {
        for _ in 0..=IN_FLIGHT_MAX / 8_192 {
            peer.say(&asks(8_192));
        }
    });
    bench.engine.silent.store(false, std::sync::atomic::Ordering::Relaxed);
    let query = AskBody::Query(Box::new(Query::Campaigns { after: None, limit: 1 }));
    assert!(matches!(gate.ask(query), Reply::Answer(_)));
}

#[test]
fn a_handshake_goes_one_way() {
    let bench = Bench::start(None);
    let mut early = Peer::connect(&bench.path());
    early.say(&asks(1));
    assert_eq!(early.end().code(), Code::InvalidArgument);
    let mut other = Peer::connect(&bench.path());
    let (protocol, name) = (PROTOCOL + 1, String::new());
    other.say(&ToEngine::Hello(Hello { protocol, nonce: [0; 16], sent_us: 0, name }));
    let status = other.end();
    assert_eq!(status.code(), Code::FailedPrecondition);
    assert!(status.message().contains("same build"), "{status:?}");
    let mut forger = Peer::connect(&bench.path());
    forger.hello();
    assert!(forger.hear().unwrap().is_some());
    forger.say(&ToEngine::Proof([0; 32]));
    assert_eq!(forger.end().code(), Code::Unauthenticated);
    assert!(bench.is_free());
}

#[test]
fn who_falls_silent_is_gone() {
    let bench = Bench::start(None);
    let mut half_open = Peer::connect(&bench.path());
    half_open.shake_hands();
    until(|| !bench.is_free());
    let mut silent = Peer::connect(&bench.path());
    let status = half_open.end();
    assert_eq!(status.code(), Code::DeadlineExceeded, "{status:?}");
    until(|| bench.is_free());
    assert_eq!(silent.end().code(), Code::DeadlineExceeded);
}

#[test]
fn strangers_take_no_place_from_gates() {
    let bench = Bench::start(None);
    let gate = bench.gate();
    let mut strangers: Vec<_> = (0..HANDSHAKES_MAX)
        .map(|_| {
            let mut stranger = Peer::connect(&bench.path());
            stranger.hello();
            assert!(stranger.hear().unwrap().is_some(), "a challenge");
            stranger
        })
        .collect();
    let mut late = Peer::connect(&bench.path());
    assert_eq!(late.end().code(), Code::ResourceExhausted);
    let query = AskBody::Query(Box::new(Query::Campaigns { after: None, limit: 1 }));
    assert!(matches!(gate.ask(query), Reply::Answer(_)));
    // Their time is bounded, and then a gate finds a place.
    assert_eq!(strangers[0].end().code(), Code::DeadlineExceeded);
    drop(bench.gate());
}

#[test]
fn a_connection_without_a_gate_is_closed() {
    let bench = Bench::start(None);
    let gate = bench.gate();
    let mut idle = UnixStream::connect(bench.path()).unwrap();
    // Speaks HTTP/2 well, and asks for nothing.
    idle.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0").unwrap();
    idle.set_read_timeout(Some(CONNECTION_PROVEN_MAX * 3)).unwrap();
    let mut said = Vec::new();
    // It ends, in whichever way.
    let ended = idle.read_to_end(&mut said);
    let is_cut = |error: &std::io::Error| error.kind() != std::io::ErrorKind::WouldBlock;
    assert!(ended.as_ref().err().is_none_or(is_cut), "{ended:?}");
    assert!(!said.is_empty(), "the engine's side began to speak");
    let query = AskBody::Query(Box::new(Query::Campaigns { after: None, limit: 1 }));
    assert!(matches!(gate.ask(query), Reply::Answer(_)), "a gate stays");
}

#[test]
fn garbage_on_the_socket_harms_nobody() {
    let bench = Bench::start(None);
    let gate = bench.gate();
    for garbage in [
        &b"GET / HTTP/1.1\r\nHost: levee\r\n\r\n"[..],
        &[0xff; 4_096],
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\xff\xff\xff\xff\xff\xff\xff\xff\xff",
        b"",
    ] {
        let mut stream = UnixStream::connect(bench.path()).unwrap();
        // It may be cut off before all is written.
        let _ = stream.write_all(garbage);
        let _ = stream.shutdown(std::net::Shutdown::Write);
        let _ = stream.read_to_end(&mut Vec::new());
    }
    let query = AskBody::Query(Box::new(Query::Campaigns { after: None, limit: 1 }));
    assert!(matches!(gate.ask(query), Reply::Answer(_)));
}

#[test]
fn exports_need_a_session() {
    let bench = Bench::start(None);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let mut grpc = Grpc::new(channel(&bench.path()).await);
        let token = bytes_of(&ExportRequest { token: [0; 16], after_seq: 0 });
        for (request, code) in
            [(token, Code::Unauthenticated), (vec![1, 2, 3], Code::InvalidArgument)]
        {
            grpc.ready().await.unwrap();
            let path = PathAndQuery::from_static(EXPORT);
            let request = Request::new(Bytes::from(request));
            let refused = grpc.server_streaming(request, path, Opaque).await;
            assert_eq!(refused.expect_err("refused").code(), code);
        }
    });
}

#[test]
fn an_engine_that_answers_nothing_is_left() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("levee.sock");
    let listener = UnixListener::bind(&path).unwrap();
    let address = crate::gate::Address::Unix { path, shared_key: None };
    let link = crate::gate::start(address, "test", |_| {}).unwrap();
    // It tries again, and takes no asks.
    let first = listener.accept().unwrap();
    let second = listener.accept().unwrap();
    assert!(!link.is_connected() && link.ended().is_none());
    drop((first, second));
}
