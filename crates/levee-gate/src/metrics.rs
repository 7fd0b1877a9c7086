//! What a gate counts about itself, and all numbers as Prometheus reads them.

mod intake;
mod lag;

use std::cell::{Cell, RefCell};
use std::fmt::{Display, Write};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use levee_api::port::{CampaignView, Priority};
use levee_api::vitals::{Histogram, HookVitals, HooksVitals, OutsideVitals, Phase, Vitals};
use levee_pay::Distrust;
use tokio::time::Instant;

use crate::handlers::payments::Ignored;
use crate::routes::ROUTES;
use crate::worker::Lane;

pub(crate) use intake::intake;
pub(crate) use lag::{Lag, Longest};

/// Campaigns whose money is shown to those who watch: the first by id that are no drafts. Every one
/// is a dozen time series.
pub(crate) const CAMPAIGNS_SHOWN_MAX: usize = 100;

/// A number that one thread changes and others read: no read-modify-write is needed.
#[derive(Debug, Default)]
pub(crate) struct Count(AtomicU64);

impl Count {
    pub(crate) fn add(&self, more: u64) {
        self.0.store(self.0.load(Relaxed).wrapping_add(more), Relaxed);
    }

    pub(crate) fn sub(&self, less: u64) {
        self.0.store(self.0.load(Relaxed).wrapping_sub(less), Relaxed);
    }

    pub(crate) fn get(&self) -> u64 {
        self.0.load(Relaxed)
    }
}

/// One worker's counts; only that worker changes them.
#[derive(Debug)]
pub(crate) struct Stats {
    /// By route, the last for those that fit none, and by the status's first digit.
    requests: Vec<[Count; 6]>,
    /// Requests that were taken up, ever.
    pub(crate) begun: Count,
    /// Moments that were let pass to gather more.
    pub(crate) pauses: Count,
    pub(crate) in_flight: Count,
    pub(crate) connections: Count,
    pub(crate) turned_away: Count,
    pub(crate) forged_codes: Count,
    /// Notifications of payment providers that were not taken, by reason.
    distrusted: [Count; Distrust::NAMES.len()],
    /// Those refused before they were read, since their address forges.
    pub(crate) unread: Count,
    /// Genuine ones that do not fit what was asked of the provider.
    pub(crate) conflicting: Count,
    /// Genuine ones without an effect, by why.
    pub(crate) ignored: [Count; Ignored::ALL.len()],
    /// Those that put a payment on record as disputed.
    pub(crate) disputed: Count,
    pub(crate) lag: Lag,
    read_bytes: Count,
    written_bytes: Count,
}

impl Default for Stats {
    fn default() -> Self {
        Self {
            requests: (0..=ROUTES.len()).map(|_| Default::default()).collect(),
            begun: Count::default(),
            pauses: Count::default(),
            in_flight: Count::default(),
            connections: Count::default(),
            turned_away: Count::default(),
            forged_codes: Count::default(),
            distrusted: Default::default(),
            unread: Count::default(),
            conflicting: Count::default(),
            ignored: Default::default(),
            disputed: Count::default(),
            lag: Lag::default(),
            read_bytes: Count::default(),
            written_bytes: Count::default(),
        }
    }
}

impl Stats {
    pub(crate) fn count(&self, route: usize, status: u16) {
        self.requests[route][usize::from(status / 100).min(5)].add(1);
    }

    /// Of a request that never came as far as the table.
    pub(crate) fn count_unrouted(&self, status: u16) {
        self.count(ROUTES.len(), status);
    }

    pub(crate) fn add_distrusted(&self, distrust: Distrust) {
        self.distrusted[distrust.place()].add(1);
    }

    pub(crate) fn add_read(&self, bytes: usize) {
        self.read_bytes.add(bytes as u64);
    }

    pub(crate) fn add_written(&self, bytes: usize) {
        self.written_bytes.add(bytes as u64);
    }
}

/// The campaigns' money as last asked for.
#[derive(Debug, Default)]
pub(crate) struct MoneyCache {
    pub(crate) read_at: Cell<Option<Instant>>,
    pub(crate) text: RefCell<String>,
}

