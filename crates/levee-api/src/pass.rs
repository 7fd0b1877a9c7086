//! Passes of the waiting room, and the draw of those who came before the opening.
//!
//! A pass is the whole memory of a place: signed, bound to one user and one campaign, and good on
//! any device and at any gate, since all gates of an installation have its key. Keys are derived a
//! day each from the installation's code key, so they change by themselves, and what was signed the
//! day before is still known.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit, Mac};
use levee_core::types::{CampaignNo, UserKey};
use sha2::{Digest, Sha256};

/// How long one key signs, in microseconds.
const EPOCH_US: u64 = 24 * 3_600_000_000;

const VERSION: u8 = 1;
const BODY_LEN: usize = 36;
const MAC_LEN: usize = 12;

/// Length of a pass as text.
pub const PASS_LEN: usize = 64;

/// What a pass says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pass {
    /// Its place: a moment of the intake's clock, in microseconds since 1970.
    pub place_us: u64,
    /// Not to be shown before this moment, same clock.
    pub due_us: u64,
    /// What was told first.
    pub promise: Promise,
    /// Tells passes of one place apart.
    pub nonce: u32,
}

/// What a user was told first about the wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Promise {
    /// By when the turn comes in nine cases of ten; the intake's clock.
    pub bound_us: u64,
    /// The estimate behind that bound, in milliseconds from when it was told; 0 where nothing can be
    /// learned from it.
    pub eta_ms: u32,
    /// How long after its place it was told, in milliseconds: places are counted from the beginning
    /// of a slot of time. Passes signed before this was kept say 0.
    pub told_ms: u8,
}

/// The installation's secret of the waiting room.
#[derive(Clone)]
pub struct PassSecret([u8; 32]);

/// The key of one day.
#[derive(Clone)]
pub struct PassKey {
    epoch: u16,
    mac: Hmac<Sha256>,
}

/// Why a pass is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PassError {
    /// No text that this installation ever gave out for this user and campaign.
    #[error("not a pass of this user for this campaign")]
    Forged,
    /// Signed before yesterday.
    #[error("too old")]
    TooOld,
}

fn hmac(key: &[u8; 32], parts: &[&[u8]]) -> [u8; 32] {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes any length");
    parts.iter().for_each(|part| mac.update(part));
    mac.finalize().into_bytes().into()
}

impl Pass {
    /// What a text claims to say, unchecked: enough to show people a place, and nothing that lets
    /// anyone in.
    #[must_use]
    pub fn peek(text: &str) -> Option<Self> {
        read(text.as_bytes()).map(|bytes| Self::of(&bytes))
    }

    fn of(bytes: &[u8; BODY_LEN + MAC_LEN]) -> Self {
        let long = |at: usize| {
            u64::from_be_bytes(*bytes[at..].first_chunk().expect("a pass has 48 bytes"))
        };
        let short = |at: usize| {
            u32::from_be_bytes(*bytes[at..].first_chunk().expect("a pass has 48 bytes"))
        };
        let promise = Promise { bound_us: long(19), eta_ms: short(32), told_ms: bytes[27] };
        Self { place_us: long(3), due_us: long(11), promise, nonce: short(28) }
    }
}

/// The bytes of a text that has a pass's length and version.
fn read(text: &[u8]) -> Option<[u8; BODY_LEN + MAC_LEN]> {
    let mut bytes = [0; BODY_LEN + MAC_LEN];
    if text.len() != PASS_LEN {
        return None;
    }
    let len = URL_SAFE_NO_PAD.decode_slice(text, &mut bytes).ok()?;
    (len == bytes.len() && bytes[0] == VERSION).then_some(bytes)
}

impl PassSecret {
    /// From the code key's 32 bytes.
    #[must_use]
    pub fn new(code_key: &[u8; 32]) -> Self {
        Self(hmac(code_key, &[b"waiting room"]))
    }

    /// The key that signs at a moment.
    #[must_use]
    pub fn key_at(&self, now_us: u64) -> PassKey {
        self.key_of(epoch_of(now_us))
    }

    fn key_of(&self, epoch: u16) -> PassKey {
        let key = hmac(&self.0, &[b"pass", &epoch.to_be_bytes()]);
        PassKey { epoch, mac: Hmac::new_from_slice(&key).expect("HMAC takes any length") }
    }

