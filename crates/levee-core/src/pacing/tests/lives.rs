//! Random lives of orders in one kitchen, beside a list of orders that is counted anew every time.

use proptest::prelude::*;

use super::super::SLOT_MS;
use super::super::estimate::Estimate;
use super::*;

/// What happens next; numbers choose among the orders that are there.
#[derive(Clone, Debug)]
enum Step {
    Wait { ms: u64 },
    Now { work: u32 },
    Slot { work: u32, not_before_ms: u64 },
    TakeBack { which: usize },
    Begin { which: usize },
    Finish { which: usize },
    GiveUp { which: usize },
    WalkIn { work: u32 },
    Stations { stations: u16 },
}

fn step() -> impl Strategy<Value = Step> {
    let which = any::<usize>();
    prop_oneof![
        2 => (0..900_000_u64).prop_map(|ms| Step::Wait { ms }),
        3 => (0..6_000_u32).prop_map(|work| Step::Now { work }),
        2 => (0..6_000_u32, 0..9_000_000_u64)
            .prop_map(|(work, not_before_ms)| Step::Slot { work, not_before_ms }),
        1 => which.prop_map(|which| Step::TakeBack { which }),
        3 => which.prop_map(|which| Step::Begin { which }),
        2 => which.prop_map(|which| Step::Finish { which }),
        1 => which.prop_map(|which| Step::GiveUp { which }),
        1 => (0..6_000_u32).prop_map(|work| Step::WalkIn { work }),
        1 => (0..9_u16).prop_map(|stations| Step::Stations { stations }),
    ]
}

struct Life {
    kitchen: Kitchen,
    now_ms: u64,
    promised: Vec<Ticket>,
    making: Vec<(Ticket, u64)>,
}

impl Life {
    fn step(&mut self, step: &Step, pace: &Pace) {
        let now_ms = self.now_ms;
        match *step {
            Step::Wait { ms } => self.now_ms += ms,
            Step::Now { work } => {
                let work = Work(work);
                let eta_ms = self.kitchen.eta_ms(now_ms, at_once(work), pace);
                self.promise(work, now_ms + eta_ms, pace);
            }
            Step::Slot { work, not_before_ms } => {
                let (work, from_ms) = (Work(work), now_ms + not_before_ms);
                if let Some(ready_at_ms) =
                    self.kitchen.slot_at(now_ms, at_once(work), from_ms, pace)
                {
                    assert!((from_ms..=now_ms + pace.horizon_ms).contains(&ready_at_ms));
                    self.promise(work, ready_at_ms, pace);
                }
            }
            Step::TakeBack { which } if !self.promised.is_empty() => {
                let ticket = self.promised.swap_remove(which % self.promised.len());
                self.kitchen.take_back(now_ms, ticket, pace);
            }
            Step::Begin { which } if !self.promised.is_empty() => {
                let ticket = self.promised.swap_remove(which % self.promised.len());
                self.kitchen.begin(now_ms, ticket, pace);
                self.making.push((ticket, now_ms));
            }
            Step::Finish { which } if !self.making.is_empty() => {
                let (ticket, begun_at_ms) = self.making.swap_remove(which % self.making.len());
                self.kitchen.finish(now_ms, ticket, begun_at_ms, pace);
            }
            Step::GiveUp { which } if !self.making.is_empty() => {
                let (ticket, _) = self.making.swap_remove(which % self.making.len());
                self.kitchen.give_up(now_ms, ticket, pace);
            }
            Step::WalkIn { work } => self.kitchen.walk_in(now_ms, Work(work), pace),
            Step::Stations { stations } => self.kitchen.set_stations(stations),
            _ => {}
        }
    }