pub(crate) fn phase_name(phase: Phase) -> &'static str {
    match phase {
        Phase::Recovering => "recovering",
        Phase::Ready => "ready",
        Phase::Stopping => "stopping",
        Phase::Failed => "failed",
        Phase::Unreachable => "unreachable",
    }
}

/// The text of one scrape. Writing to a string cannot fail.
struct Text(String);

impl Text {
    fn head(&mut self, name: &str, kind: &str, help: &str) {
        let _ = writeln!(self.0, "# HELP {name} {help}\n# TYPE {name} {kind}");
    }

    fn line(&mut self, name: &str, labels: &str, value: impl Display) {
        let braces = if labels.is_empty() { String::new() } else { format!("{{{labels}}}") };
        let _ = writeln!(self.0, "{name}{braces} {value}");
    }

    fn sample(&mut self, name: &str, labels: &str, value: u64) {
        self.line(name, labels, value);
    }

    /// A number of thousandths, millionths and the like: `scale` of them are one.
    fn fraction(&mut self, name: &str, labels: &str, value: u64, scale: u64) {
        let digits = scale.ilog10() as usize;
        let (whole, part) = (value / scale, value % scale);
        self.line(name, labels, format_args!("{whole}.{part:0digits$}"));
    }

    fn one(&mut self, name: &str, kind: &str, help: &str, value: u64) {
        self.head(name, kind, help);
        self.sample(name, "", value);
    }

    fn histogram(&mut self, name: &str, labels: &str, histogram: &Histogram) {
        let comma = if labels.is_empty() { "" } else { "," };
        let counts = histogram.counts();
        let mut sum = 0;
        for (bucket, count) in counts.iter().enumerate().take(Histogram::LEN - 1) {
            sum += count;
            // Bucket `i` holds whole microseconds below 2^i.
            let (whole, micros) = ((1_u64 << bucket) / 1_000_000, (1_u64 << bucket) % 1_000_000);
            let labels = format!("{labels}{comma}le=\"{whole}.{micros:06}\"");
            self.sample(&format!("{name}_bucket"), &labels, sum);
        }
        sum += counts[Histogram::LEN - 1];
        self.sample(&format!("{name}_bucket"), &format!("{labels}{comma}le=\"+Inf\""), sum);
        let sum_us = histogram.sum_us();
        self.fraction(&format!("{name}_sum"), labels, sum_us, 1_000_000);
        self.sample(&format!("{name}_count"), labels, sum);
    }
}

