//! The bytes of a crowd's requests, and made-up codes.

mod ordering;

use std::io::Write as _;

use fastrand::Rng;

use super::Op;
use crate::ledger::Code;
use crate::plan::{FestivalPlan, RedemptionScript, Script};

pub(crate) use ordering::Wish;

const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";

/// Writes requests into one buffer, which is used again and again.
pub(crate) struct Requests {
    /// Everything of a head that is always the same.
    common: String,
    claim_path: String,
    brands: Vec<String>,
    category: Option<String>,
    body: Vec<u8>,
    bytes: Vec<u8>,
}

/// What a request for a voucher that its user holds is made of.
#[derive(Clone, Copy)]
pub(crate) struct Held {
    pub(crate) code: Code,
    pub(crate) lock: Option<Code>,
    pub(crate) redemption: Option<Code>,
}

impl Requests {
    pub(crate) fn new(address: &str, key: &str, campaign: &str, plan: &FestivalPlan) -> Self {
        let voucher = &plan.scenario().definition.terms.voucher;
        Self {
            common: format!(
                "host: {address}\r\nauthorization: Bearer {key}\r\n\
                 content-type: application/json\r\n"
            ),
            claim_path: format!("/v1/campaigns/{campaign}/claims"),
            brands: voucher.brands.clone(),
            category: voucher.categories.first().cloned(),
            body: Vec::with_capacity(512),
            bytes: Vec::with_capacity(1_024),
        }
    }

    /// A claim by a user of the plan.
    pub(crate) fn claim(
        &mut self,
        plan: &FestivalPlan,
        user: u32,
        script: &Script,
        pass: Option<&[u8]>,
    ) -> &[u8] {
        let scenario = plan.scenario();
        let (seed, tier) = (plan.seed(), &scenario.tiers[script.tier].name);
        let version = &scenario.app_versions[script.version].version;
        self.body.clear();
        write!(
            self.body,
            "{{\"user_id\":\"u{seed}-{user}\",\"attributes\":{{\"app_version\":\"{version}\",\
             \"city_tier\":\"{tier}\"}},\"channel\":\"app\",\"region\":\"CN\"}}"
        )
        .expect("memory");
        let path = std::mem::take(&mut self.claim_path);
        self.finish_with(&path, None, pass);
        self.claim_path = path;
        &self.bytes
    }

    /// Anything about a voucher that the user holds.
    pub(crate) fn about(
        &mut self,
        op: Op,
        plan: &FestivalPlan,
        user: u32,
        script: &RedemptionScript,
        held: &Held,
    ) -> &[u8] {
        let (seed, code) = (plan.seed(), held.code.as_str());
        let order = format!("order-{seed}-{user}");
        self.body.clear();
        match op {
            Op::Lock => {
                write!(
                    self.body,
                    "{{\"user_id\":\"u{seed}-{user}\",\"ttl\":\"P7D\",\"reference\":\"{order}\"}}"
                )
                .expect("memory");
                self.finish(&format!("/v1/vouchers/{code}/lock"), Some(&format!("lock-{order}")));
            }
            Op::Rollback => {
                write!(self.body, "{{\"reason\":\"order cancelled\"}}").expect("memory");
                let id = held.redemption.as_ref().map_or("", Code::as_str);
                let path = format!("/v1/redemptions/red_{id}/rollback");
                self.finish(&path, Some(&format!("undo-{order}")));
            }
            _ => {
                self.redemption(code, user, seed, script, held.lock);
                self.finish("/v1/redemptions", Some(&order));
            }
        }
        &self.bytes
    }

    /// A look-up or a redemption of a made-up code.
    pub(crate) fn guess(
        &mut self,
        op: Op,
        plan: &FestivalPlan,
        user: u32,
        random: &mut Rng,
    ) -> &[u8] {
        let code = guessed_code(random);
        if op == Op::GuessLookUp {
            self.bytes.clear();
            let common = &self.common;
            write!(self.bytes, "GET /v1/vouchers/{} HTTP/1.1\r\n{common}\r\n", code.as_str())
                .expect("memory");
            return &self.bytes;
        }
        let script = RedemptionScript {
            after_us: 0,
            locked_for_us: None,
            repeated: false,
            bill_minor: 2_000,
            brand: 0,
            rolled_back_after_us: None,
        };
        self.body.clear();
        self.redemption(code.as_str(), user, plan.seed(), &script, None);
        let key = format!("guess-{:x}", random.u64(..));
        self.finish("/v1/redemptions", Some(&key));
        &self.bytes
    }

    fn redemption(
        &mut self,
        code: &str,
        user: u32,
        seed: u64,
        script: &RedemptionScript,
        lock: Option<Code>,
    ) {
        let body = &mut self.body;
        write!(
            body,
            "{{\"voucher_code\":\"{code}\",\"user_id\":\"u{seed}-{user}\",\"order_minor\":{},\
             \"reference\":\"order-{seed}-{user}\"",
            script.bill_minor
        )
        .expect("memory");
        if let Some(lock) = lock {
            write!(body, ",\"lock\":\"lck_{}\"", lock.as_str()).expect("memory");
        }
        if let Some(brand) = self.brands.get(script.brand) {
            let brand = serde_json::Value::from(brand.as_str());
            write!(body, ",\"brand\":{brand}").expect("memory");
        }
        if let Some(category) = &self.category {
            let category = serde_json::Value::from(category.as_str());
            write!(body, ",\"categories\":[{category}]").expect("memory");
        }
        body.push(b'}');
    }