    /// Slots that were in time before the promise are in time after it. In its own slot, and in what
    /// the kitchen has been handed, the order comes after those before it.
    fn promise(&mut self, work: Work, ready_at_ms: u64, pace: &Pace) {
        let before = self.in_time(pace);
        let ticket = self.kitchen.promise(self.now_ms, work, ready_at_ms, pace);
        self.promised.push(ticket);
        let after = self.in_time(pace);
        for due_ms in before {
            let own = due_ms / SLOT_MS == ready_at_ms / SLOT_MS;
            let handed = due_ms <= self.now_ms + pace.ahead_ms;
            assert!(own || handed || after.contains(&due_ms), "{ticket:?} makes {due_ms} late");
        }
    }

    fn in_time(&self, pace: &Pace) -> Vec<u64> {
        let estimate = Estimate::new(&self.kitchen, pace);
        let mut work = self.kitchen.making as f64 + self.kitchen.walk_ins_left(self.now_ms, pace);
        let mut in_time = Vec::new();
        for due in self.kitchen.later.iter() {
            work += due.work as f64;
            if self.now_ms + estimate.ms_of(work, 0.0) <= due.at_ms() {
                in_time.push(due.at_ms());
            }
        }
        in_time
    }

    fn check(&self) {
        let promised: u64 = self.promised.iter().map(|ticket| u64::from(ticket.work.0)).sum();
        let making: u64 = self.making.iter().map(|(ticket, _)| u64::from(ticket.work.0)).sum();
        assert_eq!((self.kitchen.later.sum(), self.kitchen.making), (promised, making));
        // From its record and the promises that are left, in whatever order these come.
        let mut restored = Kitchen::restored(&self.kitchen.learned());
        self.promised.iter().rev().for_each(|ticket| restored.restore_promise(*ticket));
        assert_eq!(restored, self.kitchen);
        assert_eq!(restored.learned(), self.kitchen.learned());
    }
}

proptest! {
    #[test]
    fn all_capacity_that_is_taken_comes_back_once(
        stations in 0..9_u16,
        steps in prop::collection::vec(step(), 0..120),
    ) {
        let pace = Pace::DEFAULT;
        let kitchen = Kitchen::new(stations, 180_000);
        let mut life =
            Life { kitchen, now_ms: START_MS, promised: Vec::new(), making: Vec::new() };
        for step in &steps {
            life.step(step, &pace);
            life.check();
        }
        while !life.promised.is_empty() {
            life.step(&Step::TakeBack { which: 0 }, &pace);
        }
        while !life.making.is_empty() {
            life.step(&Step::Finish { which: 0 }, &pace);
        }
        life.check();
        // Walk-ins go by themselves.
        prop_assert_eq!(life.kitchen.unfinished(life.now_ms + 365 * 86_400_000, &pace), 0);
    }

    #[test]
    fn more_work_is_never_ready_earlier(
        steps in prop::collection::vec(step(), 0..40),
        work in 0..6_000_u32,
        more in 1..6_000_u32,
    ) {
        let pace = Pace::DEFAULT;
        let kitchen = Kitchen::new(2, 180_000);
        let mut life =
            Life { kitchen, now_ms: START_MS, promised: Vec::new(), making: Vec::new() };
        steps.iter().for_each(|step| life.step(step, &pace));
        let eta_ms = |work| life.kitchen.eta_ms(life.now_ms, at_once(Work(work)), &pace);
        prop_assert!(eta_ms(work) <= eta_ms(work + more));
    }
}

#[test]
#[should_panic(expected = "was promised")]
fn what_was_taken_back_cannot_be_begun() {
    let mut kitchen = kitchen(1, 4);
    let ticket = promise(&mut kitchen, 1, 20);
    kitchen.take_back(START_MS, ticket, &Pace::DEFAULT);
    kitchen.begin(START_MS, ticket, &Pace::DEFAULT);
}

#[test]
#[should_panic(expected = "is being made")]
fn nothing_is_finished_twice() {
    let mut kitchen = kitchen(1, 4);
    let ticket = promise(&mut kitchen, 1, 20);
    kitchen.begin(START_MS, ticket, &Pace::DEFAULT);
    kitchen.finish(START_MS, ticket, START_MS, &Pace::DEFAULT);
    kitchen.finish(START_MS, ticket, START_MS, &Pace::DEFAULT);
}
