//! What a user chose: its lines, price and work by the outlet's menu, and who else can make it.

use levee_api::outlet::Fulfilment;
use levee_api::types::{Categories, LINES_MAX, NameHash, OrderLine, TRAVEL_MS_MAX, WORK_MAX};
use levee_api::wire::{ItemRequest, LineBody, QUANTITY_MAX};

use crate::outlets::{Listing, Menu, Near, Outlets, Place};
use crate::trouble::Trouble;

/// Other outlets that may make an order are at most so far away, in metres: 25 minutes on foot.
/// Further ones are no help to somebody who wanted to collect a drink here.
const OTHERS_WITHIN_M: u32 = 2_000;

/// How long a metre takes on foot, in milliseconds: 80 metres a minute, the pace that estate agents
/// count with, along the great circle.
const WALK_MS_PER_M: u32 = 750;

/// Lines of an order, by one outlet's menu.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Cart {
    pub(super) lines: Vec<OrderLine>,
    /// Price of all of it, in minor units; at least 1.
    pub(super) total_minor: u64,
    /// In thousandths of a unit.
    pub(super) work: u32,
    /// Each once.
    categories: Vec<NameHash>,
}

impl Cart {
    pub(super) fn of(menu: &Menu, items: &[ItemRequest]) -> Result<Self, Trouble> {
        if !(1..=LINES_MAX).contains(&items.len()) {
            return Err(Trouble::field("items", format!("must be 1 to {LINES_MAX}")));
        }
        let (mut lines, mut categories) = (Vec::<OrderLine>::new(), Vec::new());
        let (mut total_minor, mut work) = (0_u64, 0_u64);
        for (place, ItemRequest { sku, quantity }) in items.iter().enumerate() {
            let wrong = |field: &str, detail: String| {
                Trouble::field(format!("items[{place}].{field}"), detail)
            };
            let found = (0_u16..).zip(&menu.0).find(|(_, item)| *item.sku == *sku.as_str());
            let (number, item) =
                found.ok_or_else(|| wrong("sku", "is not on the outlet's menu".to_owned()))?;
            if lines.iter().any(|line| line.item == number) {
                return Err(wrong("sku", "stands there twice: add the quantities up".to_owned()));
            }
            if !(1..=QUANTITY_MAX).contains(quantity) {
                return Err(wrong("quantity", format!("must be from 1 to {QUANTITY_MAX}")));
            }
            lines.push(OrderLine { item: number, quantity: *quantity });
            // Ten lines of a thousand of the dearest and largest items stay far within 64 bits.
            total_minor += u64::from(item.price_minor) * u64::from(*quantity);
            work += u64::from(item.work) * u64::from(*quantity);
            if !categories.contains(&item.category) {
                categories.push(item.category);
            }
        }
        if total_minor == 0 {
            return Err(Trouble::field("items", "cost nothing"));
        }
        let work = u32::try_from(work).ok().filter(|work| *work <= WORK_MAX);
        let work = work.ok_or_else(|| {
            let detail = format!("are more than {} units of work", WORK_MAX / 1_000);
            Trouble::field("items", detail)
        })?;
        Ok(Self { lines, total_minor, work, categories })
    }

    /// What a voucher's categories are compared with; only where there is a voucher.
    pub(super) fn categories(&self, has_voucher: bool) -> Result<Categories, Trouble> {
        if !has_voucher {
            return Ok(Categories::default());
        }
        let most = Categories::MAX;
        let too_many = || {
            let detail = format!("are of more than {most} categories, which no voucher looks at");
            Trouble::field("items", detail)
        };
        Categories::new(&self.categories).ok_or_else(too_many)
    }

    /// Whether another menu has the same items at the same places, for the same prices and with the
    /// same work. Lines name items by their places, and what was promised must hold there as well.
    fn fits(&self, own: &Menu, other: &Menu) -> bool {
        self.lines.iter().all(|line| {
            let place = usize::from(line.item);
            own.0.get(place) == other.0.get(place)
        })
    }

    /// Other outlets of the brand that can make it, the nearest to a place first.
    pub(super) fn others(
        &self,
        outlets: &Outlets,
        own: &Listing,
        from: Place,
        fulfilment: Fulfilment,
        limit: usize,
    ) -> Vec<Near> {
        let can = |other: &Listing| {
            // Two brands may be alike when hashed.
            other.number != own.number
                && other.brand == own.brand
                && offers(other, fulfilment)
                && self.fits(&own.menu, &other.menu)
        };
        let mut near = outlets.near_if(from, Some(own.brand_hash), limit, can);
        near.retain(|near| near.distance_m <= OTHERS_WITHIN_M);
        near
    }
}

/// Lines with the names that a menu has for their items.
pub(super) fn line_bodies(lines: &[OrderLine], menu: &Menu) -> Vec<LineBody> {
    let body = |line: &OrderLine| LineBody {
        sku: menu.0.get(usize::from(line.item)).map(|item| item.sku.to_string()),
        quantity: line.quantity,
    };
    lines.iter().map(body).collect()
}

/// Whether drinks leave an outlet in this way.
fn offers(listing: &Listing, fulfilment: Fulfilment) -> bool {
    match fulfilment {
        Fulfilment::Pickup => listing.picks_up,
        Fulfilment::Delivery => listing.delivers,
    }
}

/// How an order leaves an outlet: as it says, or picked up where that is possible.
pub(super) fn fulfilment(
    listing: &Listing,
    wanted: Option<Fulfilment>,
) -> Result<Fulfilment, Trouble> {
    let own = if listing.picks_up { Fulfilment::Pickup } else { Fulfilment::Delivery };
    let way = wanted.unwrap_or(own);
    if offers(listing, way) {
        Ok(way)
    } else {
        Err(Trouble::field("fulfilment", "is not how drinks leave this outlet"))
    }
}

