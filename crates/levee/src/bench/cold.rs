//! A cold start without a restart of the machine: the files of a data folder leave the page cache.

use std::fs::{self, File};
use std::path::Path;

use anyhow::{Context, Result};
use rustix::fs::{Advice, fadvise};

/// Drops every file below a folder from the page cache. What is not on the disk yet would stay, so
/// it is synced first.
pub(super) fn drop_from_page_cache(folder: &Path) -> Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let path = entry.path();
        if entry.file_type()?.is_dir() {
            drop_from_page_cache(&path)?;
            continue;
        }
        let dropped = File::open(&path).and_then(|file| {
            file.sync_all()?;
            Ok(fadvise(&file, 0, None, Advice::DontNeed)?)
        });
        dropped.with_context(|| format!("cannot drop {} from the page cache", path.display()))?;
    }
    Ok(())
}
