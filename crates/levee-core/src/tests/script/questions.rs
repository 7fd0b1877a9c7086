//! The words that ask and change nothing.

use super::*;

impl Run<'_> {
    pub(super) fn question(&self, words: &Words<'_>) -> Option<String> {
        let answer = |query: Query| self.state.answer(self.now_ms, &query);
        let said = match words.plain[0] {
            "due" => self.state.next_due_ms().map_or("never".into(), show_ms),
            "money" | "counts" | "aside" | "campaign" | "compensated" => {
                let Answer::Campaign(Some(view)) = answer(Query::Campaign(words.id())) else {
                    return Some("none".into());
                };
                let money = view.money;
                assert!(money.adds_up() && view.counts.add_up(view.compensated.apologies));
                match words.plain[0] {
                    "campaign" => format!("{} version {}", view.state.name(), view.version),
                    "aside" => show_nonzero(&[
                        ("invites", view.set_aside.invites_minor),
                        ("envelopes", view.set_aside.envelopes_minor),
                        ("compensation", view.set_aside.compensation_minor),
                    ]),
                    "compensated" => show_nonzero(&[
                        ("apologies", view.compensated.apologies),
                        ("of", view.compensated.apologies_minor),
                        ("outlets", view.compensated.outlets_minor),
                        ("unpaid", view.compensated.unpaid_minor),
                    ]),
                    "counts" => show_nonzero(&[
                        ("claims", view.counts.claims),
                        ("live", view.counts.live),
                        ("locked", view.counts.locked),
                        ("redeemed", view.counts.redeemed),
                        ("expired", view.counts.expired),
                        ("revoked", view.counts.revoked),
                    ]),
                    _ => show_nonzero(&[
                        ("available", money.available_minor),
                        ("reserved", money.reserved_minor),
                        ("in_flight", money.in_flight_minor),
                        ("escrowed", money.escrowed_minor),
                        ("owed", money.owed_minor),
                        ("spent", money.spent_minor),
                        ("returned", money.returned_minor),
                    ]),
                }
            }
            "voucher" => match answer(Query::Voucher(VoucherNo(words.no(1)))) {
                Answer::Voucher(Some(view)) => {
                    let lock = view
                        .lock
                        .map(|(lock, until_ms)| format!(" l{lock} until {}", show_ms(until_ms)));
                    let redemption = view.redemption.map(|redemption| format!(" r{redemption}"));
                    let until = show_ms(view.valid_until_ms);
                    let (lock, redemption) =
                        (lock.unwrap_or_default(), redemption.unwrap_or_default());
                    format!("{} until {until}{lock}{redemption}", view.state.name())
                }
                _ => "none".into(),
            },
            "wallet" => {
                let before = words.named.get("before").map(|before| VoucherNo(no(before)));
                let limit = words.plain.get(2).map_or(u32::MAX, |limit| no(&format!("x{limit}")));
                let query = Query::Wallet { user: words.user(1), before, limit };
                let Answer::Wallet(views) = answer(query) else { unreachable!() };
                let views =
                    views.iter().map(|view| format!("v{} {}", view.number, view.state.name()));
                let views: Vec<String> = views.collect();
                if views.is_empty() { "empty".into() } else { views.join(", ") }
            }
            "redemptions" => {
                let after = words.named.get("after").map(|after| RedemptionNo(no(after)));
                let limit = words.plain.get(1).map_or(u32::MAX, |limit| no(&format!("x{limit}")));
                let Answer::Redemptions(views) = answer(Query::Redemptions { after, limit }) else {
                    unreachable!()
                };
                let views = views.iter().map(|view| {
                    let undone = if view.rolled_back { " undone" } else { "" };
                    format!(
                        "r{} v{} {} of {}{undone}",
                        view.number, view.voucher, view.discount_minor, view.order_minor
                    )
                });
                let views: Vec<String> = views.collect();
                if views.is_empty() { "none".into() } else { views.join(", ") }
            }
            "campaigns" => {
                let after = words.named.get("after").map(|id| CampaignId::new(id).expect("an id"));
                let limit = words.plain.get(1).map_or(u32::MAX, |limit| no(&format!("x{limit}")));
                let Answer::Campaigns(views) = answer(Query::Campaigns { after, limit }) else {
                    unreachable!()
                };
                let ids: Vec<&str> = views.iter().map(|view| view.definition.id.as_str()).collect();
                ids.join(" ")
            }
            "operations" => {
                let Answer::Operations(is) = answer(Query::Operations) else { unreachable!() };
                let reason = |text: &str| {
                    if text.is_empty() { String::new() } else { format!(", {text}") }
                };
                let since = show_ms(is.since_ms);
                let mut said =
                    format!("{} since {since}{}", show_setting(is.setting), reason(&is.reason));
                if is.limit_since_ms > 0 {
                    let limit = show_limit(is.claims_per_s);
                    let since = show_ms(is.limit_since_ms);
                    said += &format!(", {limit} since {since}{}", reason(&is.limit_reason));
                }
                said
            }
            "validate" => match answer(Query::Validate(words.bill())) {
                Answer::Validated(Ok(discount_minor)) => discount_minor.to_string(),
                Answer::Validated(Err(refusal)) => show_refusal(refusal),
                _ => unreachable!(),
            },
            _ => return self.question_of_orders(words),
        };
        Some(said)
    }
}
