//! Versions of the rules: they change by a command, and only forward.

use super::script::{check, check_with};
use super::terms;
use crate::pacing::Pace;
use crate::types::VoucherTerms;
use crate::{RuleBook, Rules};

fn full(terms: &VoucherTerms, bill_minor: u64) -> u64 {
    u64::from(terms.kind.face_minor()).min(bill_minor)
}

fn half(terms: &VoucherTerms, bill_minor: u64) -> u64 {
    full(terms, bill_minor) / 2
}

static BOOK: [Rules; 2] = [
    Rules { version: 1, discount_minor: full, pace: Pace::expecting },
    Rules { version: 3, discount_minor: half, pace: Pace::expecting },
];

#[test]
fn rules_change_by_a_command() {
    check_with(
        RuleBook::new(&BOOK),
        &[("c", terms())],
        "
        0  ready c 9000          -> open
        0  claim c 7             -> v0 2500
        0  validate v0 7 3000    -> 2500
        0  activate 1            -> rules_unknown
        0  activate 2            -> rules_unknown
        0  activate 3            -> activated
        0  activate 3            -> rules_unknown
        0  activate 1            -> rules_unknown
        0  redeem v0 7 3000      -> r0 1250+1250 until 7d
        ",
    );
    check(
        &[],
        "
        0  activate 1            -> rules_unknown
        0  activate 2            -> rules_unknown
        ",
    );
}

#[test]
fn a_book_finds_its_versions() {
    let book = RuleBook::new(&BOOK);
    assert_eq!(book.first().version, 1);
    assert_eq!(book.newest().version, 3);
    assert!(book.get(2).is_none());
}
