//! The payload of one journal record: the commands of a batch that had an effect, each with its
//! outcome, under one version of the layout and one of the rules.

use alloc::vec::Vec;

use super::{CODEC_VERSION, Command, DecodeError, Outcome, Reader, Wire};

/// Starts a batch; entries follow by [`put_entry`].
pub fn put_batch_start(rules_version: u16, out: &mut Vec<u8>) {
    out.push(CODEC_VERSION);
    rules_version.put(out);
}

/// Adds one command with its outcome.
pub fn put_entry(command: &Command, outcome: &Outcome, out: &mut Vec<u8>) {
    command.put(out);
    outcome.put(out);
}

/// Reads a batch back, entry by entry.
#[derive(Clone, Debug)]
pub struct BatchReader<'a> {
    rules_version: u16,
    reader: Reader<'a>,
}

impl<'a> BatchReader<'a> {
    /// Reads the start.
    ///
    /// # Errors
    /// The layout is one that this build does not know.
    pub fn new(payload: &'a [u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(payload);
        if u8::get(&mut reader)? != CODEC_VERSION {
            return Err(DecodeError { what: "layout version of this build", offset: 0 });
        }
        let rules_version = u16::get(&mut reader)?;
        Ok(Self { rules_version, reader })
    }

    /// The rules that the first command of the batch was decided by. A batch ends with a change of
    /// the rules, so this holds for all of its commands.
    #[must_use]
    pub fn rules_version(&self) -> u16 {
        self.rules_version
    }
}

impl Iterator for BatchReader<'_> {
    type Item = Result<(Command, Outcome), DecodeError>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        if self.reader.remaining() == 0 {
            return None;
        }
        let reader = &mut self.reader;
        let entry = Command::get(reader).and_then(|command| Ok((command, Outcome::get(reader)?)));
        if entry.is_err() {
            // Nothing behind a broken entry can be told from noise.
            self.reader = Reader::new(&[]);
        }
        Some(entry)
    }
}
