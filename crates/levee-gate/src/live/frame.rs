//! Frames: what gates and engine have counted, as differences over the last second.

use std::collections::VecDeque;
use std::sync::atomic::Ordering::Relaxed;

use bytes::Bytes;
use levee_api::intake::Intake;
use levee_api::port::Priority;
use levee_api::time::Instant;
use levee_api::vitals::{Histogram, OutsideVitals, Vitals};
use levee_api::wire::{
    AdmissionBody, ByLane, CampaignsBody, GateBody, GatesBody, LaneBody, LevelBody, LiveFrame,
    OutsideBody, Tile, WaitingBody,
};

/// Counts are differences to this many frames before: a second.
const FRAMES_BACK: usize = 4;

/// Makes one frame after the other.
#[derive(Debug, Default)]
pub(super) struct Frames {
    id: u64,
    /// Of the last frames, oldest first.
    before: VecDeque<Counts>,
}

/// What was counted up to a moment.
#[derive(Clone, Debug)]
struct Counts {
    at_us: u64,
    arrived: [u64; Priority::COUNT],
    admitted: [u64; Priority::COUNT],
    shed: [u64; Priority::COUNT],
    delays: [[u64; Histogram::LEN]; Priority::COUNT],
}

impl Frames {
    /// What follows begins anew.
    pub(super) fn forget(&mut self) {
        self.before.clear();
    }

    /// The next frame, as an event.
    pub(super) fn next(
        &mut self,
        vitals: &Vitals,
        intake: &Intake,
        money: Option<&Tile<CampaignsBody>>,
    ) -> Bytes {
        self.id += 1;
        let frame = self.frame(vitals, intake, money);
        let data = serde_json::to_string(&frame).expect("frames have only string keys");
        format!("event: frame\nid: {}\ndata: {data}\n\n", self.id).into()
    }

    fn frame(
        &mut self,
        vitals: &Vitals,
        intake: &Intake,
        money: Option<&Tile<CampaignsBody>>,
    ) -> LiveFrame {
        let now_us = intake.now_us();
        let as_of = Instant { ms: now_us / 1_000 };
        let gates = intake.gates();
        let mut counts = Counts {
            at_us: now_us,
            arrived: [0; Priority::COUNT],
            admitted: [0; Priority::COUNT],
            shed: [0; Priority::COUNT],
            delays: std::array::from_fn(|lane| vitals.queue_delay[lane].counts()),
        };
        for (_, report) in &gates {
            add(&mut counts.arrived, &report.arrived);
            add(&mut counts.admitted, &report.admitted);
            add(&mut counts.shed, &report.shed);
        }
        let admission = admission(self.before.front().unwrap_or(&counts), &counts);
        if self.before.len() == FRAMES_BACK {
            self.before.pop_front();
        }
        self.before.push_back(counts);
        let callback_lag_ms = gates.iter().map(|(_, report)| report.callback_lag_ms).max();
        let gates = gates.into_iter().map(|(gate, report)| GateBody::of(gate, report)).collect();
        LiveFrame {
            admission: Tile { as_of, is: admission },
            waiting: Tile { as_of, is: WaitingBody::at(now_us, intake) },
            level: Tile { as_of, is: LevelBody::of(intake.level(), intake.why()) },
            money: money.cloned(),
            gates: Tile { as_of, is: GatesBody { gates } },
            outside: Tile { as_of, is: outside(&vitals.outside, callback_lag_ms.unwrap_or(0)) },
        }
    }
}

fn outside(vitals: &OutsideVitals, callback_lag_ms: u64) -> OutsideBody {
    OutsideBody {
        under_way: vitals.under_way.load(Relaxed),
        parked: vitals.parked.load(Relaxed),
        tickets_oldest_ms: vitals.tickets_oldest_ms.load(Relaxed),
        payments_oldest_ms: vitals.payments_oldest_ms.load(Relaxed),
        callback_lag_ms,
        outlets_open: vitals.outlets_open.load(Relaxed),
        vendors_open: vitals.vendors_open.load(Relaxed),
    }
}

fn add(sums: &mut [u64; Priority::COUNT], more: &[u64; Priority::COUNT]) {
    for (sum, more) in sums.iter_mut().zip(more) {
        *sum = sum.saturating_add(*more);
    }
}

