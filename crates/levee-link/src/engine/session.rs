//! One gate, from its hello to its end.

use std::collections::HashMap;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::atomic::{AtomicU64, AtomicUsize};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use levee_api::intake::Intake;
use levee_api::port::{Ask, Deliver, Origin, Priority, Reply};
use levee_api::types::Wire;
use tokio::sync::mpsc;
use tokio::time::{MissedTickBehavior, interval, timeout};
use tonic::{Status, Streaming};

use super::Hall;
use super::connections::Proven;
use super::outbox::{Messages, Outbox};
use super::told::Told;
use crate::limits::{
    AGE_US_MAX, GATES_MAX, HANDSHAKE_MAX, HANDSHAKES_MAX, IN_FLIGHT_MAX, INTAKE_EVERY,
    REPORT_TEXT_LEN_MAX, SILENCE_MAX,
};
use crate::message::{
    Challenge, Counts, PROTOCOL, Report, ToEngine, ToGate, Welcome, bytes_of, read_frame, read_one,
    slots_exist,
};
use crate::proof::{Nonce, Nonces, Side, nonce};

type Out = mpsc::Sender<Result<Bytes, Status>>;

/// Serves a gate until it or the engine ends, and frees what it had.
pub(super) async fn run(hall: Arc<Hall>, proven: Proven, mut inbound: Streaming<Bytes>, out: Out) {
    let served = async {
        // Strangers, who shake hands, take no place from gates.
        let handshake = Place::take(&hall.handshakes, HANDSHAKES_MAX);
        let handshake = handshake.ok_or_else(|| full("handshakes are under way"))?;
        let shaken = timeout(HANDSHAKE_MAX, shake_hands(&hall, &mut inbound, &out)).await;
        let shaken = shaken.map_err(|_| Status::deadline_exceeded("no handshake in time"))?;
        let (token, name) = shaken?;
        proven.set();
        drop(handshake);
        let place = Place::take(&hall.sessions, GATES_MAX);
        let _place = place.ok_or_else(|| full("gates are here"))?;
        let seat = Seat::take(&hall, token);
        tracing::info!(?name, "a gate is connected");
        let ended = tokio::select! {
            ended = seat.read(&mut inbound) => ended,
            ended = seat.write(&out) => ended,
        };
        match &ended {
            Ok(()) => tracing::info!(?name, "a gate's connection ends"),
            Err(status) => {
                let why = status.message();
                tracing::warn!(?name, why, "a gate's connection breaks off");
            }
        }
        ended
    };
    if let Err(status) = served.await {
        // Whoever is gone need not be told, nor who takes nothing.
        let _ = out.try_send(Err(status));
    }
}

/// Counts a stream for as long as it lasts.
struct Place<'h>(&'h AtomicUsize);

impl<'h> Place<'h> {
    fn take(count: &'h AtomicUsize, most: usize) -> Option<Self> {
        let before = count.fetch_add(1, Relaxed);
        let place = Self(count);
        (before < most).then_some(place)
    }
}

fn full(what: &str) -> Status {
    Status::resource_exhausted(format!("as many {what} as the engine takes"))
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Relaxed);
    }
}

fn gone<T>(_: T) -> Status {
    Status::unavailable("the gate is gone")
}

/// The next frame; none after the gate has ended in order.
async fn next(inbound: &mut Streaming<Bytes>) -> Result<Option<Bytes>, Status> {
    match timeout(SILENCE_MAX, inbound.message()).await {
        Ok(frame) => frame,
        Err(_) => Err(Status::deadline_exceeded("the gate is silent")),
    }
}

