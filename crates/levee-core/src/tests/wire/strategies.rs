//! Random commands and outcomes, in all their forms.

mod orders;
mod webhooks;

use std::sync::Arc;

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;

use crate::SetAside;
use crate::query::{Answer, CampaignView, Query, RedemptionView, VoucherView};
use crate::types::*;

pub(super) fn key() -> impl Strategy<Value = [u8; 16]> + Clone {
    any::<[u8; 16]>()
}

fn request() -> impl Strategy<Value = RequestKey> {
    key().prop_map(RequestKey)
}

fn user() -> impl Strategy<Value = UserKey> {
    key().prop_map(UserKey)
}

fn voucher() -> impl Strategy<Value = VoucherNo> {
    any::<u32>().prop_map(VoucherNo)
}

fn text() -> impl Strategy<Value = String> {
    // Any text, of one to four bytes a character.
    vec(any::<char>(), 0..12).prop_map(|chars| chars.into_iter().collect())
}

fn reference() -> impl Strategy<Value = Reference> {
    let fits = |text: &String| Reference::new(text).is_some();
    prop_oneof![text(), Just("r".repeat(Reference::LEN_MAX))]
        .prop_filter("a reference", fits)
        .prop_map(|text| Reference::new(&text).expect("fits"))
}

fn id() -> impl Strategy<Value = CampaignId> {
    let letters = prop::sample::select(b"abz019-".to_vec());
    vec(letters, 1..=64).prop_map(|bytes| {
        let text = String::from_utf8(bytes).expect("ASCII");
        CampaignId::new(&text).expect("only letters, digits and dashes")
    })
}

fn bill() -> impl Strategy<Value = Bill> {
    let names = vec(any::<u32>().prop_map(NameHash), 0..=Categories::MAX);
    (voucher(), user(), any::<u64>(), option::of(any::<u32>()), names).prop_map(
        |(voucher, user, order_minor, brand, names)| Bill {
            voucher,
            user,
            order_minor,
            brand: brand.map(NameHash),
            categories: Categories::new(&names).expect("few enough"),
        },
    )
}

fn kind() -> impl Strategy<Value = VoucherKind> {
    prop_oneof![
        any::<u32>().prop_map(|face_minor| VoucherKind::AmountOff { face_minor }),
        (any::<u8>(), any::<u32>())
            .prop_map(|(percent, max_minor)| VoucherKind::PercentOff { percent, max_minor }),
    ]
}

fn voucher_terms() -> impl Strategy<Value = VoucherTerms> {
    let part = (any::<u16>(), any::<u16>())
        .prop_map(|(from_minute, until_minute)| DayPart { from_minute, until_minute });
    let names = || vec(text(), 0..3);
    let numbers = (any::<u64>(), any::<u64>(), any::<u16>(), any::<u64>());
    (kind(), names(), names(), vec(part, 0..3), numbers).prop_map(
        |(kind, brands, categories, hours, numbers)| {
            let (min_spend_minor, valid_for_ms, per_user, rollback_within_ms) = numbers;
            VoucherTerms {
                kind,
                min_spend_minor,
                brands,
                categories,
                hours,
                valid_for_ms,
                per_user,
                rollback_within_ms,
            }
        },
    )
}

fn eligibility() -> impl Strategy<Value = Eligibility> {
    let test =
        prop_oneof![text().prop_map(Test::AtLeast), vec(text(), 0..3).prop_map(Test::OneOf),];
    let condition = (text(), test).prop_map(|(attribute, test)| Condition { attribute, test });
    vec(condition, 0..3).prop_map(|all| Eligibility { all })
}

fn invites() -> impl Strategy<Value = InviteTerms> {
    let tier = (any::<u32>(), any::<u32>())
        .prop_map(|(invites, face_minor)| InviteTier { invites, face_minor });
    (any::<u64>(), vec(tier, 0..3), any::<u32>()).prop_map(|(budget_minor, tiers, max_per_user)| {
        InviteTerms { budget_minor, tiers, max_per_user }
    })
}

