//! `application/x-www-form-urlencoded`: what Alipay and Stripe speak.

/// Most fields of a form that is read: Alipay sends about thirty.
const FIELDS_MAX: usize = 256;

/// Writes fields in their order.
pub(crate) fn write<'f>(fields: impl IntoIterator<Item = (&'f str, &'f str)>) -> String {
    let mut text = String::new();
    for (name, value) in fields {
        if !text.is_empty() {
            text.push('&');
        }
        escape(&mut text, name);
        text.push('=');
        escape(&mut text, value);
    }
    text
}

/// Leaves what every reader leaves, and writes a space as `%20`, which a query takes as well.
fn escape(text: &mut String, plain: &str) {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    for byte in plain.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            text.push(char::from(byte));
        } else {
            text.push('%');
            text.push(char::from(HEX[usize::from(byte >> 4)]));
            text.push(char::from(HEX[usize::from(byte & 15)]));
        }
    }
}

/// Reads fields in their order. None where an escape is broken, the text is no UTF-8, a name is
/// there twice (two readers would see different values), or there are too many.
pub(crate) fn read(body: &[u8]) -> Option<Vec<(String, String)>> {
    let mut fields: Vec<(String, String)> = Vec::new();
    for pair in body.split(|byte| *byte == b'&').filter(|pair| !pair.is_empty()) {
        let at = pair.iter().position(|byte| *byte == b'=').unwrap_or(pair.len());
        let (name, value) = pair.split_at(at);
        let name = unescape(name)?;
        let value = unescape(value.strip_prefix(b"=").unwrap_or_default())?;
        if fields.len() >= FIELDS_MAX || fields.iter().any(|(known, _)| *known == name) {
            return None;
        }
        fields.push((name, value));
    }
    Some(fields)
}

fn unescape(bytes: &[u8]) -> Option<String> {
    let mut plain = Vec::with_capacity(bytes.len());
    let mut rest = bytes.iter();
    while let Some(byte) = rest.next() {
        plain.push(match byte {
            b'+' => b' ',
            b'%' => 16 * nibble(*rest.next()?)? + nibble(*rest.next()?)?,
            other => *other,
        });
    }
    String::from_utf8(plain).ok()
}

fn nibble(digit: u8) -> Option<u8> {
    let value = char::from(digit).to_digit(16)?;
    u8::try_from(value).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(body: &str, expected: Option<&[(&str, &str)]>) {
        let fields = read(body.as_bytes());
        let fields: Option<Vec<(&str, &str)>> =
            fields.as_ref().map(|all| all.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect());
        assert_eq!(fields.as_deref(), expected, "{body}");
    }

    #[test]
    fn forms_are_read_strictly() {
        check("", Some(&[]));
        check("a=1&b=2", Some(&[("a", "1"), ("b", "2")]));
        check("a=x+y%20z&b", Some(&[("a", "x y z"), ("b", "")]));
        check("a=1=2&&", Some(&[("a", "1=2")]));
        check("%E5%A5%B6=%e8%8c%b6", Some(&[("奶", "茶")]));
        for wrong in ["a=1&a=2", "a=%4", "a=%", "a=%zz", "a=%ff", "a=1&%61=2"] {
            check(wrong, None);
        }
        let many: String = (0..FIELDS_MAX + 1).map(|n| format!("a{n}=&")).collect();
        check(&many, None);
    }

    #[test]
    fn what_is_written_is_read() {
        let fields = [("metadata[out_trade_no]", "pay_1"), ("subject", "奶茶 + 1 & =%/\r\n~")];
        let written = write(fields);
        assert!(written.starts_with("metadata%5Bout_trade_no%5D=pay_1&subject=%E5%A5%B6"));
        check(&written, Some(&fields));
    }
}
