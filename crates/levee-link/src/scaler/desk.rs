//! What the scaler knows and answers: a history of the gates' reports, and for each object that is
//! asked about the number that is held.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use levee_api::advice::Advice;
use levee_api::intake::{Intake, OPEN};
use levee_api::types::Level;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Status;

use super::held::Held;
use super::need::{Gauge, History, Reading, need};
use super::targets::Targets;
use super::wire::{
    GetMetricSpecResponse, GetMetricsRequest, GetMetricsResponse, IsActiveResponse, MetricSpec,
    MetricValue, ScaledObjectRef,
};

/// The one metric: gates that are wanted. One replica carries one of it.
pub(crate) const METRIC: &str = "levee-gates";

/// Gates that are looked at: the first by number.
const GATES_READ_MAX: usize = 1_000;

/// Objects that are followed at the same time.
const OBJECTS_MAX: usize = 64;

/// An object that nobody asked about for so long is forgotten.
const OBJECT_IDLE_MS: u64 = 600_000;

/// Streams that are open at the same time.
const STREAMS_MAX: usize = 64;

/// Bytes of an object's or a namespace's name, as in Kubernetes.
const OBJECT_NAME_LEN_MAX: usize = 253;

/// Shared by all calls; every call is short.
#[derive(Clone, Debug)]
pub(crate) struct Desk {
    intake: Arc<Intake>,
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    now_ms: u64,
    history: History,
    /// Region and tier of the gates in the newest reading.
    places: BTreeMap<u32, (String, String)>,
    /// By the name under which metrics show them.
    objects: BTreeMap<String, Object>,
    streams: Vec<mpsc::Sender<Result<IsActiveResponse, Status>>>,
    is_closed: bool,
}

#[derive(Debug)]
struct Object {
    targets: Targets,
    /// `None` before any of its gates has reported.
    held: Option<Held>,
    /// Of the newest reading, if one of its gates is in it.
    advice: Option<Advice>,
    asked_at_ms: u64,
}

