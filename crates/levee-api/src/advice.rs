//! How many gates an autoscaler is told to run, and why: said by the scaler, shown by the metrics.

/// For one object that is scaled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Advice {
    /// Gates that are wanted, 1 or more.
    pub gates: u32,
    /// What decided it.
    pub reason: Reason,
}

/// Why so many gates are wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// What is there is enough.
    Enough,
    /// More arrives, or soon will, than the gates can take at their share of load.
    Arrivals,
    /// Event loops are late.
    LoopDelay,
    /// Sockets are used beyond their share.
    Sockets,
    /// The engine is what is full; more gates would not help.
    Engine,
}

impl Reason {
    /// All of them.
    pub const ALL: [Self; 5] =
        [Self::Enough, Self::Arrivals, Self::LoopDelay, Self::Sockets, Self::Engine];

    /// The name in metrics.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Enough => "enough",
            Self::Arrivals => "arrivals",
            Self::LoopDelay => "loop_delay",
            Self::Sockets => "sockets",
            Self::Engine => "engine",
        }
    }
}
