//! Random asks about outlets and orders, and what can be seen of them.

use proptest::prelude::*;
use proptest::sample::select;

use super::asks::{Pick, pick};
use super::outlets::OutletAsk;
use super::{Both, request, user};
use crate::tests::model::Order;
use crate::tests::{DAY, HOUR, MINUTE};
use crate::types::*;

/// Who makes an order, by when, and whose rules hold for it.
#[derive(Clone, Debug)]
pub(super) struct Way {
    work: u32,
    in_ms: Option<u64>,
    courier_ms: Option<u32>,
    others: u8,
    campaign: Option<u32>,
}

/// What is asked next of quotes and orders.
#[derive(Clone, Debug)]
pub(super) enum OrderAsk {
    Outlet(OutletAsk),
    Quote {
        outlet: u8,
        key: u64,
        work: u32,
        others: u8,
        in_ms: Option<u64>,
        hold_ms: u64,
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
        /// Of the quotes that are held, or of this one among the newest.
        offer: Option<(u32, u8)>,
        way: Way,
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
        reference: u8,
    },
    Settle {
        order: Pick,
        key: u64,
    },
    /// What is likely to come next of an order.
    Onward {
        order: Pick,
        turn: u8,
    },
}

/// The order whose provider refuses every refund.
const NEVER_GIVEN_BACK: OrderNo = OrderNo(0);

