//! Reading JSON that others wrote: strictly, and with an error that names the field.

use std::collections::BTreeMap;
use std::fmt;

use schemars::JsonSchema;
use serde::de::{DeserializeOwned, Error as _, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

/// What is wrong with a body, and where.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{detail}")]
pub struct Malformed {
    /// Path such as `voucher.face_minor`, where there is one.
    pub field: Option<String>,
    /// What is wrong.
    pub detail: String,
}

/// A field whose value is wrong, for those who check what they have parsed.
pub(crate) fn wrong(field: impl Into<String>, detail: impl Into<String>) -> Malformed {
    Malformed { field: Some(field.into()), detail: detail.into() }
}

/// Parses a whole body. Unknown fields and duplicate keys are errors by the types' own
/// definitions; nesting is bounded by the parser.
///
/// # Errors
/// The first thing that is wrong, with its field.
pub fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T, Malformed> {
    // A derived type would take an array of its fields in order as well.
    if !body.trim_ascii_start().starts_with(b"{") {
        return Err(Malformed { field: None, detail: "the body must be a JSON object".to_owned() });
    }
    // The field's path is only worked out when something is wrong.
    serde_json::from_slice(body).or_else(|_| explain(body))
}

fn explain<T: DeserializeOwned>(body: &[u8]) -> Result<T, Malformed> {
    let mut reader = serde_json::Deserializer::from_slice(body);
    let value = serde_path_to_error::deserialize(&mut reader).map_err(|error| {
        let path = error.path().to_string();
        let detail = error.into_inner().to_string();
        Malformed { field: field(&path, &detail).map(cut), detail: cut(detail) }
    })?;
    reader.end().map_err(|error| Malformed { field: None, detail: error.to_string() })?;
    Ok(value)
}

/// An answer repeats no more of a wrong body than a person needs.
fn cut(mut text: String) -> String {
    const LEN_MAX: usize = 200;
    if text.len() > LEN_MAX {
        text.truncate(text.floor_char_boundary(LEN_MAX));
        text.push_str("...");
    }
    text
}

/// The path, with the name that the message quotes where the path ends at the object around it.
fn field(path: &str, detail: &str) -> Option<String> {
    let quoted = ["unknown field `", "missing field `", "duplicate field `"]
        .iter()
        .find_map(|start| detail.strip_prefix(start)?.split('`').next());
    let parent = (path != "." && path != "?").then_some(path);
    match (parent, quoted) {
        // For some kinds of error the path has the name already.
        (Some(parent), Some(name)) if parent == name || parent.ends_with(&format!(".{name}")) => {
            Some(parent.to_owned())
        }
        (Some(parent), Some(name)) => Some(format!("{parent}.{name}")),
        (None, Some(name)) => Some(name.to_owned()),
        (parent, None) => parent.map(str::to_owned),
    }
}

/// String pairs without duplicate keys.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(transparent)]
pub struct Pairs(pub BTreeMap<String, String>);

impl Pairs {
    /// Most pairs of one object.
    pub const COUNT_MAX: usize = 20;
    /// Longest key in bytes.
    pub const KEY_LEN_MAX: usize = 64;
    /// Longest value in bytes.
    pub const VALUE_LEN_MAX: usize = 512;
}

impl<'de> Deserialize<'de> for Pairs {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct PairsVisitor;

        impl<'de> Visitor<'de> for PairsVisitor {
            type Value = Pairs;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "an object of up to {} strings", Pairs::COUNT_MAX)
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Pairs, A::Error> {
                let mut pairs = BTreeMap::new();
                while let Some((key, value)) = map.next_entry::<String, String>()? {
                    if pairs.len() >= Pairs::COUNT_MAX
                        || key.len() > Pairs::KEY_LEN_MAX
                        || value.len() > Pairs::VALUE_LEN_MAX
                    {
                        return Err(A::Error::custom(format!(
                            "at most {} pairs, keys of {} and values of {} bytes",
                            Pairs::COUNT_MAX,
                            Pairs::KEY_LEN_MAX,
                            Pairs::VALUE_LEN_MAX
                        )));
                    }
                    if pairs.contains_key(&key) {
                        return Err(A::Error::custom(format!("duplicate key {key:?}")));
                    }
                    pairs.insert(key, value);
                }
                Ok(Pairs(pairs))
            }
        }

        deserializer.deserialize_map(PairsVisitor)
    }
}

