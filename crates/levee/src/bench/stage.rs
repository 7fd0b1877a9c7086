//! What the benches in process stand on: an engine over a folder, a campaign that is open, and names
//! for its users.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use levee_api::port::{Ask, AskBody, Origin, Priority, Reply, Submit};
use levee_core::types::{
    CampaignId, CampaignNo, ChangeCampaignState, Command, CreateCampaign, Direction, MoveBudget,
    Outcome, Purpose, Reference, RequestKey, StateChange, UserKey,
};
use levee_engine::{Clock, Engine, EngineConfig, Keys, SnapshotPlan, SystemClock};

use super::inbox::Inbox;

const KEYS: Keys<'static> = Keys { pseudonym: &[1; 32], code: &[2; 32] };

/// Longer than any bench.
const NEVER: Duration = Duration::from_secs(365 * 86_400);

/// No snapshots: what a bench measures is then one thing at a time.
pub(super) fn no_snapshots() -> SnapshotPlan {
    SnapshotPlan {
        journal_bytes: u64::MAX,
        every: NEVER,
        at_stop: false,
        ..SnapshotPlan::default()
    }
}

/// An engine of the defaults, apart from what is given. The queue holds all that may be under way,
/// so that nothing is turned away.
pub(super) fn config(data: &Path, in_flight: u32, snapshots: SnapshotPlan) -> EngineConfig {
    let mut config = EngineConfig::new(data, [3; 16]);
    // Claims may fill seven eighths of it.
    config.queue_capacity = in_flight as usize * 8 / 7 + 1;
    config.snapshots = snapshots;
    config
}

/// A folder that is kept where its user chose it, and goes with the bench otherwise.
pub(super) struct Folder {
    pub(super) path: PathBuf,
    _temporary: Option<tempfile::TempDir>,
}

impl Folder {
    /// The folder must not hold a journal yet: figures of somebody's journal would mean nothing.
    pub(super) fn new(data: Option<&PathBuf>) -> Result<Self> {
        let Some(data) = data else {
            let temporary = tempfile::tempdir()?;
            let path = temporary.path().to_path_buf();
            return Ok(Self { path, _temporary: Some(temporary) });
        };
        if levee_journal::FileJournal::exists(data) {
            bail!("{} holds a journal already: choose another folder", data.display());
        }
        Ok(Self { path: data.clone(), _temporary: None })
    }
}

/// A running engine, and the one who asks it.
pub(super) struct Stage {
    pub(super) engine: Engine,
    pub(super) origin: Origin,
    pub(super) inbox: Arc<Inbox>,
}

impl Stage {
    pub(super) fn start(config: &EngineConfig) -> Result<Self> {
        Self::start_with(config, |_| SystemClock)
    }

    /// With a clock of the bench's own.
    pub(super) fn start_with<C: Clock + 'static>(
        config: &EngineConfig,
        clock: impl FnOnce(u64) -> C,
    ) -> Result<Self> {
        let engine = Engine::start(config, KEYS, clock)?;
        let inbox = Arc::new(Inbox::default());
        let origin = engine.register(Arc::<Inbox>::clone(&inbox));
        Ok(Self { engine, origin, inbox })
    }

    /// Asks one thing and waits for the answer, while nothing else is under way.
    pub(super) fn ask(&self, command: Command) -> Result<Reply> {
        let mut asks =
            vec![Ask { ticket: 0, within_ms: u32::MAX, body: AskBody::Command(command) }];
        self.submit(Priority::Status, Instant::now(), &mut asks)?;
        let mut came = Vec::new();
        self.inbox.wait(&self.engine, &mut came)?;
        match came.pop().and_then(|mut delivery| delivery.replies.pop()) {
            Some((_, reply)) => Ok(reply),
            None => bail!("the engine answered nothing"),
        }
    }

    /// Hands asks over, all of them: the benches never have more under way than the queue holds.
    pub(super) fn submit(
        &self,
        priority: Priority,
        arrived: Instant,
        asks: &mut Vec<Ask>,
    ) -> Result<()> {
        match self.engine.submit(self.origin, priority, arrived, asks) {
            Ok(()) => Ok(()),
            Err(failure) => bail!("the engine took no more: {failure:?}"),
        }
    }

    /// A campaign that exists, without money, so that its index has no room yet.
    pub(super) fn create_campaign(&self, campaign: &Campaign) -> Result<CampaignNo> {
        let Campaign { id, face_minor, rollback_within, request, .. } = campaign;
        let document = serde_json::json!({
            "id": id, "name": id, "currency": "CNY",
            "opens_at": "2020-01-01T00:00:00Z", "closes_at": "2100-01-01T00:00:00Z",
            "voucher": {
                "kind": "amount_off", "face_minor": face_minor,
                "valid_for": "P7D", "rollback_within": rollback_within
            }
        });
        let definition = levee_api::document::compile_json(document.to_string().as_bytes())?;
        let create = CreateCampaign { request: RequestKey([*request; 16]), definition };
        let reply = self.ask(Command::CreateCampaign(Box::new(create)))?;
        match reply {
            Reply::Done { outcome: Outcome::CampaignCreated { campaign }, .. } => Ok(campaign),
            reply => bail!("no campaign was made: {reply:?}"),
        }
    }

    /// Money for a voucher for everyone, with which the engine makes room for as many; then opens.
    pub(super) fn fund_and_open(&self, campaign: &Campaign) -> Result<()> {
        let id = CampaignId::new(campaign.id).expect("a good id");
        let amount_minor = u64::from(campaign.face_minor) * u64::from(campaign.users);
        let commands = [
            Command::MoveBudget(Box::new(MoveBudget {
                request: RequestKey([campaign.request + 1; 16]),
                campaign: id.clone(),
                direction: Direction::Fund,
                purpose: Purpose::Vouchers,
                amount_minor,
                reference: Reference::new("bench").expect("short"),
            })),
            Command::ChangeCampaignState(Box::new(ChangeCampaignState {
                request: RequestKey([campaign.request + 2; 16]),
                campaign: id,
                change: StateChange::Open,
                reason: String::new(),
            })),
        ];
        for command in commands {
            let reply = self.ask(command)?;
            if !matches!(reply, Reply::Done { repeated: false, .. }) {
                bail!("the campaign was not opened: {reply:?}");
            }
        }
        Ok(())
    }
}

/// What a bench's campaign is.
pub(super) struct Campaign {
    pub(super) id: &'static str,
    pub(super) face_minor: u32,
    /// ISO 8601.
    pub(super) rollback_within: &'static str,
    pub(super) users: u32,
    /// The first of three request keys, one byte each.
    pub(super) request: u8,
}

/// Spreads numbers over all keys, as the keyed hash of a gate does (splitmix64, Steele et al. 2014).
pub(super) fn key_bytes(number: u64) -> [u8; 16] {
    let seed = number.wrapping_mul(0x9e37_79b9_7f4a_7c15).wrapping_add(1);
    (u128::from(mix(seed)) << 64 | u128::from(mix(!seed))).to_le_bytes()
}

pub(super) fn pseudonym(user: u32) -> UserKey {
    UserKey(key_bytes(u64::from(user)))
}

/// Every bit counts for every bit.
pub(super) fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

pub(super) fn micros(at: Instant, started: Instant) -> u64 {
    u64::try_from(at.duration_since(started).as_micros()).unwrap_or(u64::MAX)
}
