//! The sandbox as Levee meets it: real requests, and a small server that plays Levee.

use levee_api::scenario::{Kitchens, Payments};
use serde::Deserialize;

use super::{CONNECTIONS_MAX_DEFAULT, SandboxConfig, Secrets};

/// When the reference day starts.
pub(super) const DAY_STARTS_AT_MS: u64 = 1_770_336_000_000;

#[derive(Deserialize)]
struct File {
    kitchens: Kitchens,
    payments: Payments,
}

fn reference() -> File {
    let text = include_str!("../../../../../examples/lunar-new-year-2026.toml");
    toml::from_str(text).expect("the reference day is good")
}

/// Outlets as in the reference day.
pub(super) fn kitchens() -> Kitchens {
    reference().kitchens
}

/// The reference day, for this Levee.
pub(super) fn config(levee: &str) -> SandboxConfig {
    let File { kitchens, payments } = reference();
    SandboxConfig {
        listen: "127.0.0.1:0".to_owned(),
        levee: levee.to_owned(),
        speed: 1_000.0,
        epoch_ms: Some(DAY_STARTS_AT_MS),
        day_starts_at_ms: DAY_STARTS_AT_MS,
        seed: 1,
        kitchens,
        payments,
        secrets: Secrets::dev(),
        connections_max: CONNECTIONS_MAX_DEFAULT,
    }
}
