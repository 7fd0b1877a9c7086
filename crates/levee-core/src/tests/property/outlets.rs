//! Random asks about outlets: documents, pauses, who works there and what else they have to make.

use proptest::prelude::*;

use super::asks::START_MS;
use super::{Both, request};
use crate::tests::{DAY, HOUR, MINUTE, SECOND};
use crate::types::*;

/// What is asked next of outlets.
#[derive(Clone, Debug)]
pub(super) enum OutletAsk {
    Put { outlet: u8, figures: Figures },
    Pause { outlet: u8, key: u64, for_ms: Option<u64>, reason: usize },
    Resume { outlet: u8, key: u64 },
    Staff { outlet: u8, key: u64, stations: u16 },
    WalkIns { outlet: u8, key: u64, work: u32 },
    Break { of: u8, key: Option<u64>, state: BreakerState, by_hand: bool },
}

/// What an outlet says of itself.
#[derive(Clone, Copy, Debug)]
pub(super) struct Figures {
    accept_within_ms: u64,
    stations: u16,
    unit_ms: u32,
    ready_within_ms: u64,
}

const FIGURES: Figures = Figures {
    accept_within_ms: 10 * MINUTE,
    stations: 1,
    unit_ms: 60_000,
    ready_within_ms: 30 * MINUTE,
};

pub(super) fn ask() -> impl Strategy<Value = OutletAsk> {
    let key = || any::<u64>();
    let outlet = || prop_oneof![30 => 0..3_u8, 1 => Just(3)];
    let accept = prop_oneof![5 => Just(10 * MINUTE), 1 => 1..SECOND, 1 => Just(DAY + 1)];
    let unit = prop_oneof![9 => 30_000..400_000_u32, 1 => 0..3_u32];
    let ready = prop_oneof![9 => 5 * MINUTE..40 * MINUTE, 3 => HOUR..=DAY, 1 => DAY..=DAY + 2];
    let figures = (accept, 0..4_u16, unit, ready).prop_map(
        |(accept_within_ms, stations, unit_ms, ready_within_ms)| Figures {
            accept_within_ms,
            stations,
            unit_ms,
            ready_within_ms,
        },
    );
    let pause = (outlet(), key(), prop::option::of(0..HOUR), 0..3_usize);
    let work = prop_oneof![9 => 500..9_000_u32, 1 => Just(0), 1 => Just(WORK_MAX)];
    let state = prop_oneof![
        3 => Just(BreakerState::Closed),
        1 => Just(BreakerState::Open),
        1 => Just(BreakerState::Draining),
    ];
    let breaks = (0..6_u8, prop::option::of(key()), state, any::<bool>());
    prop_oneof![
        2 => breaks
            .prop_map(|(of, key, state, by_hand)| OutletAsk::Break { of, key, state, by_hand }),
        2 => (outlet(), figures).prop_map(|(outlet, figures)| OutletAsk::Put { outlet, figures }),
        1 => pause.prop_map(|(outlet, key, for_ms, reason)| OutletAsk::Pause {
            outlet,
            key,
            for_ms,
            reason,
        }),
        2 => (outlet(), key()).prop_map(|(outlet, key)| OutletAsk::Resume { outlet, key }),
        2 => (outlet(), key(), 0..5_u16)
            .prop_map(|(outlet, key, stations)| OutletAsk::Staff { outlet, key, stations }),
        2 => (outlet(), key(), work)
            .prop_map(|(outlet, key, work)| OutletAsk::WalkIns { outlet, key, work }),
    ]
}

fn outlet_id(number: u8) -> OutletId {
    OutletId::new(["north", "south", "corner", "nowhere"][usize::from(number)]).expect("an id")
}

/// The one in the south closes for the night and a while at noon, and its clocks change.
fn opening(outlet: u8) -> Opening {
    if outlet != 1 {
        return Opening::default();
    }
    let part = |from: u16, until: u16| DayPart { from_minute: from * 60, until_minute: until * 60 };
    let offset = |from_ms, minutes| ZoneOffset { from_ms, minutes };
    Opening {
        hours: vec![part(13, 18), part(17, 1), part(5, 12)],
        offsets: vec![
            offset(0, -210),
            offset(START_MS + 2 * HOUR, -150),
            offset(START_MS + 2 * DAY, -210),
        ],
    }
}

fn put(outlet: u8, figures: Figures) -> Command {
    let Figures { accept_within_ms, stations, unit_ms, ready_within_ms } = figures;
    Command::PutOutlet(Box::new(PutOutlet {
        id: outlet_id(outlet),
        document: vec![b' '; usize::from(stations) * 200],
        brand: NameHash::of(["tea", "coffee", "tea"][usize::from(outlet)]),
        vendor: NameHash::of(["till", "till", "desk"][usize::from(outlet)]),
        stations,
        unit_ms,
        accept_within_ms,
        ready_within_ms,
        opening: opening(outlet),
    }))
}

impl Both {
    /// Two outlets of a brand that some vouchers are for, and one of another.
    pub(super) fn open_outlets(&mut self) {
        for outlet in 0..3 {
            self.give(put(outlet, FIGURES));
        }
    }

    pub(super) fn outlet_command(&self, ask: &OutletAsk) -> Command {
        let now_ms = self.now_ms;
        let number = |outlet: u8| OutletNo(u32::from(outlet));
        match *ask {
            OutletAsk::Put { outlet, figures } => put(outlet.min(2), figures),
            OutletAsk::Pause { outlet, key, for_ms, reason } => {
                Command::PauseOutlet(Box::new(PauseOutlet {
                    request: request(key),
                    outlet: outlet_id(outlet),
                    until_ms: for_ms.map(|for_ms| now_ms + for_ms),
                    reason: "r".repeat(reason),
                }))
            }
            OutletAsk::Resume { outlet, key } => Command::ResumeOutlet(Box::new(ResumeOutlet {
                request: request(key),
                outlet: outlet_id(outlet),
                reason: "again".into(),
            })),
            OutletAsk::Staff { outlet, key, stations } => Command::SetStaffing(SetStaffing {
                request: request(key),
                outlet: number(outlet),
                stations,
            }),
            OutletAsk::Break { of, key, state, by_hand } => {
                Command::ChangeBreaker(Box::new(ChangeBreaker {
                    request: key.map(request),
                    of: match of {
                        4 => BreakerOf::Vendor("till".into()),
                        5 => BreakerOf::Vendor("desk".into()),
                        outlet => BreakerOf::Outlet(number(outlet)),
                    },
                    state,
                    by_hand,
                    reason: "seen so".into(),
                }))
            }
            OutletAsk::WalkIns { outlet, key, work } => Command::RecordWalkIns(RecordWalkIns {
                request: request(key),
                outlet: number(outlet),
                work,
            }),
        }
    }
}
