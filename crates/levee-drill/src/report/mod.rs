//! A drill as one page that needs nothing else: no script, no font, no host.

use crate::festival::Summary;

/// The whole page.
#[must_use]
pub fn html(summary: &Summary) -> String {
    format!("<!doctype html><title>{}</title>", summary.scenario.replace(['<', '&'], ""))
}
