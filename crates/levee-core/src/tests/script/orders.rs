//! The words of orders.
//!
//! ```text
//! 1   order s0 7 3000 v0 off=200 pay=15m   -> o0 2500 off l0 until 15m+1
//! 2   pay o0 300                           -> paid succeeded 1 r0
//! 3   ticket o0 accept 1                   -> accepted succeeded 2
//! 4   cancel o0 by=7                       -> refunding refunding 3 live
//! 5   refunded o0 1                        -> refunded refunded 3
//! ```
//!
//! What is said of a change: the order's state, its payment's (`-` without one), the ticket's
//! version, and what became of the voucher.

use super::*;

const STEPS: [(&str, TicketStep); 7] = [
    ("send", TicketStep::Send),
    ("accept", TicketStep::Accept),
    ("reject", TicketStep::Reject),
    ("start", TicketStep::Start),
    ("ready", TicketStep::Ready),
    ("collect", TicketStep::Collect),
    ("withdraw", TicketStep::Withdraw),
];

impl Words<'_> {
    fn order(&self) -> OrderNo {
        OrderNo(self.no(1))
    }

    pub(super) fn named(&self, name: &str) -> Option<&str> {
        self.named.get(name).copied()
    }

    pub(super) fn named_number(&self, name: &str, otherwise: u64) -> u64 {
        self.named(name).map_or(otherwise, number)
    }

    /// `others=s1,s2` may make an order instead.
    fn others(&self) -> Vec<OutletNo> {
        let others = self.named("others").into_iter().flat_map(|list| list.split(','));
        others.map(|outlet| OutletNo(no(outlet))).collect()
    }

    pub(super) fn reason(&self) -> String {
        self.named("reason").unwrap_or("because").into()
    }

    /// `7` is a user, `s0` an outlet, nothing an operator.
    fn party(&self) -> Party {
        match self.named("by") {
            None => Party::Operator,
            Some(by) if by.starts_with('s') => Party::Outlet(OutletNo(no(by))),
            Some(by) => Party::User(user(u8::try_from(number(by)).expect("a small number"))),
        }
    }

    fn payment(&self, event: PaymentEvent) -> Command {
        let trade = self.named_number("trade", u64::from(self.no(1)));
        Command::RecordPayment(RecordPayment {
            order: self.order(),
            provider: NameHash::of(self.named("provider").unwrap_or("sandbox")),
            trade: TradeKey(request(trade).0),
            event,
        })
    }
}

