//! The binary form of questions and answers, for gates in processes of their own. Journals never
//! hold them.
//!
//! Every view names the document and terms of its campaign, and a list may have a thousand views of
//! one campaign: a definition stands where it is named first, later views of the same answer point
//! to it.

use alloc::sync::Arc;
use alloc::vec::Vec;

use super::{
    Answer, CampaignView, OrderView, OutletView, PauseView, PayBy, Query, RedemptionView,
    VoucherView,
};
use crate::state::SetAside;
use crate::types::{DecodeError, Definition, Reader, Refusal, Wire, wire_enum, wire_struct};

wire_enum! {
    Query {
        1 => Campaign(id),
        2 => Campaigns { after, limit },
        3 => Voucher(number),
        4 => Wallet { user, before, limit },
        5 => Validate(bill),
        6 => Redemptions { after, limit },
        7 => Operations,
        8 => Outlet(id),
        9 => Order(number),
        10 => Orders { user, before, limit },
        11 => OpenOrders { outlet, after, limit },
        12 => Undone { after_change, limit },
        13 => Outlets { after_seq, limit },
        14 => Etas { outlets, work },
        16 => OutletNumbered(number),
        17 => Breakers { after, limit },
        18 => DocumentOf(number),
        30 => Webhooks { after, limit },
        31 => Known(subjects),
        15 => Statement { outlet, from_ms, until_ms, before, limit },
    }
}

wire_enum! {
    PayBy { 0 => Link(link), 1 => ClientSecret(secret) }
}

wire_struct! {
    SetAside { invites_minor, envelopes_minor, compensation_minor }
    OutletView {
        number, id, document, version, brand, put_seq, stations, accept_within_ms, pause, breaker,
        vendor_breaker, eta_ms, pace_ms, unfinished, untold, untold_since_ms,
        promised,
    }
    PauseView { until_ms, reason }
    OrderView {
        number, user, outlet, lines, outlet_version, state, end, seq, placed_at_ms, due_ms, promised_at_ms,
        stages_at_ms, work, courier_at_ms, others, moved_from, version, total_minor, merchant_discount_minor,
        subsidy_minor, payable_minor, captured_minor, refund_asked_minor, refunded_minor, disputed,
        apology, outlet_paid_minor, payment, trade, pay_by, voucher, lock, redemption, actions,
    }
}

impl Wire for [Option<u64>; 4] {
    fn put(&self, out: &mut Vec<u8>) {
        self.iter().for_each(|instant| instant.put(out));
    }
    fn get(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let mut instant = || Wire::get(reader);
        Ok([instant()?, instant()?, instant()?, instant()?])
    }
}

/// The definitions of one answer, in the order in which they are named.
type Seen = Vec<Arc<Definition>>;

fn put_definition(definition: &Arc<Definition>, seen: &mut Seen, out: &mut Vec<u8>) {
    match seen.iter().position(|other| Arc::ptr_eq(other, definition)) {
        Some(place) => place.put(out),
        None => {
            seen.len().put(out);
            definition.as_ref().put(out);
            seen.push(Arc::clone(definition));
        }
    }
}

fn get_definition(
    reader: &mut Reader<'_>,
    seen: &mut Seen,
) -> Result<Arc<Definition>, DecodeError> {
    let place = usize::get(reader)?;
    if place == seen.len() {
        seen.push(Arc::new(Definition::get(reader)?));
    }
    seen.get(place).cloned().ok_or_else(|| reader.not("definition"))
}

