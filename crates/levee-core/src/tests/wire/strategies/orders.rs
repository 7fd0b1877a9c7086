//! Random commands, outcomes, questions and answers of outlets and orders.

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;

use super::{key, reference, request, text, user, voucher};
use crate::query::{Answer, OrderView, OutletView, PauseView, PayBy, Query};
use crate::types::*;

pub(super) fn order_state() -> impl Strategy<Value = OrderState> + Clone {
    use OrderState::*;
    select(vec![
        AwaitingPayment,
        Paid,
        Sent,
        Accepted,
        Making,
        Ready,
        Collected,
        Expired,
        Cancelled,
        Rejected,
        Refunding,
        Refunded,
    ])
}

fn payment_state() -> impl Strategy<Value = PaymentState> {
    use PaymentState::*;
    select(vec![Created, Pending, Succeeded, Failed, Closed, Refunding, Refunded, Unknown])
}

pub(super) fn order_end() -> impl Strategy<Value = OrderEnd> {
    use OrderEnd::*;
    select(vec![NotPaid, NotAccepted, Rejected, NotMade, ByUser, ByOutlet, ByOperator])
}

fn outlet_id() -> impl Strategy<Value = OutletId> {
    vec(select(b"abz019-".to_vec()), 1..=OutletId::LEN_MAX).prop_map(|bytes| {
        let text = String::from_utf8(bytes).expect("ASCII");
        OutletId::new(&text).expect("only letters, digits and dashes")
    })
}

fn order() -> impl Strategy<Value = OrderNo> {
    any::<u32>().prop_map(OrderNo)
}

fn outlet() -> impl Strategy<Value = OutletNo> {
    any::<u32>().prop_map(OutletNo)
}

fn lines() -> impl Strategy<Value = Vec<OrderLine>> {
    let line = (any::<u16>(), any::<u16>());
    vec(line.prop_map(|(item, quantity)| OrderLine { item, quantity }), 0..4)
}

fn party() -> impl Strategy<Value = Party> {
    prop_oneof![
        user().prop_map(Party::User),
        outlet().prop_map(Party::Outlet),
        Just(Party::Operator),
    ]
}

fn offer() -> impl Strategy<Value = OfferNo> {
    let quote = any::<u32>().prop_map(QuoteNo);
    (quote, any::<u8>()).prop_map(|(quote, place)| OfferNo { quote, place })
}

fn put() -> impl Strategy<Value = PutOutlet> {
    let part = (any::<u16>(), any::<u16>());
    let part = part.prop_map(|(from_minute, until_minute)| DayPart { from_minute, until_minute });
    let offset = (any::<u64>(), any::<i16>());
    let offset = offset.prop_map(|(from_ms, minutes)| ZoneOffset { from_ms, minutes });
    let opening = (vec(offset, 0..3), vec(part, 0..3));
    let opening = opening.prop_map(|(offsets, hours)| Opening { offsets, hours });
    let numbers = (any::<[u32; 3]>(), any::<u16>(), any::<[u64; 2]>());
    (outlet_id(), vec(any::<u8>(), 0..40), numbers, opening).prop_map(
        |(id, document, ([brand, vendor, unit_ms], stations, within_ms), opening)| PutOutlet {
            id,
            document,
            brand: NameHash(brand),
            vendor: NameHash(vendor),
            stations,
            unit_ms,
            accept_within_ms: within_ms[0],
            ready_within_ms: within_ms[1],
            opening,
        },
    )
}

fn place() -> impl Strategy<Value = PlaceOrder> {
    let names = vec(any::<u32>().prop_map(NameHash), 0..=Categories::MAX);
    let who = (request(), user(), outlet());
    let what = (lines(), names, option::of(voucher()), vec(outlet(), 0..=OTHER_OUTLETS_MAX));
    let when = (option::of(offer()), option::of(any::<u64>()), option::of(any::<u32>()));
    let numbers = (any::<[u64; 4]>(), any::<[u32; 2]>(), option::of(any::<u32>()));
    (who, what, when, numbers).prop_map(
        |(who, what, when, (longs, [work, outlet_version], campaign))| {
            let (request, user, outlet) = who;
            let (lines, names, voucher, others) = what;
            let (offer, ready_by_ms, courier_ms) = when;
            let [asked, total_minor, merchant_discount_minor, pay_within_ms] = longs;
            PlaceOrder {
                request,
                asked,
                user,
                outlet,
                outlet_version,
                lines,
                categories: Categories::new(&names).expect("few enough"),
                total_minor,
                merchant_discount_minor,
                voucher,
                offer,
                ready_by_ms,
                courier_ms,
                work,
                pay_within_ms,
                others,
                campaign: campaign.map(CampaignNo),
            }
        },
    )
}

