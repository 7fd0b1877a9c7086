//! A ticket's life: it comes, is looked at, waits, is made and fetched; and Levee is told, one step
//! after the other, each once the one before is agreed.
//!
//! The kitchen does not wait for Levee: while a step is said again and again, what comes after it
//! happens all the same, and is said as soon as it can be.

use super::{Kitchen, Kitchens, Record, TICKETS_MAX, Telling, TicketState, at};
use crate::sandbox::draw::whole;
use crate::sandbox::effects::{Due, Effects, Life};
use crate::wire::pos::{Cancel, Step, Ticket};

/// Most tries of one step.
const TRIES_MAX: u32 = 200;

/// What became of a ticket that came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::sandbox) enum Receipt {
    /// Taken, or known.
    Received,
    /// There are too many already.
    Full,
}

/// What Levee said to a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::sandbox) enum Heard {
    /// Done; the ticket has this version now.
    Agreed { version: u32 },
    /// It is not this outlet's any more.
    Taken,
    /// A refusal that no outlet can do anything about.
    Refused,
    /// No answer, or one that asks to wait: so long, in milliseconds of the day.
    Again { after_ms: u64 },
}

impl Kitchens {
    /// A ticket comes.
    pub(in crate::sandbox) fn receive(
        &mut self,
        effects: &mut Effects,
        now_ms: u64,
        vendor: &str,
        ticket: &Ticket,
    ) -> Receipt {
        let kitchen = self.kitchen(vendor, &ticket.outlet_id, now_ms);
        let known = self.kitchens[at(kitchen)].tickets.get(ticket.ticket.as_str()).copied();
        let number = match known {
            Some(number) => {
                let record = &mut self.tickets[at(number)];
                if ticket.version <= record.version {
                    self.stats.repeated += 1;
                    return Receipt::Received;
                }
                if !record.renew(ticket) {
                    self.stats.changed += 1;
                    return Receipt::Received;
                }
                number
            }
            None if self.tickets.len() >= TICKETS_MAX => return Receipt::Full,
            None => self.keep(Record::new(kitchen, ticket)),
        };
        self.stats.received += 1;
        self.decide(effects, now_ms, number);
        Receipt::Received
    }

    fn keep(&mut self, record: Record) -> u32 {
        let number = u32::try_from(self.tickets.len()).expect("bounded by TICKETS_MAX");
        let kitchen = &mut self.kitchens[at(record.kitchen)];
        kitchen.tickets.insert(record.id.clone(), number);
        self.tickets.push(record);
        number
    }

    /// Whether it is ever looked at, when, and with which result.
    fn decide(&mut self, effects: &mut Effects, now_ms: u64, number: u32) {
        let record = &mut self.tickets[at(number)];
        let outlet_id = &self.kitchens[at(record.kitchen)].outlet_id;
        let ids = [&*record.id, &**outlet_id];
        let fate = self.draw.about("answer", &ids).f64();
        if fate < self.terms.ignored {
            record.state = TicketState::Ignored;
            self.stats.ignored += 1;
            return;
        }
        record.rejects = fate < self.terms.ignored + self.terms.rejected;
        let after_ms = self.draw.lasting_ms(self.terms.accept_after, "accept", &ids);
        effects.agenda.put(now_ms + after_ms, Due::Answer(record.life(number)));
    }

    /// A cancellation comes.
    pub(in crate::sandbox) fn cancel(
        &mut self,
        effects: &mut Effects,
        now_ms: u64,
        (vendor, outlet_id): (&str, &str),
        cancel: &Cancel,
    ) -> Receipt {
        let kitchen = self.kitchen(vendor, outlet_id, now_ms);
        let known = self.kitchens[at(kitchen)].tickets.get(cancel.ticket.as_str()).copied();
        let Some(number) = known else {
            if self.tickets.len() >= TICKETS_MAX {
                return Receipt::Full;
            }
            // Remembered, so that the ticket is not made when it comes at last.
            self.keep(Record::cancelled(kitchen, &cancel.ticket, cancel.version));
            self.stats.cancelled += 1;
            return Receipt::Received;
        };
        let record = &mut self.tickets[at(number)];
        if cancel.version < record.version {
            self.stats.repeated += 1;
            return Receipt::Received;
        }
        record.version = cancel.version;
        match record.state {
            TicketState::Cancelled => self.stats.repeated += 1,
            // Its outlet would never have known.
            TicketState::Ignored => {
                record.state = TicketState::Cancelled;
                self.stats.cancelled += 1;
            }
            _ if record.is_over() => self.stats.cancelled_late += 1,
            _ => {
                self.stats.cancelled += 1;
                self.drop_ticket(effects, now_ms, number, TicketState::Cancelled);
            }
        }
        Receipt::Received
    }

