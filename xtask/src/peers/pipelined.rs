//! Redis at its fastest: few connections, many claims under way on each, nothing in between.

use std::fmt;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

use super::redis::Redis;
use super::resp::{self, Connection};
use super::rounds::{Sample, quantile};

/// What `levee bench claims` has under way at most, unless told otherwise.
pub(super) const LEVEE_UNDER_WAY: u64 = 16_384;

/// How a load reaches Redis.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pipes {
    connections: u64,
    /// Claims under way on each.
    depth: u64,
}

impl Pipes {
    /// Enough to keep Redis busy, with short waits.
    pub(super) const FEW: Pipes = Pipes { connections: 4, depth: 512 };
    /// As many claims under way as Levee has.
    pub(super) const AS_LEVEE: Pipes = Pipes { connections: LEVEE_UNDER_WAY / 512, depth: 512 };
}

impl fmt::Display for Pipes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} x {} under way", self.connections, self.depth)
    }
}

/// What one connection saw.
struct Seen {
    claims: u64,
    /// Microseconds, and how many answers came after so long.
    latencies: Vec<(u64, u64)>,
}

/// A fresh campaign, a run, and the account.
pub(super) fn run(redis: &mut Redis<'_>, pipes: Pipes, length: Duration) -> Result<Sample> {
    redis.clear()?;
    let started = Instant::now();
    let socket = redis.socket.as_path();
    let all: Vec<Seen> = std::thread::scope(|scope| {
        let drivers: Vec<_> = (0..pipes.connections)
            .map(|number| {
                scope.spawn(move || drive(socket, number, pipes.depth, (started, length)))
            })
            .collect();
        drivers
            .into_iter()
            .map(|driver| driver.join().expect("a driver returns its errors"))
            .collect::<Result<_>>()
    })?;
    let seconds = started.elapsed().as_secs_f64();
    let claims: u64 = all.iter().map(|seen| seen.claims).sum();
    redis.check_account(claims)?;
    let mut latencies: Vec<(u64, u64)> = all.into_iter().flat_map(|seen| seen.latencies).collect();
    #[expect(clippy::cast_precision_loss, reason = "figures for people")]
    let mut ms = |share| quantile(&mut latencies, share) as f64 / 1_000.0;
    let (p50_ms, p99_ms) = (ms(0.5), ms(0.99));
    #[expect(clippy::cast_precision_loss, reason = "a figure for people")]
    let per_s = claims as f64 / seconds;
    Ok(Sample { per_s, p50_ms, p99_ms })
}

fn drive(
    socket: &Path,
    connection: u64,
    depth: u64,
    (started, length): (Instant, Duration),
) -> Result<Seen> {
    let mut redis = Connection::open(socket)?;
    let mut seen = Seen { claims: 0, latencies: Vec::new() };
    let (head, tail) = around_user();
    let (mut out, mut line) = (Vec::new(), Vec::new());
    let mut number = connection << 48;
    while started.elapsed() < length {
        out.clear();
        for _ in 0..depth {
            out.extend_from_slice(&head);
            out.extend_from_slice(&user(number));
            out.extend_from_slice(&tail);
            number += 1;
        }
        let asked = Instant::now();
        redis.send(&out)?;
        let mut together = 0;
        for _ in 0..depth {
            let voucher = resp::decode_number(&mut redis.incoming, &mut line)?;
            ensure!(voucher > 0, "Redis answered {voucher} to a first claim");
            together += 1;
            // Answers that were read together came together.
            if redis.incoming.buffer().is_empty() {
                let us = u64::try_from(asked.elapsed().as_micros());
                seen.latencies.push((us.context("a run is short")?, together));
                together = 0;
            }
        }
        seen.claims += depth;
    }
    Ok(seen)
}

/// What comes before and after the user in every command; only the user changes.
fn around_user() -> (Vec<u8>, Vec<u8>) {
    let mut whole = Vec::new();
    let words: [&[u8]; 7] = [b"FCALL", b"claim", b"2", b"users", b"budget", &[b'@'; 16], b"1"];
    resp::encode(&mut whole, &words);
    let at = whole.iter().position(|byte| *byte == b'@').expect("the user is there");
    (whole[..at].to_vec(), whole[at + 16..].to_vec())
}

/// Spreads numbers over all users of 16 bytes (splitmix64, Steele et al. 2014); two numbers never
/// give the same user.
fn user(number: u64) -> [u8; 16] {
    let mix = |mut z: u64| {
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    };
    let seed = number.wrapping_mul(0x9e37_79b9_7f4a_7c15).wrapping_add(1);
    (u128::from(mix(seed)) << 64 | u128::from(mix(!seed))).to_le_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_user_changes() {
        let (head, tail) = around_user();
        let whole = [head, vec![b'u'; 16], tail].concat();
        let expected = "*7\r\n$5\r\nFCALL\r\n$5\r\nclaim\r\n$1\r\n2\r\n$5\r\nusers\r\n$6\r\n\
                        budget\r\n$16\r\nuuuuuuuuuuuuuuuu\r\n$1\r\n1\r\n";
        assert_eq!(String::from_utf8(whole).unwrap(), expected);
    }

    #[test]
    fn users_are_distinct() {
        let numbers = (0..4).flat_map(|connection| (0..1_000).map(move |n| (connection << 48) + n));
        let users: std::collections::BTreeSet<[u8; 16]> = numbers.map(user).collect();
        assert_eq!(users.len(), 4_000);
    }
}
