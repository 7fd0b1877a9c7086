//! A body cut into its lines, whatever the pieces in which it comes.

use std::mem;

use levee_api::problem::Code;

use crate::trouble::Trouble;

/// Longest line in bytes, where a body does not have another limit.
pub(crate) const LINE_LEN_MAX: usize = 16 * 1024;

/// One line of a body.
#[derive(Debug)]
pub(crate) struct Line {
    /// Where it begins, counted from 1, blank lines included.
    pub(crate) number: u64,
    /// What it says, or why that cannot be told.
    pub(crate) text: Result<Vec<u8>, Trouble>,
}

/// Cuts bodies.
pub(crate) trait Cut {
    fn add(&mut self, piece: &[u8]);

    /// The next line that is not blank. The last one needs no end once the body has ended.
    fn next(&mut self, ended: bool) -> Option<Line>;
}

/// Lines as they stand there.
#[derive(Debug)]
pub(crate) struct Lines {
    bytes: Vec<u8>,
    /// Where the next line starts.
    start: usize,
    /// The line that is being read is too long; it was answered, and its rest is skipped.
    skipping: bool,
    /// Line ends so far.
    ended: u64,
    len_max: usize,
}

impl Lines {
    pub(crate) fn new(len_max: usize) -> Self {
        Self { bytes: Vec::new(), start: 0, skipping: false, ended: 0, len_max }
    }
}

impl Cut for Lines {
    fn add(&mut self, piece: &[u8]) {
        self.bytes.drain(..self.start);
        self.start = 0;
        self.bytes.extend_from_slice(piece);
    }

    fn next(&mut self, ended: bool) -> Option<Line> {
        loop {
            let number = self.ended + 1;
            let rest = &self.bytes[self.start..];
            let (line, taken) = match memchr::memchr(b'\n', rest) {
                Some(end) => (&rest[..end], end + 1),
                None if ended && !rest.is_empty() => (rest, rest.len()),
                None if rest.len() > self.len_max => {
                    self.start = self.bytes.len();
                    if !mem::replace(&mut self.skipping, true) {
                        return Some(Line { number, text: Err(too_long(self.len_max)) });
                    }
                    return None;
                }
                None => return None,
            };
            self.start += taken;
            self.ended += 1;
            if mem::take(&mut self.skipping) {
                continue;
            }
            if line.len() > self.len_max {
                return Some(Line { number, text: Err(too_long(self.len_max)) });
            }
            if !line.trim_ascii().is_empty() {
                return Some(Line { number, text: Ok(line.to_vec()) });
            }
        }
    }
}

pub(super) fn too_long(len_max: usize) -> Trouble {
    let detail = format!("A line has at most {len_max} bytes.");
    Trouble::new(Code::ContentTooLarge).with_detail(detail)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LEN_MAX: usize = 100;

    /// Feeds the body in pieces of each size; expects these lines, `!` for one that is too long.
    #[track_caller]
    fn check(body: &[u8], expected: &[(u64, &str)]) {
        for size in [1, 5, 1_000, body.len().max(1)] {
            let mut lines = Lines::new(LEN_MAX);
            let mut got = Vec::new();
            let pieces = body.chunks(size).map(|piece| (piece, false));
            for (piece, ended) in pieces.chain([(&b""[..], true)]) {
                lines.add(piece);
                while let Some(Line { number, text }) = lines.next(ended) {
                    let text = text.map(|text| String::from_utf8(text).expect("UTF-8"));
                    got.push((number, text.unwrap_or_else(|_| "!".to_owned())));
                }
            }
            let got: Vec<(u64, &str)> = got.iter().map(|(n, text)| (*n, text.as_str())).collect();
            assert_eq!(got, expected, "in pieces of {size}");
        }
    }

    #[test]
    fn bodies_are_cut_into_lines() {
        check(b"", &[]);
        check(b"a\nb\n", &[(1, "a"), (2, "b")]);
        check(b"\n \r\na\n\nb", &[(3, "a"), (5, "b")]);
        let long = "x".repeat(LEN_MAX + 1);
        let body = format!("a\n{long}\nb\n{long}");
        check(body.as_bytes(), &[(1, "a"), (2, "!"), (3, "b"), (4, "!")]);
        let just = "x".repeat(LEN_MAX);
        check(format!("{just}\nb").as_bytes(), &[(1, &just), (2, "b")]);
    }
}