    /// The seed of a campaign's draw; secret until the campaign opens.
    #[must_use]
    pub fn draw_seed(&self, campaign: &str) -> [u8; 32] {
        hmac(&self.0, &[b"draw", campaign.as_bytes()])
    }

    /// A user's ticket in a campaign's draw: tells nothing about the user.
    #[must_use]
    pub fn draw_ticket(&self, campaign: &str, user: UserKey) -> [u8; 8] {
        let mac = hmac(&self.0, &[b"ticket", &user.0, campaign.as_bytes()]);
        *mac.first_chunk().expect("32 bytes have 8")
    }
}

/// The day of a moment, counted so that it wraps after a lifetime.
fn epoch_of(us: u64) -> u16 {
    u16::try_from(us / EPOCH_US % (1 << 16)).expect("taken modulo 2^16")
}

/// What is published before the opening: SHA-256 of the seed.
#[must_use]
pub fn draw_commitment(seed: &[u8; 32]) -> [u8; 32] {
    Sha256::digest(seed).into()
}

/// The rank of a ticket: the first 8 bytes, big-endian, of SHA-256 over seed and ticket. The lowest
/// comes first.
#[must_use]
pub fn draw_rank(seed: &[u8; 32], ticket: [u8; 8]) -> u64 {
    let digest = Sha256::new().chain_update(seed).chain_update(ticket).finalize();
    u64::from_be_bytes(*digest.first_chunk().expect("32 bytes have 8"))
}

impl PassKey {
    /// Whether this is the key that signs at a moment.
    #[must_use]
    pub fn signs_at(&self, now_us: u64) -> bool {
        self.epoch == epoch_of(now_us)
    }

    fn mac(&self, body: &[u8], user: UserKey, campaign: CampaignNo) -> [u8; MAC_LEN] {
        let mut mac = self.mac.clone();
        mac.update(body);
        mac.update(&user.0);
        mac.update(&campaign.0.to_be_bytes());
        *mac.finalize().into_bytes().first_chunk().expect("32 bytes have 12")
    }

    /// The pass as text, for one user and one campaign.
    #[must_use]
    pub fn sign(&self, pass: &Pass, user: UserKey, campaign: CampaignNo) -> String {
        let mut bytes = [0; BODY_LEN + MAC_LEN];
        bytes[0] = VERSION;
        bytes[1..3].copy_from_slice(&self.epoch.to_be_bytes());
        bytes[3..11].copy_from_slice(&pass.place_us.to_be_bytes());
        bytes[11..19].copy_from_slice(&pass.due_us.to_be_bytes());
        bytes[19..27].copy_from_slice(&pass.promise.bound_us.to_be_bytes());
        bytes[27] = pass.promise.told_ms;
        bytes[28..32].copy_from_slice(&pass.nonce.to_be_bytes());
        bytes[32..36].copy_from_slice(&pass.promise.eta_ms.to_be_bytes());
        let mac = self.mac(&bytes[..BODY_LEN], user, campaign);
        bytes[BODY_LEN..].copy_from_slice(&mac);
        URL_SAFE_NO_PAD.encode(bytes)
    }
}

/// The keys of today and yesterday.
#[derive(Clone)]
pub struct PassKeys {
    secret: PassSecret,
    today: PassKey,
    yesterday: PassKey,
}

impl PassKeys {
    /// As of a moment.
    #[must_use]
    pub fn new(secret: PassSecret, now_us: u64) -> Self {
        let today = secret.key_at(now_us);
        let yesterday = secret.key_of(today.epoch.wrapping_sub(1));
        Self { secret, today, yesterday }
    }

    /// Takes up the next day's key when it is time.
    pub fn refresh(&mut self, now_us: u64) {
        if !self.today.signs_at(now_us) {
            *self = Self::new(self.secret.clone(), now_us);
        }
    }

    /// Today's.
    #[must_use]
    pub fn today(&self) -> &PassKey {
        &self.today
    }

