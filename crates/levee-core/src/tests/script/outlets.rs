//! The words of outlets and quotes.
//!
//! ```text
//! 0   outlet tea 10m unit=4m stations=1 open=9h-22h    -> s0 version 1
//! 1   staffing s0 2                                    -> staffed
//! 1   walk-ins s0 5000                                 -> noted
//! 2   quote s0 work=2000 others=s1+5m hold=2m          -> q0 until 2m+2: s0 at 10m, s1 at 8m
//! ```
//!
//! Without words of its own an outlet has two stations that make a unit in a minute, is always open
//! and takes what it can have ready within a day.

use super::*;

impl Words<'_> {
    pub(super) fn outlet_id(&self) -> OutletId {
        OutletId::new(self.plain[1]).expect("an outlet id")
    }

    /// `open=22h-2h,9h-12h` are parts of the day, `zone=0:480,10d:420` offsets from instants on.
    fn opening(&self) -> Opening {
        let list = |name: &str| self.named(name).into_iter().flat_map(|list| list.split(','));
        let minute = |word: &str| u16::try_from(ms(word) / MINUTE).expect("within a day");
        let hours = list("open").map(|part| {
            let (from, until) = part.split_once('-').expect("from-until");
            DayPart { from_minute: minute(from), until_minute: minute(until) }
        });
        let offsets = list("zone").map(|offset| {
            let (from, minutes) = offset.split_once(':').expect("from:minutes");
            ZoneOffset { from_ms: ms(from), minutes: minutes.parse().expect("minutes") }
        });
        Opening { offsets: offsets.collect(), hours: hours.collect() }
    }

    /// `others=s1+5m,s2` with the ways to them.
    fn candidates(&self) -> Vec<Candidate> {
        let others = self.named("others").into_iter().flat_map(|list| list.split(','));
        let candidate = |word: &str| {
            let (outlet, travel) = word.split_once('+').unwrap_or((word, "0"));
            let travel_ms = u32::try_from(ms(travel)).expect("a way");
            Candidate { outlet: OutletNo(no(outlet)), travel_ms }
        };
        [self.plain[1]].into_iter().chain(others).map(candidate).collect()
    }

    /// Of the outlet's document.
    pub(super) fn version_seen(&self) -> u32 {
        u32::try_from(self.named_number("version", 1)).expect("small")
    }

    pub(super) fn work(&self) -> u32 {
        u32::try_from(self.named_number("work", 1_000)).expect("32 bits")
    }
}

pub(super) fn command(words: &Words<'_>) -> Option<Command> {
    let request = words.request();
    let small = |name: &str, otherwise: u64| {
        u16::try_from(words.named_number(name, otherwise)).expect("a small number")
    };
    let made = match words.plain[0] {
        "outlet" => Command::PutOutlet(Box::new(PutOutlet {
            id: words.outlet_id(),
            document: words.named("menu").unwrap_or("{}").into(),
            brand: NameHash::of(words.named("brand").unwrap_or("tea")),
            vendor: NameHash::of(words.named("vendor").unwrap_or("till")),
            stations: small("stations", 2),
            unit_ms: u32::try_from(words.named("unit").map_or(MINUTE, ms)).expect("32 bits"),
            accept_within_ms: ms(words.plain[2]),
            ready_within_ms: words.named("ready").map_or(DAY, ms),
            opening: words.opening(),
        })),
        "pause-outlet" => Command::PauseOutlet(Box::new(PauseOutlet {
            request,
            outlet: words.outlet_id(),
            until_ms: words.named("until").map(ms),
            reason: words.reason(),
        })),
        "resume-outlet" => Command::ResumeOutlet(Box::new(ResumeOutlet {
            request,
            outlet: words.outlet_id(),
            reason: words.reason(),
        })),
        "staffing" => Command::SetStaffing(SetStaffing {
            request,
            outlet: OutletNo(words.no(1)),
            stations: u16::try_from(words.number(2)).expect("a small number"),
        }),
        "walk-ins" => Command::RecordWalkIns(RecordWalkIns {
            request,
            outlet: OutletNo(words.no(1)),
            work: u32::try_from(words.number(2)).expect("32 bits"),
        }),
        // `break s0 open`, `break till closed hand=1`.
        "break" => {
            let is_outlet =
                words.plain[1].strip_prefix('s').is_some_and(|no| no.parse::<u32>().is_ok());
            let by_hand = words.named("hand").is_some();
            Command::ChangeBreaker(Box::new(ChangeBreaker {
                request: by_hand.then_some(request),
                of: if is_outlet {
                    BreakerOf::Outlet(OutletNo(words.no(1)))
                } else {
                    BreakerOf::Vendor(words.plain[1].into())
                },
                state: match words.plain[2] {
                    "closed" => BreakerState::Closed,
                    "open" => BreakerState::Open,
                    _ => BreakerState::Draining,
                },
                by_hand,
                reason: words.reason(),
            }))
        }
        "quote" => Command::QuoteOrder(Box::new(QuoteOrder {
            request,
            asked: words.named_number("asked", 0),
            user: words.named("user").map(|_| {
                user(u8::try_from(words.named_number("user", 0)).expect("a small number"))
            }),
            outlet_version: words.version_seen(),
            total_minor: words.named_number("total", 1_000),
            discount_minor: words.named_number("off", 0),
            work: words.work(),
            candidates: words.candidates(),
            ready_by_ms: words.named("by").map(ms),
            hold_ms: words.named("hold").map_or(2 * MINUTE, ms),
        })),
        _ => return None,
    };
    Some(made)
}