fn envelopes() -> impl Strategy<Value = EnvelopeTerms> {
    (any::<u64>(), any::<[u32; 3]>(), any::<u64>()).prop_map(
        |(budget_minor, [share_min_minor, share_max_minor, shares_max], expires_after_ms)| {
            EnvelopeTerms {
                budget_minor,
                share_min_minor,
                share_max_minor,
                shares_max,
                expires_after_ms,
            }
        },
    )
}

fn compensation() -> impl Strategy<Value = CompensationTerms> {
    (any::<u64>(), any::<u32>(), any::<u8>()).prop_map(
        |(budget_minor, apology_minor, outlet_percent)| CompensationTerms {
            budget_minor,
            apology_minor,
            outlet_percent,
        },
    )
}

pub(super) fn definition() -> impl Strategy<Value = Definition> {
    let offset =
        (any::<u64>(), any::<i16>()).prop_map(|(from_ms, minutes)| ZoneOffset { from_ms, minutes });
    let limits = (option::of(any::<u64>()), option::of(any::<u64>()));
    let given = (option::of(invites()), option::of(envelopes()), option::of(compensation()));
    let extras = (given, limits);
    let times = (any::<[u8; 3]>(), any::<u64>(), any::<u64>(), vec(offset, 0..3));
    let terms = (times, eligibility(), voucher_terms(), extras);
    (id(), vec(any::<u8>(), 0..40), terms).prop_map(|(id, document, terms)| {
        let (times, eligibility, voucher, (given, limits)) = terms;
        let (invites, envelopes, compensation) = given;
        let (currency, opens_at_ms, closes_at_ms, offsets) = times;
        let (prize_max_minor, per_user_total_minor) = limits;
        let terms = Terms {
            currency,
            opens_at_ms,
            closes_at_ms,
            offsets,
            eligibility,
            voucher,
            invites,
            envelopes,
            prize_max_minor,
            per_user_total_minor,
            compensation,
        };
        Definition { id, document, terms }
    })
}

fn move_budget() -> impl Strategy<Value = Command> {
    let direction = prop::sample::select(vec![Direction::Fund, Direction::Withdraw]);
    let purpose = prop::sample::select(vec![
        Purpose::Vouchers,
        Purpose::Invites,
        Purpose::Envelopes,
        Purpose::Compensation,
    ]);
    (request(), id(), direction, purpose, any::<u64>(), reference()).prop_map(
        |(request, campaign, direction, purpose, amount_minor, reference)| {
            let made =
                MoveBudget { request, campaign, direction, purpose, amount_minor, reference };
            Command::MoveBudget(Box::new(made))
        },
    )
}

fn change_state() -> impl Strategy<Value = Command> {
    let change = prop::sample::select(vec![
        StateChange::Open,
        StateChange::Pause,
        StateChange::Resume,
        StateChange::Close,
    ]);
    (request(), id(), change, text()).prop_map(|(request, campaign, change, reason)| {
        Command::ChangeCampaignState(Box::new(ChangeCampaignState {
            request,
            campaign,
            change,
            reason,
        }))
    })
}

/// The commands of the rush.
fn hot_command() -> impl Strategy<Value = Command> {
    prop_oneof![
        (any::<u32>(), any::<u32>(), any::<u16>(), user(), option::of(request())).prop_map(
            |(campaign, terms_version, conditions_met, user, request)| {
                let campaign = CampaignNo(campaign);
                let claim = ClaimVoucher { campaign, terms_version, conditions_met, user, request };
                Command::ClaimVoucher(claim)
            }
        ),
        (request(), voucher(), user(), any::<u64>(), reference()).prop_map(
            |(request, voucher, user, ttl_ms, reference)| {
                Command::LockVoucher(Box::new(LockVoucher {
                    request,
                    voucher,
                    user,
                    ttl_ms,
                    reference,
                }))
            }
        ),
        any::<u32>().prop_map(|lock| Command::ReleaseLock(ReleaseLock { lock: LockNo(lock) })),
        (request(), bill(), option::of(any::<u32>()), reference()).prop_map(
            |(request, bill, lock, reference)| {
                let lock = lock.map(LockNo);
                Command::RedeemVoucher(Box::new(RedeemVoucher { request, bill, lock, reference }))
            }
        ),
    ]
}

