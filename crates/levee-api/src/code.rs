//! Voucher codes and ids: numbers as they look outside.
//!
//! A code is 65 bits in 13 Crockford base-32 characters, and a check character of the same alphabet:
//! a 2-bit generation of the key, and 63 bits that are a keyed permutation of the number (32 bits)
//! beside a truncated MAC of it (31 bits). Codes are therefore not stored, do not tell how many were
//! issued, and a guessed one is turned down without asking the engine: one guess in 2^31 survives
//! the MAC, and then still has to hit a number that was issued.
//!
//! The permutation is an alternating Feistel network over halves of 31 and 32 bits with AES-128 as
//! round function and the ten rounds of FF1 (NIST SP 800-38G).

use aes::cipher::common::BlockSizeUser;
use aes::cipher::consts::U16;
use aes::cipher::{BlockCipherEncBackend, BlockCipherEncClosure, BlockCipherEncrypt};
use aes::{Aes128, Block};
use hmac::{Hmac, KeyInit, Mac};
use levee_core::types::{LockNo, OFFERS_MAX, OfferNo, OrderNo, QuoteNo, RedemptionNo, VoucherNo};
use sha2::Sha256;

use crate::pass::PassSecret;

const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
const DATA_LEN: usize = 13;
const CODE_LEN: usize = DATA_LEN + 1;
const ROUNDS: u8 = 10;
const MAC_MASK: u64 = (1 << 31) - 1;

/// One kind of number: other kinds have other permutations, so their codes never fit each other.
struct Cipher {
    rounds: Aes128,
    mac: Aes128,
}

impl Cipher {
    fn new(key: &[u8; 32], kind: &str) -> Self {
        let derive = |part: &str| {
            let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes any length");
            mac.update(kind.as_bytes());
            mac.update(part.as_bytes());
            let bytes: [u8; 32] = mac.finalize().into_bytes().into();
            let key: [u8; 16] = *bytes.first_chunk().expect("32 bytes have 16");
            Aes128::new(&key.into())
        };
        Self { rounds: derive("rounds"), mac: derive("mac") }
    }

    fn mac(&self, number: u64) -> u64 {
        let mut block = block_of(0, number);
        self.mac.encrypt_block(&mut block);
        value_in(&block) & MAC_MASK
    }

    fn seal(&self, number: u32) -> u64 {
        let number = u64::from(number);
        let mut halves = Halves { high: self.mac(number), low: number };
        self.rounds.encrypt_with_backend(Feistel { order: 0..ROUNDS, halves: &mut halves });
        halves.high << 32 | halves.low
    }

    fn open(&self, sealed: u64) -> Option<u32> {
        let mut halves = Halves { high: sealed >> 32, low: sealed & u64::from(u32::MAX) };
        let order = (0..ROUNDS).rev();
        self.rounds.encrypt_with_backend(Feistel { order, halves: &mut halves });
        let genuine = halves.high == self.mac(halves.low);
        genuine.then(|| u32::try_from(halves.low).expect("masked to 32 bits"))
    }
}

fn block_of(round: u8, value: u64) -> Block {
    let mut block = [0; 16];
    block[..8].copy_from_slice(&value.to_le_bytes());
    block[8] = round;
    block.into()
}

fn value_in(block: &Block) -> u64 {
    u64::from_le_bytes(*block.first_chunk().expect("16 bytes have 8"))
}

/// What the permutation works on: 31 and 32 bits.
struct Halves {
    high: u64,
    low: u64,
}

/// The rounds in an order, as one piece of work for the cipher, which then makes its keys ready once.
struct Feistel<'a, Order> {
    order: Order,
    halves: &'a mut Halves,
}

impl<Order> BlockSizeUser for Feistel<'_, Order> {
    type BlockSize = U16;
}

impl<Order: Iterator<Item = u8>> BlockCipherEncClosure for Feistel<'_, Order> {
    /// In a round each half in turn takes up a keyed function of the other: its own inverse.
    fn call<B: BlockCipherEncBackend<BlockSize = U16>>(self, backend: &B) {
        let keyed = |round: u8, value: u64| {
            let mut block = block_of(round, value);
            backend.encrypt_block((&mut block).into());
            value_in(&block)
        };
        let Halves { high, low } = self.halves;
        for round in self.order {
            if round.is_multiple_of(2) {
                *high ^= keyed(round, *low) & MAC_MASK;
            } else {
                *low ^= keyed(round, *high) & u64::from(u32::MAX);
            }
        }
    }
}

