//! The little Markdown that the checks need: fenced blocks, code spans, links, tables.

/// A fenced block of a document.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Fence {
    /// What follows the opening fence, such as `sh`.
    pub(crate) info: String,
    /// The line right above the opening fence, trimmed.
    pub(crate) above: String,
    /// The number of the block's first inner line, from 1.
    pub(crate) line: usize,
    /// The inner lines, without the fence's own indentation.
    pub(crate) body: Vec<String>,
}

/// The character and length of a fence, when a line opens one.
fn fence_mark(line: &str) -> Option<(char, usize)> {
    let first = line.trim_start().chars().next().filter(|c| matches!(c, '`' | '~'))?;
    let length = line.trim_start().chars().take_while(|c| *c == first).count();
    (length >= 3).then_some((first, length))
}

/// A document cut into its fenced blocks and the lines outside of them, each with its number.
fn split(text: &str) -> (Vec<Fence>, Vec<(usize, &str)>) {
    let mut fences = Vec::new();
    let mut prose = Vec::new();
    let mut above = "";
    let mut open: Option<((char, usize), usize, Fence)> = None;
    for (index, line) in text.lines().enumerate() {
        match &mut open {
            Some((mark, indent, fence)) => {
                let closes = fence_mark(line).is_some_and(|(c, n)| c == mark.0 && n >= mark.1)
                    && line.trim().chars().all(|c| c == mark.0);
                if closes {
                    fences.extend(open.take().map(|(_, _, fence)| fence));
                } else {
                    let own = line.chars().take_while(|c| *c == ' ').count();
                    fence.body.push(line[own.min(*indent)..].to_owned());
                }
            }
            None => match fence_mark(line) {
                Some(mark) => {
                    let info = line.trim_start().trim_start_matches(mark.0).trim().to_owned();
                    let indent = line.len() - line.trim_start().len();
                    let above = above.trim().to_owned();
                    let fence = Fence { info, above, line: index + 2, body: Vec::new() };
                    open = Some((mark, indent, fence));
                }
                None => prose.push((index + 1, line)),
            },
        }
        above = line;
    }
    fences.extend(open.map(|(_, _, fence)| fence));
    (fences, prose)
}

pub(crate) fn fences(text: &str) -> Vec<Fence> {
    split(text).0
}

/// The lines outside of fenced blocks, each with its number.
pub(crate) fn prose(text: &str) -> Vec<(usize, &str)> {
    split(text).1
}

/// The pieces of a line that stand between backticks.
pub(crate) fn code_spans(line: &str) -> impl Iterator<Item = &str> {
    line.split('`').skip(1).step_by(2)
}

/// Targets of links and images outside of code, each with its line.
pub(crate) fn links(text: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    for (number, line) in prose(text) {
        // Code spans show syntax; what looks like a link there is none.
        let line: String = line.split('`').step_by(2).collect::<Vec<_>>().join("``");
        let mut rest = line.as_str();
        while let Some(start) = rest.find("](") {
            rest = &rest[start + 2..];
            let Some(end) = rest.find(')') else { break };
            found.push((number, target_of(&rest[..end])));
            rest = &rest[end..];
        }
        // A definition: `[name]: target`.
        let definition = line.strip_prefix('[').and_then(|line| line.split_once("]: "));
        found.extend(definition.map(|(_, target)| (number, target_of(target))));
    }
    found
}

/// A link's target without its title and angle brackets.
fn target_of(text: &str) -> String {
    let text = text.trim();
    match text.strip_prefix('<').and_then(|text| text.split_once('>')) {
        Some((target, _)) => target.to_owned(),
        None => text.split_whitespace().next().unwrap_or_default().to_owned(),
    }
}

/// The rows of the first table with these column heads, each with its line; cells are trimmed.
pub(crate) fn table(text: &str, heads: &[&str]) -> Option<Vec<(usize, Vec<String>)>> {
    let cells = |line: &str| -> Option<Vec<String>> {
        let inner = line.trim().strip_prefix('|')?.strip_suffix('|')?;
        Some(inner.split('|').map(|cell| cell.trim().to_owned()).collect())
    };
    let lines = prose(text);
    let head = lines.iter().position(|(_, line)| {
        cells(line).is_some_and(|cells| {
            cells.len() == heads.len()
                && cells.iter().zip(heads).all(|(cell, head)| cell.eq_ignore_ascii_case(head))
        })
    })?;
    Some(
        lines[head + 1..]
            .iter()
            .map_while(|(number, line)| cells(line).map(|cells| (*number, cells)))
            .filter(|(_, cells)| !cells.iter().all(|cell| cell.chars().all(|c| "-: ".contains(c))))
            .collect(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fences_are_found() {
        let text = "a\n<!-- test: run -->\n```sh\none\n\n  two\n```\n- item\n  ~~~~\n  in\n  ```\n  ~~~~\nb\n";
        let fences = fences(text);
        assert_eq!(fences.len(), 2);
        assert_eq!(fences[0].info, "sh");
        assert_eq!(fences[0].above, "<!-- test: run -->");
        assert_eq!(fences[0].line, 4);
        assert_eq!(fences[0].body, ["one", "", "  two"]);
        assert_eq!(fences[1].body, ["in", "```"]);
        let prose: Vec<usize> = prose(text).iter().map(|(number, _)| *number).collect();
        assert_eq!(prose, [1, 2, 8, 13]);
    }

    #[test]
    fn links_are_found() {
        let text = "See [a](docs/a.md#x \"t\") and ![b](<c d.png>), not `[n](no.md)`.\n```\n[n](no.md)\n```\n[d]: e.md\n";
        let found = links(text);
        assert_eq!(found.len(), 3);
        assert_eq!(found[0], (1, "docs/a.md#x".to_owned()));
        assert_eq!(found[1], (1, "c d.png".to_owned()));
        assert_eq!(found[2], (5, "e.md".to_owned()));
    }

    #[test]
    fn a_table_is_found_by_its_heads() {
        let text = "| x | y |\n|---|---|\n| 1 | 2 |\n\n| Crate | May import |\n|:--|--:|\n| `a` | all |\nend\n";
        let rows = table(text, &["crate", "may import"]).unwrap();
        assert_eq!(rows, [(7, vec!["`a`".to_owned(), "all".to_owned()])]);
        assert!(table(text, &["crate"]).is_none());
    }

    #[test]
    fn code_spans_are_found() {
        assert_eq!(code_spans("run `a b` or `c`.").collect::<Vec<_>>(), ["a b", "c"]);
    }
}
