//! A spreadsheet cut into its rows: CSV as RFC 4180 has it, with cells in quotes that may have line
//! ends, whatever the pieces in which it comes.

use std::mem;

use csv_core::{ReadRecordResult, Reader};

use super::cut::{Cut, Line, too_long};
use crate::trouble::Trouble;

/// Most cells of one row: more than any document has fields.
const CELLS_MAX: usize = 128;

/// Spreadsheets begin their files with it.
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// What becomes of rows.
pub(crate) trait ReadRow {
    /// What a row says as a JSON object; `None` for one that says nothing.
    fn read(&mut self, cells: &[&str]) -> Option<Result<Vec<u8>, Trouble>>;
}

/// Rows, each as the line that a reader makes of it.
pub(crate) struct Rows<R> {
    csv: Reader,
    reader: R,
    input: Vec<u8>,
    /// Where what is to be read next starts.
    start: usize,
    /// Nothing was read yet: a byte order mark may come.
    at_begin: bool,
    /// The row that is being read, and where its cells end.
    cells: Vec<u8>,
    cells_len: usize,
    ends: [usize; CELLS_MAX],
    ends_len: usize,
    /// Where the row that is being read begins; 0 between two rows.
    row_line: u64,
    /// Line ends so far.
    ended: u64,
    /// The row has more than there is room for; its rest is skipped.
    is_too_long: bool,
}

impl<R: ReadRow> Rows<R> {
    /// Rows of up to `len_max` bytes.
    pub(crate) fn new(reader: R, len_max: usize) -> Self {
        Self {
            csv: Reader::new(),
            reader,
            input: Vec::new(),
            start: 0,
            at_begin: true,
            cells: vec![0; len_max],
            cells_len: 0,
            ends: [0; CELLS_MAX],
            ends_len: 0,
            row_line: 0,
            ended: 0,
            is_too_long: false,
        }
    }

    /// Line ends between rows, and in front of the first a byte order mark; whether a row begins.
    fn begins(&mut self, ended: bool) -> bool {
        if self.row_line > 0 {
            return true;
        }
        if mem::take(&mut self.at_begin) {
            let input = &self.input[self.start..];
            if BYTE_ORDER_MARK.starts_with(input) && !ended {
                self.at_begin = true;
                return false;
            }
            if input.starts_with(BYTE_ORDER_MARK) {
                self.start += BYTE_ORDER_MARK.len();
            }
        }
        while let Some(end @ (b'\r' | b'\n')) = self.input.get(self.start) {
            self.ended += u64::from(*end == b'\n');
            self.start += 1;
        }
        if self.start == self.input.len() {
            return false;
        }
        self.row_line = self.ended + 1;
        true
    }

    /// The row that was read whole.
    fn row(&mut self) -> Option<Line> {
        let (len, ends) = (mem::take(&mut self.cells_len), mem::take(&mut self.ends_len));
        let number = mem::take(&mut self.row_line);
        if mem::take(&mut self.is_too_long) {
            return Some(Line { number, text: Err(too_long(self.cells.len())) });
        }
        let starts = [0].into_iter().chain(self.ends[..ends].iter().copied());
        let bounds = starts.zip(&self.ends[..ends]);
        let cells = bounds.map(|(from, to)| str::from_utf8(&self.cells[..len][from..*to]));
        let text = match cells.collect::<Result<Vec<&str>, _>>() {
            Ok(cells) if cells.iter().all(|cell| cell.trim().is_empty()) => return None,
            Ok(cells) => self.reader.read(&cells)?,
            Err(_) => {
                let detail = "the row is no UTF-8: save the spreadsheet as CSV in UTF-8";
                Err(levee_api::strict::Malformed { field: None, detail: detail.to_owned() }.into())
            }
        };
        Some(Line { number, text })
    }
}

impl<R: ReadRow> Cut for Rows<R> {
    fn add(&mut self, piece: &[u8]) {
        self.input.drain(..self.start);
        self.start = 0;
        self.input.extend_from_slice(piece);
    }

    fn next(&mut self, ended: bool) -> Option<Line> {
        while self.begins(ended) {
            let input = &self.input[self.start..];
            if input.is_empty() && !ended {
                return None;
            }
            // An empty input says that there is no more.
            let (result, taken, put, cells) = self.csv.read_record(
                input,
                &mut self.cells[self.cells_len..],
                &mut self.ends[self.ends_len..],
            );
            self.ended += memchr::memchr_iter(b'\n', &input[..taken]).count() as u64;
            self.start += taken;
            self.cells_len += put;
            self.ends_len += cells;
            match result {
                ReadRecordResult::InputEmpty => {}
                ReadRecordResult::OutputFull | ReadRecordResult::OutputEndsFull => {
                    self.is_too_long = true;
                    (self.cells_len, self.ends_len) = (0, 0);
                }
                ReadRecordResult::Record => {
                    if let Some(line) = self.row() {
                        return Some(line);
                    }
                }
                ReadRecordResult::End => return None,
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Shows cells between bars.
    struct Bars;

    impl ReadRow for Bars {
        fn read(&mut self, cells: &[&str]) -> Option<Result<Vec<u8>, Trouble>> {
            Some(Ok(cells.join("|").into_bytes()))
        }
    }

    /// Feeds the body in pieces of each size; expects these rows, `!` for one that cannot be read.
    #[track_caller]
    fn check(body: &[u8], expected: &[(u64, &str)]) {
        for size in [1, 2, 7, body.len().max(1)] {
            let mut rows = Rows::new(Bars, 40);
            let mut got = Vec::new();
            let pieces = body.chunks(size).map(|piece| (piece, false));
            for (piece, ended) in pieces.chain([(&b""[..], true)]) {
                rows.add(piece);
                while let Some(Line { number, text }) = rows.next(ended) {
                    let text = text.map(|text| String::from_utf8(text).expect("UTF-8"));
                    got.push((number, text.unwrap_or_else(|_| "!".to_owned())));
                }
            }
            let got: Vec<(u64, &str)> = got.iter().map(|(n, text)| (*n, text.as_str())).collect();
            assert_eq!(got, expected, "in pieces of {size}");
        }
    }

    #[test]
    fn spreadsheets_are_cut_into_rows() {
        check(b"", &[]);
        check(b"a,b\nc,d\n", &[(1, "a|b"), (2, "c|d")]);
        check(b"a,b\r\n\r\n,\r\nc,d", &[(1, "a|b"), (4, "c|d")]);
        check(b"\xef\xbb\xbfa,b\n", &[(1, "a|b")]);
        check(b"\"a,\"\"b\"\"\",\"c\nd\"\ne,f\n", &[(1, "a,\"b\"|c\nd"), (3, "e|f")]);
        check("\u{5341}\u{4e00},b\n".as_bytes(), &[(1, "\u{5341}\u{4e00}|b")]);
        check(b"a\n\xff\xfe\nb\n", &[(1, "a"), (2, "!"), (3, "b")]);
        let long = "x".repeat(50);
        check(format!("a\n{long},{long}\nb\n").as_bytes(), &[(1, "a"), (2, "!"), (3, "b")]);
        // What follows a quote that is never closed is one row, which ends with the body.
        check(format!("a\n\"{long}\n{long}\n").as_bytes(), &[(1, "a"), (2, "!")]);
        let wide = ",".repeat(CELLS_MAX);
        check(format!("a{wide}\nb\n").as_bytes(), &[(1, "!"), (2, "b")]);
    }
}
