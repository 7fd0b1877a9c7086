//! The outlet's document: what an operator or a brand writes, and its way to what the engine takes.

mod decimal;
mod opening;
mod pos;

use levee_core::types::{
    ACCEPT_WITHIN_MS_MAX, DOCUMENT_LEN_MAX, NameHash, OutletId, PutOutlet, STATIONS_MAX,
    VENDOR_LEN_MAX,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::strict::{Malformed, Name, Pairs, wrong};
use crate::time::Duration;

pub use decimal::{Decimal, Degrees};
pub use opening::opening;
pub use pos::{PosDocument, Secret};
pub(crate) use pos::{URL_LEN_MAX, is_address};

/// Most items of one menu.
pub const MENU_MAX: usize = 200;

/// Longest price of one item in minor units: far more than any drink costs.
pub const PRICE_MINOR_MAX: u32 = 100_000_000;

/// No outlet has this id.
const RESERVED_ID: &str = "import";

/// An outlet as its operator describes it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct OutletDocument {
    /// `[a-z0-9-]{1,64}`; in a PUT it may be left out, since the path has it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("pattern" = "^[a-z0-9-]{1,64}$"))]
    pub id: Option<String>,
    /// Whose shop it is; vouchers may be for some brands only, and an outlet key is for one.
    pub brand: Name,
    /// Who made its point-of-sale system: all outlets of one vendor share what its servers take.
    pub vendor: Name,
    /// For people.
    #[schemars(length(min = 1, max = 200))]
    pub name: String,
    /// Where it is, as the operator calls it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub region: Option<Name>,
    /// The tier of its city, such as `1`, `new1` or `3`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub city_tier: Option<Name>,
    /// Latitude in degrees (WGS 84), kept to a centimetre.
    pub lat: Degrees<90>,
    /// Longitude in degrees (WGS 84), kept to a centimetre.
    pub lng: Degrees<180>,
    /// Staff or machines that make drinks at the same time.
    #[schemars(range(min = 1, max = STATIONS_MAX))]
    pub stations: u16,
    /// How long one station takes for one unit of work, in minutes with up to three decimals. Only
    /// where an outlet begins: it is learned from then on.
    pub minutes_per_unit: Decimal<100, 60_000>,
    /// What it makes.
    #[schemars(length(max = MENU_MAX))]
    pub menu: Vec<ItemDocument>,
    /// Where its tickets go.
    pub pos: PosDocument,
    /// Parts of every day such as `09:00-22:00`, in its time zone; empty or absent: always open.
    #[serde(default)]
    pub hours: Vec<String>,
    /// IANA name; the hours are counted in it.
    #[serde(default = "utc")]
    pub time_zone: String,
    /// How drinks leave it; absent: they are picked up.
    #[serde(default = "pickup")]
    #[schemars(length(min = 1, max = 2))]
    pub fulfilment: Vec<Fulfilment>,
    /// An order that it has not accepted after this time expires; at most a day.
    #[serde(default = "three_minutes")]
    pub accept_within: Duration,
    /// An order that names no time is taken if it can be ready within this; at most a day.
    #[serde(default = "half_an_hour")]
    pub ready_within: Duration,
    /// From the call for a courier to its arrival at the outlet; at most a day.
    #[serde(default = "quarter_of_an_hour")]
    pub courier_travel: Duration,
    /// The operator's own notes, returned as given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metadata: Option<Pairs>,
}

/// One thing on a menu.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ItemDocument {
    /// The outlet's own name of it, unique on its menu.
    pub sku: Name,
    /// For people.
    #[schemars(length(min = 1, max = 200))]
    pub name: String,
    /// Vouchers may be for some categories only.
    pub category: Name,
    /// In the campaign's currency.
    #[schemars(range(max = PRICE_MINOR_MAX))]
    pub price_minor: u32,
    /// How much of a station's work it is, in units with up to three decimals.
    #[serde(default = "one_unit")]
    pub work: Decimal<1, 100_000>,
}

/// How drinks leave an outlet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Fulfilment {
    /// The user comes.
    Pickup,
    /// A courier comes.
    Delivery,
}

fn utc() -> String {
    "UTC".to_owned()
}

fn pickup() -> Vec<Fulfilment> {
    vec![Fulfilment::Pickup]
}

fn three_minutes() -> Duration {
    Duration { ms: 3 * 60_000 }
}

fn half_an_hour() -> Duration {
    Duration { ms: 30 * 60_000 }
}

fn quarter_of_an_hour() -> Duration {
    Duration { ms: 15 * 60_000 }
}

fn one_unit() -> Decimal<1, 100_000> {
    Decimal::of_thousandths(1_000).expect("within its bounds")
}

impl OutletDocument {
    /// The document as others may see it: without the secret of the point-of-sale system, which is
    /// written and never shown.
    #[must_use]
    pub fn without_secret(mut self) -> Self {
        self.pos.secret = None;
        self
    }
}

