//! Types that the rules, the gates and the audit share; no rule lives here.
//!
//! The audit imports this module and nothing else of the crate: two counts that share types but no
//! handlers must agree.

mod actions;
mod batch;
mod breakers;
mod codec;
mod command;
mod eligibility;
mod ids;
mod level;
mod money;
mod operations;
mod orders;
mod outcome;
mod outlets;
mod quotes;
mod terms;
mod webhooks;

pub use actions::*;
pub use batch::{BatchReader, put_batch_start, put_entry};
pub use breakers::*;
pub use codec::{CODEC_VERSION, DecodeError, Reader, Wire};
pub(crate) use codec::{wire_enum, wire_struct};
pub use command::*;
pub use eligibility::{Condition, Eligibility, Test};
pub use ids::*;
pub use level::Level;
pub use money::{Compensated, Counts, Money, Purpose};
pub use operations::{LevelSetting, Operations};
pub use orders::*;
pub use outcome::*;
pub use outlets::*;
pub use quotes::*;
use terms::minute_of_day;
pub use terms::*;
pub use webhooks::*;
