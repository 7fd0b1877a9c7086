//! What the installation gives up for a while so that the rest goes on.

/// A brownout level. Each one gives up what the ones before it do, and more.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
#[repr(u8)]
pub enum Level {
    /// Nothing is given up.
    #[default]
    Normal = 0,
    /// No live feeds and no browsing.
    Lean = 1,
    /// Claims are taken and durable; their codes arrive later, within a stated time.
    Deferred = 2,
    /// Who is new waits; who is inside finishes.
    Waiting = 3,
    /// Only payments, callbacks, redemptions and their undoing.
    Essential = 4,
}

impl Level {
    /// All of them, from nothing given up to nearly everything.
    pub const ALL: [Self; 5] =
        [Self::Normal, Self::Lean, Self::Deferred, Self::Waiting, Self::Essential];

    /// The public name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Normal => "normal",
            Self::Lean => "lean",
            Self::Deferred => "deferred",
            Self::Waiting => "waiting",
            Self::Essential => "essential",
        }
    }

    /// The level of this number, or the last one.
    #[must_use]
    pub fn of(number: u8) -> Self {
        Self::ALL.get(usize::from(number)).copied().unwrap_or(Self::Essential)
    }
}