/// The engine's vitals.
pub(crate) fn engine(vitals: &Vitals) -> String {
    let mut text = Text(String::with_capacity(16 * 1024));
    text.head("levee_engine_phase", "gauge", "1 for the phase that the engine is in.");
    for phase in
        [Phase::Recovering, Phase::Ready, Phase::Stopping, Phase::Failed, Phase::Unreachable]
    {
        let is = u64::from(phase == vitals.phase());
        text.sample("levee_engine_phase", &format!("phase=\"{}\"", phase_name(phase)), is);
    }
    let name = "levee_engine_commands_total";
    text.head(name, "counter", "Commands by what came of them.");
    for (outcome, count) in
        [("done", &vitals.done), ("repeated", &vitals.repeated), ("refused", &vitals.refused)]
    {
        text.sample(name, &format!("outcome=\"{outcome}\""), count.load(Relaxed));
    }
    let name = "levee_engine_turned_away_total";
    text.head(name, "counter", "Asks that were not decided, by reason.");
    for (reason, count) in
        [("overloaded", &vitals.overloaded), ("storage_full", &vitals.storage_full)]
    {
        text.sample(name, &format!("reason=\"{reason}\""), count.load(Relaxed));
    }
    for (name, kind, help, value) in [
        ("levee_engine_queries_total", "counter", "Questions answered.", &vitals.answered),
        ("levee_engine_replayed", "gauge", "Commands replayed at the start.", &vitals.replayed),
        (
            "levee_engine_restored_bytes",
            "gauge",
            "Bytes of a snapshot read at the start.",
            &vitals.restored_bytes,
        ),
        (
            "levee_engine_restore_bytes",
            "gauge",
            "Size of that snapshot; 0 without one.",
            &vitals.restore_bytes,
        ),
        (
            "levee_engine_snapshot_seq",
            "gauge",
            "Last place in the newest snapshot; 0 without one.",
            &vitals.snapshot_seq,
        ),
        (
            "levee_engine_snapshot_bytes",
            "gauge",
            "Size of the newest snapshot.",
            &vitals.snapshot_bytes,
        ),
        (
            "levee_engine_snapshot_ms",
            "gauge",
            "How long the last snapshot took, in milliseconds.",
            &vitals.snapshot_ms,
        ),
        ("levee_engine_snapshots_total", "counter", "Snapshots taken.", &vitals.snapshots),
        (
            "levee_engine_snapshots_failed_total",
            "counter",
            "Snapshots that failed.",
            &vitals.snapshots_failed,
        ),
        (
            "levee_engine_snapshot_queued_bytes",
            "gauge",
            "Copies of pages that wait for the snapshot's file.",
            &vitals.snapshot_queued_bytes,
        ),
        ("levee_engine_durable_seq", "gauge", "Last durable place.", &vitals.durable_seq),
        ("levee_engine_first_seq", "gauge", "First place that is kept.", &vitals.first_seq),
        ("levee_engine_journal_ms", "gauge", "Journal time, since 1970.", &vitals.journal_ms),
        ("levee_engine_records_total", "counter", "Records written.", &vitals.records),
        ("levee_engine_journal_bytes_total", "counter", "Bytes written.", &vitals.journal_bytes),
        ("levee_engine_room_bytes", "gauge", "What the journal still takes.", &vitals.room_bytes),
    ] {
        text.one(name, kind, help, value.load(Relaxed));
    }
    text.head("levee_engine_waiting", "gauge", "Asks that wait, by lane.");
    for lane in Priority::ALL {
        let labels = format!("lane=\"{}\"", lane.name());
        text.sample("levee_engine_waiting", &labels, vitals.waiting[lane as usize].load(Relaxed));
    }
    let name = "levee_engine_oldest_waiting_us";
    text.head(name, "gauge", "How long the oldest ask has waited, in microseconds, by lane.");
    for lane in Priority::ALL {
        let labels = format!("lane=\"{}\"", lane.name());
        text.sample(name, &labels, vitals.oldest_us[lane as usize].load(Relaxed));
    }
    let name = "levee_engine_expired_total";
    text.head(name, "counter", "Asks whose time was over before they were decided, by lane.");
    for lane in Priority::ALL {
        let labels = format!("lane=\"{}\"", lane.name());
        text.sample(name, &labels, vitals.expired[lane as usize].load(Relaxed));
    }
    let name = "levee_engine_queue_delay_seconds";
    text.head(name, "histogram", "From arrival at the gate to the decision, by lane.");
    for lane in Priority::ALL {
        let labels = format!("lane=\"{}\"", lane.name());
        text.histogram(name, &labels, &vitals.queue_delay[lane as usize]);
    }
    let name = "levee_engine_sync_seconds";
    text.head(name, "histogram", "Write and sync of one record.");
    text.histogram(name, "", &vitals.sync_time);
    outside(&mut text, &vitals.outside);
    webhooks(&mut text, &vitals.hooks);
    text.0
}