pub(super) fn show_quoted(quoted: &Quoted) -> String {
    let Quoted { quote, until_ms, total_minor, discount_minor, offers, released } = quoted;
    let price = match (total_minor, discount_minor) {
        (1_000, 0) => String::new(),
        (total_minor, discount_minor) => format!(" for {total_minor}-{discount_minor}"),
    };
    let offers = offers.iter();
    let offers = offers.map(|offer| format!("s{} at {}", offer.outlet, show_ms(offer.ready_at_ms)));
    let offers: Vec<String> = offers.collect();
    let released = released.map(|released| format!(", not q{released} any more"));
    let released = released.unwrap_or_default();
    format!("q{quote}{price} until {}: {}{released}", show_ms(*until_ms), offers.join(", "))
}

impl Run<'_> {
    pub(super) fn question_of_outlets(&self, words: &Words<'_>) -> Option<String> {
        let answer = |query: Query| self.state.answer(self.now_ms, &query);
        let said = match words.plain[0] {
            "outlet-now" => match answer(Query::Outlet(words.outlet_id())) {
                Answer::Outlet(Some(view)) => {
                    let document = String::from_utf8(view.document).expect("a text");
                    let pause = view.pause.map(|pause| {
                        let until = pause.until_ms.map_or("resumed".into(), show_ms);
                        format!(" paused until {until}, {}", pause.reason)
                    });
                    let pause = pause.unwrap_or_default();
                    format!("s{} version {} {document}{pause}", view.number, view.version)
                }
                _ => "none".into(),
            },
            "breakers" => {
                let after = words.named("after").map(|after| OutletNo(no(after)));
                let limit = words.plain.get(1).map_or(u32::MAX, |limit| no(&format!("x{limit}")));
                let Answer::Breakers(all) = answer(Query::Breakers { after, limit }) else {
                    unreachable!()
                };
                let all = all.iter().map(|(of, breaker)| {
                    let of = match of {
                        BreakerOf::Outlet(outlet) => format!("s{outlet}"),
                        BreakerOf::Vendor(vendor) => vendor.clone(),
                    };
                    let by = if breaker.by_hand { " by hand" } else { "" };
                    let since = show_ms(breaker.since_ms);
                    format!("{of} {}{by} since {since}, {}", breaker.state.name(), breaker.reason)
                });
                let all: Vec<String> = all.collect();
                if all.is_empty() { "none".into() } else { all.join("; ") }
            }
            "kitchen" => match answer(Query::Outlet(words.outlet_id())) {
                Answer::Outlet(Some(view)) => {
                    let eta = view.eta_ms.map_or("never".into(), show_ms);
                    let promised = view.promised.iter();
                    let promised =
                        promised.map(|(at, work)| format!(", {work} by {}", show_ms(*at)));
                    let promised: String = promised.collect();
                    format!(
                        "stations {} eta {eta} work {}{promised}",
                        view.stations, view.unfinished
                    )
                }
                _ => "none".into(),
            },
            "outlets" => {
                let after_seq = words.named_number("after", 0);
                let limit = words.plain.get(1).map_or(u32::MAX, |limit| no(&format!("x{limit}")));
                let Answer::Outlets(views) = answer(Query::Outlets { after_seq, limit }) else {
                    unreachable!()
                };
                let views = views.iter().map(|view| format!("{}@{}", view.id, view.put_seq));
                let views: Vec<String> = views.collect();
                if views.is_empty() { "none".into() } else { views.join(", ") }
            }
            "etas" => {
                let outlets = words.plain[1].split(',').map(|outlet| OutletNo(no(outlet)));
                let query = Query::Etas { outlets: outlets.collect(), work: words.work() };
                let Answer::Etas(etas) = answer(query) else { unreachable!() };
                let etas = etas.into_iter().map(|eta| eta.map_or("never".into(), show_ms));
                etas.collect::<Vec<String>>().join(", ")
            }
            _ => return None,
        };
        Some(said)
    }
}