/// What was counted in between. When a gate has gone its counts go with it, and the difference may
/// be below 0: it is shown as 0, for a second.
fn admission(before: &Counts, now: &Counts) -> AdmissionBody {
    let lanes = ByLane::of(|lane| {
        let lane = lane as usize;
        let delays: [u64; Histogram::LEN] = std::array::from_fn(|bucket| {
            now.delays[lane][bucket].saturating_sub(before.delays[lane][bucket])
        });
        LaneBody {
            arrived: now.arrived[lane].saturating_sub(before.arrived[lane]),
            admitted: now.admitted[lane].saturating_sub(before.admitted[lane]),
            shed: now.shed[lane].saturating_sub(before.shed[lane]),
            decided: delays.iter().sum(),
            queue_delay_p50_us: Histogram::quantile_us(&delays, 50),
            queue_delay_p99_us: Histogram::quantile_us(&delays, 99),
        }
    });
    AdmissionBody { over_ms: now.at_us.saturating_sub(before.at_us) / 1_000, lanes }
}

#[cfg(test)]
mod tests {
    use levee_api::intake::GateReport;

    use super::*;

    fn report(claims: u64) -> GateReport {
        let lanes = |claims| [0, 0, 0, claims, 0];
        GateReport {
            arrived: lanes(claims),
            admitted: lanes(claims - claims / 4),
            shed: lanes(claims / 4),
            ..GateReport::default()
        }
    }

    fn claims(frame: &LiveFrame) -> (u64, u64, u64) {
        let claim = frame.admission.is.lanes.claim;
        (claim.arrived, claim.admitted, claim.shed)
    }

    #[test]
    fn counts_are_those_of_the_last_second() {
        let (vitals, intake, mut frames) =
            (Vitals::default(), Intake::default(), Frames::default());
        let mut made = Vec::new();
        for step in 0..8 {
            intake.report(1, report(100 * step));
            intake.report(2, report(4 * step));
            made.push(claims(&frames.frame(&vitals, &intake, None)));
        }
        // From the first frame on, until that is more than a second ago.
        let arrived: Vec<u64> = made.iter().map(|(arrived, ..)| *arrived).collect();
        assert_eq!(arrived, [0, 104, 208, 312, 416, 416, 416, 416]);
        assert_eq!(made[7], (416, 312, 104));
        // A gate that has gone is no negative number.
        intake.forget_gate(1);
        assert_eq!(claims(&frames.frame(&vitals, &intake, None)), (0, 0, 0));
        frames.forget();
        intake.report(2, report(1_000));
        assert_eq!(claims(&frames.frame(&vitals, &intake, None)).0, 0, "begun anew");
    }

    #[test]
    fn delays_are_those_of_the_last_second() {
        let (vitals, intake, mut frames) =
            (Vitals::default(), Intake::default(), Frames::default());
        let delay = &vitals.queue_delay[Priority::Claim as usize];
        delay.add(30_000_000, 1_000);
        let first = frames.frame(&vitals, &intake, None).admission.is.lanes.claim;
        assert_eq!((first.decided, first.queue_delay_p99_us), (0, None), "of before the stream");
        delay.add(700, 98);
        delay.add(5_000, 2);
        let lanes = frames.frame(&vitals, &intake, None).admission.is.lanes;
        let shown = (lanes.claim.queue_delay_p50_us, lanes.claim.queue_delay_p99_us);
        assert_eq!((lanes.claim.decided, shown), (100, (Some(1_024), Some(8_192))));
        assert_eq!((lanes.redeem.decided, lanes.redeem.queue_delay_p50_us), (0, None));
    }

    #[test]
    fn a_frame_is_an_event_with_a_number() {
        let (vitals, intake, mut frames) =
            (Vitals::default(), Intake::default(), Frames::default());
        for id in 1..4 {
            let event = frames.next(&vitals, &intake, None);
            let event = str::from_utf8(&event).expect("text");
            let data = event.strip_prefix(&format!("event: frame\nid: {id}\ndata: "));
            let data = data.and_then(|rest| rest.strip_suffix("\n\n")).expect("an event");
            assert!(!data.contains('\n'), "a line break would end the data");
            let frame: LiveFrame = serde_json::from_str(data).expect("as documented");
            assert_eq!(frame.money, None);
        }
    }
}