/// The installation's codes, under one generation of its key.
pub struct Codes {
    generation: u8,
    vouchers: Cipher,
    redemptions: Cipher,
    locks: Cipher,
    orders: Cipher,
    payments: Cipher,
    tickets: Cipher,
    /// By the offer's place in its quote.
    offers: [Cipher; OFFERS_MAX],
    passes: PassSecret,
}

impl Codes {
    /// From the key's 32 bytes. The generation is 0 to 3.
    #[must_use]
    pub fn new(key: &[u8; 32], generation: u8) -> Self {
        assert!(generation < 4, "a code has two bits for the generation");
        Self {
            generation,
            vouchers: Cipher::new(key, "voucher"),
            redemptions: Cipher::new(key, "redemption"),
            locks: Cipher::new(key, "lock"),
            orders: Cipher::new(key, "order"),
            payments: Cipher::new(key, "payment"),
            tickets: Cipher::new(key, "ticket"),
            offers: std::array::from_fn(|place| Cipher::new(key, &format!("offer {place}"))),
            passes: PassSecret::new(key),
        }
    }

    /// What signs passes of the waiting room.
    #[must_use]
    pub fn passes(&self) -> &PassSecret {
        &self.passes
    }

    /// As shown to people: `ABCD-EFGH-JKMN-PQ`.
    #[must_use]
    pub fn voucher(&self, number: VoucherNo) -> String {
        self.voucher_text(number).iter().map(|byte| char::from(*byte)).collect()
    }

    /// As [`Self::voucher`], without an allocation.
    #[must_use]
    pub fn voucher_text(&self, number: VoucherNo) -> [u8; CODE_LEN + 3] {
        let code = self.encode(self.vouchers.seal(number.0));
        let mut text = [b'-'; CODE_LEN + 3];
        for (group, out) in code.chunks(4).zip(text.chunks_mut(5)) {
            out[..group.len()].copy_from_slice(group);
        }
        text
    }

    /// `None` for anything that this installation did not issue. Takes codes with or without
    /// dashes, in any case, and with the letters that people mistake for digits.
    #[must_use]
    pub fn parse_voucher(&self, code: &str) -> Option<VoucherNo> {
        self.vouchers.open(self.decode(code)?).map(VoucherNo)
    }

    /// `red_` and a code.
    #[must_use]
    pub fn redemption(&self, number: RedemptionNo) -> String {
        self.id("red_", self.redemptions.seal(number.0))
    }

    /// `None` for anything that this installation did not make.
    #[must_use]
    pub fn parse_redemption(&self, id: &str) -> Option<RedemptionNo> {
        let sealed = self.decode(id.strip_prefix("red_")?)?;
        self.redemptions.open(sealed).map(RedemptionNo)
    }

    /// `lck_` and a code.
    #[must_use]
    pub fn lock(&self, number: LockNo) -> String {
        self.id("lck_", self.locks.seal(number.0))
    }

    /// `None` for anything that this installation did not make.
    #[must_use]
    pub fn parse_lock(&self, id: &str) -> Option<LockNo> {
        let sealed = self.decode(id.strip_prefix("lck_")?)?;
        self.locks.open(sealed).map(LockNo)
    }

    /// `ord_` and a code.
    #[must_use]
    pub fn order(&self, number: OrderNo) -> String {
        self.id("ord_", self.orders.seal(number.0))
    }

    /// `None` for anything that this installation did not make.
    #[must_use]
    pub fn parse_order(&self, id: &str) -> Option<OrderNo> {
        let sealed = self.decode(id.strip_prefix("ord_")?)?;
        self.orders.open(sealed).map(OrderNo)
    }

    /// `pay_` and a code, of an order's payment: the number under which it is made at a provider.
    #[must_use]
    pub fn payment(&self, number: OrderNo) -> String {
        self.id("pay_", self.payments.seal(number.0))
    }

    /// `None` for anything that this installation did not make.
    #[must_use]
    pub fn parse_payment(&self, id: &str) -> Option<OrderNo> {
        let sealed = self.decode(id.strip_prefix("pay_")?)?;
        self.payments.open(sealed).map(OrderNo)
    }

    /// `tkt_` and a code, of an order's ticket.
    #[must_use]
    pub fn ticket(&self, number: OrderNo) -> String {
        self.id("tkt_", self.tickets.seal(number.0))
    }

