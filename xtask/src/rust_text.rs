//! Rust source reduced to what the compiler reads: rules about code must not trip over words in
//! comments and strings.

/// The text with comments, strings and character literals blanked; line breaks stay.
pub(crate) fn code_only(text: &str) -> String {
    let source: Vec<char> = text.chars().collect();
    let mut out = String::with_capacity(text.len());
    let mut at = 0;
    while at < source.len() {
        let end = match source[at] {
            '/' if source.get(at + 1) == Some(&'/') => line_end(&source, at),
            '/' if source.get(at + 1) == Some(&'*') => block_comment_end(&source, at),
            '"' => string_end(&source, at + 1),
            'r' if starts_word(&source, at) || byte_prefixed(&source, at) => {
                raw_string_end(&source, at).unwrap_or(at)
            }
            '\'' => char_end(&source, at).unwrap_or(at),
            _ => at,
        };
        if end == at {
            out.push(source[at]);
            at += 1;
        } else {
            out.extend(source[at..end].iter().map(|c| if *c == '\n' { '\n' } else { ' ' }));
            at = end;
        }
    }
    out
}

/// Lines on which a word stands by itself, each with the text behind the word.
pub(crate) fn word_uses<'a>(
    code: &'a str,
    word: &'a str,
) -> impl Iterator<Item = (usize, &'a str)> {
    let part_of_word = |c: char| c.is_alphanumeric() || c == '_';
    code.lines().enumerate().flat_map(move |(index, line)| {
        line.match_indices(word).filter_map(move |(start, _)| {
            let behind = &line[start + word.len()..];
            let alone = !line[..start].ends_with(part_of_word) && !behind.starts_with(part_of_word);
            alone.then_some((index + 1, behind))
        })
    })
}

fn starts_word(source: &[char], at: usize) -> bool {
    at == 0 || !(source[at - 1].is_alphanumeric() || source[at - 1] == '_')
}

/// Whether the `r` at this place is that of `br"` or `cr"`.
fn byte_prefixed(source: &[char], at: usize) -> bool {
    at > 0 && matches!(source[at - 1], 'b' | 'c') && starts_word(source, at - 1)
}

fn line_end(source: &[char], at: usize) -> usize {
    source[at..].iter().position(|c| *c == '\n').map_or(source.len(), |n| at + n)
}

/// Block comments nest.
fn block_comment_end(source: &[char], start: usize) -> usize {
    let mut depth = 0;
    let mut at = start;
    while at < source.len() {
        match (source[at], source.get(at + 1)) {
            ('/', Some('*')) => (depth, at) = (depth + 1, at + 2),
            ('*', Some('/')) => (depth, at) = (depth - 1, at + 2),
            _ => at += 1,
        }
        if depth == 0 {
            return at;
        }
    }
    source.len()
}

fn string_end(source: &[char], inside: usize) -> usize {
    let mut at = inside;
    while at < source.len() {
        match source[at] {
            '\\' => at += 2,
            '"' => return at + 1,
            _ => at += 1,
        }
    }
    source.len()
}

fn raw_string_end(source: &[char], at: usize) -> Option<usize> {
    let hashes = source[at + 1..].iter().take_while(|c| **c == '#').count();
    let inside = at + 1 + hashes;
    if source.get(inside) != Some(&'"') {
        return None;
    }
    let closes = |from: usize| {
        source[from] == '"'
            && source[from + 1..].iter().take(hashes).filter(|c| **c == '#').count() == hashes
    };
    Some(
        (inside + 1..source.len())
            .find(|from| closes(*from))
            .map_or(source.len(), |n| n + 1 + hashes),
    )
}

/// The end of a character literal, or nothing where the quote begins a lifetime.
fn char_end(source: &[char], at: usize) -> Option<usize> {
    if source.get(at + 1) == Some(&'\\') {
        // Behind the escaped character, which may itself be a quote.
        return (at + 3..source.len()).find(|n| source[*n] == '\'').map(|n| n + 1);
    }
    (source.get(at + 2) == Some(&'\'')).then_some(at + 3)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(source: &str, expected: &str) {
        let squeezed = code_only(source).split_whitespace().collect::<Vec<_>>().join(" ");
        assert_eq!(squeezed, expected, "{source}");
    }

    #[test]
    fn only_code_is_left() {
        check("a // unsafe\nb", "a b");
        check("a /* x /* y */ unsafe */ b", "a b");
        check(r#"a("un\"safe", b)"#, "a( , b)");
        check("r#\"unsafe \" \"# c", "c");
        check("br\"unsafe\" c", "b c");
        check("fn f<'a>(x: &'a str) { '\"' }", "fn f<'a>(x: &'a str) { }");
        check("'\\'' unsafe '\\u{1F}'", "unsafe");
        check("for r in raw {}", "for r in raw {}");
        check("r#type", "r#type");
    }

    #[test]
    fn lines_are_kept() {
        assert_eq!(code_only("/* a\nb */ c\n\"d\ne\" f").lines().count(), 4);
    }

    #[test]
    fn words_stand_alone() {
        let uses: Vec<_> = word_uses("unsafe_code\nx unsafe {\n", "unsafe").collect();
        assert_eq!(uses, [(2, " {")]);
    }
}
