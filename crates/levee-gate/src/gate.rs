//! A gate from start to stop.

use std::io;
use std::rc::Rc;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::atomic::{AtomicBool, AtomicUsize};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use tokio::runtime::{Builder, LocalOptions, LocalRuntime};

use crate::coalesce::Coalescing;
use crate::config::{GateConfig, Ports};
use crate::keys::Watcher;
use crate::listener::{Incoming, Listener};
use crate::live::Live;
use crate::outlets::Feed;
use crate::routes::Router;
use crate::worker::{Hub, Lane, Worker};
use crate::{docs, openapi};

/// A running gate. Dropped without [`Gate::drain`], it stops at once.
pub struct Gate {
    hub: Arc<Hub>,
    listener: Option<Listener>,
    workers: Vec<JoinHandle<()>>,
    watcher: Option<Watcher>,
    feed: Option<Feed>,
}

/// Starts a gate on a bound listener.
///
/// # Errors
/// The listener cannot be shared between threads, or a thread cannot be started.
pub fn start(listener: Listener, config: GateConfig, ports: Ports) -> io::Result<Gate> {
    listener.set_nonblocking()?;
    let count = config.workers.max(1);
    let mut start_id = [0; 4];
    getrandom::fill(&mut start_id).map_err(io::Error::other)?;
    let openapi = openapi::document();
    let live = Live::start(Arc::clone(&ports.submit))?;
    let number = ports.submit.intake().register_gate();
    let hub = Arc::new(Hub {
        number,
        config,
        ports,
        router: Router::new(),
        lanes: (0..count).map(|_| Lane::default()).collect(),
        draining: AtomicBool::new(false),
        aborting: AtomicBool::new(false),
        exports: AtomicUsize::new(0),
        imports: AtomicUsize::new(0),
        live,
        outlets: Arc::default(),
        docs: docs::page(&openapi).into(),
        openapi: serde_json::to_vec(&openapi).map_err(io::Error::other)?.into(),
        start_id: u32::from_le_bytes(start_id),
    });
    let watcher = Watcher::start(Arc::clone(&hub.ports.keys))?;
    let feed = Feed::start(Arc::clone(&hub.ports.submit), Arc::clone(&hub.outlets))?;
    // Made step by step, so that a failure half-way stops what runs already.
    let mut gate = Gate {
        hub,
        listener: Some(listener),
        workers: Vec::with_capacity(count),
        watcher: Some(watcher),
        feed: Some(feed),
    };
    for number in 0..count {
        gate.start_worker(number)?;
    }
    tracing::info!(workers = count, "the gate is open");
    Ok(gate)
}

impl Gate {
    fn start_worker(&mut self, number: usize) -> io::Result<()> {
        let listener = self.listener.as_ref().expect("held until the stop").try_clone()?;
        let hub = Arc::clone(&self.hub);
        // Within the thread a failure could only be logged.
        let builder = thread::Builder::new().name(format!("gate-{number}"));
        let (started, outcome) = std::sync::mpsc::sync_channel(1);
        let worker = builder.spawn(move || match ready(&hub, number, listener) {
            Ok((runtime, listener)) => {
                let _ = started.send(Ok(()));
                runtime
                    .block_on(async { Rc::clone(&Worker::new(hub, number)).run(listener).await });
            }
            Err(error) => drop(started.send(Err(error))),
        })?;
        self.workers.push(worker);
        outcome.recv().map_err(io::Error::other)?
    }

    /// Stops: takes no more connections, closes those without a request, and gives those with one
    /// up to [`GateConfig::drain`] to finish.
    pub fn drain(mut self) {
        tracing::info!("the gate closes");
        self.stop();
    }

    fn stop(&mut self) {
        drop(self.listener.take());
        self.hub.draining.store(true, Relaxed);
        // Streams have no end of their own that a drain could wait for.
        self.hub.live.stop();
        for lane in &self.hub.lanes {
            lane.news.notify_one();
        }
        for worker in self.workers.drain(..) {
            if worker.join().is_err() {
                tracing::error!("a worker of the gate panicked");
            }
        }
        drop(self.watcher.take());
        drop(self.feed.take());
        self.hub.ports.submit.intake().forget_gate(self.hub.number);
    }
}

impl Drop for Gate {
    fn drop(&mut self) {
        if !self.workers.is_empty() {
            self.hub.aborting.store(true, Relaxed);
            self.stop();
        }
    }
}

fn ready(
    hub: &Arc<Hub>,
    number: usize,
    listener: Listener,
) -> io::Result<(LocalRuntime, Incoming)> {
    if hub.config.nice != 0 {
        levee_api::nice::add(hub.config.nice)?;
    }
    event_loop(Arc::clone(hub), number, listener)
}

fn event_loop(
    hub: Arc<Hub>,
    number: usize,
    listener: Listener,
) -> io::Result<(LocalRuntime, Incoming)> {
    // Nobody else takes it: a lock is what a hook that may be shared needs.
    let coalescing = Mutex::new(Coalescing::new(Instant::now()));
    let runtime = Builder::new_current_thread()
        .enable_all()
        // Exports wait for disks; nothing else leaves this thread.
        .max_blocking_threads(8)
        .thread_keep_alive(Duration::from_secs(1))
        .on_thread_park(move || {
            let (stats, now) = (&hub.lanes[number].stats, Instant::now());
            let mut coalescing = coalescing.lock().unwrap_or_else(PoisonError::into_inner);
            let pause = coalescing.pause(now, stats.begun.get());
            drop(coalescing);
            if !pause.is_zero() {
                stats.pauses.add(1);
                thread::sleep(pause);
            }
        })
        .build_local(LocalOptions::default())?;
    let listener = {
        let _inside = runtime.enter();
        listener.incoming()?
    };
    Ok((runtime, listener))
}
