//! The tables `[orders]` and `[outlets]` of a scenario: who orders through Levee, how patient users
//! are, and what outlets there are. How their kitchens work stands in `[kitchens]`.

use levee_api::scenario::{FieldError, shares, within};
use serde::Deserialize;

use super::Delay;

/// Longest list in these tables.
const LIST_MAX: usize = 64;

/// Most outlets of one drill: what one import takes.
pub const OUTLETS_MAX: u32 = 300_000;

/// Longest menu.
const MENU_MAX: usize = 16;

/// Most drinks of one order: each is a line of its own.
const DRINKS_MAX: u32 = 8;

/// Longest time in minutes: a day.
const MINUTES_MAX: f64 = 1_440.0;

/// Who orders through Levee, and how.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Orders {
    /// Of users with a voucher; `[redemptions]` is about the others.
    pub share: f64,
    /// After the claim.
    pub after: Delay,
    /// Of them, those who ask for a quote before they order.
    pub quote_first: f64,
    /// Drinks of one order.
    pub drinks: Vec<Drinks>,
    /// Of them, those whose app sends the order again under the same key, in the same instant.
    pub repeat: f64,
    /// Those who want it at a time of their own.
    pub pickup: Pickup,
    /// Of the others, those to whom it is brought.
    pub delivery: f64,
    /// When the outlet is busy.
    pub patience: Patience,
    /// Those who cancel.
    pub cancels: Cancels,
    /// Those who look how their order is doing.
    pub looks: Looks,
    /// After the day: how long open orders have to come to their end, in minutes of the day.
    pub drain_minutes: f64,
}

/// Orders of so many drinks.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Drinks {
    /// 1 to 8.
    pub count: u32,
    /// Of all orders.
    pub share: f64,
}

/// Users who want it at a time of their own.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pickup {
    /// Of those who order.
    pub share: f64,
    /// From the order to that time.
    pub after: Delay,
}

/// What users do when their outlet is busy.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Patience {
    /// Of them, those who take what a quote offers: a later time, or another outlet. The others keep
    /// their voucher.
    pub takes_offer: f64,
    /// They do not take what is ready later than this after they wanted it, in minutes.
    pub waits_minutes: f64,
    /// How long after that the others try once more.
    pub again_after: Delay,
}

/// Users who cancel.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cancels {
    /// Of those who order.
    pub share: f64,
    /// After the order.
    pub after: Delay,
}

/// Users who look when their order was promised.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Looks {
    /// Of those who order.
    pub share: f64,
    /// Who finds nothing ready looks again so much later, and gives it up unless it is being made.
    pub gives_up_minutes: f64,
}

/// What outlets there are.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Outlets {
    /// On the whole day; scaled with the crowd.
    pub count: u32,
    /// However small the crowd is, at least so many.
    pub least: u32,
    /// Sigma of the logarithm of how many users want an outlet.
    pub popularity_sigma: f64,
    /// What operators say of the time that a unit of work takes, beside what it really takes.
    pub stated: Stated,
    /// An order that is not accepted after this time expires or moves.
    pub accept_within_minutes: f64,
    /// An order without a time of its own is taken if it can be ready within this.
    pub ready_within_minutes: f64,
    /// From the call for a courier until one is there.
    pub courier_minutes: f64,
    /// IANA name; the hours are counted in it.
    pub time_zone: String,
    /// When they are open.
    pub hours: Vec<Hours>,
    /// Who made their point-of-sale systems.
    pub vendors: Vec<Vendor>,
    /// Whose they are, and what they make.
    pub brands: Vec<Brand>,
    /// Where they are.
    pub towns: Vec<Town>,
}

/// How wrong operators' figures are.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Stated {
    /// Half of them state less than so many times what is true.
    pub times: f64,
    /// Of the logarithm.
    pub sigma: f64,
}

/// Opening hours of a part of the outlets.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Hours {
    /// Such as `07:00-22:00`.
    pub parts: Vec<String>,
    /// Of all outlets.
    pub share: f64,
}

/// A vendor of point-of-sale systems.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Vendor {
    /// As in `[kitchens]`.
    pub name: String,
    /// Of all outlets.
    pub share: f64,
}

/// A brand.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Brand {
    /// As in the campaign.
    pub name: String,
    /// Of all outlets.
    pub share: f64,
    /// What its outlets make.
    pub menu: Vec<Item>,
}

/// One thing on a menu.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Item {
    /// Unique on its menu.
    pub sku: String,
    /// For people.
    pub name: String,
    /// As in the campaign.
    pub category: String,
    /// In the campaign's currency.
    pub price_minor: u32,
    /// Units of work, with up to three decimals.
    pub work: f64,
}

/// A town: outlets lie around its middle.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Town {
    /// For people, and in outlets' names.
    pub name: String,
    /// As operators call it.
    pub region: String,
    /// Of the city.
    pub tier: String,
    /// Of its middle, in degrees.
    pub lat: f64,
    /// Of its middle, in degrees.
    pub lng: f64,
    /// Standard deviation of outlets' distances from it, each way, in kilometres.
    pub radius_km: f64,
    /// Of all outlets.
    pub share: f64,
}

fn wrong(field: impl Into<String>, problem: impl Into<String>) -> FieldError {
    FieldError::new(field, problem)
}

fn share(field: &str, value: f64) -> Result<(), FieldError> {
    within(field, value, 0.0, 1.0)
}

fn delay(field: &str, delay: Delay) -> Result<(), FieldError> {
    within(&format!("{field}.median_minutes"), delay.median_minutes, 0.01, MINUTES_MAX)?;
    within(&format!("{field}.sigma"), delay.sigma, 0.0, 5.0)
}