/// Both sides show that they know the shared key; then the gate gets what it needs to serve.
/// Returns the token of its exports, and its name.
async fn shake_hands(
    hall: &Hall,
    inbound: &mut Streaming<Bytes>,
    out: &Out,
) -> Result<(Nonce, String), Status> {
    let first = next(inbound).await?.ok_or_else(|| gone(()))?;
    let Ok(ToEngine::Hello(hello)) = read_one(&first) else {
        return Err(Status::invalid_argument("this is no gate's hello"));
    };
    if hello.name.len() > REPORT_TEXT_LEN_MAX {
        return Err(Status::invalid_argument("the gate's name is too long"));
    }
    if hello.protocol != PROTOCOL {
        return Err(Status::failed_precondition(format!(
            "the engine speaks version {PROTOCOL} of the link, the gate version {}: use the same \
             build of both",
            hello.protocol
        )));
    }
    let random = || nonce().map_err(|error| Status::internal(error.to_string()));
    let nonces = Nonces { gate: hello.nonce, engine: random()? };
    let engine_us = hall.submit.intake().now_us();
    let challenge = Challenge { protocol: PROTOCOL, nonce: nonces.engine, engine_us };
    send(out, bytes_of(&ToGate::Challenge(challenge))).await?;

    let second = next(inbound).await?.ok_or_else(|| gone(()))?;
    let Ok(ToEngine::Proof(proof)) = read_one(&second) else {
        return Err(Status::invalid_argument("this is no gate's proof"));
    };
    if !hall.shared_key.holds(Side::Gate, &nonces, &proof) {
        return Err(Status::unauthenticated("the gate has another shared key than the engine"));
    }
    let token = random()?;
    let welcome = Welcome {
        proof: hall.shared_key.prove(Side::Engine, &nonces),
        installation: hall.installation.clone(),
        token,
        keys: hall.keys.borrow().to_vec(),
    };
    send(out, bytes_of(&ToGate::Welcome(Box::new(welcome)))).await?;
    Ok((token, hello.name))
}

async fn send(out: &Out, frame: Vec<u8>) -> Result<(), Status> {
    match timeout(SILENCE_MAX, out.send(Ok(frame.into()))).await {
        Ok(sent) => sent.map_err(gone),
        Err(_) => Err(Status::deadline_exceeded("the gate takes nothing")),
    }
}

/// What a gate has of the engine while it is connected.
struct Seat {
    hall: Arc<Hall>,
    origin: Origin,
    token: Nonce,
    outbox: Arc<Outbox>,
    /// Asks that are not answered.
    in_flight: AtomicUsize,
    /// The last counts that are merged.
    counted: AtomicU64,
    /// The last ping, and when it was answered.
    pong: Mutex<Option<(u64, u64)>>,
    /// The intake's numbers of the gate's reports.
    gates: Mutex<HashMap<u32, u32>>,
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.hall.submit.release(self.origin);
        self.hall.exports.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.token);
        for gate in self.gates.lock().unwrap_or_else(PoisonError::into_inner).values() {
            self.hall.submit.intake().forget_gate(*gate);
        }
    }
}

impl Seat {
    fn take(hall: &Arc<Hall>, token: Nonce) -> Self {
        let outbox = Arc::new(Outbox::default());
        let origin = hall.submit.register(Arc::<Outbox>::clone(&outbox));
        let mut exports = hall.exports.lock().unwrap_or_else(PoisonError::into_inner);
        exports.insert(token, Arc::default());
        drop(exports);
        Self {
            hall: Arc::clone(hall),
            origin,
            token,
            outbox,
            in_flight: AtomicUsize::new(0),
            counted: AtomicU64::new(0),
            pong: Mutex::default(),
            gates: Mutex::default(),
        }
    }

    fn intake(&self) -> &Arc<Intake> {
        self.hall.submit.intake()
    }

    /// Takes what the gate sends, until it ends.
    async fn read(&self, inbound: &mut Streaming<Bytes>) -> Result<(), Status> {
        while let Some(frame) = next(inbound).await? {
            let arrived = Instant::now();
            let messages = read_frame::<ToEngine>(&frame);
            let messages = messages.map_err(|error| Status::invalid_argument(error.to_string()))?;
            for message in messages {
                match message {
                    ToEngine::Asks { priority, age_us, asks } => {
                        self.hand_over(priority, arrived, age_us, asks)?;
                    }
                    ToEngine::Counts(counts) => self.merge(&counts)?,
                    ToEngine::Reports(reports) => self.report(reports),
                    ToEngine::Ping { sent_us } => {
                        let engine_us = self.intake().now_us();
                        let mut pong = self.pong.lock().unwrap_or_else(PoisonError::into_inner);
                        *pong = Some((sent_us, engine_us));
                        drop(pong);
                        self.outbox.filled.notify_one();
                    }
                    ToEngine::Hello(_) | ToEngine::Proof(_) => {
                        return Err(Status::invalid_argument("the handshake is over"));
                    }
                }
            }
        }
        Ok(())
    }

