//! What ends by the clock, in the order in which it does: a tick must take the front of such a line.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// Spans that have a place of their own from the last look on: a day and a half, in which nearly all
/// of what is under way ends. A place without entries takes 24 bytes.
const NEAR_SPANS: u64 = 1 << 17;

/// Things by number that end by the clock. An entry says when to look at a thing, not when it ends:
/// that is asked for at the front, because most things go on, or end in another way, before.
#[derive(Debug, Default)]
pub(super) struct Line {
    /// Numbers by the span of time in which to look at them, from `first_span` on. A tree of as many
    /// would be searched for every step of an order.
    near: VecDeque<Vec<u32>>,
    first_span: u64,
    /// Those of later spans.
    far: BTreeMap<u64, Vec<u32>>,
    /// What has ended by the last look, with that time.
    over: BTreeSet<(u64, u32)>,
}

/// Things whose time is in the same span are looked at together; 1.024 s.
fn span(at_ms: u64) -> u64 {
    at_ms >> 10
}

impl Line {
    /// A thing ends at this time, if nothing happens to it. Entries of before may stay.
    pub(super) fn push(&mut self, number: u32, end_ms: u64) {
        let span = span(end_ms);
        // What should have been looked at already is looked at next.
        let place = span.saturating_sub(self.first_span);
        match usize::try_from(place) {
            Ok(place) if span < self.first_span + NEAR_SPANS => {
                if self.near.len() <= place {
                    self.near.resize_with(place + 1, Vec::new);
                }
                self.near[place].push(number);
            }
            _ => self.far.entry(span).or_default().push(number),
        }
    }

    /// The first `limit` things that have ended by now, in the order of their ends and numbers, each
    /// with its end. `end_ms_of`: when a thing ends; `None` when it no longer will.
    pub(super) fn over(
        &mut self,
        now_ms: u64,
        limit: usize,
        end_ms_of: impl Fn(u32) -> Option<u64>,
    ) -> Vec<(u64, u32)> {
        let come = self.take_until(span(now_ms));
        let stale = self.over.iter().filter(|(end_ms, number)| end_ms_of(*number) != Some(*end_ms));
        let stale = stale.copied().collect::<Vec<_>>();
        stale.iter().for_each(|entry| {
            self.over.remove(entry);
        });
        let moved = stale.into_iter().map(|(_, number)| number);
        for number in come.into_iter().flatten().chain(moved) {
            match end_ms_of(number) {
                Some(end_ms) if end_ms <= now_ms => {
                    self.over.insert((end_ms, number));
                }
                Some(end_ms) => self.push(number, end_ms),
                None => {}
            }
        }
        self.over.iter().take(limit).copied().collect()
    }

    /// Takes the entries of all spans up to this one, which keeps its place: what ends in it may not
    /// have ended yet.
    fn take_until(&mut self, last_span: u64) -> Vec<Vec<u32>> {
        let mut come = Vec::new();
        while self.first_span < last_span {
            let first = self.near.pop_front();
            self.first_span = if first.is_some() { self.first_span + 1 } else { last_span };
            come.extend(first);
        }
        come.extend(self.near.front_mut().map(std::mem::take));
        let later = self.far.split_off(&(last_span + 1));
        come.extend(std::mem::replace(&mut self.far, later).into_values());
        come
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The same as a list of all ends, sorted at each look.
    #[test]
    fn the_front_is_that_of_all_ends() {
        let mut line = Line::default();
        let mut ends: Vec<Option<u64>> = vec![None; 60];
        let mut random = 1_u64;
        let mut draw = |below: u64| {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (random >> 33) % below
        };
        let mut now_ms = 1_770_000_000_000;
        let day_ms = 86_400_000;
        for step in 0..5_000 {
            // Now and then nothing happens for days.
            now_ms += if step % 50 == 0 { draw(9) * day_ms } else { draw(3_000) };
            let number = usize::try_from(draw(60)).expect("small");
            let after = [draw(900), draw(40_000), 43_200_000, draw(4 * day_ms)];
            ends[number] =
                (draw(4) > 0).then_some(now_ms + after[usize::try_from(draw(4)).expect("small")]);
            if let Some(end_ms) = ends[number] {
                line.push(u32::try_from(number).expect("small"), end_ms);
            }
            let all = (0..).zip(&ends).filter_map(|(number, end_ms)| Some(((*end_ms)?, number)));
            let over = all.filter(|(end_ms, _)| *end_ms <= now_ms);
            let mut expected = over.collect::<Vec<(u64, u32)>>();
            expected.sort_unstable();
            expected.truncate(7);
            let found = line.over(now_ms, 7, |number| ends[number as usize]);
            assert_eq!(found, expected, "after step {step}");
            if draw(2) == 0 {
                found.iter().for_each(|(_, number)| ends[*number as usize] = None);
            }
        }
    }
}