fn level() -> impl Strategy<Value = Level> {
    prop::sample::select(Level::ALL.to_vec())
}

fn setting() -> impl Strategy<Value = LevelSetting> {
    (level(), any::<bool>()).prop_map(|(level, by_hand)| LevelSetting { level, by_hand })
}

/// The commands of operators, and of the engine itself.
fn cold_command() -> impl Strategy<Value = Command> {
    prop_oneof![
        (request(), any::<u32>(), text()).prop_map(|(request, redemption, reason)| {
            let redemption = RedemptionNo(redemption);
            Command::RollBackRedemption(Box::new(RollBackRedemption {
                request,
                redemption,
                reason,
            }))
        }),
        (request(), voucher(), text()).prop_map(|(request, voucher, reason)| {
            Command::RevokeVoucher(Box::new(RevokeVoucher { request, voucher, reason }))
        }),
        (request(), definition()).prop_map(|(request, definition)| {
            Command::CreateCampaign(Box::new(CreateCampaign { request, definition }))
        }),
        (any::<u32>(), definition()).prop_map(|(version_seen, definition)| {
            Command::ReplaceCampaign(Box::new(ReplaceCampaign { version_seen, definition }))
        }),
        move_budget(),
        change_state(),
        any::<u32>().prop_map(|limit| Command::Tick(Tick { limit })),
        any::<u64>()
            .prop_map(|stopped_at_ms| Command::ResumeService(ResumeService { stopped_at_ms })),
        any::<u16>().prop_map(|version| Command::ActivateRules(ActivateRules { version })),
        (option::of(request()), level(), any::<bool>(), text()).prop_map(
            |(request, level, by_hand, reason)| {
                Command::ChangeLevel(Box::new(ChangeLevel { request, level, by_hand, reason }))
            }
        ),
        (request(), text()).prop_map(|(request, reason)| {
            Command::ReleaseLevel(ReleaseLevel { request, reason })
        }),
        (request(), option::of(any::<u32>()), text()).prop_map(
            |(request, claims_per_s, reason)| {
                Command::ChangeLimit(Box::new(ChangeLimit { request, claims_per_s, reason }))
            }
        ),
    ]
}

pub(super) fn command() -> impl Strategy<Value = Command> {
    prop_oneof![hot_command(), cold_command(), orders::command(), webhooks::command()]
}

fn money() -> impl Strategy<Value = Money> {
    any::<[u64; 8]>().prop_map(|all| Money {
        funded_minor: all[0],
        available_minor: all[1],
        reserved_minor: all[2],
        in_flight_minor: all[3],
        escrowed_minor: all[4],
        owed_minor: all[5],
        spent_minor: all[6],
        returned_minor: all[7],
    })
}

fn voucher_state() -> impl Strategy<Value = VoucherState> {
    prop::sample::select(vec![
        VoucherState::Live,
        VoucherState::Locked,
        VoucherState::Redeemed,
        VoucherState::Expired,
        VoucherState::Revoked,
    ])
}

fn campaign_state() -> impl Strategy<Value = CampaignState> {
    prop::sample::select(vec![
        CampaignState::Draft,
        CampaignState::Open,
        CampaignState::Paused,
        CampaignState::Closed,
    ])
}

fn swept() -> impl Strategy<Value = Swept> {
    let numbers = || vec(any::<u32>(), 0..5);
    (numbers(), numbers(), numbers()).prop_map(|(locks, vouchers, redemptions)| Swept {
        locks: locks.into_iter().map(LockNo).collect(),
        vouchers: vouchers.into_iter().map(VoucherNo).collect(),
        redemptions: redemptions.into_iter().map(RedemptionNo).collect(),
    })
}

