//! The few words of Redis's protocol that the comparison needs: commands out, values in.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};

/// A Redis that says nothing for so long is stuck.
const ANSWER_LIMIT: Duration = Duration::from_secs(30);

#[derive(Debug, PartialEq, Eq)]
pub(super) enum Value {
    Text(String),
    Integer(i64),
    Bytes(Vec<u8>),
    Nothing,
    List(Vec<Value>),
}

impl Value {
    pub(super) fn integer(&self) -> Result<i64> {
        match self {
            Value::Integer(number) => Ok(*number),
            // Redis keeps numbers as texts.
            Value::Bytes(bytes) => {
                let text = std::str::from_utf8(bytes)?;
                text.parse().with_context(|| format!("Redis answered {text}, not a number"))
            }
            other => bail!("Redis answered {other:?}, not a number"),
        }
    }

    pub(super) fn text(&self) -> Result<String> {
        match self {
            Value::Text(text) => Ok(text.clone()),
            Value::Bytes(bytes) => Ok(String::from_utf8_lossy(bytes).into_owned()),
            other => bail!("Redis answered {other:?}, not a text"),
        }
    }

    pub(super) fn list(self) -> Result<Vec<Value>> {
        match self {
            Value::List(values) => Ok(values),
            other => bail!("Redis answered {other:?}, not a list"),
        }
    }
}

/// Appends a command.
pub(super) fn encode(out: &mut Vec<u8>, words: &[&[u8]]) {
    let written = write!(out, "*{}\r\n", words.len());
    written.expect("writing to memory");
    for word in words {
        write!(out, "${}\r\n", word.len()).expect("writing to memory");
        out.extend_from_slice(word);
        out.extend_from_slice(b"\r\n");
    }
}

/// Reads one value; what Redis calls an error is one here too.
pub(super) fn decode(from: &mut impl BufRead) -> Result<Value> {
    let mut line = Vec::new();
    from.read_until(b'\n', &mut line)?;
    ensure!(line.ends_with(b"\r\n"), "Redis closed the connection");
    line.truncate(line.len() - 2);
    let line = String::from_utf8(line)?;
    let (kind, rest) = line.split_at_checked(1).context("Redis answered an empty line")?;
    let number = || rest.parse::<i64>().with_context(|| format!("Redis answered {line}"));
    Ok(match kind {
        "+" => Value::Text(rest.to_owned()),
        "-" => bail!("Redis answered: {rest}"),
        ":" => Value::Integer(number()?),
        "$" => match usize::try_from(number()?) {
            Err(_) => Value::Nothing,
            Ok(len) => {
                let mut bytes = vec![0; len + 2];
                from.read_exact(&mut bytes)?;
                bytes.truncate(len);
                Value::Bytes(bytes)
            }
        },
        "*" => match usize::try_from(number()?) {
            Err(_) => Value::Nothing,
            Ok(len) => Value::List((0..len).map(|_| decode(from)).collect::<Result<_>>()?),
        },
        _ => bail!("Redis answered {line}"),
    })
}

/// Reads a number into a line that is used again and again: the path of the load.
pub(super) fn decode_number(from: &mut impl BufRead, line: &mut Vec<u8>) -> Result<i64> {
    line.clear();
    from.read_until(b'\n', line)?;
    let number = line.strip_prefix(b":").and_then(|rest| rest.strip_suffix(b"\r\n"));
    let number = number.and_then(|digits| std::str::from_utf8(digits).ok()?.parse().ok());
    number.with_context(|| format!("Redis answered {:?}", String::from_utf8_lossy(line)))
}

/// A connection to one Redis.
pub(super) struct Connection {
    stream: UnixStream,
    pub(super) incoming: BufReader<UnixStream>,
}

impl Connection {
    pub(super) fn open(socket: &Path) -> Result<Self> {
        let stream = UnixStream::connect(socket);
        let stream = stream.with_context(|| format!("cannot reach {}", socket.display()))?;
        stream.set_read_timeout(Some(ANSWER_LIMIT))?;
        stream.set_write_timeout(Some(ANSWER_LIMIT))?;
        let incoming = BufReader::with_capacity(1 << 16, stream.try_clone()?);
        Ok(Self { stream, incoming })
    }

    pub(super) fn send(&mut self, bytes: &[u8]) -> Result<()> {
        Ok(self.stream.write_all(bytes)?)
    }

    /// One command and its answer.
    pub(super) fn call(&mut self, words: &[&str]) -> Result<Value> {
        let words: Vec<&[u8]> = words.iter().map(|word| word.as_bytes()).collect();
        let mut out = Vec::new();
        encode(&mut out, &words);
        self.send(&out)?;
        decode(&mut self.incoming)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_written() {
        let mut out = Vec::new();
        encode(&mut out, &[b"SET", b"a", b"\r\n"]);
        assert_eq!(out, b"*3\r\n$3\r\nSET\r\n$1\r\na\r\n$2\r\n\r\n\r\n");
    }

    #[track_caller]
    fn check(bytes: &str, expected: &str) {
        let mut from = bytes.as_bytes();
        let got = match decode(&mut from) {
            Ok(value) => format!("{value:?}"),
            Err(error) => format!("{error}"),
        };
        assert_eq!(got, expected, "{bytes:?}");
    }

    #[test]
    fn values_are_read() {
        check("+OK\r\n", "Text(\"OK\")");
        check(":-7\r\n:8\r\n", "Integer(-7)");
        check("$2\r\n\r\n\r\n", "Bytes([13, 10])");
        check("$-1\r\n", "Nothing");
        check("*2\r\n:1\r\n*1\r\n$1\r\na\r\n", "List([Integer(1), List([Bytes([97])])])");
        check("-NOSCRIPT none\r\n", "Redis answered: NOSCRIPT none");
        check("", "Redis closed the connection");
        check(":1", "Redis closed the connection");
        check("\r\n", "Redis answered an empty line");
        check(":x\r\n", "Redis answered :x");
        check("!\r\n", "Redis answered !");
    }

    #[test]
    fn numbers_are_understood() {
        let (mut from, mut line) = (&b":12\r\n:-1\r\n-ERR no\r\n"[..], Vec::new());
        assert_eq!(decode_number(&mut from, &mut line).unwrap(), 12);
        assert_eq!(decode_number(&mut from, &mut line).unwrap(), -1);
        let error = decode_number(&mut from, &mut line).unwrap_err().to_string();
        assert_eq!(error, "Redis answered \"-ERR no\\r\\n\"");
        assert_eq!(Value::Bytes(b"12".to_vec()).integer().unwrap(), 12);
        assert!(Value::Nothing.integer().is_err());
    }
}
