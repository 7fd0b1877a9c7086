//! The query of a path: known names, each at most once.

use levee_api::problem::Code;

use crate::routes::Param;
use crate::trouble::Trouble;

/// Names and values.
#[derive(Debug)]
pub(crate) struct Queries(Vec<(&'static str, String)>);

impl Queries {
    pub(crate) fn parse(query: &str, known: &[Param]) -> Result<Self, Trouble> {
        let mut pairs: Vec<(&str, String)> = Vec::new();
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let Some(param) = known.iter().find(|param| param.name == name) else {
                let name: String = name.chars().take(64).collect();
                return Err(Trouble::field(name, "is no parameter of this path"));
            };
            if pairs.iter().any(|(other, _)| *other == param.name) {
                return Err(Trouble::field(param.name, "must be given once"));
            }
            let value = decode(value).ok_or_else(|| {
                let detail = format!("The parameter {name} is not percent-encoded UTF-8.");
                Trouble::new(Code::BadRequest).with_detail(detail)
            })?;
            pairs.push((param.name, value));
        }
        Ok(Self(pairs))
    }

    pub(crate) fn take(&mut self, name: &str) -> Option<String> {
        let place = self.0.iter().position(|(other, _)| *other == name)?;
        Some(self.0.swap_remove(place).1)
    }
}

fn decode(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        let digit = |byte: Option<u8>| char::from(byte?).to_digit(16);
        bytes.push(match byte {
            b'%' => u8::try_from(digit(rest.next())? << 4 | digit(rest.next())?).ok()?,
            byte => byte,
        });
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const KNOWN: &[Param] = &[
        Param { name: "after", about: "", range: None },
        Param { name: "limit", about: "", range: Some((1, 9)) },
    ];

    #[track_caller]
    fn check(query: &str, expected: Result<(Option<&str>, Option<&str>), &str>) {
        let parsed = Queries::parse(query, KNOWN);
        match (parsed, expected) {
            (Ok(mut queries), Ok((after, limit))) => {
                assert_eq!(queries.take("after").as_deref(), after, "{query}");
                assert_eq!(queries.take("limit").as_deref(), limit, "{query}");
            }
            (Err(trouble), Err(field)) => {
                let problem = trouble.problem(String::new());
                assert_eq!(problem.field.as_deref().unwrap_or(""), field, "{query}");
            }
            (parsed, expected) => panic!("{query}: {parsed:?}, expected {expected:?}"),
        }
    }

    #[test]
    fn names_are_known_and_given_once() {
        check("", Ok((None, None)));
        check("&&", Ok((None, None)));
        check("limit=5&after=a%2Db", Ok((Some("a-b"), Some("5"))));
        check("after", Ok((Some(""), None)));
        check("Limit=5", Err("Limit"));
        check("limit=5&limit=5", Err("limit"));
        check("after=%zz", Err(""));
        check("after=%ff", Err(""));
        check("after=%2", Err(""));
    }
}