pub(super) fn outcome() -> impl Strategy<Value = Outcome> {
    let state = campaign_state();
    prop_oneof![
        (voucher(), any::<u32>())
            .prop_map(|(voucher, face_minor)| Outcome::Claimed { voucher, face_minor }),
        (any::<u32>(), any::<u64>())
            .prop_map(|(lock, until_ms)| Outcome::Locked { lock: LockNo(lock), until_ms }),
        voucher_state().prop_map(|voucher_state| Outcome::Released { voucher_state }),
        (any::<[u32; 3]>(), any::<u64>()).prop_map(|(numbers, rollback_until_ms)| {
            let [redemption, discount_minor, rest_minor] = numbers;
            let redemption = RedemptionNo(redemption);
            Outcome::Redeemed { redemption, discount_minor, rest_minor, rollback_until_ms }
        }),
        voucher_state().prop_map(|voucher_state| Outcome::RolledBack { voucher_state }),
        any::<u32>().prop_map(|face_minor| Outcome::Revoked { face_minor }),
        any::<u32>().prop_map(|number| Outcome::CampaignCreated { campaign: CampaignNo(number) }),
        any::<u32>().prop_map(|version| Outcome::CampaignReplaced { version }),
        money().prop_map(|money| Outcome::BudgetMoved(Box::new(money))),
        state.prop_map(|state| Outcome::CampaignStateChanged { state }),
        swept().prop_map(|swept| Outcome::Ticked(Box::new(swept))),
        any::<u64>().prop_map(|outage_ms| Outcome::ServiceResumed { outage_ms }),
        Just(Outcome::RulesActivated),
        (setting(), setting()).prop_map(|(before, after)| Outcome::LevelChanged { before, after }),
        (option::of(any::<u32>()), option::of(any::<u32>()))
            .prop_map(|(before, after)| Outcome::LimitChanged { before, after }),
        orders::outcome(swept()),
        webhooks::outcome(),
    ]
}

pub(super) fn refusal() -> impl Strategy<Value = Refusal> {
    use Refusal::*;
    let field = prop::sample::select(vec!["currency", "closes_at", "voucher.hours"]);
    let wrong = prop::sample::select(vec![
        "reason",
        "document",
        "lines",
        "amount_minor",
        "hold",
        "after_seq",
    ]);
    let plain = prop::sample::select(vec![
        CampaignNotFound,
        CampaignExists,
        CampaignLimitReached,
        CampaignNotOpen,
        CampaignClosed,
        VersionConflict,
        TermsChanged,
        NotEligible,
        UserLimitReached,
        BudgetExhausted,
        AmountTooLarge,
        IdempotencyKeyMissing,
        IdempotencyKeyReused,
        ReferenceReused,
        VoucherNotFound,
        VoucherOfAnotherUser,
        VoucherLocked,
        VoucherNotApplicable,
        MinSpendNotMet,
        LockNotFound,
        LockNotHeld,
        RedemptionNotFound,
        RollbackWindowOver,
        RulesUnknown,
        Unchanged,
        LevelByHand,
        HeldByOrder,
        OutletNotFound,
        OutletLimitReached,
        OutletPaused,
        OrderNotFound,
        OrderOfAnotherUser,
        OrderOfAnotherOutlet,
        PaymentNotFound,
        TradeConflict,
        TicketVersionConflict,
        RefundTooLarge,
        RefundNotFound,
        OutletBusy,
        NoOffers,
        OfferExpired,
        OfferOfAnotherOrder,
        OutletChanged,
        WebhookNotFound,
        WebhookLimitReached,
        DeadLetterNotFound,
    ]);
    prop_oneof![
        plain,
        field.prop_map(TermsFrozen),
        wrong.prop_map(InvalidField),
        orders::order_state().prop_map(OrderStateConflict),
        campaign_state().prop_map(CampaignStateConflict),
        voucher_state().prop_map(VoucherNotLive),
    ]
}