    /// `None` for anything that this installation did not make.
    #[must_use]
    pub fn parse_ticket(&self, id: &str) -> Option<OrderNo> {
        let sealed = self.decode(id.strip_prefix("tkt_")?)?;
        self.tickets.open(sealed).map(OrderNo)
    }

    /// `off_` and a code.
    ///
    /// # Panics
    /// The offer's place is [`OFFERS_MAX`] or more.
    #[must_use]
    pub fn offer(&self, offer: OfferNo) -> String {
        self.id("off_", self.offers[usize::from(offer.place)].seal(offer.quote.0))
    }

    /// `None` for anything that this installation did not make.
    #[must_use]
    pub fn parse_offer(&self, id: &str) -> Option<OfferNo> {
        let sealed = self.decode(id.strip_prefix("off_")?)?;
        let quotes = (0..).zip(&self.offers).map(|(place, offers)| (place, offers.open(sealed)));
        let mut offers = quotes.filter_map(|(place, quote)| Some((place, quote?)));
        offers.next().map(|(place, quote)| OfferNo { quote: QuoteNo(quote), place })
    }

    fn id(&self, prefix: &str, sealed: u64) -> String {
        let code = self.encode(sealed);
        prefix.chars().chain(code.iter().map(|byte| char::from(*byte))).collect()
    }

    fn encode(&self, sealed: u64) -> [u8; CODE_LEN] {
        let bits = u128::from(self.generation) << 63 | u128::from(sealed);
        let mut values = [0_u8; CODE_LEN];
        for (place, value) in values[..DATA_LEN].iter_mut().enumerate() {
            let shift = 5 * (DATA_LEN - 1 - place);
            *value = u8::try_from(bits >> shift & 31).expect("five bits");
        }
        values[DATA_LEN] = check_value(&values[..DATA_LEN]);
        values.map(|value| ALPHABET[usize::from(value)])
    }

    fn decode(&self, code: &str) -> Option<u64> {
        let mut values = [0_u8; CODE_LEN];
        let mut len = 0;
        for byte in code.bytes().filter(|byte| *byte != b'-') {
            *values.get_mut(len)? = value_of(byte)?;
            len += 1;
        }
        if len != CODE_LEN || values[DATA_LEN] != check_value(&values[..DATA_LEN]) {
            return None;
        }
        let bits =
            values[..DATA_LEN].iter().fold(0_u128, |bits, value| bits << 5 | u128::from(*value));
        if bits >> 63 != u128::from(self.generation) {
            return None;
        }
        u64::try_from(bits & u128::from(u64::MAX >> 1)).ok()
    }
}

fn value_of(byte: u8) -> Option<u8> {
    let byte = match byte.to_ascii_uppercase() {
        b'I' | b'L' => b'1',
        b'O' => b'0',
        byte => byte,
    };
    let place = ALPHABET.iter().position(|letter| *letter == byte)?;
    u8::try_from(place).ok()
}

/// A weighted sum in GF(32), each place with its own power of a primitive element: any one wrong
/// character and any two swapped ones change it.
fn check_value(values: &[u8]) -> u8 {
    values.iter().rev().fold(0, |sum, value| double(sum ^ value))
}

