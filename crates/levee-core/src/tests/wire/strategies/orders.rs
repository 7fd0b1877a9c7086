//! Random commands, outcomes, questions and answers of outlets and orders.

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;

use super::{key, request, text, user, voucher};
use crate::query::{Answer, OrderView, OutletView, PauseView, Query};
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

fn order_end() -> impl Strategy<Value = OrderEnd> {
    use OrderEnd::*;
    select(vec![NotPaid, NotAccepted, Rejected, ByUser, ByOutlet, ByOperator])
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

fn place() -> impl Strategy<Value = PlaceOrder> {
    let names = vec(any::<u32>().prop_map(NameHash), 0..=Categories::MAX);
    let who = (request(), user(), outlet());
    let what = (lines(), names, option::of(voucher()), any::<bool>());
    (who, what, any::<[u64; 4]>(), any::<u32>()).prop_map(|(who, what, numbers, work)| {
        let (request, user, outlet) = who;
        let (lines, names, voucher, allow_other_outlet) = what;
        let [total_minor, merchant_discount_minor, promised_at_ms, pay_within_ms] = numbers;
        PlaceOrder {
            request,
            user,
            outlet,
            lines,
            categories: Categories::new(&names).expect("few enough"),
            total_minor,
            merchant_discount_minor,
            voucher,
            promised_at_ms,
            work,
            pay_within_ms,
            allow_other_outlet,
        }
    })
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

pub(super) fn command() -> impl Strategy<Value = Command> {
    let put = (outlet_id(), vec(any::<u8>(), 0..40), any::<u32>(), any::<u16>(), any::<u64>());
    let result = select(vec![RefundResult::Done, RefundResult::Failed]);
    prop_oneof![
        put.prop_map(|(id, document, brand, stations, accept_within_ms)| {
            let brand = NameHash(brand);
            Command::PutOutlet(Box::new(PutOutlet {
                id,
                document,
                brand,
                stations,
                accept_within_ms,
            }))
        }),
        (request(), outlet_id(), option::of(any::<u64>()), text()).prop_map(
            |(request, outlet, until_ms, reason)| {
                Command::PauseOutlet(PauseOutlet { request, outlet, until_ms, reason })
            }
        ),
        (request(), outlet_id(), text()).prop_map(|(request, outlet, reason)| {
            Command::ResumeOutlet(ResumeOutlet { request, outlet, reason })
        }),
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
            Command::CancelOrder(CancelOrder { request, order, by, reason })
        }),
        (request(), order(), party(), any::<u64>(), text()).prop_map(
            |(request, order, by, amount_minor, reason)| {
                Command::RefundOrder(RefundOrder { request, order, by, amount_minor, reason })
            }
        ),
    ]
}

fn change() -> impl Strategy<Value = OrderChange> {
    let voucher = select(vec![VoucherState::Live, VoucherState::Expired]);
    let payment = option::of(payment_state());
    (order_state(), payment, any::<u32>(), option::of(any::<u32>()), option::of(voucher)).prop_map(
        |(state, payment, version, redemption, voucher)| {
            let redemption = redemption.map(RedemptionNo);
            OrderChange { state, payment, version, redemption, voucher }
        },
    )
}

pub(super) fn outcome(swept: impl Strategy<Value = Swept>) -> impl Strategy<Value = Outcome> {
    let numbers = || vec(any::<u32>(), 0..5);
    let orders = (numbers(), numbers()).prop_map(|(expired, resumed)| SweptOrders {
        expired: expired.into_iter().map(OrderNo).collect(),
        resumed: resumed.into_iter().map(OutletNo).collect(),
    });
    let number = || option::of(any::<u32>());
    prop_oneof![
        (outlet(), any::<u32>())
            .prop_map(|(outlet, version)| Outcome::OutletPut { outlet, version }),
        Just(Outcome::OutletPaused),
        Just(Outcome::OutletResumed),
        (order(), any::<u32>(), number(), number(), any::<u64>()).prop_map(
            |(order, subsidy_minor, lock, redemption, due_ms)| {
                let (lock, redemption) = (lock.map(LockNo), redemption.map(RedemptionNo));
                Outcome::OrderPlaced { order, subsidy_minor, lock, redemption, due_ms }
            }
        ),
        change().prop_map(Outcome::OrderChanged),
        (swept, orders).prop_map(|(swept, orders)| {
            let (swept, orders) = (Box::new(swept), Box::new(orders));
            Outcome::TickedWithOrders { swept, orders }
        }),
    ]
}

pub(super) fn query() -> impl Strategy<Value = Query> {
    let number = || option::of(any::<u32>().prop_map(OrderNo));
    prop_oneof![
        outlet_id().prop_map(Query::Outlet),
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
        (number(), any::<u32>()).prop_map(|(after, limit)| Query::Undone { after, limit }),
    ]
}

fn action() -> impl Strategy<Value = Action> {
    (order(), outlet(), any::<u32>(), any::<u64>(), 0..5_u8).prop_map(
        |(order, outlet, number, minor, kind)| match kind {
            0 => Action::CreatePayment { order, payable_minor: minor },
            1 => Action::ClosePayment { order },
            2 => Action::SendTicket { order, outlet, version: number },
            3 => Action::CancelTicket { order, outlet, version: number },
            _ => Action::Refund { order, refund: number, amount_minor: minor },
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
            state,
            end,
            seq: long[0],
            placed_at_ms: long[1],
            due_ms: Some(long[2]).filter(|_| short[0].is_multiple_of(3)),
            promised_at_ms: long[3],
            stages_at_ms: [Some(long[4]), None, Some(long[5]), None],
            work: short[2],
            allow_other_outlet: short[2].is_multiple_of(2),
            version: short[3],
            total_minor: long[6],
            merchant_discount_minor: long[7],
            subsidy_minor: short[4],
            payable_minor: long[8],
            captured_minor: long[9],
            refund_asked_minor: long[10],
            refunded_minor: long[11],
            payment,
            trade: trade.map(|trade| (NameHash(short[5]), TradeKey(trade))),
            voucher: some(short[5]).map(VoucherNo),
            lock: some(short[6]).map(LockNo),
            redemption: some(short[7]).map(RedemptionNo),
            actions,
        }
    })
}

fn outlet_view() -> impl Strategy<Value = OutletView> {
    let pause = (option::of(any::<u64>()), text());
    let pause = pause.prop_map(|(until_ms, reason)| PauseView { until_ms, reason });
    let numbers = (any::<[u32; 3]>(), any::<u16>(), any::<u64>());
    (outlet_id(), vec(any::<u8>(), 0..40), numbers, option::of(pause)).prop_map(
        |(id, document, ([number, version, brand], stations, accept_within_ms), pause)| {
            let (number, brand) = (OutletNo(number), NameHash(brand));
            OutletView { number, id, document, version, brand, stations, accept_within_ms, pause }
        },
    )
}

pub(super) fn answer() -> impl Strategy<Value = Answer> {
    prop_oneof![
        option::of(outlet_view().prop_map(Box::new)).prop_map(Answer::Outlet),
        option::of(order_view().prop_map(Box::new)).prop_map(Answer::Order),
        vec(order_view(), 0..4).prop_map(Answer::Orders),
        vec(action(), 0..6).prop_map(Answer::Undone),
    ]
}
