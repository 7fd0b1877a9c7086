//! A small steady stream of redemptions beside the crowd, on connections of its own: whoever stands
//! in a shop with a voucher must not feel the rush.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use anyhow::{Result, anyhow, bail};
use hyper::Method;
use levee_api::client::{Client, ClientError};
use levee_api::wire::ClaimBody;
use tokio::runtime::Runtime;
use tokio::task::LocalSet;
use tokio::time::timeout;

use super::super::pace::Pace;

/// Redemptions a second.
pub(super) const PER_S: u32 = 200;

/// Keep-alive connections: enough for answers of 100 ms.
const CONNECTIONS: usize = 32;

/// From the due moment to the answer.
const IN_TIME: Duration = Duration::from_secs(1);

/// After this the connection is given up.
const GIVE_UP: Duration = Duration::from_secs(5);

/// Tries for one voucher before the crowd comes.
const CLAIM_TRIES_MAX: u32 = 100;

/// Between two tries where the server does not say how long.
const CODE_LATER: Duration = Duration::from_millis(100);

/// A voucher, and its user's name.
pub(super) type Held = (String, String);

/// What became of the redemptions.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Redeemed {
    pub(super) asked: u32,
    pub(super) in_time: u32,
}

impl Redeemed {
    /// The share that was answered in time; None without any.
    pub(super) fn share(self) -> Option<f64> {
        (self.asked > 0).then(|| f64::from(self.in_time) / f64::from(self.asked))
    }
}

fn runtime() -> Result<Runtime> {
    Ok(tokio::runtime::Builder::new_current_thread().enable_all().build()?)
}

/// Claims vouchers for a stream of this length, while nobody else asks.
pub(super) fn prepare(address: &str, length: Duration) -> Result<Vec<Held>> {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "redemptions of a few seconds"
    )]
    let count = (length.as_secs_f64() * f64::from(PER_S)) as u32 + PER_S;
    let next = Rc::new(Cell::new(0));
    let held = Rc::new(RefCell::new(Vec::new()));
    let local = LocalSet::new();
    let tasks: Vec<_> = (0..CONNECTIONS)
        .map(|_| {
            let (address, next, held) = (address.to_owned(), Rc::clone(&next), Rc::clone(&held));
            local.spawn_local(async move {
                let mut client = Client::connect(&address, "dev-app").await?;
                while next.get() < count {
                    let user = format!("shopper-{}", next.replace(next.get() + 1));
                    let code = claim(&mut client, &user).await?;
                    held.borrow_mut().push((code, user));
                }
                anyhow::Ok(())
            })
        })
        .collect();
    local.block_on(&runtime()?, async {
        for task in tasks {
            task.await??;
        }
        anyhow::Ok(())
    })?;
    Ok(held.take())
}

/// One voucher's code. Whoever is told to come later does: some limits are low enough to be met here.
async fn claim(client: &mut Client, user: &str) -> Result<String> {
    let body = serde_json::to_vec(&serde_json::json!({ "user_id": user }))?;
    let mut pass: Option<String> = None;
    for _ in 0..CLAIM_TRIES_MAX {
        let header = pass.as_deref().map(|pass| ("levee-pass", pass));
        let path = "/v1/campaigns/bench/claims";
        let raw = client.send(Method::POST, path, header.as_slice(), body.clone().into()).await?;
        let wait_ms = match raw.json::<ClaimBody>() {
            Ok(body) => return Ok(body.voucher.code),
            Err(ClientError::Refused(problem)) if matches!(problem.status, 429 | 503) => {
                let place = problem.place;
                pass = place.as_ref().map(|place| place.pass.clone()).or(pass);
                place.map(|place| place.poll_after_ms).or(problem.retry_after_ms)
            }
            // Durable; the code comes later.
            Err(ClientError::Unexpected { status: 202, .. }) => None,
            Err(error) => return Err(error.into()),
        };
        tokio::time::sleep(wait_ms.map_or(CODE_LATER, Duration::from_millis)).await;
    }
    bail!("no voucher for {user} after {CLAIM_TRIES_MAX} tries")
}

/// A stream under way, on a thread of its own.
pub(super) struct Stream(JoinHandle<Result<Redeemed>>);

impl Stream {
    /// Redeems these for so long.
    pub(super) fn start(address: &str, held: Vec<Held>, length: Duration) -> Self {
        let address = address.to_owned();
        Self(thread::spawn(move || run(&address, held, length)))
    }

    /// Waits for its last answer, a few seconds at most.
    pub(super) fn end(self) -> Result<Redeemed> {
        self.0.join().map_err(|_| anyhow!("the thread that redeems has panicked"))?
    }
}

fn run(address: &str, held: Vec<Held>, length: Duration) -> Result<Redeemed> {
    let local = LocalSet::new();
    let counts = Rc::new(Cell::new(Redeemed::default()));
    let held = Rc::new(RefCell::new(held));
    local.block_on(&runtime()?, async {
        let pace = Pace::open(length, f64::from(PER_S));
        let tasks: Vec<_> = (0..CONNECTIONS)
            .map(|_| {
                let (held, counts) = (Rc::clone(&held), Rc::clone(&counts));
                tokio::task::spawn_local(drive(address.to_owned(), pace.clone(), held, counts))
            })
            .collect();
        for task in tasks {
            task.await??;
        }
        Ok(counts.get())
    })
}

async fn drive(
    address: String,
    pace: Pace,
    held: Rc<RefCell<Vec<Held>>>,
    counts: Rc<Cell<Redeemed>>,
) -> Result<()> {
    let mut client = None;
    while let Some(due) = pace.next().await {
        let Some((code, user)) = held.borrow_mut().pop() else {
            bail!("more redemptions than vouchers");
        };
        let body = serde_json::json!({
            "voucher_code": code, "user_id": user, "order_minor": 100, "reference": user
        });
        let answer = timeout(GIVE_UP, async {
            let connected = match client.take() {
                Some(connected) => connected,
                None => Client::connect(&address, "dev-app").await?,
            };
            let connected = client.insert(connected);
            connected.post("/v1/redemptions", Some(&user), &body).await
        });
        let good = matches!(answer.await, Ok(Ok(raw)) if raw.status == 201);
        if !good {
            // It may be broken, or its answer still to come.
            client = None;
        }
        let mut so_far = counts.get();
        so_far.asked += 1;
        so_far.in_time += u32::from(good && due.elapsed() <= IN_TIME);
        counts.set(so_far);
    }
    Ok(())
}