/// Times x in GF(32) modulo x^5 + x^2 + 1, whose powers of x run through all 31 other elements.
fn double(value: u8) -> u8 {
    let shifted = value << 1;
    if shifted & 32 == 0 { shifted } else { (shifted ^ 0b10_0101) & 31 }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn codes() -> Codes {
        Codes::new(&[7; 32], 0)
    }

    #[test]
    fn codes_lead_back_to_their_numbers() {
        let codes = codes();
        for number in (0..2_000).chain([u32::MAX - 1, u32::MAX]) {
            let code = codes.voucher(VoucherNo(number));
            assert_eq!(codes.parse_voucher(&code), Some(VoucherNo(number)), "{code}");
            let id = codes.redemption(RedemptionNo(number));
            assert_eq!(codes.parse_redemption(&id), Some(RedemptionNo(number)), "{id}");
            assert_eq!(codes.parse_lock(&codes.lock(LockNo(number))), Some(LockNo(number)));
        }
    }

    /// Codes are printed and sent: what a key made once, it must make for ever.
    #[test]
    fn codes_never_change() {
        let codes = Codes::new(&[7; 32], 1);
        let check = |number: u32, expected: [&str; 7]| {
            let order = OrderNo(number);
            let offer = OfferNo { quote: QuoteNo(number), place: 1 };
            let made = [
                codes.voucher(VoucherNo(number)),
                codes.redemption(RedemptionNo(number)),
                codes.lock(LockNo(number)),
                codes.order(order),
                codes.payment(order),
                codes.ticket(order),
                codes.offer(offer),
            ];
            assert_eq!(made, expected);
        };
        check(
            0,
            [
                "9KG4-5VDP-YZD9-QK",
                "red_C95TB0PD88JRQB",
                "lck_CR03PAA6JMF8XX",
                "ord_C23HR5K8GGQA4B",
                "pay_BPPK72TSDZ20FC",
                "tkt_9XW0X8AESZSFE3",
                "off_FDJ6PGM4AN4AVP",
            ],
        );
        check(
            42,
            [
                "9QMT-0SDD-Z2A7-M5",
                "red_81WBVG6FBB7K95",
                "lck_B80FNX9BKK0EEH",
                "ord_AR4HMCEBCMQXWW",
                "pay_94TYZFFV5VCA26",
                "tkt_9TQSP0GCGGFYTS",
                "off_FKSV18J5CRX4WG",
            ],
        );
    }

    #[test]
    fn people_may_write_a_code_in_many_ways() {
        let codes = codes();
        let code = codes.voucher(VoucherNo(42));
        assert_eq!(code.len(), 17);
        let bare = code.replace('-', "");
        let mistaken = bare.replace('1', "l").replace('0', "O");
        for written in [&bare, &bare.to_lowercase(), &mistaken, &format!("-{bare}-")] {
            assert_eq!(codes.parse_voucher(written), Some(VoucherNo(42)), "{written}");
        }
        for wrong in ["", "-", &bare[1..], &format!("{bare}0"), "ÄÖÜ", "UUUU-UUUU-UUUU-UU"] {
            assert_eq!(codes.parse_voucher(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn the_check_character_sees_every_wrong_and_every_swapped_character() {
        let codes = codes();
        for number in 0..20 {
            let code = codes.voucher(VoucherNo(number)).replace('-', "").into_bytes();
            for place in 0..CODE_LEN {
                for letter in ALPHABET {
                    let mut wrong = code.clone();
                    wrong[place] = *letter;
                    check_refused(&codes, &code, wrong);
                }
                for other in 0..place {
                    let mut swapped = code.clone();
                    swapped.swap(place, other);
                    check_refused(&codes, &code, swapped);
                }
            }
        }
    }

    #[track_caller]
    fn check_refused(codes: &Codes, right: &[u8], wrong: Vec<u8>) {
        if wrong != right {
            let wrong = String::from_utf8(wrong).expect("ASCII");
            // Neither the check character nor, if that were right by chance, the MAC lets it pass.
            assert_eq!(codes.decode(&wrong), None, "{wrong}");
        }
    }

    #[test]
    fn guesses_with_a_right_check_character_fail_the_mac() {
        let codes = codes();
        let mut random = 1_u64;
        for _ in 0..100_000 {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let guess = codes.encode(random >> 1);
            let guess = std::str::from_utf8(&guess).expect("ASCII");
            assert_eq!(codes.parse_voucher(guess), None, "{guess}");
        }
    }

    #[test]
    fn other_keys_generations_and_kinds_do_not_fit() {
        let code = codes().voucher(VoucherNo(1));
        assert_eq!(Codes::new(&[8; 32], 0).parse_voucher(&code), None);
        assert_eq!(Codes::new(&[7; 32], 1).parse_voucher(&code), None);
        assert_eq!(codes().parse_redemption(&format!("red_{code}")), None);
        let order = codes().order(OrderNo(7));
        assert_eq!(codes().parse_order(&order), Some(OrderNo(7)));
        assert_eq!(codes().parse_payment(&order.replace("ord_", "pay_")), None);
        let payment = codes().payment(OrderNo(7));
        assert_eq!(codes().parse_payment(&payment), Some(OrderNo(7)));
        let ticket = codes().ticket(OrderNo(7));
        assert_eq!(codes().parse_ticket(&ticket), Some(OrderNo(7)));
    }

    #[test]
    fn an_offer_is_known_with_its_place() {
        for place in 0..4 {
            let offer = OfferNo { quote: QuoteNo(9), place };
            assert_eq!(codes().parse_offer(&codes().offer(offer)), Some(offer));
        }
        assert_eq!(codes().parse_offer(&codes().order(OrderNo(9)).replace("ord", "off")), None);
    }
}
