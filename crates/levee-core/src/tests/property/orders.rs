//! Random asks about outlets and orders, and what can be seen of them.

use proptest::prelude::*;
use proptest::sample::select;

use super::asks::{Pick, pick};
use super::{Both, request, user};
use crate::query::{Answer, Query};
use crate::tests::model::Order;
use crate::tests::{DAY, HOUR, MINUTE, SECOND};
use crate::types::*;

/// What is asked next of outlets and orders.
#[derive(Clone, Debug)]
pub(super) enum OrderAsk {
    Put {
        outlet: u8,
        accept_within_ms: u64,
        stations: u16,
    },
    Pause {
        outlet: u8,
        key: u64,
        for_ms: Option<u64>,
        reason: usize,
    },
    Resume {
        outlet: u8,
        key: u64,
    },
    Place {
        voucher: Option<Pick>,
        user: u8,
        outlet: u8,
        key: u64,
        total_minor: u64,
        off_minor: u64,
        pay_within_ms: u64,
        lines: usize,
    },
    Payment {
        order: Pick,
        /// Its own number at the provider, or one that another order may have.
        trade: Option<u8>,
        event: u8,
        wrong_amount: bool,
    },
    Refunded {
        order: Pick,
        back: u32,
        done: bool,
    },
    Ticket {
        order: Pick,
        step: TicketStep,
        back: u32,
        wrong_outlet: bool,
    },
    Cancel {
        order: Pick,
        key: u64,
        by: u8,
    },
    Refund {
        order: Pick,
        key: u64,
        by: u8,
        amount_minor: u64,
    },
}

pub(super) fn ask() -> impl Strategy<Value = OrderAsk> {
    let key = || any::<u64>();
    let outlet = || prop_oneof![30 => 0..2_u8, 1 => Just(2)];
    let accept = prop_oneof![3 => Just(10 * MINUTE), 1 => 1..SECOND, 1 => Just(DAY + 1)];
    let put = (outlet(), accept, 0..4_u16).prop_map(|(outlet, accept_within_ms, stations)| {
        OrderAsk::Put { outlet, accept_within_ms, stations }
    });
    let pause = (outlet(), key(), prop::option::of(0..HOUR), 0..3_usize);
    let total = prop_oneof![
        20 => 1..6_000_u64,
        10 => 1..900_u64,
        1 => Just(0),
        1 => select(vec![BILL_MINOR_MAX, BILL_MINOR_MAX + 1]),
    ];
    let off = prop_oneof![4 => Just(0), 2 => 0..500_u64, 1 => 0..6_000_u64];
    let pay = prop_oneof![6 => Just(15 * MINUTE), 2 => 1..MINUTE, 1 => Just(0)];
    let who = (prop::option::weighted(0.8, pick()), 0..6_u8, outlet(), key());
    let place = (who, total, off, pay, prop_oneof![20 => 1..4_usize, 1 => 0..18_usize]).prop_map(
        |((voucher, user, outlet, key), total_minor, off_minor, pay_within_ms, lines)| {
            OrderAsk::Place {
                voucher,
                user,
                outlet,
                key,
                total_minor,
                off_minor,
                pay_within_ms,
                lines,
            }
        },
    );
    let rarely = || prop::bool::weighted(0.04);
    let event = prop_oneof![5 => Just(2_u8), 5 => 0..5_u8];
    let payment = (pick(), prop::option::weighted(0.05, 0..3_u8), event, rarely()).prop_map(
        |(order, trade, event, wrong_amount)| OrderAsk::Payment {
            order,
            trade,
            event,
            wrong_amount,
        },
    );
    let back = || prop_oneof![12 => Just(0_u32), 3 => Just(1), 1 => Just(2)];
    let refunded = (pick(), back(), prop::bool::weighted(0.7))
        .prop_map(|(order, back, done)| OrderAsk::Refunded { order, back, done });
    let step = select(vec![
        TicketStep::Send,
        TicketStep::Accept,
        TicketStep::Reject,
        TicketStep::Start,
        TicketStep::Ready,
        TicketStep::Collect,
        TicketStep::Collect,
        TicketStep::Withdraw,
    ]);
    let ticket = (pick(), step, back(), rarely()).prop_map(|(order, step, back, wrong_outlet)| {
        OrderAsk::Ticket { order, step, back, wrong_outlet }
    });
    let by = || prop_oneof![8 => 0..3_u8, 1 => 3..5_u8];
    let amount = prop_oneof![8 => 1..2_000_u64, 2 => 0..5_u64, 1 => Just(u64::MAX)];
    prop_oneof![
        2 => put,
        1 => pause.prop_map(|(outlet, key, for_ms, reason)| OrderAsk::Pause {
            outlet, key, for_ms, reason,
        }),
        2 => (outlet(), key()).prop_map(|(outlet, key)| OrderAsk::Resume { outlet, key }),
        24 => place,
        20 => payment,
        8 => refunded,
        24 => ticket,
        5 => (pick(), key(), by()).prop_map(|(order, key, by)| OrderAsk::Cancel { order, key, by }),
        5 => (pick(), key(), by(), amount)
            .prop_map(|(order, key, by, amount_minor)| OrderAsk::Refund {
                order, key, by, amount_minor,
            }),
    ]
}

