//! One connection after the other, each from its handshake to its end.

use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use levee_api::types::Wire;
use levee_api::vitals::Phase;
use tokio::sync::mpsc;
use tokio::time::{MissedTickBehavior, interval, sleep, timeout};
use tokio_stream::wrappers::ReceiverStream;
use tonic::client::Grpc;
use tonic::codegen::http::uri::PathAndQuery;
use tonic::{Code, Request, Status, Streaming};

use super::connect::{Pauses, Target};
use super::mirror::{ClockOffset, Mirror};
use super::{Address, LinkError, Shared};
use crate::framing::{CONNECT, Opaque};
use crate::limits::{
    COUNTS_EVERY, FRAME_TO_GATE_LEN_MAX, FRAMES_WAITING_MAX, HANDSHAKE_MAX, REPORT_LOOKS,
    REPORTS_MAX, RETRY_MIN, SILENCE_MAX,
};
use crate::message::{
    Hello, PROTOCOL, Report, ToEngine, ToGate, Welcome, bytes_of, read_frame, read_one,
};
use crate::proof::{Nonces, Side, nonce};

/// Why a connection is over.
enum End {
    /// Another one may do better.
    Broken(String),
    /// No other one would.
    Final(LinkError),
}

impl From<Status> for End {
    fn from(status: Status) -> Self {
        let message = status.message().to_owned();
        match status.code() {
            Code::Unauthenticated => Self::Final(LinkError::SharedKey(message)),
            Code::FailedPrecondition => Self::Final(LinkError::Protocol(message)),
            _ => Self::Broken(message),
        }
    }
}

fn broken(what: impl Into<String>) -> End {
    End::Broken(what.into())
}

/// What lasts longer than a connection.
struct Lasting {
    mirror: Mirror,
    offset: ClockOffset,
}

/// Connects again and again, until it makes no sense any more.
pub(super) async fn connect_forever(shared: &Arc<Shared>, address: &Address) -> LinkError {
    let target = match Target::new(address) {
        Ok(target) => target,
        Err(error) => return error,
    };
    let mut lasting =
        Lasting { mirror: Mirror::new(Arc::clone(&shared.intake)), offset: ClockOffset::default() };
    let mut pauses = Pauses::new(RETRY_MIN);
    let mut said = String::new();
    loop {
        let end = connect_once(shared, &target, &mut lasting).await;
        let was_open = shared.vitals.phase() != Phase::Unreachable;
        shared.close();
        if was_open {
            pauses.reset();
            said.clear();
        }
        let why = match end {
            // While it works, an engine's key may be changed before the gate's is: that it does not
            // fit may pass.
            End::Final(LinkError::SharedKey(why)) if shared.installation.get().is_some() => why,
            End::Final(error) => return error,
            End::Broken(why) => why,
        };
        // Once each, not every second.
        if why != said {
            tracing::warn!(engine = target.name, why, "no connection to the engine; trying again");
            said = why;
        }
        sleep(pauses.next()).await;
    }
}

/// The machine's clock.
fn clock_us() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_micros()).unwrap_or(u64::MAX)
}

async fn connect_once(shared: &Arc<Shared>, target: &Target, lasting: &mut Lasting) -> End {
    // Of a connection that was lost: the engine must not know less now.
    let told_seq = shared.vitals.durable_seq.load(Relaxed);
    let shaken = timeout(HANDSHAKE_MAX, shake_hands(shared, target, lasting)).await;
    let (mut inbound, out) = match shaken {
        Ok(Ok(connected)) => connected,
        Ok(Err(end)) => return end,
        Err(_) => return broken("the engine does not finish the handshake"),
    };
    lasting.mirror.begin();
    let Lasting { mirror, offset } = lasting;
    let mirror = std::cell::RefCell::new(mirror);
    let ended = tokio::select! {
        ended = read(shared, told_seq, &mut inbound, &mirror, offset) => ended,
        ended = write(shared, &out, &mirror) => ended,
    };
    ended.err().unwrap_or_else(|| broken("the engine ended the connection"))
}

type Out = mpsc::Sender<Bytes>;

async fn shake_hands(
    shared: &Shared,
    target: &Target,
    lasting: &mut Lasting,
) -> Result<(Streaming<Bytes>, Out), End> {
    let channel = target.connect().await.map_err(|error| broken(chain(&error)))?;
    let mut grpc = Grpc::new(channel.clone()).max_decoding_message_size(FRAME_TO_GATE_LEN_MAX);
    grpc.ready().await.map_err(|error| broken(chain(&error)))?;
    let (out, frames) = mpsc::channel(FRAMES_WAITING_MAX);
    let path = PathAndQuery::from_static(CONNECT);
    let request = Request::new(ReceiverStream::new(frames));
    let mut inbound = grpc.streaming(request, path, Opaque).await?.into_inner();

    let own = nonce().map_err(|error| broken(error.to_string()))?;
    let (sent_us, name) = (clock_us(), shared.name.clone());
    let hello = Hello { protocol: PROTOCOL, nonce: own, sent_us, name };
    if send(&out, bytes_of(&ToEngine::Hello(hello))).await.is_err() {
        // It was ended before anything was said; why comes the other way.
        let why = inbound.message().await.err().map(End::from);
        return Err(why.unwrap_or_else(|| broken("the engine ended the connection")));
    }
    let first = inbound.message().await?.ok_or_else(|| broken("no answer to the hello"))?;
    let Ok(ToGate::Challenge(challenge)) = read_one(&first) else {
        return Err(broken("this is no engine's challenge"));
    };
    if challenge.protocol != PROTOCOL {
        return Err(End::Final(LinkError::Protocol(format!(
            "the engine speaks version {} of the link, this gate version {PROTOCOL}: use the same \
             build of both",
            challenge.protocol
        ))));
    }
    let offset_us = lasting.offset.note(sent_us, challenge.engine_us, clock_us());
    shared.intake.set_offset_us(offset_us);
    let nonces = Nonces { gate: own, engine: challenge.nonce };
    let proof = target.shared_key.prove(Side::Gate, &nonces);
    send(&out, bytes_of(&ToEngine::Proof(proof))).await?;

    let second = inbound.message().await?.ok_or_else(|| broken("no answer to the proof"))?;
    let Ok(ToGate::Welcome(welcome)) = read_one(&second) else {
        return Err(broken("this is no engine's welcome"));
    };
    let Welcome { proof, installation, token, keys } = *welcome;
    if target.wants_proof && !target.shared_key.holds(Side::Engine, &nonces, &proof) {
        let why = "the engine does not know this gate's".to_owned();
        return Err(End::Final(LinkError::SharedKey(why)));
    }
    if shared.installation.get().is_some_and(|known| *known != installation) {
        return Err(End::Final(LinkError::OtherInstallation));
    }
    (shared.keys)(keys);
    let mut current = shared.channel.lock().unwrap_or_else(PoisonError::into_inner);
    *current = Some((channel, token));
    drop(current);
    // Last: whoever waits for it may use everything else.
    let _ = shared.installation.set(installation);
    Ok((inbound, out))
}