fn event() -> impl Strategy<Value = PaymentEvent> {
    use PaymentEvent::*;
    prop_oneof![
        select(vec![Created, Pending, Failed, Closed]),
        any::<u64>().prop_map(|captured_minor| Succeeded { captured_minor }),
    ]
}

fn step() -> impl Strategy<Value = TicketStep> {
    use TicketStep::*;
    select(vec![Send, Accept, Reject, Start, Ready, Collect, Withdraw])
}

fn breaker_of() -> impl Strategy<Value = BreakerOf> {
    prop_oneof![outlet().prop_map(BreakerOf::Outlet), text().prop_map(BreakerOf::Vendor),]
}

pub(super) fn breaker_state() -> impl Strategy<Value = BreakerState> {
    select(vec![BreakerState::Closed, BreakerState::Open, BreakerState::Draining])
}

fn change_breaker() -> impl Strategy<Value = Command> {
    let asked = (option::of(request()), breaker_of(), breaker_state(), any::<bool>(), text());
    asked.prop_map(|(request, of, state, by_hand, reason)| {
        Command::ChangeBreaker(Box::new(ChangeBreaker { request, of, state, by_hand, reason }))
    })
}

/// Commands of outlets and quotes.
fn outlet_command() -> impl Strategy<Value = Command> {
    let candidate = (outlet(), any::<u32>());
    let candidate = candidate.prop_map(|(outlet, travel_ms)| Candidate { outlet, travel_ms });
    let times = (option::of(any::<u64>()), any::<u64>());
    let numbers = (any::<[u32; 2]>(), any::<[u64; 3]>());
    let quote = (request(), numbers, vec(candidate, 0..4), times).prop_map(
        |(request, (shorts, longs), candidates, (ready_by_ms, hold_ms))| {
            let ([work, outlet_version], [asked, total_minor, discount_minor]) = (shorts, longs);
            Command::QuoteOrder(Box::new(QuoteOrder {
                request,
                asked,
                user: asked.is_multiple_of(2).then_some(UserKey(request.0)),
                outlet_version,
                total_minor,
                discount_minor,
                work,
                candidates,
                ready_by_ms,
                hold_ms,
            }))
        },
    );
    prop_oneof![
        put().prop_map(|put| Command::PutOutlet(Box::new(put))),
        (request(), outlet(), any::<u16>()).prop_map(|(request, outlet, stations)| {
            Command::SetStaffing(SetStaffing { request, outlet, stations })
        }),
        (request(), outlet(), any::<u32>()).prop_map(|(request, outlet, work)| {
            Command::RecordWalkIns(RecordWalkIns { request, outlet, work })
        }),
        quote,
        change_breaker(),
        (request(), outlet_id(), option::of(any::<u64>()), text()).prop_map(
            |(request, outlet, until_ms, reason)| {
                Command::PauseOutlet(Box::new(PauseOutlet { request, outlet, until_ms, reason }))
            }
        ),
        (request(), outlet_id(), text()).prop_map(|(request, outlet, reason)| {
            Command::ResumeOutlet(Box::new(ResumeOutlet { request, outlet, reason }))
        }),
    ]
}

