//! Where calls to one payment provider wait for their turn, as the teller calls them up.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use tokio::time::Instant;

use levee_api::port::Submit;
use tokio::sync::{Notify, oneshot};
use tokio::task::spawn_local;
use tokio::time::timeout;

use crate::connectors::breaker::Ended;
use crate::connectors::teller::{Lane, Next, Teller};

/// The queue before one provider.
pub(super) struct Counter {
    /// For the log.
    name: String,
    submit: Arc<dyn Submit>,
    teller: RefCell<Teller>,
    lanes: RefCell<[VecDeque<oneshot::Sender<bool>>; Lane::COUNT]>,
    /// Somebody calls up those who wait.
    is_staffed: Cell<bool>,
    ended: Notify,
    began: Instant,
}

/// The right to make one call.
pub(in crate::connectors) struct Turn {
    counter: Rc<Counter>,
    is_probe: bool,
    began: Instant,
    is_used: bool,
}

impl Counter {
    pub(super) fn new(name: &str, calls_per_s: Option<u32>, submit: Arc<dyn Submit>) -> Rc<Self> {
        Rc::new(Self {
            name: name.to_owned(),
            submit,
            teller: RefCell::new(Teller::new(calls_per_s)),
            lanes: RefCell::default(),
            is_staffed: Cell::new(false),
            ended: Notify::new(),
            began: Instant::now(),
        })
    }

    /// Waits until a call may be made.
    pub(super) async fn turn(self: &Rc<Self>, lane: Lane) -> Turn {
        let (called, calls) = oneshot::channel();
        self.lanes.borrow_mut()[lane as usize].push_back(called);
        self.submit.vitals().outside.payments_waiting.fetch_add(1, Relaxed);
        if !self.is_staffed.replace(true) {
            spawn_local(Rc::clone(self).call_up());
        }
        let is_probe = calls.await.expect("whoever waits is called up");
        Turn { counter: Rc::clone(self), is_probe, began: Instant::now(), is_used: false }
    }

    async fn call_up(self: Rc<Self>) {
        loop {
            let waiting = self.lanes.borrow().each_ref().map(VecDeque::len);
            let next = self.teller.borrow_mut().next(self.now_ms(), waiting);
            match next {
                Next::Go { lane, is_probe } => {
                    let called = self.lanes.borrow_mut()[lane as usize].pop_front();
                    self.submit.vitals().outside.payments_waiting.fetch_sub(1, Relaxed);
                    let called = called.expect("somebody waits in this lane");
                    if called.send(is_probe).is_err() {
                        self.teller.borrow_mut().given_back(is_probe);
                    }
                }
                Next::Wait(wait_ms) => {
                    // A call that ends meanwhile may say something else.
                    let _ = timeout(Duration::from_millis(wait_ms), self.ended.notified()).await;
                }
                Next::WhenEnded => self.ended.notified().await,
                Next::Nobody => {
                    self.is_staffed.set(false);
                    return;
                }
            }
        }
    }

    /// Real time: a provider's limits are real, however fast the engine's clock runs.
    fn now_ms(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX)
    }
}

impl Turn {
    /// The call was made; `asked` is how long the provider wants to be left alone.
    pub(super) fn ended(mut self, answered: bool, asked: Duration) {
        self.is_used = true;
        let after_ms = u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX);
        let ended = if answered { Ended::Answered { after_ms } } else { Ended::Failed };
        let asked_ms = u64::try_from(asked.as_millis()).unwrap_or(u64::MAX);
        let counter = &self.counter;
        let outside = &counter.submit.vitals().outside;
        let mut teller = counter.teller.borrow_mut();
        let was_open = teller.is_open();
        let (now_ms, drawn) = (counter.now_ms(), fastrand::f64());
        if let Some(why) = teller.ended(now_ms, self.is_probe, ended, asked_ms, drawn) {
            outside.opened.fetch_add(1, Relaxed);
            tracing::warn!(provider = %counter.name, why, "a payment provider is left alone");
        }
        match (was_open, teller.is_open()) {
            (false, true) => _ = outside.providers_open.fetch_add(1, Relaxed),
            (true, false) => {
                outside.providers_open.fetch_sub(1, Relaxed);
                tracing::info!(provider = %counter.name, "a payment provider answers again");
            }
            _ => {}
        }
        counter.ended.notify_one();
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        if !self.is_used {
            self.counter.teller.borrow_mut().given_back(self.is_probe);
            self.counter.ended.notify_one();
        }
    }
}
