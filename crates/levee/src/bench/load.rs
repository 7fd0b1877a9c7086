//! A load over keep-alive connections: as little work for an answer as possible, because the
//! generator shares the processors with what it measures.

use std::sync::LazyLock;
use std::time::Instant;

use anyhow::{Context, Result, bail, ensure};
use hdrhistogram::Histogram;
use memchr::memmem::Finder;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::latencies;
use super::pace::Pace;

/// What one run saw.
pub(super) struct Seen {
    pub(super) answers: u64,
    pub(super) seconds: f64,
    pub(super) latencies: Histogram<u64>,
}

impl Seen {
    pub(super) fn per_s(&self) -> f64 {
        #[expect(clippy::cast_precision_loss, reason = "a figure for people")]
        let answers = self.answers as f64;
        answers / self.seconds
    }
}

/// Open connections to one server.
pub(super) struct Load {
    connections: Vec<TcpStream>,
    status: &'static [u8],
}

impl Load {
    /// Opens connections; every answer must have a status line that begins so.
    pub(super) async fn connect(address: &str, count: usize, status: &'static str) -> Result<Self> {
        let mut connections = Vec::with_capacity(count);
        for _ in 0..count {
            let connection = TcpStream::connect(address).await;
            let connection = connection.with_context(|| format!("cannot reach {address}"))?;
            connection.set_nodelay(true)?;
            connections.push(connection);
        }
        Ok(Self { connections, status: status.as_bytes() })
    }

    /// Sends requests that `request` writes when they are due.
    pub(super) async fn run(
        &mut self,
        pace: Pace,
        request: &(impl Fn(&mut Vec<u8>) + Clone + 'static),
    ) -> Result<Seen> {
        let local = tokio::task::LocalSet::new();
        let started = Instant::now();
        let status = self.status;
        let connections = std::mem::take(&mut self.connections);
        let tasks: Vec<_> = connections
            .into_iter()
            .map(|connection| {
                let request = request.clone();
                local.spawn_local(drive(connection, pace.clone(), status, request))
            })
            .collect();
        let mut seen = Seen { answers: 0, seconds: 0.0, latencies: latencies() };
        let all = local.run_until(async {
            for task in tasks {
                let (connection, latencies) = task.await.context("a connection's task ended")??;
                self.connections.push(connection);
                seen.answers += latencies.len();
                seen.latencies.add(&latencies)?;
            }
            anyhow::Ok(())
        });
        all.await?;
        seen.seconds = started.elapsed().as_secs_f64();
        Ok(seen)
    }
}

async fn drive(
    mut connection: TcpStream,
    pace: Pace,
    status: &'static [u8],
    request: impl Fn(&mut Vec<u8>),
) -> Result<(TcpStream, Histogram<u64>)> {
    let mut latencies = latencies();
    let mut outgoing = Vec::with_capacity(1_024);
    let mut incoming = vec![0; 8 * 1_024];
    while let Some(due) = pace.next().await {
        outgoing.clear();
        request(&mut outgoing);
        connection.write_all(&outgoing).await?;
        let mut len = 0;
        loop {
            let read = connection.read(&mut incoming[len..]).await?;
            ensure!(read > 0, "the server closed a connection");
            len += read;
            match whole(&incoming[..len]) {
                Some(whole) if whole == len => break,
                Some(_) => bail!("more came than one answer"),
                None if len == incoming.len() => bail!("the answer is too long"),
                None => {}
            }
        }
        if !incoming.starts_with(status) {
            bail!("unexpected answer: {}", String::from_utf8_lossy(&incoming[..len]));
        }
        latencies.record(u64::try_from(due.elapsed().as_micros())?.max(1))?;
    }
    Ok((connection, latencies))
}

/// Made once: every answer is searched for it.
static HEAD_END: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new(b"\r\n\r\n"));

/// Length of the first answer, once its head is there.
pub(super) fn whole(bytes: &[u8]) -> Option<usize> {
    let head = HEAD_END.find(bytes)? + 4;
    let name = b"content-length:";
    let mut lines = bytes[..head].split(|byte| *byte == b'\n');
    let value = lines.find_map(|line| {
        (line.len() > name.len() && line[..name.len()].eq_ignore_ascii_case(name))
            .then(|| &line[name.len()..])
    })?;
    let body: usize = std::str::from_utf8(value).ok()?.trim().parse().ok()?;
    Some(head + body).filter(|whole| *whole <= bytes.len())
}
