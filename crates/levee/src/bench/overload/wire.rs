//! A claim's request and what matters in its answer, with as little work as possible: the generator
//! shares the processors with what it measures.

use std::sync::LazyLock;

use memchr::memmem::{self, Finder};

use super::super::against::write_claim;

/// A request with a number to be filled in.
#[derive(Debug)]
pub(super) struct Template {
    request: Vec<u8>,
    /// Where a further header goes.
    header_at: usize,
    /// Where the user's number ends.
    number_end: usize,
}

/// What the users of all crowds are named after.
pub(super) fn user_name(number: u32) -> String {
    format!("user-{number:012}")
}

impl Template {
    pub(super) fn new(host: &str) -> Self {
        let mut request = Vec::new();
        write_claim(&mut request, host, 0);
        let header_at =
            memmem::find(&request, b"content-type").expect("a claim has a content type");
        // Behind it a quote and a brace.
        let number_end = request.len() - 2;
        Self { request, header_at, number_end }
    }

    /// The claim of this user, with the pass if there is one.
    pub(super) fn write(&self, out: &mut Vec<u8>, number: u32, pass: Option<&[u8]>) {
        out.clear();
        out.extend_from_slice(&self.request[..self.header_at]);
        if let Some(pass) = pass {
            out.extend_from_slice(b"levee-pass: ");
            out.extend_from_slice(pass);
            out.extend_from_slice(b"\r\n");
        }
        out.extend_from_slice(&self.request[self.header_at..]);
        let mut at = out.len() - (self.request.len() - self.number_end);
        let mut rest = number;
        while rest > 0 {
            at -= 1;
            out[at] = b'0' + (rest % 10) as u8;
            rest /= 10;
        }
    }
}

/// What a user does after an answer.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Answer<'a> {
    /// 200, 201 or 202: a durable claim.
    Admitted,
    /// 429 with a place in the waiting room.
    Waiting { pass: &'a [u8], eta_p90_ms: u32, poll_after_ms: u32 },
    /// 429 or 503 without one.
    Refused { retry_after_ms: u32 },
    /// Nothing that a claim should be answered with.
    Other,
}

/// Where a refusal does not say when to come again.
const RETRY_AFTER_MS: u32 = 1_000;

/// Reads a whole answer.
pub(super) fn read(answer: &[u8]) -> Answer<'_> {
    match answer.get(b"HTTP/1.1 ".len()..).and_then(|rest| rest.get(..3)) {
        Some(b"200" | b"201" | b"202") => Answer::Admitted,
        Some(b"429") if WAITING.find(answer).is_some() => {
            let pass = behind(answer, &PASS);
            let pass = pass.and_then(|rest| Some(&rest[..memchr::memchr(b'"', rest)?]));
            let eta_p90_ms = number(answer, &ETA_P90_MS);
            let poll_after_ms = number(answer, &POLL_AFTER_MS);
            match (pass, eta_p90_ms, poll_after_ms) {
                (Some(pass), Some(eta_p90_ms), Some(poll_after_ms)) => {
                    Answer::Waiting { pass, eta_p90_ms, poll_after_ms }
                }
                _ => Answer::Other,
            }
        }
        Some(b"429" | b"503") => {
            let seconds = || Some(number(answer, &RETRY_AFTER)?.saturating_mul(1_000));
            let retry_after_ms = number(answer, &REFUSED_MS).or_else(seconds);
            Answer::Refused { retry_after_ms: retry_after_ms.unwrap_or(RETRY_AFTER_MS) }
        }
        _ => Answer::Other,
    }
}

type Sought = LazyLock<Finder<'static>>;

// Made once: every answer is searched for them.
static WAITING: Sought = LazyLock::new(|| Finder::new(b"\"code\":\"waiting\""));
static PASS: Sought = LazyLock::new(|| Finder::new(b"\"pass\":\""));
static ETA_P90_MS: Sought = LazyLock::new(|| Finder::new(b"\"eta_p90_ms\":"));
static POLL_AFTER_MS: Sought = LazyLock::new(|| Finder::new(b"\"poll_after_ms\":"));
static REFUSED_MS: Sought = LazyLock::new(|| Finder::new(b"\"retry_after_ms\":"));
static RETRY_AFTER: Sought = LazyLock::new(|| Finder::new(b"\r\nretry-after: "));

fn behind<'a>(text: &'a [u8], what: &Finder<'_>) -> Option<&'a [u8]> {
    Some(&text[what.find(text)? + what.needle().len()..])
}

fn number(text: &[u8], name: &Finder<'_>) -> Option<u32> {
    let digits = behind(text, name)?;
    let len = digits.iter().take_while(|digit| digit.is_ascii_digit()).count();
    let value: u64 = std::str::from_utf8(&digits[..len]).ok()?.parse().ok()?;
    Some(u32::try_from(value).unwrap_or(u32::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_the_same_claim_with_another_number_and_a_pass() {
        let template = Template::new("host:1");
        let (mut out, mut expected) = (Vec::new(), Vec::new());
        write_claim(&mut expected, "host:1", 1_234);
        template.write(&mut out, 1_234, None);
        assert_eq!(out, expected);
        template.write(&mut out, 1_234, Some(b"abc"));
        let with_pass = String::from_utf8(out).expect("text");
        assert_eq!(with_pass.replace("levee-pass: abc\r\n", "").as_bytes(), expected);
        assert!(with_pass.contains(&user_name(1_234)));
    }

    #[test]
    fn an_answer_says_what_to_do_next() {
        let waiting =
            b"HTTP/1.1 429 Too Many Requests\r\nretry-after: 3\r\n\r\n{\"code\":\"waiting\",\
            \"pass\":\"p.q\",\"position_ahead\":7,\"eta_ms\":900,\"eta_p90_ms\":1400,\
            \"poll_after_ms\":950}";
        let place = Answer::Waiting { pass: b"p.q", eta_p90_ms: 1_400, poll_after_ms: 950 };
        assert_eq!(read(waiting), place);
        let refused = |retry_after_ms| Answer::Refused { retry_after_ms };
        for (answer, expected) in [
            ("HTTP/1.1 201 Created\r\n\r\n{}", Answer::Admitted),
            ("HTTP/1.1 202 Accepted\r\n\r\n{}", Answer::Admitted),
            (
                "HTTP/1.1 429 T\r\n\r\n{\"code\":\"rate_limited\",\"retry_after_ms\":250}",
                refused(250),
            ),
            ("HTTP/1.1 503 S\r\nretry-after: 2\r\n\r\n{\"code\":\"overloaded\"}", refused(2_000)),
            ("HTTP/1.1 503 S\r\n\r\n", refused(RETRY_AFTER_MS)),
            // A place without a pass is no place.
            ("HTTP/1.1 429 T\r\n\r\n{\"code\":\"waiting\",\"eta_p90_ms\":1}", Answer::Other),
            ("HTTP/1.1 409 C\r\n\r\n{\"code\":\"budget_exhausted\"}", Answer::Other),
            ("HTTP", Answer::Other),
        ] {
            assert_eq!(read(answer.as_bytes()), expected, "{answer}");
        }
    }
}
