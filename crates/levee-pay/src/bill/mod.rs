//! A day's bill, as each provider hands it out: CSV, whose columns are found by their names, in UTF-8
//! or, where it is not, in GB18030.
//!
//! | provider | which |
//! |---|---|
//! | Alipay | the detailed bill of trades (`alipay.data.dataservice.bill.downloadurl.query`, type `trade`) |
//! | WeChat Pay | the trade bill (`/v3/bill/tradebill`), types `ALL`, or `SUCCESS` and `REFUND` |
//! | Stripe | the report `balance_change_from_activity.itemized` with our numbers in metadata as columns |

mod columns;
mod script;

use std::io::BufRead;

use csv_core::{ReadRecordResult, Reader};

use crate::Money;
use columns::{Columns, Line};
use script::Script;

/// Longest record, in bytes, and most columns of one.
const RECORD_LEN_MAX: usize = 64 * 1024;
const COLUMNS_MAX: usize = 256;

/// A bill may say something before its columns: Alipay's has four lines.
const LINES_BEFORE_MAX: u64 = 32;

/// Whose bill it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BillOf {
    /// Days of Beijing.
    Alipay,
    /// Days of Beijing.
    Wechat,
    /// Days of UTC.
    Stripe,
}

impl BillOf {
    /// As its section is usually called.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Alipay => "alipay",
            Self::Wechat => "wechat",
            Self::Stripe => "stripe",
        }
    }

    /// How far its days begin before those of UTC, in seconds.
    #[must_use]
    pub fn ahead_s(self) -> u64 {
        match self {
            Self::Alipay | Self::Wechat => 8 * 3_600,
            Self::Stripe => 0,
        }
    }
}

/// What one line of a bill is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BillKind {
    /// A user has paid.
    Paid,
    /// Money went back.
    Refunded,
}

/// One payment or refund.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BillLine {
    /// Its place in the file, from 1, as a spreadsheet counts where no field has a line's end.
    pub place: u64,
    /// What.
    pub kind: BillKind,
    /// Our number of the payment; empty where it is none of ours.
    pub out_trade_no: String,
    /// The provider's.
    pub trade_no: String,
    /// With a refund: our number of it; empty where it is none of ours.
    pub out_refund_no: String,
    /// How much.
    pub money: Money,
    /// When, in seconds since 1970.
    pub at_s: u64,
}

/// Why a bill cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum BillError {
    /// Of the system.
    #[error("it cannot be read")]
    Io(#[from] std::io::Error),
    /// Damaged, or put together of two.
    #[error("line {place} is not in {script}")]
    NotText {
        /// Which line.
        place: u64,
        /// `UTF-8`, `GB18030` or both, as the line of the columns is.
        script: &'static str,
    },
    /// None of the three.
    #[error("no line has the columns of a bill of Alipay, WeChat Pay or Stripe")]
    Unknown,
    /// A column that is needed is not there.
    #[error("the column {0} is missing")]
    NoColumn(&'static str),
    /// A field cannot be read.
    #[error("line {place}: {column} is none: {text:?}")]
    Field {
        /// Which line.
        place: u64,
        /// Which column.
        column: &'static str,
        /// What stands there.
        text: String,
    },
    /// Longer than any bill's.
    #[error("line {0} is too long, or a quote has no end")]
    TooLong(u64),
    /// Money that is on its way is not in a bill; a bill that ends in the middle is no bill.
    #[error("it ends at line {0} without its last line: it was cut off")]
    CutOff(u64),
}

/// Reads a bill line by line.
///
/// # Errors
/// At the first line that cannot be read; what stands before it was shown.
pub fn read_bill<E: From<BillError>>(
    input: impl BufRead,
    mut visit: impl FnMut(BillOf, BillLine) -> Result<(), E>,
) -> Result<BillOf, E> {
    let mut records = Records::new(input);
    let mut columns = None;
    while let Some((place, fields)) = records.next()? {
        let Some(known) = &columns else {
            columns = Columns::find(&fields)?;
            if columns.is_some() {
                records.keep_script();
            }
            if columns.is_none() && place > LINES_BEFORE_MAX {
                break;
            }
            continue;
        };
        match known.read(place, &fields)? {
            Line::Money(line) => visit(known.of(), line)?,
            Line::Other => {}
            Line::End => return Ok(known.of()),
        }
    }
    let columns = columns.ok_or(BillError::Unknown)?;
    if columns.has_an_end() {
        return Err(BillError::CutOff(records.place).into());
    }
    Ok(columns.of())
}

/// Records of CSV, one in memory at a time.
struct Records<R> {
    input: R,
    reader: Reader,
    bytes: Vec<u8>,
    ends: Vec<usize>,
    place: u64,
    /// Of the last record.
    script: Script,
    /// All that follows is in the same.
    is_kept: bool,
}

impl<R: BufRead> Records<R> {
    fn new(input: R) -> Self {
        let (bytes, ends) = (vec![0; RECORD_LEN_MAX], vec![0; COLUMNS_MAX]);
        let (script, is_kept) = (Script::Utf8, false);
        Self { input, reader: Reader::new(), bytes, ends, place: 0, script, is_kept }
    }

    /// A few bytes of GB18030 may look like UTF-8, but not the names of the columns: what they are in,
    /// all that follows is in.
    fn keep_script(&mut self) {
        self.is_kept = true;
    }

    /// The next one that is not empty.
    fn next(&mut self) -> Result<Option<(u64, Vec<String>)>, BillError> {
        let (mut length, mut count) = (0, 0);
        loop {
            let input = self.input.fill_buf()?;
            let (result, read, written, ended) =
                self.reader.read_record(input, &mut self.bytes[length..], &mut self.ends[count..]);
            self.input.consume(read);
            (length, count) = (length + written, count + ended);
            match result {
                ReadRecordResult::InputEmpty => {}
                ReadRecordResult::OutputFull | ReadRecordResult::OutputEndsFull => {
                    return Err(BillError::TooLong(self.place + 1));
                }
                ReadRecordResult::End => return Ok(None),
                ReadRecordResult::Record => {
                    self.place += 1;
                    let starts = std::iter::once(&0).chain(&self.ends[..count]);
                    let spans = starts.zip(&self.ends[..count]);
                    // Against spreadsheets, which take long numbers for numbers, Alipay puts a tab
                    // behind them and WeChat Pay a back quote before every field.
                    let plain = |field: &str| {
                        let field = field.trim_start_matches('\u{feff}').trim();
                        field.strip_prefix('`').unwrap_or(field).trim().to_owned()
                    };
                    let fields = spans.map(|(from, to)| &self.bytes[*from..*to]);
                    let known = self.is_kept.then_some(self.script);
                    let (script, texts) = Script::read(&fields, known)
                        .map_err(|script| BillError::NotText { place: self.place, script })?;
                    self.script = script;
                    let fields = texts.iter().map(|text| plain(text)).collect();
                    return Ok(Some((self.place, fields)));
                }
            }
        }
    }
}