    /// What a text says, if it is a pass of this user for this campaign.
    ///
    /// # Errors
    /// Why it is none.
    pub fn open(
        &self,
        text: &[u8],
        user: UserKey,
        campaign: CampaignNo,
    ) -> Result<Pass, PassError> {
        let bytes = read(text).ok_or(PassError::Forged)?;
        let (body, mac) = bytes.split_at(BODY_LEN);
        let epoch = u16::from_be_bytes([body[1], body[2]]);
        let key = [&self.today, &self.yesterday].into_iter().find(|key| key.epoch == epoch);
        // A gate whose clock is a little behind another's may meet tomorrow's.
        let tomorrow =
            (epoch == self.today.epoch.wrapping_add(1)).then(|| self.secret.key_of(epoch));
        let key = key.or(tomorrow.as_ref()).ok_or(PassError::TooOld)?;
        // Whoever compares faster by a byte learns nothing of 12 random ones within a day.
        let genuine = key.mac(body, user, campaign);
        let differing = genuine.iter().zip(mac).fold(0, |bits, (a, b)| bits | (a ^ b));
        if differing != 0 {
            return Err(PassError::Forged);
        }
        Ok(Pass::of(&bytes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW_US: u64 = 1_770_400_000_000_000;
    const USER: UserKey = UserKey([7; 16]);
    const CAMPAIGN: CampaignNo = CampaignNo(3);

    fn keys(now_us: u64) -> PassKeys {
        PassKeys::new(PassSecret::new(&[9; 32]), now_us)
    }

    fn pass() -> Pass {
        Pass {
            place_us: NOW_US,
            due_us: NOW_US + 5,
            promise: Promise { bound_us: NOW_US + 9, eta_ms: 77, told_ms: 98 },
            nonce: 0xabcd_ef01,
        }
    }

    #[test]
    fn a_pass_says_what_was_signed_and_only_for_its_user_and_campaign() {
        let keys = keys(NOW_US);
        let text = keys.today().sign(&pass(), USER, CAMPAIGN);
        assert_eq!(text.len(), PASS_LEN);
        assert_eq!(keys.open(text.as_bytes(), USER, CAMPAIGN), Ok(pass()));
        let other = UserKey([8; 16]);
        assert_eq!(keys.open(text.as_bytes(), other, CAMPAIGN), Err(PassError::Forged));
        assert_eq!(keys.open(text.as_bytes(), USER, CampaignNo(4)), Err(PassError::Forged));
        for place in 0..PASS_LEN {
            let mut forged = text.clone().into_bytes();
            forged[place] = if forged[place] == b'A' { b'B' } else { b'A' };
            assert!(keys.open(&forged, USER, CAMPAIGN).is_err(), "at {place}");
        }
        for wrong in ["", "x", &text[1..], &format!("{text}A"), &"=".repeat(PASS_LEN)] {
            assert_eq!(keys.open(wrong.as_bytes(), USER, CAMPAIGN), Err(PassError::Forged));
        }
    }

    #[test]
    fn a_pass_outlives_its_key_by_a_day() {
        let text = keys(NOW_US).today().sign(&pass(), USER, CAMPAIGN);
        let mut later = keys(NOW_US);
        later.refresh(NOW_US + EPOCH_US);
        assert!(!later.today().signs_at(NOW_US));
        assert_eq!(later.open(text.as_bytes(), USER, CAMPAIGN), Ok(pass()));
        assert_eq!(keys(NOW_US - EPOCH_US).open(text.as_bytes(), USER, CAMPAIGN), Ok(pass()));
        later.refresh(NOW_US + 2 * EPOCH_US);
        assert_eq!(later.open(text.as_bytes(), USER, CAMPAIGN), Err(PassError::TooOld));
    }

    #[test]
    fn a_draw_can_be_checked_by_anyone_who_has_the_seed() {
        let secret = PassSecret::new(&[9; 32]);
        let seed = secret.draw_seed("spring");
        assert_ne!(seed, secret.draw_seed("summer"));
        let ticket = secret.draw_ticket("spring", USER);
        // As a user would do it, with a hash from elsewhere: sha256(seed || ticket).
        let by_hand: [u8; 32] = Sha256::digest([&seed[..], &ticket[..]].concat()).into();
        assert_eq!(draw_rank(&seed, ticket).to_be_bytes(), by_hand[..8]);
        assert_ne!(draw_commitment(&seed), seed);
        // Ranks are spread: of many users about a half is in each half.
        let low = (0..2_000_u32)
            .map(|user| {
                let mut key = [0; 16];
                key[..4].copy_from_slice(&user.to_be_bytes());
                draw_rank(&seed, secret.draw_ticket("spring", UserKey(key)))
            })
            .filter(|rank| *rank < 1 << 63)
            .count();
        assert!((900..1_100).contains(&low), "{low} of 2000");
    }
}