pub(super) fn command() -> impl Strategy<Value = Command> {
    let result = select(vec![RefundResult::Done, RefundResult::Failed]);
    prop_oneof![
        outlet_command(),
        place().prop_map(|place| Command::PlaceOrder(Box::new(place))),
        (order(), any::<u32>(), key(), event()).prop_map(|(order, provider, trade, event)| {
            let (provider, trade) = (NameHash(provider), TradeKey(trade));
            Command::RecordPayment(RecordPayment { order, provider, trade, event })
        }),
        (order(), any::<u32>(), result).prop_map(|(order, refund, result)| {
            Command::RecordRefund(RecordRefund { order, refund, result })
        }),
        (order(), outlet(), any::<u32>(), step()).prop_map(|(order, outlet, version, step)| {
            Command::MoveTicket(MoveTicket { order, outlet, version, step })
        }),
        (request(), order(), party(), text()).prop_map(|(request, order, by, reason)| {
            Command::CancelOrder(Box::new(CancelOrder { request, order, by, reason }))
        }),
        (request(), order(), party(), (any::<u64>(), reference()), text()).prop_map(
            |(request, order, by, (amount_minor, reference), reason)| {
                let refund = RefundOrder { request, order, by, reference, amount_minor, reason };
                Command::RefundOrder(Box::new(refund))
            }
        ),
        (request(), order(), text()).prop_map(|(request, order, reason)| {
            Command::SettleDispute(Box::new(SettleDispute { request, order, reason }))
        }),
    ]
}

fn change() -> impl Strategy<Value = OrderChange> {
    let voucher = select(vec![VoucherState::Live, VoucherState::Expired]);
    let payment = option::of(payment_state());
    let numbers = (any::<u32>(), option::of(any::<u32>()));
    (order_state(), payment, numbers, option::of(voucher), any::<bool>()).prop_map(
        |(state, payment, (version, redemption), voucher, ended)| {
            let redemption = redemption.map(RedemptionNo);
            OrderChange { state, payment, version, redemption, voucher, ended }
        },
    )
}

fn moved() -> impl Strategy<Value = OrderMove> {
    (order(), outlet(), any::<u64>(), any::<u32>()).prop_map(
        |(order, outlet, promised_at_ms, version)| OrderMove {
            order,
            outlet,
            promised_at_ms,
            version,
        },
    )
}

fn compensation() -> impl Strategy<Value = Compensation> {
    (order(), option::of(voucher()), any::<u32>(), any::<[u64; 2]>()).prop_map(
        |(order, apology, apology_minor, [outlet_minor, unpaid_minor])| Compensation {
            order,
            apology,
            apology_minor,
            outlet_minor,
            unpaid_minor,
        },
    )
}

fn swept_orders() -> impl Strategy<Value = SweptOrders> {
    let numbers = || vec(any::<u32>(), 0..5);
    let lists = (vec(moved(), 0..3), vec(compensation(), 0..3));
    (numbers(), numbers(), numbers(), numbers(), numbers(), lists).prop_map(
        |(expired, collected, released, resumed, vouchers, (moved, compensated))| SweptOrders {
            expired: expired.into_iter().map(OrderNo).collect(),
            moved,
            collected: collected.into_iter().map(OrderNo).collect(),
            compensated,
            released: released.into_iter().map(QuoteNo).collect(),
            resumed: resumed.into_iter().map(OutletNo).collect(),
            vouchers: vouchers.into_iter().map(VoucherNo).collect(),
        },
    )
}

fn held() -> impl Strategy<Value = Held> {
    prop_oneof![
        Just(Held::Nothing),
        any::<u32>().prop_map(|lock| Held::Lock(LockNo(lock))),
        any::<u32>().prop_map(|used| Held::Redemption(RedemptionNo(used))),
    ]
}

fn quoted() -> impl Strategy<Value = Quoted> {
    let offer = (outlet(), any::<u64>(), any::<u32>());
    let offer =
        offer.prop_map(|(outlet, ready_at_ms, travel_ms)| Offer { outlet, ready_at_ms, travel_ms });
    (any::<u32>(), any::<[u64; 3]>(), vec(offer, 0..=OFFERS_MAX)).prop_map(
        |(quote, [until_ms, total_minor, discount_minor], offers)| {
            let released = quote.is_multiple_of(2).then_some(QuoteNo(quote / 2));
            let quote = QuoteNo(quote);
            Quoted { quote, until_ms, total_minor, discount_minor, offers, released }
        },
    )
}

