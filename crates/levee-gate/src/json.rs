//! The replies that are written by hand: a claim's, a million times a minute, and that of who has to
//! wait, ten times as often.

use levee_api::code::Codes;
use levee_api::problem::{Code, Place};
use levee_api::types::VoucherNo;

/// What a claim is answered with.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ClaimFacts {
    pub(crate) voucher: VoucherNo,
    pub(crate) face_minor: u32,
    pub(crate) valid_from_ms: u64,
    pub(crate) valid_until_ms: u64,
    pub(crate) seq: u64,
}

/// Longer than any claim's reply, so that it is allocated once.
const CLAIM_LEN_MAX: usize = 224;

/// A claim's reply: byte for byte what `wire::ClaimBody` serialises to.
pub(crate) fn claim(facts: &ClaimFacts, codes: &Codes) -> Vec<u8> {
    let mut out = Vec::with_capacity(CLAIM_LEN_MAX);
    out.push(b'{');
    put_claim_fields(facts, codes, &mut out);
    out.push(b'}');
    out
}

/// The fields `voucher` and `seq`, for replies that have others beside them.
pub(crate) fn put_claim_fields(facts: &ClaimFacts, codes: &Codes, out: &mut Vec<u8>) {
    out.extend_from_slice(b"\"voucher\":{\"code\":\"");
    out.extend_from_slice(&codes.voucher_text(facts.voucher));
    out.extend_from_slice(b"\",\"face_minor\":");
    put_number(u64::from(facts.face_minor), out);
    out.extend_from_slice(b",\"valid_from\":\"");
    put_instant(facts.valid_from_ms, out);
    out.extend_from_slice(b"\",\"valid_until\":\"");
    put_instant(facts.valid_until_ms, out);
    out.extend_from_slice(b"\",\"state\":\"live\"},\"seq\":");
    put_number(facts.seq, out);
}

/// Longer than any of a place's problems, so that it is allocated once.
pub(crate) const WAITING_LEN_MAX: usize = 640;

/// The problem of who has to wait: byte for byte what `Problem` serialises to. Nothing in it needs
/// an escape.
pub(crate) fn put_waiting(place: &Place, retry_after_ms: u64, request_id: &str, out: &mut Vec<u8>) {
    let code = Code::Waiting;
    put_all(&["{\"type\":\"/docs#", code.as_str(), "\",\"title\":\"", code.title()], out);
    out.extend_from_slice(b"\",\"status\":");
    put_number(code.status().into(), out);
    put_all(&[",\"code\":\"", code.as_str(), "\",\"request_id\":\"", request_id], out);
    put_all(&["\",\"retry_after_ms\":"], out);
    put_number(retry_after_ms, out);
    put_all(&[",\"pass\":\"", &place.pass, "\",\"position_ahead\":"], out);
    put_number(place.position_ahead, out);
    for (name, ms) in [
        (",\"eta_ms\":", place.eta_ms),
        (",\"eta_p90_ms\":", place.eta_p90_ms),
        (",\"poll_after_ms\":", place.poll_after_ms),
    ] {
        put_all(&[name], out);
        put_number(ms, out);
    }
    if let Some(opens_at) = &place.opens_at {
        put_all(&[",\"opens_at\":\"", opens_at, "\""], out);
    }
    if let Some(ticket) = &place.draw_ticket {
        put_all(&[",\"draw_ticket\":\"", ticket, "\""], out);
    }
    put_all(&[",\"page\":\"", &place.page, "\"}"], out);
}

fn put_all(texts: &[&str], out: &mut Vec<u8>) {
    texts.iter().for_each(|text| out.extend_from_slice(text.as_bytes()));
}

/// In decimal digits.
pub(crate) fn put_number(mut number: u64, out: &mut Vec<u8>) {
    let mut digits = [0_u8; 20];
    let mut start = digits.len();
    loop {
        start -= 1;
        digits[start] = digit(number % 10);
        number /= 10;
        if number == 0 {
            break;
        }
    }
    out.extend_from_slice(&digits[start..]);
}

/// In digits of base 16, so many at least.
pub(crate) fn put_hex(number: u64, digits_min: u32, out: &mut String) {
    let digits = (u64::BITS - number.leading_zeros()).div_ceil(4).max(digits_min);
    for place in (0..digits).rev() {
        out.push(char::from(b"0123456789abcdef"[(number >> (4 * place) & 15) as usize]));
    }
}