/// What is told to the app's back end.
fn webhooks(text: &mut Text, vitals: &HooksVitals) {
    let name = "levee_webhooks_deliveries_total";
    text.head(name, "counter", "Tries to deliver events, by webhook and by how they ended.");
    for (id, hook) in vitals.all() {
        for (result, count) in [("taken", &hook.delivered), ("failed", &hook.failed)] {
            let labels = format!("webhook=\"{id}\",result=\"{result}\"");
            text.sample(name, &labels, count.load(Relaxed));
        }
    }
    type Of = fn(&HookVitals) -> &AtomicU64;
    let numbers: [(&str, &str, &str, Of); 6] = [
        ("levee_webhooks_dead_letters_total", "counter", "Events given up.", |hook| &hook.dead),
        (
            "levee_webhooks_passed_over_total",
            "counter",
            "Commands passed over, since the journal does not reach back to them.",
            |hook| &hook.passed_over,
        ),
        ("levee_webhooks_waiting", "gauge", "Events that wait or are under way.", |hook| {
            &hook.waiting
        }),
        ("levee_webhooks_unread", "gauge", "Commands not read from the journal yet.", |hook| {
            &hook.unread
        }),
        ("levee_webhooks_lag_ms", "gauge", "Age of the oldest event that waits.", |hook| {
            &hook.lag_ms
        }),
        ("levee_webhooks_down", "gauge", "1 while the receiver takes nothing.", |hook| &hook.down),
    ];
    for (name, kind, help, of) in numbers {
        text.head(name, kind, help);
        for (id, hook) in vitals.all() {
            text.sample(name, &format!("webhook=\"{id}\""), of(hook).load(Relaxed));
        }
    }
}

/// What connectors do.
fn outside(text: &mut Text, vitals: &OutsideVitals) {
    for (name, kind, help, value) in [
        ("levee_outside_under_way", "gauge", "Actions under way.", &vitals.under_way),
        ("levee_outside_parked", "gauge", "Tickets that wait for a breaker.", &vitals.parked),
        (
            "levee_outside_payment_calls_waiting",
            "gauge",
            "Calls to payment providers that wait for their turn.",
            &vitals.payments_waiting,
        ),
        (
            "levee_outside_breakers_opened_total",
            "counter",
            "How often a breaker opened by itself.",
            &vitals.opened,
        ),
        (
            "levee_outside_tickets_repeated_total",
            "counter",
            "Calls to outlets' systems that were repeats.",
            &vitals.tickets_repeated,
        ),
    ] {
        text.one(name, kind, help, value.load(Relaxed));
    }
    let name = "levee_outside_oldest_seconds";
    text.head(name, "gauge", "For how long the oldest has been left to do, by whom it is for.");
    for (to, ms) in
        [("outlet", &vitals.tickets_oldest_ms), ("provider", &vitals.payments_oldest_ms)]
    {
        text.fraction(name, &format!("to=\"{to}\""), ms.load(Relaxed), 1_000);
    }
    let name = "levee_outside_breakers_open";
    text.head(name, "gauge", "Open breakers, of outlets, vendors and payment providers.");
    for (of, count) in [
        ("outlet", &vitals.outlets_open),
        ("vendor", &vitals.vendors_open),
        ("provider", &vitals.providers_open),
    ] {
        text.sample(name, &format!("of=\"{of}\""), count.load(Relaxed));
    }
    let name = "levee_outside_calls_total";
    text.head(name, "counter", "Calls outside, by whom and by how they ended.");
    for (to, result, count) in [
        ("outlet", "answered", &vitals.tickets_answered),
        ("outlet", "failed", &vitals.tickets_failed),
        ("provider", "answered", &vitals.payments_answered),
        ("provider", "failed", &vitals.payments_failed),
    ] {
        text.sample(name, &format!("to=\"{to}\",result=\"{result}\""), count.load(Relaxed));
    }
    let name = "levee_outside_ticket_delay_seconds";
    text.head(name, "histogram", "From a ticket's first try until its outlet's system had it.");
    text.histogram(name, "", &vitals.ticket_delay);
}