pub(super) fn query() -> impl Strategy<Value = Query> {
    let number = || option::of(any::<u32>());
    prop_oneof![
        id().prop_map(Query::Campaign),
        (option::of(id()), any::<u32>())
            .prop_map(|(after, limit)| Query::Campaigns { after, limit }),
        voucher().prop_map(Query::Voucher),
        (user(), number(), any::<u32>()).prop_map(|(user, before, limit)| {
            Query::Wallet { user, before: before.map(VoucherNo), limit }
        }),
        bill().prop_map(Query::Validate),
        (number(), any::<u32>()).prop_map(|(after, limit)| {
            Query::Redemptions { after: after.map(RedemptionNo), limit }
        }),
        Just(Query::Operations),
        orders::query(),
        webhooks::query(),
    ]
}

/// What views are made of: the place of the definition, numbers, and things of more than one form.
type Parts = (prop::sample::Index, [u64; 4], [u32; 4], ViewForms);
type ViewForms = (VoucherState, CampaignState, Money, [u8; 16], Option<u32>, bool, Reference);

fn parts() -> impl Strategy<Value = Parts> {
    let forms = (
        voucher_state(),
        campaign_state(),
        money(),
        key(),
        option::of(any::<u32>()),
        any::<bool>(),
        reference(),
    );
    (any::<prop::sample::Index>(), any::<[u64; 4]>(), any::<[u32; 4]>(), forms)
}

fn campaign_view(definition: Arc<Definition>, (_, long, short, forms): &Parts) -> CampaignView {
    CampaignView {
        number: CampaignNo(short[0]),
        definition,
        version: short[1],
        state: forms.1,
        created_at_ms: long[0],
        money: forms.2,
        set_aside: SetAside {
            invites_minor: long[1],
            envelopes_minor: long[2],
            compensation_minor: long[3],
        },
        counts: Counts { claims: long[3], live: long[2], ..Counts::default() },
        compensated: Compensated {
            apologies: long[2],
            apologies_minor: long[1],
            outlets_minor: long[0],
            unpaid_minor: long[3],
        },
    }
}

fn voucher_view(definition: Arc<Definition>, (_, long, short, forms): &Parts) -> VoucherView {
    VoucherView {
        number: VoucherNo(short[0]),
        user: UserKey(forms.3),
        definition,
        seq: long[0],
        is_apology: forms.5,
        face_minor: short[1],
        state: forms.0,
        valid_from_ms: long[1],
        valid_until_ms: long[2],
        lock: forms.4.map(|lock| (LockNo(lock), long[3])),
        redemption: forms.5.then_some(RedemptionNo(short[2])),
    }
}

fn redemption_view(definition: Arc<Definition>, (_, long, short, forms): &Parts) -> RedemptionView {
    RedemptionView {
        number: RedemptionNo(short[0]),
        voucher: VoucherNo(short[1]),
        definition,
        seq: long[0],
        at_ms: long[1],
        order_minor: long[2],
        discount_minor: short[2],
        rollback_until_ms: long[3],
        reference: forms.6,
        rolled_back: forms.5,
    }
}

/// Views of a few campaigns, several of which may be of one.
fn views<V: std::fmt::Debug>(
    make: fn(Arc<Definition>, &Parts) -> V,
) -> impl Strategy<Value = Vec<V>> {
    let definitions = vec(definition().prop_map(Arc::new), 1..4);
    (definitions, vec(parts(), 0..6)).prop_map(move |(definitions, parts)| {
        let of = |parts: &Parts| make(Arc::clone(parts.0.get(&definitions)), parts);
        parts.iter().map(of).collect()
    })
}

pub(super) fn answer() -> impl Strategy<Value = Answer> {
    prop_oneof![
        views(campaign_view).prop_map(|mut views| Answer::Campaign(views.pop())),
        views(campaign_view).prop_map(Answer::Campaigns),
        views(voucher_view).prop_map(|mut views| Answer::Voucher(views.pop())),
        views(voucher_view).prop_map(Answer::Wallet),
        any::<u64>().prop_map(|discount_minor| Answer::Validated(Ok(discount_minor))),
        refusal().prop_map(|refusal| Answer::Validated(Err(refusal))),
        views(redemption_view).prop_map(Answer::Redemptions),
        orders::answer(),
        webhooks::answer(),
    ]
}
