//! What gate and engine tell each other. A frame is any number of messages, one behind the other.
//!
//! Everything is in the binary form that commands have (`levee_api::types::Wire`): reading takes
//! any bytes, may refuse, never panics, and allocates no more than the input justifies.

mod ask;
mod intake;

use std::fmt;

use levee_api::port::{Ask, Priority, Reply};
use levee_api::types::{DecodeError, Reader, Wire};

pub(crate) use ask::{put_ask, put_reply};
pub(crate) use intake::{Counts, IntakeState, Report, slots_exist};

use crate::proof::Nonce;

/// Version of everything in this module. Both sides must have the same: gates and engines of one
/// installation are of one build.
pub(crate) const PROTOCOL: u16 = 5;

/// Fields in this order.
macro_rules! wire_struct {
    ($($name:ident { $($field:ident),* $(,)? })*) => {$(
        impl Wire for $name {
            fn put(&self, out: &mut Vec<u8>) {
                $(self.$field.put(out);)*
            }
            fn get(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
                $(let $field = Wire::get(reader)?;)*
                Ok(Self { $($field),* })
            }
        }
    )*};
}
use wire_struct;

/// From a gate.
#[derive(Debug)]
pub(crate) enum ToEngine {
    /// First of all.
    Hello(Hello),
    /// That it knows the shared key.
    Proof([u8; 32]),
    /// Asks of one lane, the first of which arrived so long ago, in microseconds.
    Asks { priority: Priority, age_us: u64, asks: Vec<Ask> },
    /// What it counted.
    Counts(Counts),
    /// What its gates measure, by their numbers there.
    Reports(Vec<Report>),
    /// What time is it? Sent at this moment of the gate's clock.
    Ping { sent_us: u64 },
}

/// From an engine.
#[derive(Debug)]
pub(crate) enum ToGate {
    /// To a hello.
    Challenge(Challenge),
    /// To a proof.
    Welcome(Box<Welcome>),
    /// By the numbers of their asks.
    Replies(Vec<(u64, Reply)>),
    /// Numbers that have changed, by their places.
    Vitals(Vec<(u32, u64)>),
    /// Who is let in.
    Intake(Box<IntakeState>),
    /// All API keys, after a change.
    Keys(Vec<ApiKey>),
    /// To a ping: when it was sent, and the time on the engine's clock.
    Pong { sent_us: u64, engine_us: u64 },
}

/// First of all.
#[derive(Debug)]
pub(crate) struct Hello {
    pub(crate) protocol: u16,
    pub(crate) nonce: Nonce,
    /// On the gate's clock.
    pub(crate) sent_us: u64,
    /// For the engine's log.
    pub(crate) name: String,
}

/// To a hello.
#[derive(Debug)]
pub(crate) struct Challenge {
    pub(crate) protocol: u16,
    pub(crate) nonce: Nonce,
    /// On the engine's clock.
    pub(crate) engine_us: u64,
}

/// What a gate needs to serve.
#[derive(Debug)]
pub(crate) struct Welcome {
    /// That the engine, too, knows the shared key.
    pub(crate) proof: [u8; 32],
    pub(crate) installation: Installation,
    /// Opens exports, as long as the connection lasts.
    pub(crate) token: Nonce,
    pub(crate) keys: Vec<ApiKey>,
}

/// Who an installation is, and its secrets.
#[derive(Clone, PartialEq, Eq)]
pub struct Installation {
    /// Whose journal it is.
    pub id: [u8; 16],
    /// Makes codes of numbers.
    pub code_key: [u8; 32],
    /// Makes pseudonyms of user ids.
    pub pseudonym_key: [u8; 32],
    /// The API keys are well known: listen on loopback only.
    pub dev: bool,
}

impl fmt::Debug for Installation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let id: String = self.id.iter().map(|byte| format!("{byte:02x}")).collect();
        f.debug_struct("Installation").field("id", &id).finish_non_exhaustive()
    }
}

/// One API key, without its secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiKey {
    /// SHA-256 of the secret.
    pub sha256: [u8; 32],
    /// As it is listed.
    pub id: String,
    /// The public name of what it allows.
    pub role: String,
    /// Of an outlet's key: whose outlets.
    pub brand: Option<String>,
}

/// What opens an export.
#[derive(Debug)]
pub(crate) struct ExportRequest {
    pub(crate) token: Nonce,
    pub(crate) after_seq: u64,
}

wire_struct! {
    Hello { protocol, nonce, sent_us, name }
    Challenge { protocol, nonce, engine_us }
    Welcome { proof, installation, token, keys }
    Installation { id, code_key, pseudonym_key, dev }
    ApiKey { sha256, id, role, brand }
    ExportRequest { token, after_seq }
}

/// Where the tags stand that hot paths write by themselves.
pub(crate) const ASKS: u8 = 3;
pub(crate) const REPLIES: u8 = 3;

