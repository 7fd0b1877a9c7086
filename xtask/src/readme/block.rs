//! Reading the marked blocks of a document.

use anyhow::{Result, bail};

use super::PORT;
use crate::markdown::{self, Fence};

/// A command of a block, and what its output must contain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Command {
    /// The line of its beginning in the document.
    pub(super) line: usize,
    /// May span lines.
    pub(super) text: String,
    pub(super) expected: Vec<String>,
}

impl Command {
    /// The same for a server on another port.
    pub(super) fn with_port(&self, port: u16) -> Command {
        let replace = |text: &String| text.replace(&format!(":{PORT}"), &format!(":{port}"));
        Command {
            line: self.line,
            text: replace(&self.text),
            expected: self.expected.iter().map(replace).collect(),
        }
    }
}

#[derive(Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Run,
    /// With the command that starts the server.
    Serve(Command),
}

#[derive(Debug, PartialEq, Eq)]
pub(super) struct Block {
    /// The first inner line in the document.
    pub(super) line: usize,
    pub(super) kind: Kind,
    /// Without the one that starts the server.
    pub(super) commands: Vec<Command>,
}

/// A `cargo run` at the beginning of a text.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct CargoRun<'a> {
    /// The package or binary that it names.
    pub(crate) package: Option<&'a str>,
    /// What follows ` -- `.
    pub(crate) arguments: &'a str,
}

/// Reads `cargo run [--release] [-q] [-p PACKAGE] -- ARGUMENTS`.
pub(crate) fn cargo_run(text: &str) -> Option<CargoRun<'_>> {
    let mut rest = text.strip_prefix("cargo run ")?.trim_start();
    let mut package = None;
    loop {
        let (word, behind) = rest.split_once(' ').unwrap_or((rest, ""));
        rest = behind.trim_start();
        match word {
            "--" => return Some(CargoRun { package, arguments: rest }),
            "--release" | "--quiet" | "-q" | "--locked" => {}
            "--package" | "-p" | "--bin" => {
                let (name, behind) = rest.split_once(' ').unwrap_or((rest, ""));
                package = Some(name);
                rest = behind.trim_start();
            }
            _ => return None,
        }
    }
}

/// The text with every `cargo run ... --` that means the program replaced by the built one.
pub(super) fn with_binary(text: &str, binary: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some(at) = rest.find("cargo run ") {
        out.push_str(&rest[..at]);
        rest = &rest[at..];
        match cargo_run(rest) {
            Some(run) if run.package.is_none_or(|package| package == "levee") => {
                out.push_str(&quoted(binary));
                out.push(' ');
                rest = run.arguments;
            }
            _ => {
                out.push_str("cargo run ");
                rest = &rest["cargo run ".len()..];
            }
        }
    }
    out + rest
}

/// A word as bash takes it literally.
pub(super) fn quoted(word: &str) -> String {
    format!("'{}'", word.replace('\'', r"'\''"))
}

/// The marked blocks of a document, in order.
pub(super) fn blocks(text: &str) -> Result<Vec<Block>> {
    let mut blocks = Vec::new();
    for fence in markdown::fences(text) {
        let Some(mark) = mark_of(&fence.above) else { continue };
        if fence.info != "sh" {
            bail!("README.md:{}: a marked block must be `sh`", fence.line);
        }
        let mut commands = commands_of(&fence)?;
        let kind = match mark {
            "run" => Kind::Run,
            "serve" => Kind::Serve(server_of(&fence, &mut commands)?),
            other => bail!(
                "README.md:{}: `test: {other}` is unknown; write `test: serve` or `test: run`",
                fence.line
            ),
        };
        blocks.push(Block { line: fence.line, kind, commands });
    }
    let marks = markdown::prose(text).iter().filter(|(_, line)| mark_of(line).is_some()).count();
    if marks != blocks.len() {
        bail!(
            "README.md: {marks} marks but {} marked blocks; a mark stands right above its fence",
            blocks.len()
        );
    }
    Ok(blocks)
}

fn mark_of(line: &str) -> Option<&str> {
    Some(
        line.trim().strip_prefix("<!--")?.strip_suffix("-->")?.trim().strip_prefix("test:")?.trim(),
    )
}

fn server_of(fence: &Fence, commands: &mut Vec<Command>) -> Result<Command> {
    let begins = |command: &Command| {
        cargo_run(&command.text).is_some_and(|run| run.arguments.starts_with("serve"))
    };
    if !commands.first().is_some_and(begins) {
        bail!(
            "README.md:{}: a block marked `test: serve` begins with `cargo run ... -- serve`",
            fence.line
        );
    }
    let mut server = commands.remove(0);
    // We start it in the background either way.
    let text = server.text.split(" # ").next().unwrap_or_default().trim_end();
    server.text = text.strip_suffix('&').unwrap_or(text).trim_end().to_owned();
    if !server.expected.is_empty() {
        bail!("README.md:{}: what the server prints is not compared", server.line);
    }
    Ok(server)
}