    fn hand_over(
        &self,
        priority: Priority,
        frame_arrived: Instant,
        age_us: u64,
        mut asks: Vec<Ask>,
    ) -> Result<(), Status> {
        let before = self.in_flight.fetch_add(asks.len(), Relaxed);
        if before + asks.len() > IN_FLIGHT_MAX {
            return Err(Status::resource_exhausted("the gate has too many asks under way"));
        }
        let arrived = frame_arrived.checked_sub(Duration::from_micros(age_us.min(AGE_US_MAX)));
        let arrived = arrived.unwrap_or(frame_arrived);
        if let Err(failure) = self.hall.submit.submit(self.origin, priority, arrived, &mut asks) {
            let failed = asks.drain(..).map(|ask| (ask.ticket, Reply::Failed(failure)));
            self.outbox.deliver(failed.collect());
        }
        Ok(())
    }

    fn merge(&self, counts: &Counts) -> Result<(), Status> {
        if counts.number != self.counted.load(Relaxed) + 1 || !slots_exist(&counts.passes) {
            return Err(Status::invalid_argument("these are no counts that could follow"));
        }
        let intake = self.intake();
        for (slot, passes) in &counts.passes {
            intake.add_passes(u64::from(*slot) * levee_api::intake::SLOT_US, *passes);
        }
        intake.add_shown(counts.shown);
        if let Some(place_us) = counts.close_at_us {
            // Somebody else may have closed it before.
            intake.close_at(place_us);
        }
        counts.openings.iter().for_each(|opens_us| intake.note_opening(*opens_us));
        if let Some(opens_us) = counts.hold_until_us {
            intake.hold_until(opens_us);
        }
        self.counted.store(counts.number, Relaxed);
        Ok(())
    }

    fn report(&self, reports: Vec<Report>) {
        let mut gates = self.gates.lock().unwrap_or_else(PoisonError::into_inner);
        for Report { gate, report } in reports {
            let gate = *gates.entry(gate).or_insert_with(|| self.intake().register_gate());
            self.intake().report(gate, report);
        }
    }

    /// Sends replies as they come, and what has changed as often as it is looked at; until the
    /// engine's side stops.
    async fn write(&self, out: &Out) -> Result<(), Status> {
        let (mut keys, mut stopping) = (self.hall.keys.clone(), self.hall.stopping.clone());
        // Those of the welcome may be older.
        keys.mark_changed();
        let mut told = Told::new();
        let mut looks = interval(INTAKE_EVERY);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let mut frame = Vec::new();
            let mut over = false;
            tokio::select! {
                () = self.outbox.filled.notified() => {}
                _ = looks.tick() => {
                    let counted = self.counted.load(Relaxed);
                    let vitals = self.hall.submit.vitals();
                    for message in told.look(vitals, self.intake(), counted) {
                        message.put(&mut frame);
                    }
                }
                changed = keys.changed() => {
                    changed.map_err(gone)?;
                    let keys = keys.borrow_and_update().to_vec();
                    ToGate::Keys(keys).put(&mut frame);
                }
                // As good when the sender is gone.
                _ = stopping.wait_for(|stop| *stop) => over = true,
            }
            let pong = self.pong.lock().unwrap_or_else(PoisonError::into_inner).take();
            if let Some((sent_us, engine_us)) = pong {
                ToGate::Pong { sent_us, engine_us }.put(&mut frame);
            }
            let replies = self.outbox.take().into_iter().flatten();
            for (message, count) in Messages::new(replies) {
                frame.extend_from_slice(&message);
                // Before the gate can know: it may ask as much again as soon as it does.
                self.in_flight.fetch_sub(count, Relaxed);
                send(out, std::mem::take(&mut frame)).await?;
            }
            if !frame.is_empty() {
                send(out, frame).await?;
            }
            if over {
                return Ok(());
            }
        }
    }
}