pub(super) fn command(words: &Words<'_>) -> Option<Command> {
    let request = words.request();
    let made = match words.plain[0] {
        "order" => {
            let names = words.named("cat").into_iter().flat_map(|names| names.split(','));
            let names: Vec<NameHash> = names.map(NameHash::of).collect();
            let quantity = u16::try_from(words.named_number("quantity", 1)).expect("small");
            let lines = words.named_number("lines", 1);
            Command::PlaceOrder(Box::new(PlaceOrder {
                request,
                asked: words.named_number("asked", 0),
                outlet_version: words.version_seen(),
                user: words.user(2),
                outlet: OutletNo(words.no(1)),
                lines: (0..lines).map(|_| OrderLine { item: 3, quantity }).collect(),
                categories: Categories::new(&names).expect("few"),
                total_minor: words.number(3),
                merchant_discount_minor: words.named_number("off", 0),
                voucher: words.plain.get(4).map(|voucher| VoucherNo(no(voucher))),
                offer: words.named("offer").map(|offer| {
                    let (quote, place) = offer.split_once('.').expect("q0.1");
                    let place = u8::try_from(number(place)).expect("small");
                    OfferNo { quote: QuoteNo(no(quote)), place }
                }),
                ready_by_ms: words.named("by").map(ms),
                courier_ms: words
                    .named("courier")
                    .map(|way| u32::try_from(ms(way)).expect("32 bits")),
                work: words.work(),
                pay_within_ms: words.named("pay").map_or(15 * MINUTE, ms),
                others: words.others(),
                campaign: words.named("of").map(|campaign| CampaignNo(no(campaign))),
            }))
        }
        "pay" => words.payment(PaymentEvent::Succeeded { captured_minor: words.number(2) }),
        "payment" => words.payment(match words.plain[2] {
            "created" => PaymentEvent::Created,
            "pending" => PaymentEvent::Pending,
            "failed" => PaymentEvent::Failed,
            "closed" => PaymentEvent::Closed,
            other => panic!("{other} is no event of a payment"),
        }),
        result @ ("refunded" | "refund-failed") => Command::RecordRefund(RecordRefund {
            order: words.order(),
            refund: u32::try_from(words.number(2)).expect("small"),
            result: if result == "refunded" { RefundResult::Done } else { RefundResult::Failed },
        }),
        "ticket" => {
            let step = STEPS.iter().find(|(name, _)| *name == words.plain[2]);
            Command::MoveTicket(MoveTicket {
                order: words.order(),
                outlet: words.named("at").map_or(OutletNo(0), |outlet| OutletNo(no(outlet))),
                version: u32::try_from(words.number(3)).expect("small"),
                step: step.expect("a step").1,
            })
        }
        "cancel" => Command::CancelOrder(Box::new(CancelOrder {
            request,
            order: words.order(),
            by: words.party(),
            reason: words.named("reason").unwrap_or_default().into(),
        })),
        "refund" => Command::RefundOrder(Box::new(RefundOrder {
            request,
            order: words.order(),
            by: words.party(),
            reference: words.reference(),
            amount_minor: words.number(2),
            reason: words.reason(),
        })),
        "settle" => Command::SettleDispute(Box::new(SettleDispute {
            request,
            order: words.order(),
            reason: words.reason(),
        })),
        _ => return None,
    };
    Some(made)
}

pub(super) fn show_change(change: &OrderChange) -> String {
    let payment = change.payment.map_or("-", PaymentState::name);
    let redemption = change.redemption.map(|redemption| format!(" r{redemption}"));
    let voucher = change.voucher.map(|voucher| format!(" {}", voucher.name()));
    let (redemption, voucher) = (redemption.unwrap_or_default(), voucher.unwrap_or_default());
    format!("{} {payment} {}{redemption}{voucher}", change.state.name(), change.version)
}

pub(super) fn show_placed(outcome: &Outcome) -> String {
    let Outcome::OrderPlaced { order, subsidy_minor, held, due_ms, .. } = outcome else {
        panic!("another outcome");
    };
    let held = match held {
        Held::Nothing => String::new(),
        Held::Lock(lock) => format!(" l{lock}"),
        Held::Redemption(used) => format!(" r{used}"),
    };
    format!("o{order} {subsidy_minor} off{held} until {}", show_ms(*due_ms))
}

fn show_action(action: Action) -> String {
    match action {
        Action::CreatePayment { order, payable_minor } => {
            format!("o{order} create payment of {payable_minor}")
        }
        Action::LookAtPayment { order } => format!("o{order} look at payment"),
        Action::ClosePayment { order } => format!("o{order} close payment"),
        Action::SendTicket { order, outlet, version } => {
            format!("o{order} send ticket {version} to s{outlet}")
        }
        Action::CancelTicket { order, outlet, version } => {
            format!("o{order} cancel ticket {version} at s{outlet}")
        }
        Action::Refund { order, refund, amount_minor, from_ms } => {
            let from =
                if from_ms > 0 { format!(" from {}", show_ms(from_ms)) } else { String::new() };
            format!("o{order} refund {refund} of {amount_minor}{from}")
        }
        Action::ReviewPayment { order } => format!("o{order} review payment"),
    }
}

fn show_actions(actions: &[Action]) -> String {
    let words: Vec<String> = actions.iter().copied().map(show_action).collect();
    if words.is_empty() { "nothing".into() } else { words.join(", ") }
}

