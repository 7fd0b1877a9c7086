//! The file with the cursors: written to a temporary name, synced and renamed, so that there is
//! always a whole one. What it misses is told again, never left out.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use levee_api::types::WebhookId;
use serde::{Deserialize, Serialize};

use super::progress::Cursor;

/// What the file is.
#[derive(Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Content {
    version: u32,
    webhooks: BTreeMap<String, Cursor>,
}

const VERSION: u32 = 1;

/// The file, and what it holds.
pub(super) struct Cursors {
    file: PathBuf,
    kept: BTreeMap<String, Cursor>,
    /// The file has more than that.
    forgot: bool,
}

impl Cursors {
    /// A file that is missing or damaged holds nothing.
    pub(super) fn load(file: PathBuf) -> Self {
        let kept = match read(&file) {
            Ok(kept) => kept,
            Err(error) if error.kind() == io::ErrorKind::NotFound => BTreeMap::new(),
            Err(error) => {
                tracing::warn!(
                    file = %file.display(), %error,
                    "how far webhooks are cannot be read: all of them are told again from their \
                     first document on, under the same message ids"
                );
                BTreeMap::new()
            }
        };
        Self { file, kept, forgot: false }
    }

    /// Where a webhook goes on. One that the file does not know begins where it was made; replays
    /// asked for before now are part of that.
    pub(super) fn of(&self, id: &WebhookId, created_seq: u64, durable_seq: u64) -> Cursor {
        let known = self.kept.get(id.as_str()).copied();
        // A file of another journal may know more than there is.
        let fits = |at: &Cursor| at.created_seq == created_seq && at.after_seq <= durable_seq;
        known.filter(fits).unwrap_or_else(|| {
            tracing::info!(webhook = %id, created_seq, "a webhook begins where it was made");
            Cursor { created_seq, after_seq: created_seq, replays_until_seq: durable_seq }
        })
    }

    /// Of webhooks that are not among these, which are all that there are, nothing is kept.
    pub(super) fn forget_others(&mut self, ids: &BTreeSet<&str>) {
        let before = self.kept.len();
        self.kept.retain(|id, _| ids.contains(id.as_str()));
        self.forgot |= self.kept.len() < before;
    }

    /// Writes what has changed of those that run; of the others, such as those of which nothing is
    /// known yet after a start, stays what there was. What cannot be written is tried again.
    pub(super) fn keep(&mut self, running: BTreeMap<String, Cursor>) {
        let mut now = self.kept.clone();
        now.extend(running);
        if now == self.kept && !self.forgot {
            return;
        }
        match write(&self.file, &now) {
            Ok(()) => (self.kept, self.forgot) = (now, false),
            Err(error) => {
                tracing::error!(file = %self.file.display(), %error, "cannot keep how far webhooks are");
            }
        }
    }
}

fn read(file: &Path) -> io::Result<BTreeMap<String, Cursor>> {
    let content: Content = serde_json::from_slice(&fs::read(file)?)?;
    if content.version != VERSION {
        let problem = format!("it has version {}, not {VERSION}", content.version);
        return Err(io::Error::new(io::ErrorKind::InvalidData, problem));
    }
    Ok(content.webhooks)
}

fn write(file: &Path, webhooks: &BTreeMap<String, Cursor>) -> io::Result<()> {
    let content = Content { version: VERSION, webhooks: webhooks.clone() };
    let temporary = file.with_extension("tmp");
    let mut out = File::create(&temporary)?;
    out.write_all(&serde_json::to_vec(&content)?)?;
    out.sync_all()?;
    fs::rename(&temporary, file)?;
    if let Some(folder) = file.parent() {
        File::open(folder)?.sync_all()?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_is_found_and_what_is_damaged_begins_anew() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let file = folder.path().join("webhooks.json");
        let id = WebhookId::new("app").expect("an id");
        let at = Cursor { created_seq: 3, after_seq: 8, replays_until_seq: 5 };
        let mut cursors = Cursors::load(file.clone());
        cursors.keep(BTreeMap::from([("app".to_owned(), at)]));
        let found =
            |created_seq, durable| Cursors::load(file.clone()).of(&id, created_seq, durable);
        let anew = |created_seq, durable| Cursor {
            created_seq,
            after_seq: created_seq,
            replays_until_seq: durable,
        };
        assert_eq!(found(3, 8), at);
        assert_eq!(found(3, 7), anew(3, 7), "the file of a longer journal");
        assert_eq!(found(4, 9), anew(4, 9), "another webhook had the id");
        // At a start nothing runs yet, and the engine may not say what there is.
        let mut cursors = Cursors::load(file.clone());
        cursors.keep(BTreeMap::new());
        assert_eq!(found(3, 8), at);
        cursors.forget_others(&["app"].into());
        cursors.keep(BTreeMap::new());
        assert_eq!(found(3, 8), at, "one that this build cannot read");
        cursors.forget_others(&BTreeSet::new());
        cursors.keep(BTreeMap::new());
        assert_eq!(found(3, 8), anew(3, 8), "it was removed");
        for damage in ["", "{", r#"{"version": 2, "webhooks": {}}"#, r#"{"version": 1}"#] {
            fs::write(&file, damage).expect("written");
            assert_eq!(found(3, 9), anew(3, 9), "{damage}");
        }
    }
}
