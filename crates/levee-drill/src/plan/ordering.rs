//! What a user does who orders through Levee: at which outlet, what, and with how much patience.

use fastrand::Rng;
use levee_api::time::Instant;

use super::{FestivalPlan, mix};
use crate::market::pick;
use crate::numbers::{narrow, real, whole};
use crate::scenario::{Orders, Outlets};

/// Requests as dear as a claim that one order costs beside its user's own: its payment and its
/// ticket, both ways, with what stands at the other end on the same machine. Measured on two cores,
/// an order takes 1.8 to 2.3 ms of processor time altogether, and a claim 40 us; under load more is
/// done at a time, so it counts as somewhat less.
const OUTSIDE_PER_ORDER: usize = 30;

/// One line of an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Line {
    /// Place on the menu of the outlet's brand.
    pub item: usize,
    /// From 1.
    pub quantity: u32,
}

/// How one user orders. Real microseconds, unless it says otherwise.
#[derive(Clone, Debug, PartialEq)]
pub struct OrderScript {
    /// After the claim.
    pub after_us: u32,
    /// Place of the outlet that the user wants.
    pub outlet: usize,
    /// What; no item twice.
    pub lines: Vec<Line>,
    /// Asks for a quote before.
    pub quotes_first: bool,
    /// Sends the order twice.
    pub repeated: bool,
    /// Wants it so long after the order, in milliseconds of the day.
    pub pickup_after_ms: Option<u64>,
    /// A courier brings it.
    pub delivered: bool,
    /// Takes what a quote offers when the outlet is busy.
    pub takes_offer: bool,
    /// Else tries once more, so long after.
    pub again_after_us: u32,
    /// Cancels, so long after the order.
    pub cancels_after_us: Option<u32>,
    /// Looks when it was promised.
    pub looks: bool,
}

impl FestivalPlan {
    /// Whether users order through Levee, and how.
    pub(super) fn ordering(&self) -> Option<(&Orders, &Outlets)> {
        self.market.as_ref()?;
        Some((self.scenario.orders.as_ref()?, self.scenario.outlets.as_ref()?))
    }

    /// How a user orders who gets a voucher; `None` for one who does not. Drawn apart from all else,
    /// so that the rest of the crowd is the same with orders and without.
    pub(super) fn order_script(&self, user: u32) -> Option<OrderScript> {
        let (orders, outlets) = self.ordering()?;
        let mut random = Rng::with_seed(mix(self.seed ^ 0x6f72_6465_7273, user));
        if random.f64() >= orders.share {
            return None;
        }
        let market = self.market.as_ref().expect("has outlets");
        let after_us = self.delay_us(orders.after, &mut random);
        let outlet = market.wanted(random.f64());
        let menu = &outlets.brands[market.outlets()[outlet].brand].menu;
        let count = pick(orders.drinks.iter().map(|drinks| drinks.share), random.f64());
        let mut quantities = vec![0; menu.len()];
        (0..orders.drinks[count].count).for_each(|_| quantities[random.usize(..menu.len())] += 1);
        let lines = quantities.into_iter().enumerate().filter(|(_, quantity)| *quantity > 0);
        let lines = lines.map(|(item, quantity)| Line { item, quantity }).collect();
        let quotes_first = random.f64() < orders.quote_first;
        let repeated = random.f64() < orders.repeat;
        let wishes = random.f64() < orders.pickup.share;
        let wish_us = self.delay_us(orders.pickup.after, &mut random);
        let delivered = random.f64() < orders.delivery && !wishes;
        let takes_offer = random.f64() < orders.patience.takes_offer;
        let again_after_us = self.delay_us(orders.patience.again_after, &mut random);
        let cancels = random.f64() < orders.cancels.share;
        let cancels_after_us = self.delay_us(orders.cancels.after, &mut random);
        Some(OrderScript {
            after_us,
            outlet,
            lines,
            quotes_first,
            repeated,
            pickup_after_ms: wishes.then(|| self.ms_of(wish_us)),
            delivered,
            takes_offer,
            again_after_us,
            cancels_after_us: cancels.then_some(cancels_after_us),
            looks: random.f64() < orders.looks.share,
        })
    }

    /// The price of an order in minor units.
    ///
    /// # Panics
    /// The plan has no outlets, so nobody orders.
    #[must_use]
    pub fn total_minor(&self, script: &OrderScript) -> u64 {
        let menu = self.menu_of(script);
        let prices = script.lines.iter();
        prices.map(|line| u64::from(menu[line.item].price_minor) * u64::from(line.quantity)).sum()
    }

    /// What an order costs a kitchen, in thousandths of a unit.
    ///
    /// # Panics
    /// The plan has no outlets, so nobody orders.
    #[must_use]
    pub fn work(&self, script: &OrderScript) -> u64 {
        let menu = self.menu_of(script);
        let works = script.lines.iter();
        works.map(|l| whole(menu[l.item].work * 1_000.0) * u64::from(l.quantity)).sum()
    }

    fn menu_of(&self, script: &OrderScript) -> &[crate::scenario::Item] {
        let (_, outlets) = self.ordering().expect("somebody orders");
        let market = self.market.as_ref().expect("has outlets");
        &outlets.brands[market.outlets()[script.outlet].brand].menu
    }

    /// Milliseconds of the day in so many real microseconds.
    #[must_use]
    pub fn ms_of(&self, us: u32) -> u64 {
        whole(f64::from(us) / 1_000.0 * self.speed())
    }

    /// The instant of the day at a real instant after the start.
    #[must_use]
    pub fn instant_at(&self, after_us: u32) -> Instant {
        Instant { ms: self.scenario.starts_at_ms() + self.ms_of(after_us) }
    }

    /// The real instant after the start at which the server's clock shows this; 0 for earlier ones.
    #[must_use]
    pub fn us_at(&self, instant_ms: u64) -> u32 {
        let after_ms = instant_ms.saturating_sub(self.scenario.starts_at_ms());
        narrow(whole(real(after_ms) * 1_000.0 / self.speed()))
    }

    /// When the requests for an order are meant to be sent, its outlet's and its provider's
    /// included, if all goes well.
    pub(super) fn intended_order_us(&self, script: &OrderScript, arrival_us: u32) -> Vec<u32> {
        let at_us = arrival_us.saturating_add(script.after_us);
        let own = 1 + usize::from(script.quotes_first) + usize::from(script.repeated);
        let own = own + usize::from(script.looks) + usize::from(script.cancels_after_us.is_some());
        vec![at_us; own + OUTSIDE_PER_ORDER]
    }
}