    /// Ends a life that is under way.
    fn drop_ticket(&mut self, effects: &mut Effects, now_ms: u64, number: u32, to: TicketState) {
        let record = &mut self.tickets[at(number)];
        let (state, kitchen) = (record.state, record.kitchen);
        record.state = to;
        record.end_life();
        if record.begun {
            self.stats.made_for_nothing += 1;
        }
        let Kitchen { queue, .. } = &mut self.kitchens[at(kitchen)];
        match state {
            TicketState::Accepted => queue.leave(record.from_ms, number),
            // What is begun is finished and thrown away; what is not leaves its station.
            TicketState::Making if !record.begun => {
                let left_ms = queue.release(record.station, now_ms);
                self.class(kitchen).busy_ms -= left_ms;
                self.look(effects, now_ms, kitchen);
            }
            _ => {}
        }
    }

    /// Does what is due for a ticket or a kitchen, at the moment at which it was.
    pub(in crate::sandbox) fn due(
        &mut self,
        effects: &mut Effects,
        due_ms: u64,
        now_ms: u64,
        due: Due,
    ) {
        let life = match due {
            Due::Look { kitchen } => {
                let look_ms = &mut self.kitchens[at(kitchen)].look_ms;
                if *look_ms == Some(due_ms) {
                    *look_ms = None;
                    self.look(effects, now_ms, kitchen);
                }
                return;
            }
            Due::Answer(life) | Due::Made(life) | Due::Fetched(life) | Due::Tell(life) => life,
            Due::Think { .. } | Due::Settle { .. } | Due::Callback(_) => return,
        };
        let record = &mut self.tickets[at(life.ticket)];
        if record.life != life.number {
            return;
        }
        match due {
            Due::Answer(_) => record.reached_count = 1,
            Due::Made(_) => {
                record.state = TicketState::Ready;
                record.reached_count = 3;
                record.made_count += 1;
                let kitchen = &self.kitchens[at(record.kitchen)];
                let ids = [&*record.id, &*kitchen.outlet_id];
                let after_ms = self.draw.lasting_ms(self.terms.collect_after, "collect", &ids);
                effects.agenda.put(due_ms + after_ms, Due::Fetched(life));
                self.begin(life.ticket);
            }
            Due::Fetched(_) => record.reached_count = 4,
            _ => record.telling = false,
        }
        self.tell(effects, now_ms, life.ticket);
    }

    /// Lets an outlet's stations take what they can.
    fn look(&mut self, effects: &mut Effects, now_ms: u64, kitchen: u32) {
        // The queue is taken out, because what it asks for is drawn from all the rest.
        let mut queue = std::mem::take(&mut self.kitchens[at(kitchen)].queue);
        let making_ms = |ticket| self.making_ms(&self.tickets[at(ticket)]);
        let looked = queue.look(now_ms, self.crowd(kitchen), making_ms);
        let Kitchen { queue: place, look_ms, .. } = &mut self.kitchens[at(kitchen)];
        *place = queue;
        if let Some(again_ms) = looked.again_ms
            && look_ms.is_none_or(|planned_ms| again_ms < planned_ms)
        {
            *look_ms = Some(again_ms);
            effects.agenda.put(again_ms, Due::Look { kitchen });
        }
        self.class(kitchen).walk_in_ms += looked.walk_in_ms;
        for taken in looked.taken {
            self.class(kitchen).busy_ms += taken.until_ms - taken.from_ms;
            let record = &mut self.tickets[at(taken.ticket)];
            record.state = TicketState::Making;
            record.station = taken.station;
            record.reached_count = 2;
            effects.agenda.put(taken.until_ms, Due::Made(record.life(taken.ticket)));
            self.tell(effects, now_ms, taken.ticket);
        }
    }

