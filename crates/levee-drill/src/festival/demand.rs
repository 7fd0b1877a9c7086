//! What users wanted, whatever came of it: the same demand for both days, with pacing and without.

use levee_api::outlet::{OutletDocument, opening};
use levee_api::types::Opening;

use crate::crowd::CrowdResult;
use crate::load::Load;
use crate::market::{Kitchen, Market};
use crate::numbers::{real, whole};
use crate::plan::FestivalPlan;
use crate::scenario::Scenario;
use crate::unpaced::Wish;

/// Every user's first wish to order.
#[derive(Clone, Debug)]
pub(super) struct Demand {
    /// By the users' numbers.
    pub(super) wishes: Vec<Wish>,
    /// What it is to the outlets that were wanted.
    pub(super) load: Load,
    /// How the outlets work.
    pub(super) kitchens: Vec<Kitchen>,
}

impl Demand {
    /// Of a crowd; `None` where nobody orders.
    #[must_use]
    pub(super) fn of(result: &CrowdResult) -> Option<Self> {
        let plan = &result.plan;
        let (market, scenario) = (plan.market()?, plan.scenario());
        let kitchens: Vec<Kitchen> = market.outlets().iter().map(|outlet| outlet.kitchen).collect();
        let openings = openings(market, scenario);
        let mut wanted: Vec<(u32, u32)> =
            result.ledger.orders.wanted.iter().map(|(user, at_us)| (*user, *at_us)).collect();
        wanted.sort_unstable();
        let mut load = Load::new(kitchens.len(), scenario.day.hours);
        let mut wishes = Vec::new();
        for (user, at_us) in wanted {
            let Some(wish) = wish(plan, &openings, user, at_us) else { continue };
            let unit_ms = real(kitchens[wish.outlet].unit_ms);
            load.add_at(wish.outlet, plan.ms_of(at_us), real(wish.work) / 1_000.0 * unit_ms);
            wishes.push(wish);
        }
        Some(Self { wishes, load, kitchens })
    }
}

/// When outlets are open, by the scenario's opening hours.
fn openings(market: &Market, scenario: &Scenario) -> Vec<Opening> {
    let hours = scenario.outlets.as_ref().map_or(0, |outlets| outlets.hours.len());
    let of = |hours: usize| {
        let place = market.outlets().iter().position(|outlet| outlet.hours == hours)?;
        let document = market.document(scenario, place).to_string();
        let document: OutletDocument = levee_api::strict::parse(document.as_bytes()).ok()?;
        opening(&document).ok()
    };
    // Hours that no outlet has are not asked for.
    (0..hours).map(|hours| of(hours).unwrap_or_default()).collect()
}

fn wish(plan: &FestivalPlan, openings: &[Opening], user: u32, at_us: u32) -> Option<Wish> {
    let script = plan.script(user).order?;
    let scenario = plan.scenario();
    let (orders, outlets) = (scenario.orders.as_ref()?, scenario.outlets.as_ref()?);
    let minutes_ms = |minutes: f64| whole(minutes * 60_000.0);
    let starts_at_ms = scenario.starts_at_ms();
    let at_ms = plan.ms_of(at_us);
    let opening = &openings[plan.market()?.outlets()[script.outlet].hours];
    let open_ms = opening.open_from_ms(starts_at_ms + at_ms) - starts_at_ms;
    let promised_ms = match script.pickup_after_ms {
        Some(after_ms) => (at_ms + after_ms).max(open_ms),
        None => open_ms + minutes_ms(outlets.ready_within_minutes),
    };
    let ahead_ms = minutes_ms(scenario.kitchens.as_ref()?.ahead_minutes);
    let from_ms = match script.pickup_after_ms {
        Some(_) => open_ms.max(promised_ms.saturating_sub(ahead_ms)),
        None => open_ms,
    };
    Some(Wish {
        user,
        from_ms,
        outlet: script.outlet,
        work: plan.work(&script),
        promised_ms,
        cancels_ms: script.cancels_after_us.map(|us| at_ms + plan.ms_of(us)),
        gives_up_ms: script.looks.then(|| promised_ms + minutes_ms(orders.looks.gives_up_minutes)),
    })
}
