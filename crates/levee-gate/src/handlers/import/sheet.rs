//! Outlets as a spreadsheet has them: a header row that names fields of the document, a row an
//! outlet. Each row becomes the JSON document that it stands for, so both are read by the same
//! rules, and errors name the same fields.

use std::collections::BTreeMap;

use levee_api::strict::Malformed;
use serde::de::IgnoredAny;
use serde_json::{Map, Value};

use crate::lines::ReadRow;
use crate::trouble::Trouble;

/// Most brands of one file whose menus are remembered.
const MENUS_MAX: usize = 256;

/// How a cell is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Text,
    Number,
    /// Parts with `;` between them.
    List,
    /// `true` or `false`, as spreadsheets write them.
    Truth,
    /// A JSON text, or nothing: the menu of the last row of the brand that has one.
    Menu,
}

/// Columns that a sheet may have, in any order; beside them `metadata.` and a name.
const COLUMNS: [(&str, Kind); 20] = [
    ("id", Kind::Text),
    ("brand", Kind::Text),
    ("vendor", Kind::Text),
    ("name", Kind::Text),
    ("region", Kind::Text),
    ("city_tier", Kind::Text),
    ("lat", Kind::Number),
    ("lng", Kind::Number),
    ("stations", Kind::Number),
    ("minutes_per_unit", Kind::Number),
    ("menu", Kind::Menu),
    ("pos.url", Kind::Text),
    ("pos.secret", Kind::Text),
    ("pos.sandbox", Kind::Truth),
    ("hours", Kind::List),
    ("time_zone", Kind::Text),
    ("fulfilment", Kind::List),
    ("accept_within", Kind::Text),
    ("ready_within", Kind::Text),
    ("courier_travel", Kind::Text),
];

/// What was read of a sheet.
#[derive(Debug, Default)]
pub(super) struct Sheet {
    /// None before the header, and none in it after one that cannot be read.
    columns: Option<Vec<(String, Kind)>>,
    /// By brand, as JSON.
    menus: BTreeMap<String, String>,
}

impl ReadRow for Sheet {
    fn read(&mut self, cells: &[&str]) -> Option<Result<Vec<u8>, Trouble>> {
        match self.columns.take() {
            None => {
                let header = header(cells);
                // The whole sheet is one error then, not thousands.
                let (columns, outcome) = match header {
                    Ok(columns) => (columns, None),
                    Err(malformed) => (Vec::new(), Some(Err(malformed.into()))),
                };
                self.columns = Some(columns);
                outcome
            }
            Some(columns) => {
                let row = (!columns.is_empty()).then(|| self.row(&columns, cells));
                self.columns = Some(columns);
                row.map(|row| row.map_err(Trouble::from))
            }
        }
    }
}

fn wrong(field: &str, detail: impl Into<String>) -> Malformed {
    Malformed { field: Some(field.to_owned()), detail: detail.into() }
}

fn header(cells: &[&str]) -> Result<Vec<(String, Kind)>, Malformed> {
    let mut columns: Vec<(String, Kind)> = Vec::new();
    for cell in cells {
        let name = cell.trim();
        let known = COLUMNS.iter().find(|(column, _)| *column == name).map(|(_, kind)| *kind);
        let noted = name.strip_prefix("metadata.").filter(|key| !key.is_empty());
        let kind = known.or(noted.map(|_| Kind::Text));
        let shown: String = name.chars().take(64).collect();
        let kind = kind.ok_or_else(|| {
            wrong(&shown, "is no column that is known: nothing of the sheet is taken")
        })?;
        if columns.iter().any(|(other, _)| other == name) {
            return Err(wrong(&shown, "heads two columns: nothing of the sheet is taken"));
        }
        columns.push((name.to_owned(), kind));
    }
    Ok(columns)
}

