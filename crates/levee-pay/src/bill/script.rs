//! What a bill is written in.

use std::borrow::Cow;

use encoding_rs::GB18030;

/// One of the two that bills come in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Script {
    Utf8,
    /// Which GBK is a part of.
    Gb18030,
}

impl Script {
    /// Reads the fields of a record: in what is known, or else as UTF-8 if they can be. In neither of
    /// its letters is any byte a comma, a quote or a line's end, so records are found without it. The
    /// names of those that they are not in, otherwise.
    pub(super) fn read<'r>(
        fields: &(impl Iterator<Item = &'r [u8]> + Clone),
        known: Option<Self>,
    ) -> Result<(Self, Vec<Cow<'r, str>>), &'static str> {
        let (tried, neither): (&[Self], _) = match known {
            Some(Self::Utf8) => (&[Self::Utf8], "UTF-8"),
            Some(Self::Gb18030) => (&[Self::Gb18030], "GB18030"),
            None => (&[Self::Utf8, Self::Gb18030], "UTF-8 or GB18030"),
        };
        let mut texts = tried.iter().filter_map(|script| {
            let texts = fields.clone().map(|field| script.decode(field)).collect::<Option<_>>();
            texts.map(|texts| (*script, texts))
        });
        texts.next().ok_or(neither)
    }

    /// None where it is not in this.
    fn decode(self, bytes: &[u8]) -> Option<Cow<'_, str>> {
        match self {
            Self::Utf8 => std::str::from_utf8(bytes).ok().map(Cow::Borrowed),
            Self::Gb18030 => GB18030.decode_without_bom_handling_and_without_replacement(bytes),
        }
    }
}