/// What an answer shows of one thing.
trait View: Sized {
    fn put_view(&self, seen: &mut Seen, out: &mut Vec<u8>);
    fn get_view(reader: &mut Reader<'_>, seen: &mut Seen) -> Result<Self, DecodeError>;
}

/// The definition, then the other fields in this order.
macro_rules! wire_view {
    ($($name:ident { $($field:ident),* $(,)? })*) => {$(
        impl View for $name {
            fn put_view(&self, seen: &mut Seen, out: &mut Vec<u8>) {
                put_definition(&self.definition, seen, out);
                $(self.$field.put(out);)*
            }
            fn get_view(reader: &mut Reader<'_>, seen: &mut Seen) -> Result<Self, DecodeError> {
                let definition = get_definition(reader, seen)?;
                $(let $field = Wire::get(reader)?;)*
                Ok(Self { definition, $($field),* })
            }
        }
    )*};
}

wire_view! {
    CampaignView { number, version, state, created_at_ms, money, set_aside, counts, compensated }
    VoucherView {
        number, user, seq, is_apology, face_minor, state, valid_from_ms, valid_until_ms, lock, redemption,
    }
    RedemptionView {
        number, voucher, seq, at_ms, order_minor, discount_minor, rollback_until_ms, reference,
        rolled_back,
    }
}

fn put_one<V: View>(view: Option<&V>, out: &mut Vec<u8>) {
    view.is_some().put(out);
    if let Some(view) = view {
        view.put_view(&mut Seen::new(), out);
    }
}

fn get_one<V: View>(reader: &mut Reader<'_>) -> Result<Option<V>, DecodeError> {
    let there = bool::get(reader)?;
    there.then(|| V::get_view(reader, &mut Seen::new())).transpose()
}

fn put_list<V: View>(views: &[V], out: &mut Vec<u8>) {
    let mut seen = Seen::new();
    views.len().put(out);
    views.iter().for_each(|view| view.put_view(&mut seen, out));
}

fn get_list<V: View>(reader: &mut Reader<'_>) -> Result<Vec<V>, DecodeError> {
    let len = usize::get(reader)?;
    // Every view takes more than a byte; the vector itself grows only with what is read.
    if len > reader.remaining() {
        return Err(reader.not("length"));
    }
    let mut seen = Seen::new();
    (0..len).map(|_| V::get_view(reader, &mut seen)).collect()
}

impl Wire for Answer {
    fn put(&self, out: &mut Vec<u8>) {
        match self {
            Self::Campaign(view) => {
                out.push(1);
                put_one(view.as_ref(), out);
            }
            Self::Campaigns(views) => {
                out.push(2);
                put_list(views, out);
            }
            Self::Voucher(view) => {
                out.push(3);
                put_one(view.as_ref(), out);
            }
            Self::Wallet(views) => {
                out.push(4);
                put_list(views, out);
            }
            Self::Validated(Ok(discount_minor)) => {
                out.push(5);
                discount_minor.put(out);
            }
            Self::Validated(Err(refusal)) => {
                out.push(6);
                refusal.put(out);
            }
            Self::Redemptions(views) => {
                out.push(7);
                put_list(views, out);
            }
            Self::Operations(operations) => {
                out.push(8);
                operations.put(out);
            }
            Self::Outlet(view) => {
                out.push(9);
                view.put(out);
            }
            Self::Order(view) => {
                out.push(10);
                view.put(out);
            }
            Self::Orders(views) => {
                out.push(11);
                views.put(out);
            }
            Self::Undone { actions, change } => {
                out.push(12);
                actions.put(out);
                change.put(out);
            }
            Self::Outlets(views) => {
                out.push(13);
                views.put(out);
            }
            Self::Webhooks(webhooks) => {
                out.push(30);
                webhooks.put(out);
            }
            Self::Known(known) => {
                out.push(31);
                known.put(out);
            }
            Self::Document(document) => {
                out.push(16);
                document.put(out);
            }
            Self::Etas(etas) => {
                out.push(14);
                etas.put(out);
            }
            Self::Breakers(breakers) => {
                out.push(15);
                breakers.put(out);
            }
        }
    }

    fn get(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        match u8::get(reader)? {
            1 => get_one(reader).map(Self::Campaign),
            2 => get_list(reader).map(Self::Campaigns),
            3 => get_one(reader).map(Self::Voucher),
            4 => get_list(reader).map(Self::Wallet),
            5 => u64::get(reader).map(|discount_minor| Self::Validated(Ok(discount_minor))),
            6 => Refusal::get(reader).map(|refusal| Self::Validated(Err(refusal))),
            7 => get_list(reader).map(Self::Redemptions),
            8 => Wire::get(reader).map(Self::Operations),
            9 => Wire::get(reader).map(Self::Outlet),
            10 => Wire::get(reader).map(Self::Order),
            11 => Wire::get(reader).map(Self::Orders),
            12 => {
                let (actions, change) = Wire::get(reader)?;
                Ok(Self::Undone { actions, change })
            }
            13 => Wire::get(reader).map(Self::Outlets),
            14 => Wire::get(reader).map(Self::Etas),
            15 => Wire::get(reader).map(Self::Breakers),
            16 => Wire::get(reader).map(Self::Document),
            30 => Wire::get(reader).map(Self::Webhooks),
            31 => Wire::get(reader).map(Self::Known),
            _ => Err(reader.not("answer")),
        }
    }
}
