//! Every limit of the link, with its reason.

use std::time::Duration;

/// Asks of one gate that are not answered: as many as an engine's queue takes by default.
pub(crate) const IN_FLIGHT_MAX: usize = 1 << 16;

/// A frame is closed when it has this length; what is put into it last may go beyond.
pub(crate) const FRAME_LEN: usize = 256 * 1024;

/// Largest frame from a gate: a full one, and a campaign with its document and terms.
pub(crate) const FRAME_TO_ENGINE_LEN_MAX: usize = 1 << 20;

/// Largest frame from an engine: a full one, and a list of a thousand campaigns whose documents
/// have 32 KiB each, and their terms as much.
pub(crate) const FRAME_TO_GATE_LEN_MAX: usize = 80 << 20;

/// Frames that wait for the peer; then their maker does.
pub(crate) const FRAMES_WAITING_MAX: usize = 4;

/// What a peer may send of one stream unread. Larger than a frame, so that one never waits for half
/// of another.
pub(crate) const STREAM_WINDOW: u32 = 1 << 20;

/// The same over all streams of a connection: exports that nobody reads must leave room.
pub(crate) const CONNECTION_WINDOW: u32 = 16 << 20;

/// From a connection to its last proof.
pub(crate) const HANDSHAKE_MAX: Duration = Duration::from_secs(5);

/// From accepting a connection until somebody has proved on it to be a gate. TLS has its time before the
/// handshake, and then that has.
pub(crate) const CONNECTION_PROVEN_MAX: Duration = Duration::from_secs(11);

/// Without a frame, or without taking one, a peer is gone. Both send several a second.
pub(crate) const SILENCE_MAX: Duration = Duration::from_secs(5);

/// An ask is never taken to be older, in microseconds, whatever its gate says.
pub(crate) const AGE_US_MAX: u64 = 24 * 3_600_000_000;

/// Handshakes under way at the same time: whoever may connect can begin one.
pub(crate) const HANDSHAKES_MAX: usize = 64;

/// Gates before one engine.
pub(crate) const GATES_MAX: usize = 256;

/// Connections that an engine's side holds at the same time, whoever made them.
pub(crate) const CONNECTIONS_MAX: usize = 512;

/// Streams of one connection: a gate's own, and its exports.
pub(crate) const STREAMS_MAX: u32 = 8;

/// Exports of one gate at the same time; a gate itself allows as many.
pub(crate) const EXPORTS_MAX: usize = 4;

/// Chunks of an export that wait for the peer; then the disk does.
pub(crate) const CHUNKS_WAITING_MAX: usize = 4;

/// How often an engine looks whether its intake has changed: as often as the steward changes it, or
/// a room that a gate has closed would stay closed for longer than its window lasts.
pub(crate) const INTAKE_EVERY: Duration = Duration::from_millis(5);

/// After so many looks it is told in any case, so that silence means something.
pub(crate) const INTAKE_LOOKS_MAX: u32 = 12;

/// Every so many looks the vitals are told.
pub(crate) const VITALS_LOOKS: u32 = 5;

/// How often a gate looks whether it has counted something: the steward reckons with it.
pub(crate) const COUNTS_EVERY: Duration = Duration::from_millis(5);

/// After so many looks it reports, and asks for the time.
pub(crate) const REPORT_LOOKS: u32 = 48;

/// Reports of one gate: one for a process, and some for what is to come.
pub(crate) const REPORTS_MAX: usize = 16;

/// Longest text in a report, and longest name, in bytes.
pub(crate) const REPORT_TEXT_LEN_MAX: usize = 128;

/// How often an engine's side looks for a change of the API keys.
pub(crate) const KEYS_EVERY: Duration = Duration::from_secs(1);

/// Samples of the peer's clock that the best is taken of.
pub(crate) const CLOCK_SAMPLES: usize = 16;

/// First and longest pause before a gate connects again.
pub(crate) const RETRY_MIN: Duration = Duration::from_millis(50);
pub(crate) const RETRY_MAX: Duration = Duration::from_secs(2);

/// How long the engine's side gives gates to take the last replies.
pub(crate) const STOP_MAX: Duration = Duration::from_secs(2);