pub(super) fn outcome(swept: impl Strategy<Value = Swept>) -> impl Strategy<Value = Outcome> {
    let times = any::<[u64; 2]>();
    prop_oneof![
        (outlet(), any::<u32>())
            .prop_map(|(outlet, version)| Outcome::OutletPut { outlet, version }),
        select(vec![
            Outcome::OutletPaused,
            Outcome::OutletResumed,
            Outcome::StaffingSet,
            Outcome::WalkInsRecorded,
            Outcome::PaymentDisputed,
            Outcome::DisputeSettled,
            Outcome::BreakerChanged { before: BreakerState::Draining },
        ]),
        (order(), any::<u32>(), held(), times).prop_map(
            |(order, subsidy_minor, held, [promised_at_ms, due_ms])| Outcome::OrderPlaced {
                order,
                promised_at_ms,
                subsidy_minor,
                held,
                due_ms,
            }
        ),
        change().prop_map(Outcome::OrderChanged),
        (change(), any::<u64>())
            .prop_map(|(change, promised_at_ms)| Outcome::PromisedAnew { change, promised_at_ms }),
        (change(), any::<u64>())
            .prop_map(|(change, amount_minor)| Outcome::RefundEnded { change, amount_minor }),
        moved().prop_map(Outcome::OrderMoved),
        quoted().prop_map(|quoted| Outcome::Quoted(Box::new(quoted))),
        (swept, swept_orders()).prop_map(|(swept, orders)| {
            let (swept, orders) = (Box::new(swept), Box::new(orders));
            Outcome::TickedWithOrders { swept, orders }
        }),
    ]
}

pub(super) fn query() -> impl Strategy<Value = Query> {
    let number = || option::of(any::<u32>().prop_map(OrderNo));
    prop_oneof![
        outlet_id().prop_map(Query::Outlet),
        outlet().prop_map(Query::OutletNumbered),
        order().prop_map(Query::DocumentOf),
        order().prop_map(Query::Order),
        (user(), number(), any::<u32>()).prop_map(|(user, before, limit)| Query::Orders {
            user,
            before,
            limit
        }),
        (outlet(), number(), any::<u32>()).prop_map(|(outlet, after, limit)| Query::OpenOrders {
            outlet,
            after,
            limit
        }),
        (any::<u64>(), any::<u32>())
            .prop_map(|(after_change, limit)| Query::Undone { after_change, limit }),
        (any::<u64>(), any::<u32>())
            .prop_map(|(after_seq, limit)| Query::Outlets { after_seq, limit }),
        (vec(outlet(), 0..5), any::<u32>())
            .prop_map(|(outlets, work)| Query::Etas { outlets, work }),
        (outlet(), any::<[u64; 2]>(), number(), any::<u32>()).prop_map(
            |(outlet, [from_ms, until_ms], before, limit)| Query::Statement {
                outlet,
                from_ms,
                until_ms,
                before,
                limit,
            }
        ),
    ]
}

fn action() -> impl Strategy<Value = Action> {
    (order(), outlet(), any::<u32>(), any::<u64>(), 0..7_u8).prop_map(
        |(order, outlet, number, minor, kind)| match kind {
            0 => Action::CreatePayment { order, payable_minor: minor },
            1 => Action::ClosePayment { order },
            2 => Action::SendTicket { order, outlet, version: number },
            3 => Action::CancelTicket { order, outlet, version: number },
            4 => Action::ReviewPayment { order },
            5 => Action::LookAtPayment { order },
            _ => Action::Refund { order, refund: number, amount_minor: minor, from_ms: minor / 2 },
        },
    )
}