/// The gate's counts, over all workers.
pub(crate) fn gate(lanes: &[Lane]) -> String {
    let mut text = Text(String::with_capacity(16 * 1024));
    let sum = |of: &dyn Fn(&Stats) -> u64| lanes.iter().map(|lane| of(&lane.stats)).sum::<u64>();
    let name = "levee_gate_requests_total";
    text.head(name, "counter", "Requests answered, by route and the status's first digit.");
    let labels = ROUTES.iter().map(|route| (route.method.as_str(), route.path));
    for (place, (method, path)) in labels.chain([("", "")]).enumerate() {
        for class in 1..6 {
            let count = sum(&|stats| stats.requests[place][class].get());
            if count > 0 {
                let labels = format!("method=\"{method}\",route=\"{path}\",status=\"{class}xx\"");
                text.sample(name, &labels, count);
            }
        }
    }
    let open = lanes.iter().map(|lane| lane.open.load(Relaxed) as u64).sum();
    text.one("levee_gate_connections", "gauge", "Open connections.", open);
    type Of = fn(&Stats) -> &Count;
    let counts: [(&str, &str, &str, Of); 8] = [
        ("levee_gate_requests_in_flight", "gauge", "Requests under way.", |stats| &stats.in_flight),
        ("levee_gate_connections_total", "counter", "Connections taken.", |stats| {
            &stats.connections
        }),
        ("levee_gate_turned_away_total", "counter", "Connections over the limit.", |stats| {
            &stats.turned_away
        }),
        ("levee_gate_forged_codes_total", "counter", "Codes never made here.", |stats| {
            &stats.forged_codes
        }),
        (
            "levee_gate_notifications_disputed_total",
            "counter",
            "Notifications of payment providers that put a payment in dispute.",
            |stats| &stats.disputed,
        ),
        (
            "levee_gate_pauses_total",
            "counter",
            "Moments that densely asked workers let pass to gather more.",
            |stats| &stats.pauses,
        ),
        ("levee_gate_read_bytes_total", "counter", "Bytes received.", |stats| &stats.read_bytes),
        ("levee_gate_written_bytes_total", "counter", "Bytes sent.", |stats| &stats.written_bytes),
    ];
    for (name, kind, help, of) in counts {
        text.one(name, kind, help, sum(&|stats| of(stats).get()));
    }
    let name = "levee_gate_notifications_refused_total";
    text.head(name, "counter", "Notifications of payment providers not taken, by reason.");
    for (place, reason) in Distrust::NAMES.iter().enumerate() {
        let count = sum(&|stats| stats.distrusted[place].get());
        text.sample(name, &format!("reason=\"{reason}\""), count);
    }
    text.sample(name, "reason=\"unread\"", sum(&|stats| stats.unread.get()));
    text.sample(name, "reason=\"conflicting\"", sum(&|stats| stats.conflicting.get()));
    let name = "levee_gate_notifications_ignored_total";
    text.head(name, "counter", "Genuine notifications without an effect, by why.");
    for why in Ignored::ALL {
        let count = sum(&|stats| stats.ignored[why as usize].get());
        text.sample(name, &format!("reason=\"{}\"", why.name()), count);
    }
    text.lag(lanes.iter().map(|lane| &lane.stats.lag));
    text.0
}

/// Money and vouchers of campaigns.
pub(crate) fn campaigns<'v>(views: impl Iterator<Item = &'v CampaignView> + Clone) -> String {
    let mut text = Text(String::new());
    let name = "levee_campaign_money_minor";
    text.head(name, "gauge", "Where a campaign's money is, in minor units.");
    for view in views.clone() {
        let money = &view.money;
        let currency = String::from_utf8_lossy(&view.definition.terms.currency).into_owned();
        for (bucket, minor) in [
            ("funded", money.funded_minor),
            ("available", money.available_minor),
            ("reserved", money.reserved_minor),
            ("in_flight", money.in_flight_minor),
            ("escrowed", money.escrowed_minor),
            ("owed", money.owed_minor),
            ("spent", money.spent_minor),
            ("returned", money.returned_minor),
        ] {
            let id = &view.definition.id;
            let labels = format!("campaign=\"{id}\",currency=\"{currency}\",bucket=\"{bucket}\"");
            text.sample(name, &labels, minor);
        }
    }
    let name = "levee_campaign_vouchers";
    text.head(name, "gauge", "A campaign's vouchers, by state.");
    for view in views {
        let counts = &view.counts;
        for (state, count) in [
            ("live", counts.live),
            ("locked", counts.locked),
            ("redeemed", counts.redeemed),
            ("expired", counts.expired),
            ("revoked", counts.revoked),
        ] {
            let labels = format!("campaign=\"{}\",state=\"{state}\"", view.definition.id);
            text.sample(name, &labels, count);
        }
    }
    text.0
}