fn outlet_id(number: u8) -> OutletId {
    OutletId::new(["north", "south", "nowhere"][usize::from(number)]).expect("an id")
}

impl Both {
    /// An outlet of a brand that some vouchers are for, and one of another.
    pub(super) fn open_outlets(&mut self) {
        for outlet in 0..2 {
            self.give(put(outlet, 10 * MINUTE, 1));
        }
    }

    pub(super) fn order_command(&mut self, ask: &OrderAsk) -> Command {
        let orders = self.model.orders.len();
        let now_ms = self.now_ms;
        let number = |pick: &Pick| OrderNo(pick.of(orders));
        match ask {
            OrderAsk::Put { outlet, accept_within_ms, stations } => {
                put((*outlet).min(1), *accept_within_ms, *stations)
            }
            OrderAsk::Pause { outlet, key, for_ms, reason } => Command::PauseOutlet(PauseOutlet {
                request: request(*key),
                outlet: outlet_id(*outlet),
                until_ms: for_ms.map(|for_ms| now_ms + for_ms),
                reason: "r".repeat(*reason),
            }),
            OrderAsk::Resume { outlet, key } => Command::ResumeOutlet(ResumeOutlet {
                request: request(*key),
                outlet: outlet_id(*outlet),
                reason: "again".into(),
            }),
            OrderAsk::Place {
                voucher,
                user: orderer,
                outlet,
                key,
                total_minor,
                off_minor,
                pay_within_ms,
                lines,
            } => {
                let vouchers = self.model.vouchers.len();
                let voucher = voucher.map(|pick| (pick.of(vouchers), pick.wrong_user));
                let owner = voucher.map(|(number, wrong)| self.owner(number, wrong));
                let milk = [NameHash::of("milk")];
                Command::PlaceOrder(Box::new(PlaceOrder {
                    request: request(*key),
                    user: owner.unwrap_or(user(*orderer)),
                    outlet: OutletNo(u32::from(*outlet)),
                    lines: vec![OrderLine { item: 1, quantity: 2 }; *lines],
                    categories: Categories::new(&milk).expect("one"),
                    total_minor: *total_minor,
                    merchant_discount_minor: *off_minor,
                    voucher: voucher.map(|(number, _)| VoucherNo(number)),
                    promised_at_ms: now_ms + 20 * MINUTE,
                    work: 1_000,
                    pay_within_ms: *pay_within_ms,
                    allow_other_outlet: *lines > 1,
                }))
            }
            OrderAsk::Payment { order, trade, event, wrong_amount } => {
                let order = number(order);
                let payable = self.model.orders.get(&order.0).map_or(1, Order::payable);
                let trade = trade.map_or(1_000 + u64::from(order.0), u64::from);
                Command::RecordPayment(RecordPayment {
                    order,
                    provider: NameHash::of("sandbox"),
                    trade: TradeKey(request(trade).0),
                    event: match event {
                        0 => PaymentEvent::Created,
                        1 => PaymentEvent::Pending,
                        2 => PaymentEvent::Succeeded {
                            captured_minor: payable + u64::from(*wrong_amount),
                        },
                        3 => PaymentEvent::Failed,
                        _ => PaymentEvent::Closed,
                    },
                })
            }
            OrderAsk::Refunded { order, back, done } => {
                let order = number(order);
                let begun = self.model.orders.get(&order.0).map_or(0, Order::refunds);
                let result = if *done { RefundResult::Done } else { RefundResult::Failed };
                let refund = begun.saturating_sub(*back);
                Command::RecordRefund(RecordRefund { order, refund, result })
            }
            OrderAsk::Ticket { order, step, back, wrong_outlet } => {
                let order = number(order);
                let known = self.model.orders.get(&order.0);
                let outlet = known.map_or(0, |order| order.place.outlet.0);
                Command::MoveTicket(MoveTicket {
                    order,
                    outlet: OutletNo(outlet + u32::from(*wrong_outlet)),
                    version: known.map_or(0, |order| order.version).saturating_sub(*back),
                    step: *step,
                })
            }
            OrderAsk::Cancel { order, key, by } => Command::CancelOrder(CancelOrder {
                request: request(*key),
                order: number(order),
                by: self.party(number(order), *by),
                reason: String::new(),
            }),
            OrderAsk::Refund { order, key, by, amount_minor } => {
                Command::RefundOrder(RefundOrder {
                    request: request(*key),
                    order: number(order),
                    by: self.party(number(order), *by),
                    amount_minor: *amount_minor,
                    reason: "spilt".into(),
                })
            }
        }
    }