impl Wire for ToEngine {
    fn put(&self, out: &mut Vec<u8>) {
        match self {
            Self::Hello(hello) => {
                out.push(1);
                hello.put(out);
            }
            Self::Proof(proof) => {
                out.push(2);
                proof.put(out);
            }
            Self::Asks { priority, age_us, asks } => {
                put_asks_head(*priority, *age_us, asks.len(), out);
                asks.iter().for_each(|ask| put_ask(ask.ticket, ask, out));
            }
            Self::Counts(counts) => {
                out.push(4);
                counts.put(out);
            }
            Self::Reports(reports) => {
                out.push(5);
                reports.put(out);
            }
            Self::Ping { sent_us } => {
                out.push(6);
                sent_us.put(out);
            }
        }
    }

    fn get(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        match u8::get(reader)? {
            1 => Wire::get(reader).map(Self::Hello),
            2 => Wire::get(reader).map(Self::Proof),
            ASKS => {
                let priority = ask::get_priority(reader)?;
                let age_us = Wire::get(reader)?;
                Ok(Self::Asks { priority, age_us, asks: get_list(reader, ask::get_ask)? })
            }
            4 => Wire::get(reader).map(Self::Counts),
            5 => Wire::get(reader).map(Self::Reports),
            6 => Ok(Self::Ping { sent_us: Wire::get(reader)? }),
            _ => Err(not(reader, "message to an engine")),
        }
    }
}

impl Wire for ToGate {
    fn put(&self, out: &mut Vec<u8>) {
        match self {
            Self::Challenge(challenge) => {
                out.push(1);
                challenge.put(out);
            }
            Self::Welcome(welcome) => {
                out.push(2);
                welcome.put(out);
            }
            Self::Replies(replies) => {
                out.push(REPLIES);
                replies.len().put(out);
                replies.iter().for_each(|(number, reply)| put_reply(*number, reply, out));
            }
            Self::Vitals(numbers) => {
                out.push(4);
                numbers.put(out);
            }
            Self::Intake(state) => {
                out.push(5);
                state.put(out);
            }
            Self::Keys(keys) => {
                out.push(6);
                keys.put(out);
            }
            Self::Pong { sent_us, engine_us } => {
                out.push(7);
                sent_us.put(out);
                engine_us.put(out);
            }
        }
    }

    fn get(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        match u8::get(reader)? {
            1 => Wire::get(reader).map(Self::Challenge),
            2 => Wire::get(reader).map(Self::Welcome),
            REPLIES => get_list(reader, ask::get_reply).map(Self::Replies),
            4 => Wire::get(reader).map(Self::Vitals),
            5 => Wire::get(reader).map(Self::Intake),
            6 => Wire::get(reader).map(Self::Keys),
            7 => Ok(Self::Pong { sent_us: Wire::get(reader)?, engine_us: Wire::get(reader)? }),
            _ => Err(not(reader, "message to a gate")),
        }
    }
}

/// What stands before asks that are in their binary form already.
pub(crate) fn put_asks_head(priority: Priority, age_us: u64, count: usize, out: &mut Vec<u8>) {
    out.push(ASKS);
    ask::put_priority(priority, out);
    age_us.put(out);
    count.put(out);
}

/// All messages of a frame.
///
/// # Errors
/// One of them is none; nothing of the frame holds then.
pub(crate) fn read_frame<M: Wire>(frame: &[u8]) -> Result<Vec<M>, DecodeError> {
    let mut reader = Reader::new(frame);
    let mut messages = Vec::new();
    while reader.remaining() > 0 {
        messages.push(M::get(&mut reader)?);
    }
    Ok(messages)
}

/// One value and nothing behind it.
pub(crate) fn read_one<M: Wire>(frame: &[u8]) -> Result<M, DecodeError> {
    let mut reader = Reader::new(frame);
    let message = M::get(&mut reader)?;
    if reader.remaining() > 0 { Err(not(&reader, "end")) } else { Ok(message) }
}

pub(crate) fn bytes_of(message: &impl Wire) -> Vec<u8> {
    let mut bytes = Vec::new();
    message.put(&mut bytes);
    bytes
}

fn get_list<T>(
    reader: &mut Reader<'_>,
    get: impl Fn(&mut Reader<'_>) -> Result<T, DecodeError>,
) -> Result<Vec<T>, DecodeError> {
    let len = usize::get(reader)?;
    // Every item takes more than a byte; the vector itself grows only with what is read.
    if len > reader.remaining() {
        return Err(not(reader, "length"));
    }
    (0..len).map(|_| get(reader)).collect()
}

#[cold]
fn not(reader: &Reader<'_>, what: &'static str) -> DecodeError {
    DecodeError { what, offset: reader.offset() }
}