/// What went wrong and why, down to its first cause.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let more = error.to_string();
        // Some errors say what their cause says.
        if !text.ends_with(&more) {
            text = format!("{text}: {more}");
        }
        cause = error.source();
    }
    text
}

async fn send(out: &Out, frame: Vec<u8>) -> Result<(), End> {
    match timeout(SILENCE_MAX, out.send(frame.into())).await {
        Ok(sent) => sent.map_err(|_| broken("the engine ended the connection")),
        Err(_) => Err(broken("the engine takes nothing")),
    }
}

type SharedMirror<'m> = std::cell::RefCell<&'m mut Mirror>;

/// Takes what the engine says, until it ends.
async fn read(
    shared: &Shared,
    told_seq: u64,
    inbound: &mut Streaming<Bytes>,
    mirror: &SharedMirror<'_>,
    offset: &mut ClockOffset,
) -> Result<(), End> {
    let mut open = false;
    loop {
        let frame = match timeout(SILENCE_MAX, inbound.message()).await {
            Ok(frame) => frame?,
            Err(_) => return Err(broken("the engine is silent")),
        };
        let Some(frame) = frame else { return Ok(()) };
        let messages = read_frame::<ToGate>(&frame).map_err(|error| broken(error.to_string()))?;
        for message in messages {
            match message {
                ToGate::Replies(replies) => match shared.desk.complete(replies) {
                    Ok(by_origin) => shared.deliver(by_origin),
                    Err(nobody) => {
                        return Err(broken(format!(
                            "a reply to ask {}, that nobody made",
                            nobody.0
                        )));
                    }
                },
                ToGate::Vitals(numbers) => {
                    if !open {
                        // What the first does not tell of is 0, the phase included.
                        for place in 0..shared.vitals.numbers().len() {
                            shared.vitals.set_number(place, 0);
                        }
                    }
                    for (place, number) in numbers {
                        if !shared.vitals.set_number(place as usize, number) {
                            return Err(broken("a number of no vitals"));
                        }
                    }
                    let now = shared.vitals.durable_seq.load(Relaxed);
                    if !open && now < told_seq {
                        return Err(End::Final(LinkError::Older { told: told_seq, now }));
                    }
                    if !open {
                        open = true;
                        shared.desk.open();
                        tracing::info!(durable_seq = now, "connected to the engine");
                    }
                }
                ToGate::Intake(state) => {
                    if !mirror.borrow_mut().follow(&state) {
                        return Err(broken("this is no word about the intake that could follow"));
                    }
                }
                ToGate::Keys(keys) => (shared.keys)(keys),
                ToGate::Pong { sent_us, engine_us } => {
                    let offset_us = offset.note(sent_us, engine_us, clock_us());
                    shared.intake.set_offset_us(offset_us);
                }
                ToGate::Challenge(_) | ToGate::Welcome(_) => {
                    return Err(broken("the handshake is over"));
                }
            }
        }
    }
}

/// Sends asks as they come, and what was counted as often as it is looked at.
async fn write(shared: &Shared, out: &Out, mirror: &SharedMirror<'_>) -> Result<(), End> {
    let mut looks = interval(COUNTS_EVERY);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut count = 0_u32;
    loop {
        let mut frame = Vec::new();
        tokio::select! {
            () = shared.desk.filled.notified() => {}
            _ = looks.tick() => {
                let counts = mirror.borrow_mut().count();
                if let Some(counts) = counts {
                    ToEngine::Counts(counts).put(&mut frame);
                }
                if count.is_multiple_of(REPORT_LOOKS) {
                    ToEngine::Reports(reports(shared)).put(&mut frame);
                    ToEngine::Ping { sent_us: clock_us() }.put(&mut frame);
                }
                count = count.wrapping_add(1);
            }
        }
        for asks in shared.desk.take_frames() {
            frame.extend_from_slice(&asks);
            send(out, std::mem::take(&mut frame)).await?;
        }
        if !frame.is_empty() {
            send(out, frame).await?;
        }
    }
}

fn reports(shared: &Shared) -> Vec<Report> {
    let gates = shared.intake.gates().into_iter().take(REPORTS_MAX);
    gates.map(|(gate, report)| Report { gate, report }).collect()
}
