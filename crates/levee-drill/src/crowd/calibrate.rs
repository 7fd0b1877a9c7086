//! How much a server can take from this generator on this machine: a short closed loop of claims
//! on a campaign of its own.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::{Duration, Instant};

use serde_json::json;
use tokio::task::LocalSet;

use super::connection::Connection;
use super::requests::Requests;
use super::{CrowdError, ServerAccess, stage};
use crate::plan::FestivalPlan;
use crate::scenario::Scenario;

/// Connections of the closed loop: enough to keep a server on two cores busy.
const CONNECTIONS: u32 = 64;

/// The part of the time that only warms up.
const WARM_UP_SHARE: f64 = 0.4;

/// The campaign's id.
const CAMPAIGN: &str = "warm-up";

/// Claims answered a second, in a closed loop over some connections. Makes a campaign `warm-up`
/// after the scenario's, with a budget for all, and closes it afterwards. Blocks for `seconds`.
///
/// # Errors
/// The server cannot be set up, or answers no claim.
pub fn calibrate(
    scenario: &Scenario,
    access: &ServerAccess,
    seconds: f64,
) -> Result<f64, CrowdError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let local = LocalSet::new();
    runtime.block_on(local.run_until(calibrate_async(scenario, access, seconds)))
}

async fn calibrate_async(
    scenario: &Scenario,
    access: &ServerAccess,
    seconds: f64,
) -> Result<f64, CrowdError> {
    let mut operator = stage::operator(access).await?;
    let mut document = serde_json::to_value(&scenario.campaign).expect("only string keys");
    document["id"] = CAMPAIGN.into();
    // Open whatever the server's clock shows.
    document["opens_at"] = "2000-01-01T00:00:00Z".into();
    document["closes_at"] = "2100-01-01T00:00:00Z".into();
    stage::post(&mut operator, "making a campaign to warm up", "/v1/campaigns", &document).await?;
    let path = |verb: &str| format!("/v1/campaigns/{CAMPAIGN}/{verb}");
    let fund = json!({"amount_minor": 1_000_000_000_000_u64, "reference": "drill"});
    stage::post(&mut operator, "funding it", &path("fund"), &fund).await?;
    stage::post(&mut operator, "opening it", &path("open"), &json!({})).await?;

    let plan = FestivalPlan::new(scenario.clone(), 1, 0, 1e-9);
    let requests = Requests::new(&access.address, &access.app_key, CAMPAIGN, &plan);
    let shared = Rc::new(Loop {
        address: access.address.clone(),
        plan,
        requests: RefCell::new(requests),
        next_user: Cell::new(0),
        answered: Cell::new(0),
    });
    let tasks: Vec<_> =
        (0..CONNECTIONS).map(|_| tokio::task::spawn_local(claim_on(Rc::clone(&shared)))).collect();
    tokio::time::sleep(Duration::from_secs_f64(seconds * WARM_UP_SHARE)).await;
    let (before, started) = (shared.answered.get(), Instant::now());
    tokio::time::sleep(Duration::from_secs_f64(seconds * (1.0 - WARM_UP_SHARE))).await;
    let answered = shared.answered.get() - before;
    let per_s = crate::numbers::real(answered) / started.elapsed().as_secs_f64();
    tasks.iter().for_each(tokio::task::JoinHandle::abort);
    if answered == 0 {
        return Err(CrowdError::System(std::io::Error::other("no claim was answered")));
    }
    stage::post(&mut operator, "closing it", &path("close"), &json!({})).await?;
    Ok(per_s)
}

struct Loop {
    address: String,
    plan: FestivalPlan,
    requests: RefCell<Requests>,
    next_user: Cell<u32>,
    answered: Cell<u64>,
}

/// Claims for one user after the other until it is stopped, or its connection breaks.
async fn claim_on(shared: Rc<Loop>) {
    let Ok(mut connection) = Connection::open(&shared.address).await else { return };
    let script = shared.plan.script(0);
    let mut bytes = Vec::new();
    loop {
        let user = shared.next_user.get();
        shared.next_user.set(user + 1);
        bytes.clear();
        bytes.extend_from_slice(shared.requests.borrow_mut().claim(
            &shared.plan,
            user,
            &script,
            None,
        ));
        match connection.exchange(&bytes).await {
            Ok((reply, false)) if reply.status < 500 => {
                shared.answered.set(shared.answered.get() + 1);
            }
            _ => return,
        }
    }
}