/// From the document to what the engine takes. Two documents that say the same compile to the same
/// bytes, so that an import can be run again.
///
/// # Errors
/// The first field that is wrong.
pub fn compile(id: &OutletId, document: OutletDocument) -> Result<PutOutlet, Malformed> {
    if document.id.as_deref().is_some_and(|other| other != id.as_str()) {
        return Err(wrong("id", "must be the id in the path"));
    }
    // `POST /v1/outlets/import` stands where it would be.
    if id.as_str() == RESERVED_ID {
        return Err(wrong("id", "must be another one: this is the name of an operation"));
    }
    let document = OutletDocument { id: Some(id.as_str().to_owned()), ..document };
    check_text("name", &document.name)?;
    // It stands in addresses.
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
    if document.vendor.as_str().len() > VENDOR_LEN_MAX
        || !document.vendor.as_str().bytes().all(plain)
    {
        let problem =
            format!("must be 1 to {VENDOR_LEN_MAX} letters, digits, dashes and underscores");
        return Err(wrong("vendor", problem));
    }
    if !(1..=STATIONS_MAX).contains(&document.stations) {
        return Err(wrong("stations", format!("must be from 1 to {STATIONS_MAX}")));
    }
    check_menu(&document.menu)?;
    document.pos.check()?;
    let opening = opening(&document)?;
    if document.fulfilment.is_empty() || document.fulfilment.len() > 2 {
        return Err(wrong("fulfilment", "must list pickup, delivery or both"));
    }
    if document.fulfilment.len() == 2 && document.fulfilment[0] == document.fulfilment[1] {
        return Err(wrong("fulfilment", "must not list one twice"));
    }
    for (field, duration) in [
        ("accept_within", document.accept_within),
        ("ready_within", document.ready_within),
        ("courier_travel", document.courier_travel),
    ] {
        if !(1_000..=ACCEPT_WITHIN_MS_MAX).contains(&duration.ms) {
            return Err(wrong(field, "must be from PT1S to P1D"));
        }
    }
    let json = serde_json::to_vec(&document).expect("a document has only string keys");
    if json.len() > DOCUMENT_LEN_MAX {
        return Err(wrong("menu", format!("the document is over {DOCUMENT_LEN_MAX} bytes")));
    }
    Ok(PutOutlet {
        id: id.clone(),
        brand: NameHash::of(document.brand.as_str()),
        vendor: NameHash::of(document.vendor.as_str()),
        stations: document.stations,
        // Thousandths of a minute.
        unit_ms: document.minutes_per_unit.thousandths() * 60,
        accept_within_ms: document.accept_within.ms,
        ready_within_ms: document.ready_within.ms,
        opening,
        document: json,
    })
}

fn check_text(field: &str, text: &str) -> Result<(), Malformed> {
    if text.is_empty() || text.len() > 200 {
        return Err(wrong(field, "must have 1 to 200 bytes"));
    }
    Ok(())
}

