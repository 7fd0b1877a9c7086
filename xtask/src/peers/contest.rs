//! What the rounds gave, as a table and as JSON.

use serde_json::{Value, json};

use super::rounds::{Aim, Ratio, Sample, median};

/// One system in a contest.
pub(super) struct Entry {
    pub(super) name: String,
    /// None where Levee need not reach anything.
    pub(super) aim: Option<Aim>,
    /// One a round.
    pub(super) samples: Vec<Sample>,
}

/// Systems that took turns; the first is Levee.
pub(super) struct Contest {
    pub(super) title: String,
    pub(super) entries: Vec<Entry>,
}

const HEADS: [&str; 8] = [
    "system",
    "median a second",
    "lowest to highest",
    "p50 ms",
    "p99 ms",
    "Levee is",
    "in the rounds",
    "goal, must",
];

impl Contest {
    /// A table for terminals and for Markdown alike.
    pub(super) fn table(&self) -> String {
        let mut rows = vec![HEADS.map(str::to_owned)];
        for (place, entry) in self.entries.iter().enumerate() {
            let rates = || entry.samples.iter().map(|sample| sample.per_s);
            let of = |field: fn(&Sample) -> f64| median(entry.samples.iter().map(field));
            let ratio = (place > 0).then(|| self.ratio(entry));
            let aim = entry.aim.zip(ratio.as_ref()).map(|(aim, ratio)| {
                let verdict = aim.verdict(ratio.median);
                format!("{}, {}: {verdict}", times(aim.goal), times(aim.must))
            });
            rows.push([
                entry.name.clone(),
                thousands(of(|sample| sample.per_s)),
                format!(
                    "{} to {}",
                    thousands(rates().fold(f64::INFINITY, f64::min)),
                    thousands(rates().fold(0.0, f64::max))
                ),
                format!("{:.2}", of(|sample| sample.p50_ms)),
                format!("{:.2}", of(|sample| sample.p99_ms)),
                ratio.as_ref().map(|ratio| times(ratio.median)).unwrap_or_default(),
                ratio.as_ref().map(range).unwrap_or_default(),
                aim.unwrap_or_default(),
            ]);
        }
        format!("{}\n\n{}", self.title, aligned(&rows))
    }

    pub(super) fn json(&self) -> Value {
        let entries = self.entries.iter().enumerate().map(|(place, entry)| {
            let ratio = (place > 0).then(|| self.ratio(entry));
            json!({
                "name": entry.name,
                "rounds": entry.samples.iter().map(|sample| json!({
                    "per_s": sample.per_s,
                    "p50_ms": sample.p50_ms,
                    "p99_ms": sample.p99_ms,
                })).collect::<Vec<_>>(),
                "median_per_s": median(entry.samples.iter().map(|sample| sample.per_s)),
                "levee_to_it": ratio.as_ref().map(|ratio| json!({
                    "rounds": ratio.rounds,
                    "median": ratio.median,
                })),
                "goal": entry.aim.map(|aim| aim.goal),
                "must": entry.aim.map(|aim| aim.must),
                "verdict": entry.aim.zip(ratio).map(|(aim, ratio)| aim.verdict(ratio.median)),
            })
        });
        json!({"title": self.title, "systems": entries.collect::<Vec<_>>()})
    }

    fn ratio(&self, entry: &Entry) -> Ratio {
        Ratio::of(&self.entries[0].samples, &entry.samples)
    }
}

fn range(ratio: &Ratio) -> String {
    format!("{} to {}", times(ratio.lowest), times(ratio.highest))
}

/// With three digits or so.
fn times(ratio: f64) -> String {
    if ratio < 10.0 { format!("{ratio:.2}x") } else { format!("{ratio:.1}x") }
}

/// Whole, with commas.
fn thousands(value: f64) -> String {
    let digits = format!("{value:.0}");
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// The first row is the head. Numbers stand to the right, the first column and the last to the
/// left.
fn aligned<const N: usize>(rows: &[[String; N]]) -> String {
    let width = |column: usize| rows.iter().map(|row| row[column].len()).max().unwrap_or(0);
    let left = |column: usize| column == 0 || column + 1 == N;
    let line = |row: &[String; N]| {
        let cells = row.iter().enumerate().map(|(column, cell)| {
            let width = width(column);
            if left(column) { format!("{cell:<width$}") } else { format!("{cell:>width$}") }
        });
        format!("| {} |\n", cells.collect::<Vec<_>>().join(" | "))
    };
    let mut text = String::new();
    for (index, row) in rows.iter().enumerate() {
        text.push_str(&line(row));
        if index == 0 {
            text.push_str(&line(&std::array::from_fn(|column| {
                let dashes = "-".repeat(width(column).max(2) - 1);
                if left(column) { format!("{dashes}-") } else { format!("{dashes}:") }
            })));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_readable() {
        let got = [0.4, 999.0, 1_000.0, 1_234_567.0].map(thousands);
        assert_eq!(got, ["0", "999", "1,000", "1,234,567"]);
        assert_eq!([0.755, 9.99, 31.26].map(times), ["0.76x", "9.99x", "31.3x"]);
    }

    #[test]
    fn the_table_is_markdown() {
        let samples = |rates: [f64; 2]| {
            rates.map(|per_s| Sample { per_s, p50_ms: 1.0, p99_ms: 2.0 }).to_vec()
        };
        let aim = Some(Aim { goal: 3.0, must: 2.0 });
        let contest = Contest {
            title: "Claims".to_owned(),
            entries: vec![
                Entry { name: "Levee".to_owned(), aim: None, samples: samples([2_000.0, 4_000.0]) },
                Entry { name: "other".to_owned(), aim, samples: samples([1_000.0, 1_000.0]) },
            ],
        };
        let table = contest.table();
        let lines: Vec<&str> = table.lines().collect();
        assert_eq!(lines[0..2], ["Claims", ""]);
        let cells = |line: &str| -> Vec<String> {
            line.trim_matches('|').split('|').map(|cell| cell.trim().to_owned()).collect()
        };
        assert_eq!(cells(lines[2]), HEADS);
        assert_eq!(
            cells(lines[4]),
            ["Levee", "3,000", "2,000 to 4,000", "1.00", "2.00", "", "", ""]
        );
        assert_eq!(
            cells(lines[5]),
            [
                "other",
                "1,000",
                "1,000 to 1,000",
                "1.00",
                "2.00",
                "3.00x",
                "2.00x to 4.00x",
                "3.00x, 2.00x: goal reached"
            ]
        );
        assert!(lines[2..].iter().all(|line| line.len() == lines[2].len()), "{table}");

        let json = contest.json();
        assert_eq!(json["systems"][1]["levee_to_it"]["median"], 3.0);
        assert_eq!(json["systems"][0]["levee_to_it"], Value::Null);
    }
}
