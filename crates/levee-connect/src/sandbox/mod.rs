//! Outlets and a payment provider that stand in for real ones: a server that plays any number of
//! them over real HTTP, with the faults that a scenario names.
//!
//! Where what lives: `kitchens/` (outlets) and `provider/` (payments) are told the time and do no
//! I/O; `world.rs` holds both behind one lock and does what is due; `routes.rs` and `server.rs` take
//! requests in, `outbox.rs` calls Levee. Every decision is drawn from the seed and the id of what it
//! is about (`draw.rs`), so it does not depend on what came first.

mod agenda;
mod clock;
mod config;
mod day;
mod draw;
mod effects;
mod kitchens;
mod outbox;
mod played;
mod provider;
mod records;
mod routes;
mod server;
mod stats;
#[cfg(test)]
mod tests;
mod world;

use std::net::SocketAddr;
use std::sync::Arc;
use std::thread::JoinHandle;

use tokio::net::TcpListener;
use tokio::sync::Notify;

pub use config::{CONNECTIONS_MAX_DEFAULT, LISTEN_DEFAULT, SandboxConfig, SandboxError, Secrets};
pub use played::Outside;

pub use kitchens::{Class, ClassStats, Profile, TicketLine, TicketState, TicketStats};
pub use provider::{CallbackStats, PaymentLine, PaymentStats};
pub use stats::{OpenStats, RequestStats, Stats};

use world::Shared;

use crate::http::{CALL_MAX, Http};
use crate::reach::Reach;

/// Lets outlets and the provider do what is due, and say so to Levee over these two.
fn live(shared: &Arc<Shared>, [steps, callbacks]: [Http; 2]) {
    for _ in 0..outbox::CALLS_MAX {
        tokio::spawn(outbox::say_steps(Arc::clone(shared), steps.clone()));
        tokio::spawn(outbox::send_callbacks(Arc::clone(shared), callbacks.clone()));
    }
    tokio::spawn(world::keep_time(Arc::clone(shared)));
}

/// A running sandbox, on a thread of its own. Ended when dropped.
#[derive(Debug)]
pub struct Sandbox {
    shared: Arc<Shared>,
    address: SocketAddr,
    stop: Arc<Notify>,
    thread: Option<JoinHandle<()>>,
}

impl Sandbox {
    /// Starts one, and returns once it listens.
    ///
    /// # Errors
    /// Something in the configuration is wrong, its address is taken, or the system gives no thread.
    pub fn start(config: SandboxConfig) -> Result<Self, SandboxError> {
        let levee = config.check()?;
        let listen = |source| SandboxError::Listen { listen: config.listen.clone(), source };
        let listener = std::net::TcpListener::bind(&config.listen).map_err(listen)?;
        let address = listener.local_addr().map_err(listen)?;
        listener.set_nonblocking(true).map_err(listen)?;

        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(SandboxError::System)?;
        let listener = {
            let _entered = runtime.enter();
            TcpListener::from_std(listener).map_err(SandboxError::System)?
        };
        let connections_max = config.connections_max;
        let shared = Arc::new(Shared::new(config, levee, format!("http://{address}")));
        let stop = Arc::new(Notify::new());
        let (playing, stopped) = (Arc::clone(&shared), Arc::clone(&stop));
        let play = move || {
            runtime.block_on(async {
                let [steps, callbacks] = [(); 2].map(|()| Http::new(CALL_MAX, Reach::anyone()));
                live(&playing, [steps, callbacks]);
                tokio::select! {
                    () = server::serve(playing, listener, connections_max) => {}
                    () = stopped.notified() => {}
                }
            });
            // With the runtime all that is under way ends: nobody relies on it.
        };
        let thread = std::thread::Builder::new().name("sandbox".to_owned()).spawn(play);
        let thread = Some(thread.map_err(SandboxError::System)?);
        Ok(Self { shared, address, stop, thread })
    }

    /// Where it listens.
    #[must_use]
    pub fn addr(&self) -> SocketAddr {
        self.address
    }

    /// All counts as they are now.
    #[must_use]
    pub fn stats(&self) -> Stats {
        self.shared.stats()
    }

    /// Ends it: nothing is answered, said or sent any more. Its last counts.
    #[must_use]
    pub fn shutdown(mut self) -> Stats {
        self.end();
        self.shared.stats()
    }

    fn end(&mut self) {
        self.stop.notify_one();
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the sandbox's thread has panicked");
        }
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        self.end();
    }
}