    /// Says the next step, unless one is under way.
    fn tell(&mut self, effects: &mut Effects, now_ms: u64, number: u32) {
        let record = &mut self.tickets[at(number)];
        if record.telling || record.untold().is_none() {
            return;
        }
        record.telling = true;
        let life = record.life(number);
        let kitchen = &self.kitchens[at(record.kitchen)];
        let (vendor, outlet_id) = (&kitchen.vendor, &kitchen.outlet_id);
        match self.hours.mute_until(kitchen.profile.class, vendor, outlet_id, now_ms) {
            Some(until_ms) => effects.agenda.put(until_ms, Due::Tell(life)),
            None => effects.steps.push_back(life),
        }
    }

    /// What is to be said, when its turn has come; nothing if it has no meaning any more.
    pub(in crate::sandbox) fn telling(&mut self, life: Life) -> Option<Telling> {
        let record = &self.tickets[at(life.ticket)];
        let step = record.untold().filter(|_| record.life == life.number)?;
        self.stats.steps_sent += 1;
        Some(Telling {
            life,
            step,
            ticket: record.id.to_string(),
            outlet_id: self.kitchens[at(record.kitchen)].outlet_id.to_string(),
            version: record.version,
        })
    }

    /// How often the step that is under way was tried before.
    pub(in crate::sandbox) fn tries_count(&self, life: Life) -> u32 {
        self.tickets[at(life.ticket)].tries_count
    }

    /// Levee has answered a step, or has not.
    pub(in crate::sandbox) fn heard(
        &mut self,
        effects: &mut Effects,
        now_ms: u64,
        (life, step): (Life, Step),
        heard: Heard,
    ) {
        let record = &mut self.tickets[at(life.ticket)];
        if record.life != life.number {
            return;
        }
        match heard {
            Heard::Agreed { version } => {
                record.telling = false;
                record.tries_count = 0;
                record.told_count += 1;
                // A newer ticket may have come meanwhile.
                record.version = record.version.max(version);
                self.agreed(effects, now_ms, life.ticket, step);
                self.tell(effects, now_ms, life.ticket);
            }
            Heard::Taken => {
                self.stats.cancelled += 1;
                self.drop_ticket(effects, now_ms, life.ticket, TicketState::Cancelled);
            }
            Heard::Refused => {
                self.stats.refused += 1;
                self.drop_ticket(effects, now_ms, life.ticket, TicketState::Refused);
            }
            Heard::Again { .. } if record.tries_count + 1 >= TRIES_MAX => {
                self.stats.gave_up += 1;
                self.drop_ticket(effects, now_ms, life.ticket, TicketState::Refused);
            }
            Heard::Again { after_ms } => {
                record.tries_count += 1;
                self.stats.steps_repeated += 1;
                effects.agenda.put(now_ms + after_ms, Due::Tell(life));
            }
        }
    }

    fn agreed(&mut self, effects: &mut Effects, now_ms: u64, number: u32, step: Step) {
        let record = &mut self.tickets[at(number)];
        match step {
            Step::Accept => {
                self.stats.accepted += 1;
                record.state = TicketState::Accepted;
                let ahead_ms = whole(self.terms.ahead_minutes * 60_000.0);
                record.from_ms = now_ms.max(record.ready_at_ms.saturating_sub(ahead_ms));
                let (from_ms, kitchen) = (record.from_ms, record.kitchen);
                self.kitchens[at(kitchen)].queue.join(from_ms, number, now_ms);
                self.look(effects, now_ms, kitchen);
            }
            Step::Reject => {
                self.stats.rejected += 1;
                record.state = TicketState::Rejected;
                record.end_life();
            }
            Step::Start => {
                self.stats.started += 1;
                self.begin(number);
            }
            Step::Ready => self.stats.ready += 1,
            Step::Collect => {
                self.stats.collected += 1;
                record.state = TicketState::Collected;
                record.end_life();
            }
        }
    }

    /// From here on a ticket that is taken away was made for nothing, and its order is not to be
    /// begun again.
    fn begin(&mut self, number: u32) {
        let record = &mut self.tickets[at(number)];
        if record.begun {
            return;
        }
        record.begun = true;
        record.begun_count += 1;
        let times = self.begun_orders.entry(record.order.clone()).or_default();
        *times += 1;
        if *times > 1 {
            self.stats.double_made += 1;
        }
    }
}