impl Sheet {
    /// The JSON document of a row.
    fn row(&mut self, columns: &[(String, Kind)], cells: &[&str]) -> Result<Vec<u8>, Malformed> {
        let more = cells.iter().skip(columns.len()).any(|cell| !cell.trim().is_empty());
        if more {
            let detail = "the row has more cells than the header";
            return Err(Malformed { field: None, detail: detail.to_owned() });
        }
        let mut document = Map::new();
        let mut menu = None;
        for ((name, kind), cell) in columns.iter().zip(cells) {
            let cell = cell.trim();
            if cell.is_empty() {
                continue;
            }
            let value = match kind {
                Kind::Menu => {
                    menu = Some(cell);
                    continue;
                }
                Kind::Text => cell.into(),
                // What is no number is said to be none by the document's own reader.
                Kind::Number => match serde_json::from_str(cell) {
                    Ok(Value::Number(number)) => Value::Number(number),
                    _ => cell.into(),
                },
                Kind::List => cell.split(';').map(str::trim).collect(),
                Kind::Truth if cell.eq_ignore_ascii_case("true") => true.into(),
                Kind::Truth if cell.eq_ignore_ascii_case("false") => continue,
                Kind::Truth => cell.into(),
            };
            match name.split_once('.') {
                None => drop(document.insert(name.clone(), value)),
                Some((outer, inner)) => {
                    let outer = document.entry(outer).or_insert_with(|| Map::new().into());
                    outer[inner] = value;
                }
            }
        }
        let brand = document.get("brand").and_then(Value::as_str).unwrap_or_default().to_owned();
        let menu = self.menu(&brand, menu)?;
        let mut json = serde_json::to_vec(&document).expect("a row has only string keys");
        // Menus are most of a document, and mostly the same: they are not read twice.
        json.pop();
        if !document.is_empty() {
            json.push(b',');
        }
        json.extend_from_slice(b"\"menu\":");
        json.extend_from_slice(menu.as_bytes());
        json.push(b'}');
        Ok(json)
    }

    /// The menu of a row: its own, which is remembered, or that of the last row of its brand.
    fn menu(&mut self, brand: &str, cell: Option<&str>) -> Result<&str, Malformed> {
        if let Some(cell) = cell {
            serde_json::from_str::<IgnoredAny>(cell)
                .map_err(|error| wrong("menu", format!("is no JSON: {error}")))?;
            if !self.menus.contains_key(brand) && self.menus.len() >= MENUS_MAX {
                let detail = format!("a sheet has menus of at most {MENUS_MAX} brands");
                return Err(wrong("menu", detail));
            }
            self.menus.insert(brand.to_owned(), cell.to_owned());
        }
        let detail = "is empty, and no row above of the same brand has a menu";
        self.menus.get(brand).map(String::as_str).ok_or_else(|| wrong("menu", detail))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reads the rows of cells between bars; expects what the last of them says.
    #[track_caller]
    fn check(rows: &[&str], expected: Option<Result<&str, &str>>) {
        let mut sheet = Sheet::default();
        let mut said = None;
        for row in rows {
            let cells: Vec<&str> = row.split('|').collect();
            said = sheet.read(&cells);
        }
        let said = said.map(|said| {
            said.map(|json| String::from_utf8(json).expect("UTF-8")).map_err(|trouble| {
                let problem = trouble.problem(String::new());
                problem.field.unwrap_or_default()
            })
        });
        let expected = expected.map(|said| said.map(str::to_owned).map_err(str::to_owned));
        assert_eq!(said, expected, "{rows:?}");
    }

    #[test]
    fn rows_become_documents() {
        check(&["id|brand"], None);
        check(&["id| surprise "], Some(Err("surprise")));
        check(&["id|id"], Some(Err("id")));
        check(&["id|surprise", "a|b"], None);
        check(
            &["id|brand|lat|hours|pos.sandbox|menu", "a|b|1.5|09:00-12:00; 13:00-20:00|TRUE|[]"],
            Some(Ok(
                r#"{"id":"a","brand":"b","lat":1.5,"hours":["09:00-12:00","13:00-20:00"],"pos":{"sandbox":true},"menu":[]}"#,
            )),
        );
        // What is empty is left out; what is no number stays what it is.
        check(
            &["id|lat|name|menu|metadata.team", "a|north||[1]|x"],
            Some(Ok(r#"{"id":"a","lat":"north","metadata":{"team":"x"},"menu":[1]}"#)),
        );
        check(&["id|menu", "a|[]|more"], Some(Err("")));
        check(&["id|menu", "a|[]|"], Some(Ok(r#"{"id":"a","menu":[]}"#)));
    }

    #[test]
    fn a_menu_holds_for_the_rows_below_of_its_brand() {
        let head = "id|brand|menu";
        check(
            &[head, "1|a|[1]", "2|b|[2]", "3|a|"],
            Some(Ok(r#"{"id":"3","brand":"a","menu":[1]}"#)),
        );
        check(
            &[head, "1|a|[1]", "2|a|[2]", "3|a|"],
            Some(Ok(r#"{"id":"3","brand":"a","menu":[2]}"#)),
        );
        check(&[head, "1|a|[1]", "2|b|"], Some(Err("menu")));
        check(&[head, "1|a|[1],\"id\":\"x\""], Some(Err("menu")));
        check(&[head, "1|a|[1"], Some(Err("menu")));
    }
}