/// Boxed, as is what it is made of: unoptimised, so many strategies do not fit a thread's stack.
pub(super) fn ask() -> BoxedStrategy<OrderAsk> {
    let key = || any::<u64>();
    let outlet = || prop_oneof![30 => 0..3_u8, 1 => Just(3)];
    let work = || prop_oneof![20 => 500..6_000_u32, 4 => 6_000..90_000_u32, 1 => Just(0)];
    let in_ms = || prop::option::weighted(0.2, prop_oneof![9 => 0..4 * HOUR, 1 => 0..40 * DAY]);
    let hold = prop_oneof![8 => Just(2 * MINUTE), 3 => 1..MINUTE, 1 => Just(HOLD_MS_MAX + 1)];
    let quote = (outlet(), key(), work(), 0..8_u8, in_ms(), hold).prop_map(
        |(outlet, key, work, others, in_ms, hold_ms)| OrderAsk::Quote {
            outlet,
            key,
            work,
            others,
            in_ms,
            hold_ms,
        },
    );
    let courier =
        prop::option::weighted(0.1, prop_oneof![9 => 0..20 * 60_000_u32, 1 => any::<u32>()]);
    let campaign = prop::option::weighted(0.5, prop_oneof![20 => 0..4_u32, 1 => Just(9)]);
    let way = (work(), in_ms(), courier, prop_oneof![3 => Just(0), 5 => 1..8_u8], campaign);
    let way = way.prop_map(|(work, in_ms, courier_ms, others, campaign)| Way {
        work,
        in_ms,
        courier_ms,
        others,
        campaign,
    });
    let place = prop_oneof![8 => Just(1), 4 => 2..4_u8, 2 => Just(0)];
    let offer = prop::option::weighted(0.4, (0..3_u32, place));
    let total = prop_oneof![
        20 => 1..6_000_u64,
        10 => 1..900_u64,
        1 => Just(0),
        1 => select(vec![BILL_MINOR_MAX, BILL_MINOR_MAX + 1]),
    ];
    let off = prop_oneof![4 => Just(0), 2 => 0..500_u64, 1 => 0..6_000_u64];
    let pay = prop_oneof![6 => Just(15 * MINUTE), 2 => 1..MINUTE, 1 => Just(0)];
    let who = (prop::option::weighted(0.5, pick()), 0..6_u8, outlet(), key());
    let lines = prop_oneof![20 => 1..4_usize, 1 => 0..18_usize];
    let place = (who, total, off, pay, lines, offer, way).prop_map(
        |(
            (voucher, user, outlet, key),
            total_minor,
            off_minor,
            pay_within_ms,
            lines,
            offer,
            way,
        )| {
            OrderAsk::Place {
                voucher,
                user,
                outlet,
                key,
                total_minor,
                off_minor,
                pay_within_ms,
                lines,
                offer,
                way,
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
        10 => super::outlets::ask().prop_map(OrderAsk::Outlet).boxed(),
        10 => quote.boxed(),
        26 => place.boxed(),
        20 => payment.boxed(),
        8 => refunded,
        24 => ticket,
        5 => (pick(), key(), by()).prop_map(|(order, key, by)| OrderAsk::Cancel { order, key, by }),
        5 => (pick(), key(), by(), amount, 0..4_u8)
            .prop_map(|(order, key, by, amount_minor, reference)| OrderAsk::Refund {
                order, key, by, amount_minor, reference,
            }),
        2 => (pick(), key()).prop_map(|(order, key)| OrderAsk::Settle { order, key }),
    ]
    .boxed()
}

/// An order goes on as orders do: nearly always well.
pub(super) fn onward() -> impl Strategy<Value = OrderAsk> {
    (pick(), 0..20_u8).prop_map(|(order, turn)| OrderAsk::Onward { order, turn })
}

/// Of the three outlets those whose bit is set, in some order.
fn some_of(bits: u8) -> impl Iterator<Item = OutletNo> {
    [2, 0, 1].into_iter().filter(move |outlet| bits & (1 << outlet) != 0).map(OutletNo)
}

impl Both {
    /// The version that a gate has priced by: now and then an older one.
    fn version_seen(&self, outlet: OutletNo, key: u64) -> u32 {
        let version = self.model.outlets.get(outlet.index()).map_or(1, |outlet| outlet.version);
        if key.is_multiple_of(24) { version - 1 } else { version }
    }

    pub(super) fn order_command(&mut self, ask: &OrderAsk) -> Command {
        let orders = self.model.orders.len();
        let now_ms = self.now_ms;
        let number = |pick: &Pick| OrderNo(pick.of(orders));
        match ask {
            OrderAsk::Outlet(ask) => self.outlet_command(ask),
            OrderAsk::Quote { outlet, key, work, others, in_ms, hold_ms } => {
                let wanted = OutletNo(u32::from(*outlet));
                let others = some_of(*others).filter(|other| *other != wanted || *hold_ms < 99);
                let travel_ms = |outlet: OutletNo| outlet.0 * 3 * 60_000;
                let candidates = [wanted].into_iter().chain(others);
                let candidates =
                    candidates.map(|outlet| Candidate { outlet, travel_ms: travel_ms(outlet) });
                Command::QuoteOrder(Box::new(QuoteOrder {
                    request: request(*key),
                    asked: u64::from(*work % 3),
                    user: (*work % 4 != 0).then(|| user((*work % 2) as u8)),
                    outlet_version: self.version_seen(wanted, *key),
                    total_minor: u64::from(*work),
                    discount_minor: u64::from(*work % 600),
                    work: *work,
                    candidates: candidates.collect(),
                    ready_by_ms: in_ms.map(|in_ms| now_ms + in_ms),
                    hold_ms: *hold_ms,
                }))
            }
            OrderAsk::Place {
                voucher,
                user: orderer,
                outlet,
                key,
                total_minor,
                off_minor,
                pay_within_ms,
                lines,
                offer,
                way,
            } => {
                let vouchers = self.model.vouchers.len();
                let voucher = voucher.map(|pick| (pick.of(vouchers), pick.wrong_user));
                let owner = voucher.map(|(number, wrong)| self.owner(number, wrong));
                let milk = [NameHash::of("milk")];
                let offer = offer.and_then(|(back, place)| {
                    let quotes = self.model.quotes.iter().rev();
                    // The first offer of one that is held, or any of one that may be over.
                    let held = quotes.clone().find(|(_, quote)| place > 0 && !quote.over);
                    let any = quotes.clone().nth(back as usize);
                    let quote = QuoteNo(*held.or(any)?.0);
                    Some(OfferNo { quote, place: if held.is_some() { place - 1 } else { place } })
                });
                // Nearly always for what was quoted, where it was, and mostly by whom.
                let quoted =
                    offer.and_then(|offer| self.model.quoted(offer)).filter(|_| *lines < 9);
                let (outlet, work, quoted_to) =
                    quoted.unwrap_or((OutletNo(u32::from(*outlet)), way.work, None));
                let orderer = quoted_to.filter(|_| *lines < 8).unwrap_or(user(*orderer));
                let others = some_of(way.others).filter(|other| *other != outlet || *lines > 9);
                Command::PlaceOrder(Box::new(PlaceOrder {
                    request: request(*key),
                    asked: *total_minor % 3,
                    outlet_version: self.version_seen(outlet, *key),
                    user: owner.unwrap_or(orderer),
                    outlet,
                    lines: vec![OrderLine { item: 1, quantity: 2 }; *lines],
                    categories: Categories::new(&milk).expect("one"),
                    total_minor: *total_minor,
                    merchant_discount_minor: *off_minor,
                    voucher: voucher.map(|(number, _)| VoucherNo(number)),
                    offer,
                    ready_by_ms: way.in_ms.map(|in_ms| now_ms + in_ms),
                    courier_ms: way.courier_ms,
                    work,
                    pay_within_ms: *pay_within_ms,
                    others: others.collect(),
                    campaign: way.campaign.map(CampaignNo),
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
                let is_done = *done && order != NEVER_GIVEN_BACK;
                let result = if is_done { RefundResult::Done } else { RefundResult::Failed };
                let refund = begun.saturating_sub(*back);
                Command::RecordRefund(RecordRefund { order, refund, result })
            }
            OrderAsk::Ticket { order, step: TicketStep::Withdraw, wrong_outlet: false, .. }
                if self.left(number(order)).is_some() =>
            {
                let order = number(order);
                let (outlet, version) = self.left(order).expect("looked just now");
                let step = TicketStep::Withdraw;
                Command::MoveTicket(MoveTicket { order, outlet, version, step })
            }
            OrderAsk::Ticket { order, step, back, wrong_outlet } => {
                let order = number(order);
                let known = self.model.orders.get(&order.0);
                let outlet = known.map_or(0, |order| order.outlet.0);
                Command::MoveTicket(MoveTicket {
                    order,
                    outlet: OutletNo(outlet + u32::from(*wrong_outlet)),
                    version: known.map_or(0, |order| order.version).saturating_sub(*back),
                    step: *step,
                })
            }
            OrderAsk::Onward { order, turn } => self.onward(number(order), *turn),
            OrderAsk::Cancel { order, key, by } => Command::CancelOrder(Box::new(CancelOrder {
                request: request(*key),
                order: number(order),
                by: self.party(number(order), *by),
                reason: String::new(),
            })),
            OrderAsk::Settle { order, key } => Command::SettleDispute(Box::new(SettleDispute {
                request: request(*key),
                order: number(order),
                reason: "given back by hand".into(),
            })),
            OrderAsk::Refund { order, key, by, amount_minor, reference } => {
                Command::RefundOrder(Box::new(RefundOrder {
                    request: request(*key),
                    order: number(order),
                    by: self.party(number(order), *by),
                    reference: Reference::new(&reference.to_string()).expect("fits"),
                    amount_minor: *amount_minor,
                    reason: "spilt".into(),
                }))
            }
        }
    }

    /// The next step of an order's life; `turn` says where it takes another turn.
    fn onward(&self, order: OrderNo, turn: u8) -> Command {
        let Some(known) = self.model.orders.get(&order.0) else {
            return Command::Tick(Tick { limit: 2 });
        };
        let (outlet, version) = (known.outlet, known.version);
        let step = |step| Command::MoveTicket(MoveTicket { order, outlet, version, step });
        match (known.state(), turn) {
            (OrderState::AwaitingPayment, _) => Command::RecordPayment(RecordPayment {
                order,
                provider: NameHash::of("sandbox"),
                trade: TradeKey(request(1_000 + u64::from(order.0)).0),
                event: PaymentEvent::Succeeded { captured_minor: known.payable() },
            }),
            (OrderState::Paid, 0..8) => step(TicketStep::Send),
            (OrderState::Paid | OrderState::Sent, 8..12) => step(TicketStep::Reject),
            (OrderState::Paid | OrderState::Sent, _) => step(TicketStep::Accept),
            (OrderState::Accepted, 0..2) => step(TicketStep::Reject),
            (OrderState::Accepted, 2..5) => step(TicketStep::Ready),
            (OrderState::Accepted, _) => step(TicketStep::Start),
            (OrderState::Making, 0..15) => step(TicketStep::Ready),
            (OrderState::Making | OrderState::Ready, 15..18) => {
                let (by, reason) = (self.party(order, turn - 15), String::new());
                let request = request(u64::from(order.0) << 8 | u64::from(turn));
                Command::CancelOrder(Box::new(CancelOrder { request, order, by, reason }))
            }
            (OrderState::Making | OrderState::Ready, _) => step(TicketStep::Collect),
            (OrderState::Refunding, _) => Command::RecordRefund(RecordRefund {
                order,
                refund: known.refunds(),
                result: if turn < 4 || order == NEVER_GIVEN_BACK {
                    RefundResult::Failed
                } else {
                    RefundResult::Done
                },
            }),
            _ => step(TicketStep::Withdraw),
        }
    }

    /// The outlet that is to be told that an order was moved away from it.
    fn left(&self, order: OrderNo) -> Option<(OutletNo, u32)> {
        let left = self.model.orders.get(&order.0)?.left;
        left.filter(|(.., knows)| !knows).map(|(outlet, version, _)| (outlet, version))
    }

    fn party(&self, order: OrderNo, by: u8) -> Party {
        match (by, self.model.orders.get(&order.0)) {
            (0, _) | (_, None) => Party::Operator,
            (1, Some(order)) => Party::Outlet(order.outlet),
            (2, Some(order)) => Party::User(order.place.user),
            (3, _) => Party::Outlet(OutletNo(9)),
            _ => Party::User(user(99)),
        }
    }

    /// Ends what an outlet might be making for ever.
    pub(super) fn end_orders(&mut self) {
        let numbers: Vec<u32> = self.model.orders.keys().copied().collect();
        for number in numbers {
            let (request, order) = (self.fresh_key(), OrderNo(number));
            let (by, reason) = (Party::Operator, String::new());
            self.give(Command::CancelOrder(Box::new(CancelOrder { request, order, by, reason })));
        }
    }
}
