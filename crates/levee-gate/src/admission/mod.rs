//! Admission: who is let in, who waits, who is turned away.
//!
//! - `door`: one worker's decision about one request.
//! - `places`: positions and estimates, from the counts that the [`Intake`] keeps.
//! - `draw`: places of those who come before the opening.
//! - `page`: the waiting room for people.
//! - `limits`: how often a key or a user may ask.
//! - `steward`: the one control loop of an installation: from the engine's queue delay to window,
//!   watermark, shares and level. `flow` is its law for the waiting room, `rules` that for levels.
//!   `pace` is the rate that estimates go by, `arrears` what a pause leaves to be made up for, `bound`
//!   what estimates lack to be kept in nine cases of ten.
//! - `report`: what a gate counts and measures, for the steward, metrics and autoscalers.
//!
//! [`Intake`]: levee_api::intake::Intake

mod arrears;
mod bound;
mod door;
mod draw;
mod flow;
mod limits;
mod pace;
mod page;
mod places;
mod report;
mod rules;
mod steward;

pub(crate) use door::{Admitted, Door};
pub(crate) use draw::draw_of;
pub(crate) use page::{html, standing};
pub(crate) use report::{Tally, measure_forever, report_forever};
pub use rules::{Rule, Signal};
pub use steward::{Steward, StewardConfig};