    fn finish(&mut self, path: &str, key: Option<&str>) {
        self.finish_with(path, key, None);
    }

    fn finish_with(&mut self, path: &str, key: Option<&str>, pass: Option<&[u8]>) {
        let (common, len) = (&self.common, self.body.len());
        self.bytes.clear();
        write!(self.bytes, "POST {path} HTTP/1.1\r\n{common}content-length: {len}\r\n")
            .expect("memory");
        if let Some(key) = key {
            write!(self.bytes, "idempotency-key: {key}\r\n").expect("memory");
        }
        if let Some(pass) = pass {
            self.bytes.extend_from_slice(b"levee-pass: ");
            self.bytes.extend_from_slice(pass);
            self.bytes.extend_from_slice(b"\r\n");
        }
        self.bytes.extend_from_slice(b"\r\n");
        self.bytes.extend_from_slice(&self.body);
    }
}

/// A code that looks right, check character included, so that only the server's secret can tell it
/// from a real one.
pub(crate) fn guessed_code(random: &mut Rng) -> Code {
    let mut values = [0; 14];
    // The first two of the 65 bits are the key's generation, which starts at 0.
    values[0] = random.u8(..8);
    values[1..13].iter_mut().for_each(|value| *value = random.u8(..32));
    // The check character: a weighted sum over GF(32), as the codes' documentation has it.
    values[13] = values[..13].iter().rev().fold(0, |sum, value| {
        let doubled = (sum ^ value) << 1;
        if doubled & 32 == 0 { doubled } else { (doubled ^ 0b10_0101) & 31 }
    });
    Code(values.map(|value| ALPHABET[usize::from(value)]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::Scenario;
    use levee_api::wire::{ClaimRequest, LockRequest, RedemptionRequest};

    fn body<T: serde::de::DeserializeOwned>(request: &[u8]) -> T {
        let text = std::str::from_utf8(request).expect("ASCII");
        let (head, body) = text.split_once("\r\n\r\n").expect("a head");
        assert!(head.contains(&format!("\r\ncontent-length: {}", body.len())), "{head}");
        levee_api::strict::parse(body.as_bytes()).expect(body)
    }

    #[test]
    fn requests_are_what_the_interface_says() {
        let plan = FestivalPlan::new(Scenario::reference(), 10, 1, 0.0001);
        let mut requests = Requests::new("host:1", "key", "spring", &plan);
        let claim: ClaimRequest = body(requests.claim(&plan, 7, &plan.script(7), None));
        assert_eq!(claim.user_id.as_str(), plan.user_id(7));
        assert_eq!(claim.attributes.0.len(), 2);
        let script = (0..100).find_map(|user| plan.script(user).redemption).expect("one");
        let code = guessed_code(&mut Rng::with_seed(1));
        let held = Held { code, lock: Some(code), redemption: Some(code) };
        let redeem: RedemptionRequest = body(requests.about(Op::Redeem, &plan, 7, &script, &held));
        assert_eq!(redeem.voucher_code, code.as_str());
        assert_eq!(redeem.order_minor.get(), script.bill_minor);
        assert_eq!(redeem.categories.as_slice().len(), 1);
        let lock: LockRequest = body(requests.about(Op::Lock, &plan, 7, &script, &held));
        assert_eq!(lock.reference.as_str(), "order-1-7");
        let undo = requests.about(Op::Rollback, &plan, 7, &script, &held);
        assert!(undo.ends_with(b"{\"reason\":\"order cancelled\"}"));
        let _: RedemptionRequest =
            body(requests.guess(Op::GuessRedeem, &plan, 7, &mut Rng::with_seed(2)));
    }

    #[test]
    fn guesses_look_like_codes() {
        // The documented example of the codes: any real code's check character must come out.
        let codes = levee_api::code::Codes::new(&[7; 32], 0);
        for number in 0..200 {
            let code = codes.voucher(levee_api::types::VoucherNo(number));
            let real = Code::new(code.as_bytes()).expect("a code");
            let value = |byte: u8| {
                let place = ALPHABET.iter().position(|letter| *letter == byte);
                u8::try_from(place.expect("of the alphabet")).expect("small")
            };
            let check = real.0[..13].iter().rev().fold(0_u8, |sum, byte| {
                let doubled = (sum ^ value(*byte)) << 1;
                if doubled & 32 == 0 { doubled } else { (doubled ^ 0b10_0101) & 31 }
            });
            assert_eq!(check, value(real.0[13]));
        }
        let mut random = Rng::with_seed(3);
        assert!(
            (0..1_000).all(|_| codes.parse_voucher(guessed_code(&mut random).as_str()).is_none())
        );
    }
}
