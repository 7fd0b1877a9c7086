//! Payment providers: payments are made, asked for, closed and given back.
//!
//! | file | what is there |
//! |---|---|
//! | `sandbox.rs` | the sandbox's protocol |
//! | `wired.rs` | Alipay, WeChat Pay and Stripe, by `levee-pay` |
//! | `counter.rs` | where calls to one of those wait for their turn |

mod counter;
mod sandbox;
mod wired;

use std::cell::{Cell, RefCell};
use std::sync::Arc;

use levee_api::code::Codes;
use levee_api::port::{OrderView, Submit};
use levee_api::types::{Action, Command, NameHash};
use tokio::sync::Semaphore;

use self::counter::Turn;
use self::sandbox::Sandbox;
use self::wired::{Ask, Wired};
use super::teller::Lane;
use super::{PaymentsConfig, Protocol};
use crate::http::{Http, Trouble};

/// Calls to the sandbox that are under way at once, of each lane.
const CALLS_MAX: usize = 64;

/// All that are set up; the first is where new orders are paid.
pub(super) struct Providers {
    all: Vec<Provider>,
    /// Somebody was told that one is missing.
    is_one_missed: Cell<bool>,
}

pub(super) struct Provider {
    name: NameHash,
    speaks: Speaks,
    /// By lane: refunds do not stand behind questions.
    calls: [Semaphore; Lane::COUNT],
}

enum Speaks {
    Sandbox(Sandbox),
    Wire(Wired),
}

/// The right to ask a provider.
pub(super) enum Allowed {
    /// The sandbox takes what comes.
    Always,
    /// For one call.
    Once(Turn),
}

impl Providers {
    pub(super) fn new(configs: Vec<PaymentsConfig>, submit: &Arc<dyn Submit>) -> Self {
        let provider = |config: PaymentsConfig| Provider {
            name: NameHash::of(&config.name),
            speaks: match config.protocol.clone() {
                Protocol::Sandbox(sandbox) => Speaks::Sandbox(Sandbox::new(&config, sandbox)),
                Protocol::Wire(wire) => Speaks::Wire(Wired::new(&config, wire, submit)),
            },
            calls: std::array::from_fn(|_| Semaphore::new(CALLS_MAX)),
        };
        let all = configs.into_iter().map(provider).collect();
        Self { all, is_one_missed: Cell::new(false) }
    }

    /// Where an order is paid: at the provider that has spoken of it, or where new ones are.
    pub(super) fn of(&self, order: &OrderView) -> Option<&Provider> {
        let found = match order.trade {
            Some((name, _)) => self.all.iter().find(|provider| provider.name == name),
            None => self.all.first(),
        };
        if found.is_none() && !self.is_one_missed.replace(true) {
            tracing::warn!("there are payments at a provider that is not configured: they wait");
        }
        found
    }
}

impl Provider {
    /// Waits until it may be asked.
    pub(super) async fn turn(&self, action: Action) -> Allowed {
        match &self.speaks {
            Speaks::Sandbox(_) => Allowed::Always,
            Speaks::Wire(wired) => Allowed::Once(wired.turn(lane(action)).await),
        }
    }

    /// Does it, and says what the engine is to be told.
    pub(super) async fn ask(
        &self,
        allowed: Allowed,
        action: Action,
        order: &OrderView,
        (http, codes, now_ms): (&Http, &Codes, u64),
    ) -> Result<Command, Trouble> {
        match &self.speaks {
            Speaks::Sandbox(sandbox) => {
                let calls = &self.calls[lane(action) as usize];
                let _turn = calls.acquire().await.expect("it is never closed");
                let (payment, number) = (codes.payment(order.number), order.number);
                match action {
                    Action::CreatePayment { .. } => sandbox.create(http, &payment, order).await,
                    Action::LookAtPayment { .. } => sandbox.look(http, &payment, number).await,
                    Action::ClosePayment { .. } => sandbox.close(http, &payment, number).await,
                    Action::Refund { refund, amount_minor, .. } => {
                        sandbox.refund(http, &payment, number, (refund, amount_minor)).await
                    }
                    _ => unreachable!("providers are asked for payments alone"),
                }
            }
            Speaks::Wire(wired) => {
                let turn = match allowed {
                    Allowed::Once(turn) => Some(turn),
                    Allowed::Always => None,
                };
                let (lane, turn) = (lane(action), RefCell::new(turn));
                let ask = Ask { http, codes, order, now_ms, lane, turn };
                match action {
                    Action::CreatePayment { .. } => wired.create(&ask).await,
                    Action::LookAtPayment { .. } => wired.look(&ask).await,
                    Action::ClosePayment { .. } => wired.close(&ask).await,
                    Action::Refund { refund, amount_minor, .. } => {
                        wired.refund(&ask, refund, amount_minor).await
                    }
                    _ => unreachable!("providers are asked for payments alone"),
                }
            }
        }
    }
}

fn lane(action: Action) -> Lane {
    match action {
        Action::CreatePayment { .. } => Lane::Create,
        Action::Refund { .. } => Lane::Refund,
        _ => Lane::Settle,
    }
}
