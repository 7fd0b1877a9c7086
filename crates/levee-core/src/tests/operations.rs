//! The brownout level and the limit of claims: who may change them, and what is kept.

use super::request;
use super::script::check;
use crate::types::{
    ChangeLevel, ChangeLimit, Command, Level, LevelSetting, Outcome, REASON_LEN_MAX, Tick, Wire,
};
use crate::{Restore, RestoreError, RuleBook, State, Verdict};

#[test]
fn rules_move_the_level_until_an_operator_fixes_it() {
    check(
        &[],
        "
        0    operations                         -> normal by rule since 0
        1    level lean reason=delay            -> normal by rule, lean by rule
        2    level lean reason=delay            -> unchanged
        3    level waiting reason=delay         -> lean by rule, waiting by rule
        4    fix waiting reason=drill           -> waiting by rule, waiting by hand
        5    fix waiting reason=again           -> unchanged
        5    level normal reason=quiet          -> level_by_hand
        5    level waiting reason=delay         -> level_by_hand
        5    operations                         -> waiting by hand since 4, drill
        6    fix essential reason=storm         -> waiting by hand, essential by hand
        7    release-level reason=over                -> essential by hand, essential by rule
        8    release-level reason=over                -> unchanged
        8    operations                         -> essential by rule since 7, over
        9    level normal reason=quiet          -> essential by rule, normal by rule
        9    operations                         -> normal by rule since 9, quiet
        10   fix normal reason=demo             -> normal by rule, normal by hand
        ",
    );
}

#[test]
fn an_operators_change_has_a_key_and_a_reason() {
    let long = "r".repeat(REASON_LEN_MAX + 1);
    let most = "r".repeat(REASON_LEN_MAX);
    check(
        &[],
        &format!(
            "
            1    fix lean key=1 reason=drill        -> normal by rule, lean by hand
            2    fix lean key=1 reason=drill        -> again normal by rule, lean by hand
            2    fix lean key=1 reason=other        -> idempotency_key_reused
            2    release-level key=1 reason=drill         -> idempotency_key_reused
            3    release-level key=2 reason=over          -> lean by hand, lean by rule
            4    fix lean key=1 reason=drill        -> again normal by rule, lean by hand
            4    operations                         -> lean by rule since 3, over
            5    fix lean keyless reason=drill      -> idempotency_key_missing
            5    fix normal                         -> invalid_field(reason)
            5    level normal                       -> invalid_field(reason)
            5    release-level                            -> invalid_field(reason)
            5    limit 7                            -> invalid_field(reason)
            5    fix normal reason={long}           -> invalid_field(reason)
            5    limit 7 reason={long}              -> invalid_field(reason)
            5    fix normal key=1 reason={most}     -> idempotency_key_reused
            5    fix normal reason={most}           -> lean by rule, normal by hand
            "
        ),
    );
}

#[test]
fn a_limit_is_at_least_one_claim_a_second() {
    check(
        &[],
        "
        0    limit none reason=none             -> unchanged
        1    limit 0 reason=stop                -> invalid_field(claims_per_s)
        1    limit 5000 key=1 reason=disk       -> limit none, limit 5000
        2    limit 5000 key=1 reason=disk       -> again limit none, limit 5000
        2    limit 5000 reason=disk             -> unchanged
        2    limit 4000 key=1 reason=disk       -> idempotency_key_reused
        3    limit 4294967295 reason=most       -> limit 5000, limit 4294967295
        4    operations                         -> normal by rule since 0, limit 4294967295 since 3, most
        5    limit none key=3 reason=over       -> limit 4294967295, limit none
        6    limit none key=3 reason=over       -> again limit 4294967295, limit none
        6    operations                         -> normal by rule since 0, limit none since 5, over
        ",
    );
}

/// Answers are remembered in records that have twelve bytes for what has no columns of its own.
#[test]
fn the_largest_outcomes_fit_a_remembered_answer() {
    let level = LevelSetting { level: Level::Essential, by_hand: true };
    for outcome in [
        Outcome::LevelChanged { before: level, after: level },
        Outcome::LimitChanged { before: Some(u32::MAX), after: Some(u32::MAX) },
    ] {
        let mut bytes = Vec::new();
        outcome.put(&mut bytes);
        assert!(bytes.len() <= 13, "{} bytes: {outcome:?}", bytes.len());
    }
}

fn apply(state: &mut State, command: &Command) {
    let verdict = state.apply(7, state.last_seq() + 1, command);
    assert!(matches!(verdict, Verdict::Done(_)), "{verdict:?}");
}

fn restored(rest: &[u8]) -> Result<State, RestoreError> {
    // No request is keyed here, so there are no pages.
    Restore::new(State::new(RuleBook::RELEASED), rest, 0)?.finish()
}

/// What earlier builds wrote ends where the settings would begin.
#[test]
fn a_snapshot_without_settings_is_read_as_one_where_nothing_was_set() {
    let mut state = State::new(RuleBook::RELEASED);
    apply(&mut state, &Command::Tick(Tick { limit: 1 }));
    let unset = state.begin_snapshot().encode();
    state.end_snapshot();
    assert_eq!(restored(&unset).expect("whole").digest(), state.digest());

    let reason = "delay".to_owned();
    let level = ChangeLevel { request: None, level: Level::Lean, by_hand: false, reason };
    apply(&mut state, &Command::ChangeLevel(Box::new(level)));
    let set = state.begin_snapshot().encode();
    let anew = restored(&set).expect("whole");
    assert_eq!((anew.digest(), anew.operations()), (state.digest(), state.operations()));
    // All of them, or none.
    for cut in unset.len() + 1..set.len() {
        assert!(restored(&set[..cut]).is_err(), "cut at {cut} of {}", set.len());
    }
    let longer = [&set[..], &[0]].concat();
    assert!(matches!(restored(&longer), Err(RestoreError::Rest(_))));
}

#[test]
fn the_digest_tells_settings_apart() {
    let with = |claims_per_s: u32, reason: &str| {
        let mut state = State::new(RuleBook::RELEASED);
        let (request, reason) = (request(1), reason.to_owned());
        let claims_per_s = Some(claims_per_s);
        apply(
            &mut state,
            &Command::ChangeLimit(Box::new(ChangeLimit { request, claims_per_s, reason })),
        );
        state.digest()
    };
    assert_eq!(with(5, "disk"), with(5, "disk"));
    assert_ne!(with(5, "disk"), with(6, "disk"));
    assert_ne!(with(5, "disk"), with(5, "risk"));
}