/// Cuts a block into commands: a command ends where its quotes are closed, its last line has no
/// backslash at the end, and its here-document is complete.
fn commands_of(fence: &Fence) -> Result<Vec<Command>> {
    let mut commands: Vec<Command> = Vec::new();
    let mut open: Option<Command> = None;
    for (line, text) in (fence.line..).zip(&fence.body) {
        let mut command = match open.take() {
            Some(mut command) => {
                command.text.push('\n');
                command.text.push_str(text);
                command
            }
            None => {
                if let Some(expected) = text.trim_start().strip_prefix("# ->") {
                    let Some(last) = commands.last_mut() else {
                        bail!("README.md:{line}: `# ->` stands before any command");
                    };
                    last.expected.push(expected.trim().to_owned());
                    continue;
                }
                let text = text.trim();
                let ours = text == "cargo xtask test" || text.starts_with("cargo xtask test ");
                if text.is_empty() || text.starts_with('#') || ours {
                    continue;
                }
                let text = text.strip_prefix("$ ").unwrap_or(text).to_owned();
                Command { line, text, expected: Vec::new() }
            }
        };
        if is_complete(&command.text) {
            command.text.truncate(command.text.trim_end().len());
            commands.push(command);
        } else {
            open = Some(command);
        }
    }
    match open {
        Some(command) => bail!("README.md:{}: this command has no end", command.line),
        None => Ok(commands),
    }
}

/// Whether bash would run this text, or wait for more. Quotes, a final backslash, brackets of
/// compound commands and here-documents are bash's to judge.
fn is_complete(text: &str) -> bool {
    if text.ends_with('\\') {
        return false;
    }
    let output = std::process::Command::new("bash").args(["-n", "-c", text]).output();
    // An open here-document is only a warning to bash.
    output.is_ok_and(|output| output.status.success() && output.stderr.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    const SAMPLE: &str = "\
# Levee

<!-- test: serve -->
```sh
cargo run --release -- serve --dev &   # leave it running

# A claim.
curl -s 127.0.0.1:8080/v1 \\
  -d '{
  \"user_id\": \"ada\"
}'
# -> \"code\"
# -> \"seq\"
KEY=dev
```

```sh
not run
```

<!-- test: run -->
```sh
cargo xtask test
cat > a.toml <<'END'
id = 1

END
cargo run --release -p levee -- bench claims
```
";

    #[test]
    fn blocks_are_read() {
        let blocks = blocks(SAMPLE).unwrap();
        assert_eq!(blocks.len(), 2);
        let command = |line, text: &str, expected: &[&str]| Command {
            line,
            text: text.to_owned(),
            expected: expected.iter().map(|text| (*text).to_owned()).collect(),
        };
        let server = command(5, "cargo run --release -- serve --dev", &[]);
        assert_eq!(blocks[0].kind, Kind::Serve(server));
        let curl = "curl -s 127.0.0.1:8080/v1 \\\n  -d '{\n  \"user_id\": \"ada\"\n}'";
        let expected = [command(8, curl, &["\"code\"", "\"seq\""]), command(14, "KEY=dev", &[])];
        assert_eq!(blocks[0].commands, expected);
        assert_eq!(blocks[1].kind, Kind::Run);
        let texts: Vec<&str> = blocks[1].commands.iter().map(|c| c.text.as_str()).collect();
        assert_eq!(
            texts,
            ["cat > a.toml <<'END'\nid = 1\n\nEND", "cargo run --release -p levee -- bench claims"]
        );
    }

    #[track_caller]
    fn check_error(text: &str, part: &str) {
        let error = blocks(text).unwrap_err().to_string();
        assert!(error.contains(part), "{error}");
    }

    #[test]
    fn wrong_marks_are_named() {
        check_error("<!-- test: rum -->\n```sh\nx\n```\n", "`test: rum` is unknown");
        check_error("<!-- test: run -->\n\n```sh\nx\n```\n", "right above its fence");
        check_error("<!-- test: run -->\n```json\n{}\n```\n", "must be `sh`");
        check_error("<!-- test: serve -->\n```sh\ncurl x\n```\n", "begins with `cargo run");
        check_error("<!-- test: run -->\n```sh\n# -> x\n```\n", "before any command");
        check_error("<!-- test: run -->\n```sh\necho 'x\n```\n", "has no end");
    }

    #[test]
    fn the_binary_is_put_in() {
        let table = [
            ("cargo run --release -- serve", "'/b/levee' serve"),
            (
                "A=$(cargo run -q -p levee -- key) && cargo run --  x",
                "A=$('/b/levee' key) && '/b/levee' x",
            ),
            ("cargo run -p xtask -- tidy", "cargo run -p xtask -- tidy"),
            ("cargo run --example a", "cargo run --example a"),
            ("cargo build", "cargo build"),
        ];
        for (text, expected) in table {
            assert_eq!(with_binary(text, "/b/levee"), expected);
        }
    }

    #[test]
    fn the_port_is_put_in() {
        let command = Command {
            line: 1,
            text: "curl localhost:8080/x?n=8080".to_owned(),
            expected: vec!["http://127.0.0.1:8080/".to_owned()],
        };
        let moved = command.with_port(9000);
        assert_eq!(moved.text, "curl localhost:9000/x?n=8080");
        assert_eq!(moved.expected, ["http://127.0.0.1:9000/"]);
    }
}