    fn party(&self, order: OrderNo, by: u8) -> Party {
        let place = self.model.orders.get(&order.0).map(|order| &order.place);
        match (by, place) {
            (0, _) | (_, None) => Party::Operator,
            (1, Some(place)) => Party::Outlet(place.outlet),
            (2, Some(place)) => Party::User(place.user),
            (3, _) => Party::Outlet(OutletNo(9)),
            _ => Party::User(user(99)),
        }
    }

    /// Everything that can be seen of outlets and orders.
    pub(super) fn compare_orders(&self) {
        let now = self.now_ms;
        for (number, outlet) in self.model.outlets.iter().enumerate() {
            let query = Query::Outlet(outlet.put.id.clone());
            let Answer::Outlet(Some(view)) = self.state.answer(now, &query) else {
                panic!("an outlet is missing");
            };
            assert_eq!((view.number.index(), view.version), (number, outlet.version));
            assert_eq!(view.document, outlet.put.document);
            let pause = self.model.pause_at(now, number).cloned();
            assert_eq!(view.pause.map(|pause| (pause.until_ms, pause.reason)), pause);
        }
        let mut undone = Vec::new();
        for number in self.model.orders.keys().copied().map(OrderNo) {
            let Answer::Order(Some(view)) = self.state.answer(now, &Query::Order(number)) else {
                panic!("an order is missing");
            };
            let order = self.model.order_now(now, number).expect("known");
            assert_eq!((view.state, view.payment), (order.state(), order.payment()), "{number}");
            assert_eq!((view.end, view.version), (order.end, order.version));
            assert_eq!((view.seq, view.due_ms), (order.seq, self.model.due(&order)));
            assert_eq!(u64::from(view.subsidy_minor), order.subsidy);
            let (total, off) = (order.place.total_minor, order.place.merchant_discount_minor);
            assert_eq!(view.payable_minor + order.subsidy + off, total);
            assert_eq!(view.payable_minor, order.payable());
            assert_eq!(view.captured_minor, order.captured());
            assert_eq!(view.refund_asked_minor, order.asked());
            assert_eq!(view.refunded_minor, order.refunded());
            assert_eq!((&view.lines, view.user), (&order.place.lines, order.place.user));
            let to_do = self.model.orders[&number.0].to_do(number);
            assert_eq!(self.state.actions_of(number), to_do);
            undone.extend(to_do);
        }
        // By pages, as a connector asks.
        let (mut paged, mut after) = (Vec::new(), None);
        loop {
            let answer = self.state.answer(now, &Query::Undone { after, limit: 3 });
            let Answer::Undone(actions) = answer else { unreachable!() };
            let Some(last) = actions.last() else { break };
            after = Some(last.order());
            paged.extend(actions);
        }
        assert_eq!(paged, undone);
        for outlet in 0..2_u32 {
            let query = Query::OpenOrders { outlet: OutletNo(outlet), after: None, limit: 1_000 };
            let Answer::Orders(views) = self.state.answer(now, &query) else { unreachable!() };
            let numbers = self.model.orders.keys().copied().map(OrderNo);
            let open = numbers.filter(|number| {
                let order = self.model.order_now(now, *number).expect("known");
                order.place.outlet == OutletNo(outlet) && order.state().is_open()
            });
            assert!(views.iter().map(|view| view.number).eq(open));
        }
        for number in 0..6 {
            let query = Query::Orders { user: user(number), before: None, limit: 1_000 };
            let Answer::Orders(views) = self.state.answer(now, &query) else { unreachable!() };
            let orders = self.model.orders.iter().rev();
            let theirs = orders.filter(|(_, order)| order.place.user == user(number));
            assert!(views.iter().map(|view| view.number.0).eq(theirs.map(|(number, _)| *number)));
        }
    }

    /// Ends what an outlet might be making for ever.
    pub(super) fn end_orders(&mut self) {
        let numbers: Vec<u32> = self.model.orders.keys().copied().collect();
        for number in numbers {
            let (request, order) = (self.fresh_key(), OrderNo(number));
            let (by, reason) = (Party::Operator, String::new());
            self.give(Command::CancelOrder(CancelOrder { request, order, by, reason }));
        }
    }
}

fn put(outlet: u8, accept_within_ms: u64, stations: u16) -> Command {
    Command::PutOutlet(Box::new(PutOutlet {
        id: outlet_id(outlet),
        document: vec![b' '; usize::from(stations) * 200],
        brand: NameHash::of(["tea", "coffee", "none"][usize::from(outlet)]),
        stations,
        accept_within_ms,
    }))
}
