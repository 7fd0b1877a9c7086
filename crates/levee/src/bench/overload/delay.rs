//! The claim lane's queue delay as it goes: `/metrics` over one connection, again and again.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, ensure};
use levee_api::stream::{host_of, socket_path};

use super::super::load::whole;

const EVERY: Duration = Duration::from_millis(50);

/// A server that does not answer for so long has no queue delay to speak of.
const ANSWER_WITHIN: Duration = Duration::from_secs(30);

/// Longest `/metrics` that is read.
const METRICS_BYTES_MAX: usize = 1 << 20;

/// Mean delay of the claims that were decided between two looks.
#[derive(Clone, Copy, Debug)]
pub(super) struct Look {
    pub(super) at: Instant,
    pub(super) mean_ms: f64,
}

/// Looks, on a thread of its own, until it is ended.
pub(super) struct Watch {
    over: Arc<AtomicBool>,
    thread: JoinHandle<Result<Vec<Look>>>,
}

impl Watch {
    pub(super) fn start(address: &str) -> Result<Self> {
        let stream = connect(address).with_context(|| format!("cannot reach {address}"))?;
        let host = host_of(address);
        let request = format!("GET /metrics HTTP/1.1\r\nhost: {host}\r\n\r\n");
        let over = Arc::new(AtomicBool::new(false));
        let until = Arc::clone(&over);
        Ok(Self { over, thread: thread::spawn(move || watch(stream, &request, &until)) })
    }

    /// All looks, in order.
    pub(super) fn end(self) -> Result<Vec<Look>> {
        self.over.store(true, Relaxed);
        self.thread.join().map_err(|_| anyhow!("the thread that looks has panicked"))?
    }
}

/// A socket of either kind.
trait Socket: Read + Write + Send {}

impl<S: Read + Write + Send> Socket for S {}

fn connect(address: &str) -> io::Result<Box<dyn Socket>> {
    if let Some(path) = socket_path(address) {
        let stream = UnixStream::connect(path)?;
        stream.set_read_timeout(Some(ANSWER_WITHIN))?;
        return Ok(Box::new(stream));
    }
    let stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(ANSWER_WITHIN))?;
    Ok(Box::new(stream))
}

fn watch(mut stream: Box<dyn Socket>, request: &str, over: &AtomicBool) -> Result<Vec<Look>> {
    let (mut looks, mut last) = (Vec::new(), (0.0, 0.0));
    while !over.load(Relaxed) {
        let next = Instant::now() + EVERY;
        stream.write_all(request.as_bytes())?;
        let text = answer(&mut *stream)?;
        let now = (value(&text, "sum")?, value(&text, "count")?);
        let decided = now.1 - last.1;
        // While none was decided nothing is known.
        if decided > 0.0 {
            let mean_ms = (now.0 - last.0) * 1_000.0 / decided;
            looks.push(Look { at: Instant::now(), mean_ms });
        }
        last = now;
        thread::sleep(next.saturating_duration_since(Instant::now()));
    }
    Ok(looks)
}

fn answer(stream: &mut dyn Socket) -> Result<String> {
    let (mut text, mut part) = (Vec::new(), [0; 16 * 1_024]);
    while whole(&text).is_none() {
        let read = stream.read(&mut part).context("/metrics")?;
        ensure!(read > 0 && text.len() < METRICS_BYTES_MAX, "/metrics broke off");
        text.extend_from_slice(&part[..read]);
    }
    Ok(String::from_utf8(text)?)
}

fn value(metrics: &str, part: &str) -> Result<f64> {
    let name = format!("levee_engine_queue_delay_seconds_{part}{{lane=\"claim\"}} ");
    let value = metrics.lines().find_map(|line| line.strip_prefix(&name));
    Ok(value.with_context(|| format!("no {name}in /metrics"))?.trim().parse()?)
}

/// From a moment until the delay is, and stays, below a limit: the last look that is not, less that
/// moment. 0 where all are; None where it ends above.
pub(super) fn settled_after(looks: &[Look], from: Instant, limit_ms: f64) -> Option<Duration> {
    let looks = looks.iter().filter(|look| look.at > from);
    let high: Vec<bool> = looks.clone().map(|look| look.mean_ms >= limit_ms).collect();
    if high.last().copied().unwrap_or(true) {
        return None;
    }
    let last_high = looks.zip(&high).filter(|(_, high)| **high).last();
    Some(last_high.map_or(Duration::ZERO, |(look, _)| look.at.duration_since(from)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_delay_has_settled_after_its_last_high_look() {
        let from = Instant::now();
        let check = |means: &[f64], expected: Option<u64>| {
            let at = |place: u64| from + EVERY * u32::try_from(place).expect("few");
            let looks: Vec<Look> = (0..)
                .zip(means)
                .map(|(place, mean)| Look { at: at(place), mean_ms: *mean })
                .collect();
            let settled = settled_after(&looks, from, 20.0);
            assert_eq!(settled, expected.map(Duration::from_millis), "{means:?}");
        };
        // The first lies at the step itself, and does not count.
        check(&[90.0, 5.0, 7.0], Some(0));
        check(&[5.0, 30.0, 5.0, 25.0, 19.9], Some(150));
        check(&[5.0, 5.0, 20.0], None);
        check(&[5.0], None);
    }

    #[test]
    fn the_claim_lane_is_found_in_the_metrics() {
        let text = "levee_engine_queue_delay_seconds_sum{lane=\"redeem\"} 4.0\n\
                    levee_engine_queue_delay_seconds_sum{lane=\"claim\"} 1.250000\n\
                    levee_engine_queue_delay_seconds_count{lane=\"claim\"} 10\n";
        assert_eq!(value(text, "sum").expect("there"), 1.25);
        assert_eq!(value(text, "count").expect("there"), 10.0);
        assert!(value("", "sum").is_err());
    }
}