fn order_view() -> impl Strategy<Value = OrderView> {
    let states = (order_state(), option::of(payment_state()), option::of(order_end()));
    let lists = (lines(), vec(action(), 0..4), any::<[u64; 12]>(), any::<[u32; 8]>());
    (states, user(), option::of(key()), lists).prop_map(|(states, user, trade, lists)| {
        let (state, payment, end) = states;
        let (lines, actions, long, short) = lists;
        let some = |number: u32| number.is_multiple_of(2).then_some(number);
        OrderView {
            number: OrderNo(short[0]),
            user,
            outlet: OutletNo(short[1]),
            lines,
            outlet_version: some(short[6]),
            state,
            end,
            seq: long[0],
            placed_at_ms: long[1],
            due_ms: Some(long[2]).filter(|_| short[0].is_multiple_of(3)),
            promised_at_ms: long[3],
            stages_at_ms: [Some(long[4]), None, Some(long[5]), None],
            work: short[2],
            courier_at_ms: Some(long[5]).filter(|_| short[1].is_multiple_of(2)),
            others: short[..usize::from(short[2].is_multiple_of(2))]
                .iter()
                .map(|n| OutletNo(*n))
                .collect(),
            moved_from: some(short[3]).map(OutletNo),
            version: short[3],
            total_minor: long[6],
            merchant_discount_minor: long[7],
            subsidy_minor: short[4],
            payable_minor: long[8],
            captured_minor: long[9],
            refund_asked_minor: long[10],
            refunded_minor: long[11],
            disputed: short[4].is_multiple_of(2),
            apology: some(short[2]).map(VoucherNo),
            outlet_paid_minor: long[10] ^ long[11],
            payment,
            trade: trade.map(|trade| (NameHash(short[5]), TradeKey(trade))),
            pay_by: match short[7] % 3 {
                0 => None,
                1 => Some(PayBy::Link("weixin://wxpay/bizpayurl?pr=1".into())),
                _ => Some(PayBy::ClientSecret("pi_1_secret_2".into())),
            },
            voucher: some(short[5]).map(VoucherNo),
            lock: some(short[6]).map(LockNo),
            redemption: some(short[7]).map(RedemptionNo),
            actions,
        }
    })
}

fn breaker() -> impl Strategy<Value = Breaker> {
    (breaker_state(), any::<bool>(), any::<u64>(), text())
        .prop_map(|(state, by_hand, since_ms, reason)| Breaker { state, by_hand, since_ms, reason })
}

fn outlet_view() -> impl Strategy<Value = OutletView> {
    let pause = (option::of(any::<u64>()), text());
    let pause = pause.prop_map(|(until_ms, reason)| PauseView { until_ms, reason });
    let numbers = (any::<[u32; 3]>(), any::<u16>(), any::<[u64; 4]>());
    let forms = (option::of(pause), vec(any::<(u64, u64)>(), 0..4));
    let breakers = (option::of(breaker()), option::of(breaker()));
    (outlet_id(), vec(any::<u8>(), 0..40), numbers, forms, breakers).prop_map(
        |(id, document, ([number, version, brand], stations, long), (pause, promised), broken)| {
            OutletView {
                number: OutletNo(number),
                id,
                document,
                version,
                brand: NameHash(brand),
                put_seq: long[0],
                stations,
                accept_within_ms: long[1],
                eta_ms: Some(long[2]).filter(|_| pause.is_none()),
                pause,
                breaker: broken.0,
                vendor_breaker: broken.1,
                pace_ms: long[3] ^ long[0],
                unfinished: long[3],
                untold: number ^ version,
                untold_since_ms: Some(long[1]).filter(|since| since.is_multiple_of(2)),
                promised,
            }
        },
    )
}

pub(super) fn answer() -> impl Strategy<Value = Answer> {
    prop_oneof![
        option::of(outlet_view().prop_map(Box::new)).prop_map(Answer::Outlet),
        option::of(order_view().prop_map(Box::new)).prop_map(Answer::Order),
        vec(order_view(), 0..4).prop_map(Answer::Orders),
        (vec(action(), 0..6), any::<u64>())
            .prop_map(|(actions, change)| Answer::Undone { actions, change }),
        vec(outlet_view(), 0..3).prop_map(Answer::Outlets),
        option::of(vec(any::<u8>(), 0..40)).prop_map(Answer::Document),
        vec(option::of(any::<u64>()), 0..5).prop_map(Answer::Etas),
        vec((breaker_of(), breaker()), 0..3).prop_map(Answer::Breakers),
    ]
}