impl Orders {
    /// Whether all values are in their ranges.
    ///
    /// # Errors
    /// The first that is not.
    pub fn check(&self) -> Result<(), FieldError> {
        share("orders.share", self.share)?;
        delay("orders.after", self.after)?;
        share("orders.quote_first", self.quote_first)?;
        shares("orders.drinks", LIST_MAX, self.drinks.iter().map(|drinks| drinks.share))?;
        for (place, drinks) in self.drinks.iter().enumerate() {
            let field = format!("orders.drinks[{place}].count");
            within(&field, f64::from(drinks.count), 1.0, f64::from(DRINKS_MAX))?;
        }
        share("orders.repeat", self.repeat)?;
        share("orders.pickup.share", self.pickup.share)?;
        delay("orders.pickup.after", self.pickup.after)?;
        share("orders.delivery", self.delivery)?;
        share("orders.patience.takes_offer", self.patience.takes_offer)?;
        within("orders.patience.waits_minutes", self.patience.waits_minutes, 1.0, MINUTES_MAX)?;
        delay("orders.patience.again_after", self.patience.again_after)?;
        share("orders.cancels.share", self.cancels.share)?;
        delay("orders.cancels.after", self.cancels.after)?;
        share("orders.looks.share", self.looks.share)?;
        let gives_up = self.looks.gives_up_minutes;
        within("orders.looks.gives_up_minutes", gives_up, 1.0, MINUTES_MAX)?;
        within("orders.drain_minutes", self.drain_minutes, 0.0, MINUTES_MAX)
    }
}

impl Outlets {
    /// Whether all values are in their ranges, and the brands are the campaign's.
    ///
    /// # Errors
    /// The first that is not.
    pub fn check(&self, campaign_brands: &[String]) -> Result<(), FieldError> {
        within("outlets.count", f64::from(self.count), 1.0, f64::from(OUTLETS_MAX))?;
        within("outlets.least", f64::from(self.least), 1.0, f64::from(self.count))?;
        within("outlets.popularity_sigma", self.popularity_sigma, 0.0, 4.0)?;
        within("outlets.stated.times", self.stated.times, 0.1, 10.0)?;
        within("outlets.stated.sigma", self.stated.sigma, 0.0, 2.0)?;
        for (field, minutes) in [
            ("outlets.accept_within_minutes", self.accept_within_minutes),
            ("outlets.ready_within_minutes", self.ready_within_minutes),
            ("outlets.courier_minutes", self.courier_minutes),
        ] {
            within(field, minutes, 0.1, MINUTES_MAX)?;
        }
        shares("outlets.hours", LIST_MAX, self.hours.iter().map(|hours| hours.share))?;
        shares("outlets.vendors", LIST_MAX, self.vendors.iter().map(|vendor| vendor.share))?;
        for (place, vendor) in self.vendors.iter().enumerate() {
            name(&format!("outlets.vendors[{place}].name"), &vendor.name)?;
        }
        shares("outlets.brands", LIST_MAX, self.brands.iter().map(|brand| brand.share))?;
        for (place, brand) in self.brands.iter().enumerate() {
            brand.check(&format!("outlets.brands[{place}]"), campaign_brands)?;
        }
        shares("outlets.towns", LIST_MAX, self.towns.iter().map(|town| town.share))?;
        for (place, town) in self.towns.iter().enumerate() {
            town.check(&format!("outlets.towns[{place}]"))?;
        }
        Ok(())
    }
}

impl Brand {
    fn check(&self, field: &str, campaign_brands: &[String]) -> Result<(), FieldError> {
        name(&format!("{field}.name"), &self.name)?;
        if !campaign_brands.is_empty() && !campaign_brands.contains(&self.name) {
            return Err(wrong(format!("{field}.name"), "is none of the campaign's brands"));
        }
        if !(1..=MENU_MAX).contains(&self.menu.len()) {
            return Err(wrong(format!("{field}.menu"), format!("must list 1 to {MENU_MAX}")));
        }
        for (place, item) in self.menu.iter().enumerate() {
            let field = format!("{field}.menu[{place}]");
            name(&format!("{field}.sku"), &item.sku)?;
            name(&format!("{field}.category"), &item.category)?;
            if self.menu[..place].iter().any(|other| other.sku == item.sku) {
                return Err(wrong(format!("{field}.sku"), "is another item's"));
            }
            within(&format!("{field}.price_minor"), item.price_minor.into(), 1.0, 1e6)?;
            within(&format!("{field}.work"), item.work, 0.001, 100.0)?;
        }
        Ok(())
    }
}

impl Town {
    fn check(&self, field: &str) -> Result<(), FieldError> {
        name(&format!("{field}.name"), &self.name)?;
        name(&format!("{field}.region"), &self.region)?;
        name(&format!("{field}.tier"), &self.tier)?;
        // Outlets lie around it, and must not lie beyond a pole or the date line.
        within(&format!("{field}.lat"), self.lat, -80.0, 80.0)?;
        within(&format!("{field}.lng"), self.lng, -170.0, 170.0)?;
        within(&format!("{field}.radius_km"), self.radius_km, 0.01, 100.0)
    }
}

/// Names go into ids, paths and request bodies as they are.
fn name(field: &str, text: &str) -> Result<(), FieldError> {
    let letter = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    if text.is_empty() || text.len() > 24 || !text.bytes().all(letter) {
        return Err(wrong(field, "must be 1 to 24 small letters, digits and dashes"));
    }
    Ok(())
}