/// RFC 3339 in UTC with milliseconds, for years up to 9999.
///
/// The date by Howard Hinnant's `civil_from_days`, for days from 1970 on.
pub(crate) fn put_instant(ms: u64, out: &mut Vec<u8>) {
    let (days, of_day) = (ms / 86_400_000, ms % 86_400_000);
    let shifted = days + 719_468;
    let era = shifted / 146_097;
    let day_of_era = shifted % 146_097;
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = year_of_era + era * 400 + u64::from(month <= 2);

    let mut text = *b"0000-00-00T00:00:00.000Z";
    put_digits(&mut text[0..4], year);
    put_digits(&mut text[5..7], month);
    put_digits(&mut text[8..10], day);
    put_digits(&mut text[11..13], of_day / 3_600_000);
    put_digits(&mut text[14..16], of_day / 60_000 % 60);
    put_digits(&mut text[17..19], of_day / 1_000 % 60);
    put_digits(&mut text[20..23], of_day % 1_000);
    out.extend_from_slice(&text);
}

fn put_digits(place: &mut [u8], mut number: u64) {
    for byte in place.iter_mut().rev() {
        *byte = digit(number % 10);
        number /= 10;
    }
}

fn digit(value: u64) -> u8 {
    b'0' + u8::try_from(value).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use levee_api::time::Instant;
    use levee_api::wire::{ClaimBody, ClaimedVoucher};

    use super::*;
    use crate::trouble::Trouble;

    #[test]
    fn instants_are_written_as_everywhere_else() {
        let leaps = [951_782_400_000, 951_868_799_999, 4_107_542_399_999, 1_709_164_800_000];
        let spread = (0..20_000).map(|step| step * 362_905_919 + step % 1_000);
        for ms in leaps.into_iter().chain(spread).chain([0, 7_258_118_400_000]) {
            let mut text = Vec::new();
            put_instant(ms, &mut text);
            assert_eq!(String::from_utf8(text).unwrap(), Instant { ms }.to_string(), "{ms}");
        }
    }

    #[test]
    fn digits_of_base_16_are_written_as_everywhere_else() {
        for number in [0, 1, 0xabc_def0, 0xff_ffff, 0x100_0000, 0x0123_4567_89ab_cdef, u64::MAX] {
            let mut text = "req_".to_owned();
            put_hex(number, 6, &mut text);
            assert_eq!(text, format!("req_{number:06x}"));
        }
    }

    #[test]
    fn who_waits_is_told_what_the_wire_type_says() {
        for drawn in [None, Some("00ff00ff00ff00ff".to_owned())] {
            let place = Place {
                pass: "P".repeat(64),
                position_ahead: u64::MAX,
                eta_ms: 1_234,
                eta_p90_ms: u64::MAX,
                poll_after_ms: 0,
                opens_at: drawn.as_ref().map(|_| "2026-02-06T00:00:00.000Z".to_owned()),
                draw_ticket: drawn,
                page: format!("/wait/{}", "P".repeat(64)),
            };
            let mut written = Vec::new();
            put_waiting(&place, u64::MAX, "req_0123456701000007", &mut written);
            assert!(written.len() <= WAITING_LEN_MAX, "{}", written.len());
            let trouble = Trouble::new(Code::Waiting).after_ms(u64::MAX).with_place(place);
            let problem = trouble.problem("req_0123456701000007".to_owned());
            let expected = serde_json::to_string(&problem).unwrap();
            assert_eq!(String::from_utf8_lossy(&written), expected);
        }
    }

    #[test]
    fn a_claims_reply_is_what_the_wire_type_says() {
        let codes = Codes::new(&[7; 32], 0);
        for seq in [0, 7, 10, u64::MAX] {
            let facts = ClaimFacts {
                voucher: VoucherNo(9),
                face_minor: u32::MAX,
                valid_from_ms: 1_770_307_200_000,
                valid_until_ms: 1_770_912_000_123,
                seq,
            };
            let body = ClaimBody {
                voucher: ClaimedVoucher {
                    code: codes.voucher(facts.voucher),
                    face_minor: facts.face_minor,
                    valid_from: Instant { ms: facts.valid_from_ms },
                    valid_until: Instant { ms: facts.valid_until_ms },
                    state: "live".to_owned(),
                },
                seq,
            };
            let written = claim(&facts, &codes);
            assert_eq!(String::from_utf8_lossy(&written), serde_json::to_string(&body).unwrap());
            assert!(written.len() <= CLAIM_LEN_MAX, "{}", written.len());
        }
    }
}