impl Run<'_> {
    pub(super) fn question_of_orders(&self, words: &Words<'_>) -> Option<String> {
        let answer = |query: Query| self.state.answer(self.now_ms, &query);
        let after = || words.named("after").map(|after| OrderNo(no(after)));
        let limit = |place: usize| {
            words.plain.get(place).map_or(u32::MAX, |limit| no(&format!("x{limit}")))
        };
        let said = match words.plain[0] {
            "show" => match answer(Query::Order(words.order())) {
                Answer::Order(Some(view)) => {
                    let payment = view.payment.map_or("-", PaymentState::name);
                    let end = view.end.map(|end| format!(" {}", end.name())).unwrap_or_default();
                    let due = view.due_ms.map(|due| format!(" until {}", show_ms(due)));
                    let money = show_nonzero(&[
                        ("payable", view.payable_minor),
                        ("captured", view.captured_minor),
                        ("asked", view.refund_asked_minor),
                        ("refunded", view.refunded_minor),
                    ]);
                    let due = due.unwrap_or_default();
                    format!("{} {payment} {}{end}{due}: {money}", view.state.name(), view.version)
                }
                _ => "none".into(),
            },
            "menu-of" => match answer(Query::DocumentOf(words.order())) {
                Answer::Document(Some(document)) => {
                    let Answer::Order(Some(view)) = answer(Query::Order(words.order())) else {
                        panic!("its document is known");
                    };
                    let version = view.outlet_version.map(|version| format!(", version {version}"));
                    let document = String::from_utf8(document).expect("a text");
                    format!("{document}{}", version.unwrap_or_default())
                }
                _ => "none".into(),
            },
            "todo" => show_actions(&self.state.actions_of(words.order())),
            "undone" => {
                let after_change = words.named_number("after", 0);
                let query = Query::Undone { after_change, limit: limit(1) };
                let Answer::Undone { actions, change } = answer(query) else { unreachable!() };
                // Who has asked up to here need not ask again before this changes.
                let changes = self.state.undone_changes();
                assert!(actions.is_empty() || (after_change + 1..=changes).contains(&change));
                let later = Query::Undone { after_change: changes, limit: u32::MAX };
                assert!(
                    matches!(answer(later), Answer::Undone { actions, .. } if actions.is_empty())
                );
                format!("{change}: {}", show_actions(&actions))
            }
            "promised" => match answer(Query::Order(words.order())) {
                Answer::Order(Some(view)) => {
                    let courier = view.courier_at_ms;
                    let courier = courier.map(|at_ms| format!(" courier at {}", show_ms(at_ms)));
                    let promised = show_ms(view.promised_at_ms);
                    format!("s{} at {promised}{}", view.outlet, courier.unwrap_or_default())
                }
                _ => "none".into(),
            },
            "made" => match answer(Query::Order(words.order())) {
                Answer::Order(Some(view)) => {
                    let stages = view.stages_at_ms.map(|at| at.map_or("-".into(), show_ms));
                    let apology = view.apology.map(|voucher| format!(" v{voucher}"));
                    let apology = apology.unwrap_or_default();
                    let paid = show_nonzero(&[("outlet", view.outlet_paid_minor)]);
                    let from = view.moved_from.map(|outlet| format!(" from s{outlet}"));
                    let from = from.unwrap_or_default();
                    format!("{}{from}{apology} {paid}", stages.join(" "))
                }
                _ => "none".into(),
            },
            list @ ("orders" | "open-orders" | "statement") => {
                let limit = limit(if list == "statement" { 4 } else { 2 });
                let before = words.named("before").map(|before| OrderNo(no(before)));
                let query = match list {
                    "statement" => Query::Statement {
                        outlet: OutletNo(words.no(1)),
                        from_ms: ms(words.plain[2]),
                        until_ms: ms(words.plain[3]),
                        before,
                        limit,
                    },
                    "orders" => Query::Orders { user: words.user(1), before, limit },
                    _ => Query::OpenOrders { outlet: OutletNo(words.no(1)), after: after(), limit },
                };
                let Answer::Orders(views) = answer(query) else { unreachable!() };
                let views = views.iter();
                let words: Vec<String> =
                    views.map(|view| format!("o{} {}", view.number, view.state.name())).collect();
                if words.is_empty() { "none".into() } else { words.join(", ") }
            }
            _ => return self.question_of_outlets(words),
        };
        Some(said)
    }
}