impl Desk {
    pub(crate) fn new(intake: Arc<Intake>) -> Self {
        Self { intake, state: Arc::default() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a reading of all gates. `now_ms` is of a clock that never goes back; about a second
    /// lies between two readings.
    pub(crate) fn read(&self, now_ms: u64) {
        let gates = self.intake.gates();
        // Before an opening people wait as well, but not because of the engine.
        let is_held = self.intake.hold_until_us() != OPEN;
        let is_closed = self.intake.watermark_us() != OPEN;
        let room_closed = (is_closed && !is_held) || self.intake.level() >= Level::Waiting;
        let mut state = self.state();
        state.now_ms = now_ms;
        let mut reading = Reading { at_ms: now_ms, room_closed, gates: BTreeMap::new() };
        state.places.clear();
        for (gate, report) in gates.into_iter().take(GATES_READ_MAX) {
            let gauge = Gauge {
                arrived: report.arrived.iter().fold(0, |sum, lane| sum.saturating_add(*lane)),
                cpu_us: report.cpu_us,
                loop_delay_us: report.loop_delay_us,
                sockets: report.connections,
                sockets_max: report.connections_max,
                queue_delay_us: report.queue_delay_us[0],
            };
            reading.gates.insert(gate, gauge);
            state.places.insert(gate, (report.region, report.tier));
        }
        state.history.push(reading);

        let State { history, places, objects, .. } = &mut *state;
        objects.retain(|name, object| {
            let is_asked_for = now_ms - object.asked_at_ms < OBJECT_IDLE_MS;
            if is_asked_for {
                object.follow(now_ms, history, places);
            }
            self.intake.advise(name, object.advice.filter(|_| is_asked_for));
            is_asked_for
        });
    }

    /// Always, for a valid question: users arrive at gates, so one must be there.
    pub(crate) fn is_active(&self, object: &ScaledObjectRef) -> Result<IsActiveResponse, Status> {
        self.ask(object)?;
        Ok(IsActiveResponse { result: true })
    }

    /// Says so at once, and stays open until the scaler stops.
    pub(crate) fn stream_is_active(
        &self,
        object: &ScaledObjectRef,
    ) -> Result<ReceiverStream<Result<IsActiveResponse, Status>>, Status> {
        let active = self.is_active(object)?;
        let mut state = self.state();
        state.streams.retain(|stream| !stream.is_closed());
        if state.is_closed {
            return Err(Status::unavailable("the scaler is stopping"));
        }
        if state.streams.len() == STREAMS_MAX {
            let text = format!("{STREAMS_MAX} streams are open, which is the most");
            return Err(Status::resource_exhausted(text));
        }
        let (sender, receiver) = mpsc::channel(1);
        sender.try_send(Ok(active)).map_err(|_| Status::internal("a new stream has no room"))?;
        state.streams.push(sender);
        Ok(ReceiverStream::new(receiver))
    }

    /// One replica for each gate that is wanted.
    pub(crate) fn metric_spec(
        &self,
        object: &ScaledObjectRef,
    ) -> Result<GetMetricSpecResponse, Status> {
        self.ask(object)?;
        let spec =
            MetricSpec { metric_name: METRIC.to_owned(), target_size: 1, target_size_float: 1.0 };
        Ok(GetMetricSpecResponse { metric_specs: vec![spec] })
    }

    /// Gates that are wanted.
    pub(crate) fn metrics(
        &self,
        request: &GetMetricsRequest,
    ) -> Result<GetMetricsResponse, Status> {
        let Some(object) = &request.scaled_object_ref else {
            return Err(Status::invalid_argument("scaledObjectRef is missing"));
        };
        if request.metric_name != METRIC {
            let name: String = request.metric_name.chars().take(64).collect();
            let text = format!("metricName is `{name}`, and the only metric is {METRIC}");
            return Err(Status::invalid_argument(text));
        }
        let Some(advice) = self.ask(object)? else {
            // An error lets the autoscaler keep what it has; a number would be a guess.
            return Err(Status::unavailable("no gate of this region and tier reports"));
        };
        let value = MetricValue {
            metric_name: METRIC.to_owned(),
            metric_value: i64::from(advice.gates),
            metric_value_float: f64::from(advice.gates),
        };
        Ok(GetMetricsResponse { metric_values: vec![value] })
    }

    /// Ends the streams, and lets no more begin.
    pub(crate) fn close(&self) {
        let mut state = self.state();
        state.is_closed = true;
        state.streams.clear();
    }

    /// What is advised for an object, which is followed from now on.
    fn ask(&self, object: &ScaledObjectRef) -> Result<Option<Advice>, Status> {
        for (field, name) in [("name", &object.name), ("namespace", &object.namespace)] {
            if name.is_empty() || name.len() > OBJECT_NAME_LEN_MAX {
                let text = format!("{field} must have 1 to {OBJECT_NAME_LEN_MAX} bytes");
                return Err(Status::invalid_argument(text));
            }
        }
        let targets = Targets::read(&object.scaler_metadata)
            .map_err(|error| Status::invalid_argument(error.to_string()))?;
        // An object may have a trigger for each of several regions.
        let mut name = format!("{}/{}", object.namespace, object.name);
        for place in [&targets.region, &targets.tier] {
            name.push('/');
            name.push_str(place.as_deref().unwrap_or("*"));
        }

        let mut state = self.state();
        let State { now_ms, history, places, objects, .. } = &mut *state;
        let now_ms = *now_ms;
        if let Some(known) = objects.get_mut(&name) {
            known.asked_at_ms = now_ms;
            known.targets = targets;
            return Ok(known.advice);
        }
        if objects.len() == OBJECTS_MAX {
            let text = format!("{OBJECTS_MAX} objects are followed, which is the most");
            return Err(Status::resource_exhausted(text));
        }
        let mut new = Object { targets, held: None, advice: None, asked_at_ms: now_ms };
        new.follow(now_ms, history, places);
        let advice = new.advice;
        self.intake.advise(&name, advice);
        objects.insert(name, new);
        Ok(advice)
    }
}

impl Object {
    fn follow(&mut self, now_ms: u64, history: &History, places: &BTreeMap<u32, (String, String)>) {
        let Targets { region, tier, .. } = &self.targets;
        let fits =
            |wanted: &Option<String>, is: &String| wanted.as_ref().is_none_or(|name| name == is);
        let of: BTreeSet<u32> = places
            .iter()
            .filter(|(_, place)| fits(region, &place.0) && fits(tier, &place.1))
            .map(|(gate, _)| *gate)
            .collect();
        self.advice = need(history, &of, &self.targets).map(|need| {
            let held = self.held.get_or_insert_with(|| Held::new(now_ms, &need, &self.targets));
            held.follow(now_ms, &need, &self.targets)
        });
    }
}