fn check_menu(menu: &[ItemDocument]) -> Result<(), Malformed> {
    if menu.len() > MENU_MAX {
        return Err(wrong("menu", format!("must have at most {MENU_MAX} items")));
    }
    for (place, item) in menu.iter().enumerate() {
        check_text(&format!("menu[{place}].name"), &item.name)?;
        if item.price_minor > PRICE_MINOR_MAX {
            let detail = format!("{} is over {PRICE_MINOR_MAX}", item.price_minor);
            return Err(wrong(format!("menu[{place}].price_minor"), detail));
        }
    }
    let mut skus: Vec<(&Name, usize)> =
        menu.iter().enumerate().map(|(place, item)| (&item.sku, place)).collect();
    skus.sort_unstable();
    match skus.windows(2).find(|pair| pair[0].0 == pair[1].0) {
        Some(pair) => Err(wrong(format!("menu[{}].sku", pair[1].1), "is another item's as well")),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::strict::parse;

    fn document() -> Value {
        json!({
            "brand": "heytea", "vendor": "keruyun", "name": "People's Square", "region": "shanghai",
            "city_tier": "1", "lat": 31.2304, "lng": 121.4737, "stations": 3,
            "minutes_per_unit": 1.5,
            "menu": [
                {"sku": "grape", "name": "Grape", "category": "milk-tea", "price_minor": 1900},
                {"sku": "oat", "name": "Oat", "category": "coffee", "price_minor": 2100, "work": 1.25},
            ],
            "pos": {"url": "https://pos.example", "secret": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"},
            "hours": ["09:00-22:00"], "time_zone": "Asia/Shanghai",
            "fulfilment": ["pickup", "delivery"],
        })
    }

    fn put(document: &Value) -> Result<PutOutlet, Malformed> {
        let id = OutletId::new("sh-001").expect("an id");
        compile(&id, parse(document.to_string().as_bytes())?)
    }

    /// Puts a JSON text at a path of the good document, and expects the error to name this field.
    #[track_caller]
    fn check(path: &str, value: &str, field: &str) {
        let mut document = document();
        let value: Value = serde_json::from_str(value).expect("JSON");
        let (parent, name) = path.rsplit_once('/').expect("a pointer");
        let parent = document.pointer_mut(parent).expect("there");
        match name.parse::<usize>() {
            Ok(place) => parent[place] = value,
            Err(_) => parent[name] = value,
        }
        let malformed = put(&document).map(drop).expect_err(path);
        assert_eq!(malformed.field.as_deref(), Some(field), "{path}: {malformed}");
    }

    #[test]
    fn a_good_document_compiles_and_is_kept() {
        let put = put(&document()).expect("good");
        assert_eq!((put.brand, put.stations), (NameHash::of("heytea"), 3));
        assert_eq!(put.unit_ms, 90_000);
        assert_eq!((put.accept_within_ms, put.ready_within_ms), (180_000, 1_800_000));
        // Nine in the morning in Shanghai is one at night in Greenwich.
        let (one_ms, opens_ms) = (1_770_339_600_000, 1_770_339_600_000);
        assert_eq!(put.opening.open_from_ms(one_ms - 3_600_000), opens_ms);
        let kept: OutletDocument = parse(&put.document).expect("kept as JSON");
        assert_eq!(kept.id.as_deref(), Some("sh-001"));
        let work: Vec<u32> = kept.menu.iter().map(|item| item.work.thousandths()).collect();
        assert_eq!(work, [1_000, 1_250]);
        // What is kept says the same, so it compiles to the same.
        assert_eq!(compile(&put.id, kept.clone()), Ok(put));
        // The secret is kept, and not shown.
        assert!(kept.pos.secret.is_some());
        let shown = serde_json::to_string(&kept.without_secret()).expect("a document");
        assert!(!shown.contains("whsec") && shown.contains("https://pos.example"), "{shown}");
    }

    #[test]
    fn errors_name_the_field() {
        check("/id", "\"other\"", "id");
        check("/brand", "\"\"", "brand");
        check("/vendor", "7", "vendor");
        check("/vendor", "\"a/../b\"", "vendor");
        check("/vendor", "\"POS A\"", "vendor");
        check("/name", "\"\"", "name");
        check("/lat", "90.5", "lat");
        check("/lng", "\"121\"", "lng");
        check("/stations", "0", "stations");
        check("/stations", "10001", "stations");
        check("/minutes_per_unit", "0.05", "minutes_per_unit");
        check("/minutes_per_unit", "1.23456", "minutes_per_unit");
        check("/menu/0/work", "0", "menu[0].work");
        check("/menu/1/work", "100.5", "menu[1].work");
        check("/menu/1/sku", "\"grape\"", "menu[1].sku");
        check("/menu/1/sku", "\"\"", "menu[1].sku");
        check("/menu/1/name", "\"\"", "menu[1].name");
        check("/menu/0/price_minor", "-1", "menu[0].price_minor");
        check("/menu/0/price_minor", "19.5", "menu[0].price_minor");
        check("/menu/0/price_minor", "100000001", "menu[0].price_minor");
        check("/menu/0/colour", "\"red\"", "menu[0].colour");
        check("/pos", "{}", "pos.url");
        check("/pos/secret", "\"short\"", "pos.secret");
        check("/pos/secret", "\"whsec_c2hvcnQ=\"", "pos.secret");
        check("/pos/sandbox", "true", "pos.url");
        check("/hours", "[\"9-22\"]", "hours");
        check("/hours", "[\"09:00-09:00\"]", "hours");
        check("/time_zone", "\"Asia/Atlantis\"", "time_zone");
        check("/fulfilment", "[]", "fulfilment");
        check("/fulfilment", "[\"pickup\", \"pickup\"]", "fulfilment");
        check("/fulfilment", "[\"drone\"]", "fulfilment[0]");
        check("/accept_within", "\"PT0S\"", "accept_within");
        check("/accept_within", "\"P2D\"", "accept_within");
        check("/ready_within", "\"soon\"", "ready_within");
        check("/courier_travel", "\"P1DT1S\"", "courier_travel");
        check("/metadata", "{\"a\": 1}", "metadata.a");
        check("/surprise", "1", "surprise");
    }

    #[test]
    fn menus_and_documents_have_limits() {
        let mut document = document();
        let item = |place: usize, name: &str| json!({"sku": format!("s{place}"), "name": name, "category": "c", "price_minor": 1});
        document["menu"] = (0..MENU_MAX).map(|place| item(place, "n")).collect();
        assert!(put(&document).is_ok());
        document["menu"] = (0..=MENU_MAX).map(|place| item(place, "n")).collect();
        assert_eq!(put(&document).expect_err("long").field.as_deref(), Some("menu"));
        let name = "n".repeat(200);
        document["menu"] = (0..MENU_MAX).map(|place| item(place, &name)).collect();
        assert_eq!(put(&document).expect_err("large").field.as_deref(), Some("menu"));
    }
}