/// How long a way takes on foot, in milliseconds; ways that take longer than a day count as that.
pub(super) fn walk_ms(distance_m: u32) -> u32 {
    distance_m.saturating_mul(WALK_MS_PER_M).min(TRAVEL_MS_MAX)
}

/// How far somebody gets on foot in that time, in metres.
pub(super) fn walked_m(travel_ms: u32) -> u32 {
    travel_ms / WALK_MS_PER_M
}

#[cfg(test)]
mod tests {
    use levee_api::strict::Name;
    use levee_api::types::{OutletId, OutletNo};

    use super::*;
    use crate::outlets::Item;

    fn menu() -> Menu {
        let item = |sku: &str, price_minor, work, category| Item {
            sku: sku.into(),
            price_minor,
            work,
            category: NameHash::of(category),
        };
        Menu(Box::new([
            item("grape", 1_900, 1_000, "milk-tea"),
            item("oat", 2_100, 1_250, "coffee"),
            item("water", 0, 100, "milk-tea"),
        ]))
    }

    /// `sku*quantity` separated by spaces; total, work and number of categories, or the field that
    /// is wrong.
    #[track_caller]
    fn check(items: &str, expected: Result<(u64, u32, usize), &str>) {
        let item = |text: &str| {
            let (sku, quantity) = text.split_once('*').expect("sku*quantity");
            let sku = Name::try_from(sku.to_owned()).expect("a name");
            ItemRequest { sku, quantity: quantity.parse().expect("a number") }
        };
        let items_of: Vec<ItemRequest> = items.split_whitespace().map(item).collect();
        let found = match Cart::of(&menu(), &items_of) {
            Ok(cart) => Ok((cart.total_minor, cart.work, cart.categories.len())),
            Err(trouble) => Err(trouble.problem(String::new()).field.expect("names a field")),
        };
        assert_eq!(found, expected.map_err(str::to_owned), "{items}");
    }

    #[test]
    fn prices_and_work_add_up() {
        check("grape*1", Ok((1_900, 1_000, 1)));
        check("oat*2 grape*1", Ok((6_100, 3_500, 2)));
        check("grape*1 water*3", Ok((1_900, 1_300, 1)));
        check("grape*999", Ok((1_898_100, 999_000, 1)));
        check("", Err("items"));
        check(&"grape*1 ".repeat(LINES_MAX + 1), Err("items"));
        check("water*1", Err("items"));
        check("grape*1 tea*1", Err("items[1].sku"));
        check("grape*1 grape*1", Err("items[1].sku"));
        check("grape*0", Err("items[0].quantity"));
        check("oat*1 grape*1000", Err("items[1].quantity"));
        check("oat*999", Err("items"));
    }

    #[test]
    fn another_menu_fits_where_the_chosen_items_are_the_same() {
        let sku = |sku: &str| Name::try_from(sku.to_owned()).expect("a name");
        let cart = Cart::of(&menu(), &[ItemRequest { sku: sku("oat"), quantity: 1 }]);
        let cart = cart.expect("good");
        let changed = |change: fn(&mut Vec<Item>)| {
            let mut items = menu().0.into_vec();
            change(&mut items);
            Menu(items.into())
        };
        for (change, fits) in [
            ((|_| ()) as fn(&mut Vec<Item>), true),
            (|items| items[0].price_minor += 1, true),
            (|items| items.truncate(2), true),
            (|items| items.truncate(1), false),
            (|items| items.swap(0, 1), false),
            (|items| items[1].price_minor += 1, false),
            (|items| items[1].work += 1, false),
        ] {
            assert_eq!(cart.fits(&menu(), &changed(change)), fits);
        }
    }

    #[test]
    fn another_brand_of_the_same_hash_makes_nothing() {
        let (brand, alike) = ("brand-12697", "brand-29399");
        assert_eq!(NameHash::of(brand), NameHash::of(alike));
        let outlets = Outlets::default();
        for (number, brand) in [(0, brand), (1, alike), (2, brand)] {
            let document = serde_json::json!({
                "brand": brand, "vendor": "v", "name": "n", "lat": 31.2, "lng": 121.4, "stations": 1,
                "minutes_per_unit": 1, "pos": {"sandbox": true},
                "menu": [{"sku": "oat", "name": "Oat", "category": "tea", "price_minor": 100}],
            });
            let document = serde_json::from_value(document).expect("a document");
            let id = OutletId::new(&format!("o-{number}")).expect("an id");
            outlets.put(OutletNo(number), 1, id, &document).expect("a good document");
        }
        let own = outlets.by_number(OutletNo(0)).expect("put");
        let sku = Name::try_from("oat".to_owned()).expect("a name");
        let cart = Cart::of(&own.menu, &[ItemRequest { sku, quantity: 1 }]).expect("good");
        let others = cart.others(&outlets, &own, own.place, Fulfilment::Pickup, 2);
        let numbers: Vec<OutletNo> = others.iter().map(|near| near.listing.number).collect();
        assert_eq!(numbers, [OutletNo(2)]);
    }

    #[test]
    fn a_kilometre_takes_twelve_and_a_half_minutes() {
        assert_eq!(walk_ms(1_000), 750_000);
        assert_eq!(walk_ms(20_000_000), TRAVEL_MS_MAX);
        for distance_m in [0, 1, 1_000, 115_200] {
            assert_eq!(walked_m(walk_ms(distance_m)), distance_m);
        }
    }
}
