//! The binary form of what concerns orders and outlets.

use super::*;

wire_newtype! { OutletNo OrderNo QuoteNo TradeKey }

wire_enum! {
    OrderState {
        0 => AwaitingPayment, 1 => Paid, 2 => Sent, 3 => Accepted, 4 => Making, 5 => Ready,
        6 => Collected, 7 => Expired, 8 => Cancelled, 9 => Rejected, 10 => Refunding,
        11 => Refunded,
    }
    PaymentState {
        0 => Created, 1 => Pending, 2 => Succeeded, 3 => Failed, 4 => Closed, 5 => Refunding,
        6 => Refunded, 7 => Unknown,
    }
    OrderEnd {
        0 => NotPaid, 1 => NotAccepted, 2 => Rejected, 3 => ByUser, 4 => ByOutlet,
        5 => ByOperator, 6 => NotMade,
    }
    PaymentEvent {
        0 => Created, 1 => Pending, 2 => Succeeded { captured_minor }, 3 => Failed, 4 => Closed,
    }
    Held { 0 => Nothing, 1 => Lock(lock), 2 => Redemption(redemption) }
    RefundResult { 0 => Done, 1 => Failed }
    TicketStep {
        0 => Send, 1 => Accept, 2 => Reject, 3 => Start, 4 => Ready, 5 => Collect, 6 => Withdraw,
    }
    BreakerOf { 0 => Outlet(outlet), 1 => Vendor(vendor) }
    BreakerState { 0 => Closed, 1 => Open, 2 => Draining }
    Party { 0 => User(user), 1 => Outlet(outlet), 2 => Operator }
    Action {
        1 => CreatePayment { order, payable_minor },
        2 => ClosePayment { order },
        3 => SendTicket { order, outlet, version },
        4 => CancelTicket { order, outlet, version },
        5 => Refund { order, refund, amount_minor, from_ms },
        6 => ReviewPayment { order },
        7 => LookAtPayment { order },
    }
}

wire_struct! {
    Opening { offsets, hours }
    PutOutlet {
        id, document, brand, vendor, stations, unit_ms, accept_within_ms, ready_within_ms, opening,
    }
    ChangeBreaker { request, of, state, by_hand, reason }
    Breaker { state, by_hand, since_ms, reason }
    SetStaffing { request, outlet, stations }
    RecordWalkIns { request, outlet, work }
    Candidate { outlet, travel_ms }
    QuoteOrder {
        request, asked, user, outlet_version, total_minor, discount_minor, work, candidates, ready_by_ms,
        hold_ms,
    }
    Offer { outlet, ready_at_ms, travel_ms }
    Quoted { quote, until_ms, total_minor, discount_minor, offers, released }
    OfferNo { quote, place }
    SettleDispute { request, order, reason }
    OrderMove { order, outlet, promised_at_ms, version }
    PauseOutlet { request, outlet, until_ms, reason }
    ResumeOutlet { request, outlet, reason }
    OrderLine { item, quantity }
    PlaceOrder {
        request, asked, user, outlet, outlet_version, lines, categories, total_minor, merchant_discount_minor, voucher,
        offer, ready_by_ms, courier_ms, work, pay_within_ms, others, campaign,
    }
    RecordPayment { order, provider, trade, event }
    RecordRefund { order, refund, result }
    MoveTicket { order, outlet, version, step }
    CancelOrder { request, order, by, reason }
    RefundOrder { request, order, by, reference, amount_minor, reason }
    OrderChange { state, payment, version, redemption, voucher, ended }
    Compensation { order, apology, apology_minor, outlet_minor, unpaid_minor }
    SweptOrders { expired, moved, collected, compensated, released, resumed, vouchers }
}