macro_rules! bounded_text {
    ($($(#[$doc:meta])* $name:ident($least:literal..=$most:expr))*) => {$(
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize, Serialize, JsonSchema)]
        #[serde(try_from = "String", into = "String")]
        #[schemars(with = "String", extend("minLength" = $least, "maxLength" = $most))]
        pub struct $name(String);

        impl $name {
            /// The text as given.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl TryFrom<String> for $name {
            type Error = String;

            fn try_from(text: String) -> Result<Self, String> {
                if ($least..=$most).contains(&text.len()) {
                    Ok(Self(text))
                } else {
                    Err(format!("must have {} to {} bytes, has {}", $least, $most, text.len()))
                }
            }
        }

        impl From<$name> for String {
            fn from(text: $name) -> Self {
                text.0
            }
        }
    )*};
}

bounded_text! {
    /// The app's name for a user; becomes a pseudonym at the gate.
    UserId(1..=128)
    /// The caller's own number for a bill, a lock or a transfer.
    ReferenceText(1..=levee_core::types::Reference::LEN_MAX)
    /// For the record.
    Reason(1..=levee_core::types::REASON_LEN_MAX)
    /// A brand, category, region, channel.
    Name(1..=64)
    /// What makes a repeated request harmless.
    IdempotencyKey(1..=255)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Deserialize, PartialEq, Eq)]
    #[serde(deny_unknown_fields)]
    struct Outer {
        inner: Inner,
        #[serde(default)]
        pairs: Pairs,
    }

    #[derive(Debug, Deserialize, PartialEq, Eq)]
    #[serde(deny_unknown_fields)]
    struct Inner {
        user_id: UserId,
        count: u32,
    }

    #[track_caller]
    fn check(body: &str, field: Option<&str>) {
        let malformed = parse::<Outer>(body.as_bytes()).expect_err(body);
        assert_eq!(malformed.field.as_deref(), field, "{body}: {malformed}");
    }

    #[test]
    fn errors_name_the_field() {
        check(r#"{"inner": {"user_id": "u", "count": "7"}}"#, Some("inner.count"));
        check(r#"{"inner": {"user_id": "u", "count": -1}}"#, Some("inner.count"));
        check(r#"{"inner": {"user_id": "u", "count": 1.0}}"#, Some("inner.count"));
        check(r#"{"inner": {"user_id": "", "count": 1}}"#, Some("inner.user_id"));
        check(r#"{"inner": {"user_id": "u"}}"#, Some("inner.count"));
        check(r#"{"inner": {"user_id": "u", "count": 1, "x": 1}}"#, Some("inner.x"));
        check(r#"{"inner": {"user_id": "u", "user_id": "v", "count": 1}}"#, Some("inner.user_id"));
        check(r#"{"x": 1}"#, Some("x"));
        check(
            r#"{"inner": {"user_id": "u", "count": 1}, "pairs": {"a": "1", "a": "2"}}"#,
            Some("pairs"),
        );
        check(r#"{"inner": {"user_id": "u", "count": 1}, "pairs": {"a": 1}}"#, Some("pairs.a"));
        check(r#"{"inner": {"user_id": "u", "count": 1}} x"#, None);
        let long = "x".repeat(10_000);
        let malformed = parse::<Outer>(format!("{{\"{long}\": 1}}").as_bytes()).expect_err("long");
        assert!(malformed.detail.len() < 250 && malformed.field.expect("named").len() < 250);
        check("", None);
        check("[]", None);
        check(&"[".repeat(100_000), None);
        check(&format!("{{\"x\": {}", "{\"a\":".repeat(100_000)), Some("x"));
    }
}
