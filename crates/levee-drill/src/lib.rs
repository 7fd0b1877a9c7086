//! Crowds, the independent audit and the reports.
//!
//! | module | what it does |
//! |---|---|
//! | [`scenario`], [`curve`], [`plan`] | what day a crowd lives through, and who does what when |
//! | [`market`] | the outlets that it orders at |
//! | [`crowd`] | drives a running server through a plan, and keeps every answer |
//! | [`load`], [`unpaced`] | what kitchens could make, and the same day without pacing |
//! | [`ledger`] | compares what was acknowledged with what the journal holds |
//! | [`festival`] | judges a drill; its facts for programs and for people |
//! | [`report`] | the same facts as a page |
//! | [`audit`] | recounts a journal |

pub mod audit;
pub mod crowd;
pub mod curve;
pub mod festival;
pub mod ledger;
pub mod load;
pub mod market;
pub mod plan;
pub mod report;
pub mod scenario;
pub mod unpaced;

mod checks;
mod numbers;
