//! What a simulated node makes of being talked to.

use std::{fmt, time::Duration};

/// How a node behaves. Whoever is there at all shakes hands as one should: what is wrong with a peer shows later.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Temperament {
    /// Does what the recorded daemons do.
    Honest,
    /// Does the same, late: each block and each other message keeps it busy for so much longer.
    Slow {
        /// How much longer a block takes. Any other message takes a fifth of it.
        by: Duration,
    },
    /// Never reads again after the handshake. Its kernel takes a little, and that is all that it ever takes.
    Deaf,
    /// Reads everything, and never says a word after the handshake, nor looks at what it read.
    Mute,
    /// Answers pings and questions about headers, and ignores blocks: it stays on the chain that it began with.
    Zombie,
    /// Hangs up in the middle of each block that it is sent. Between blocks it is like an honest one.
    Cutting,
    /// Not there: nobody listens where it should be, neither for peers nor for RPC.
    Down,
    /// Honest, and away every now and then: all its connections end, new ones are closed at once, until it is back.
    Flapping {
        /// How long it stays.
        up: Duration,
        /// How long it is away.
        down: Duration,
    },
}

/// Whether a node will have a good block that was made known to the network.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Promise {
    /// It will, and say so to whoever asks.
    Accepts,
    /// It depends on the moment.
    Perhaps,
    /// It will not. Whoever claims that it did is wrong.
    Never,
}

impl Temperament {
    /// A slow one: a block takes it a second and a half.
    pub const SLOW: Self = Self::Slow { by: Duration::from_millis(1500) };

    /// One that stays for half a minute and is away for five seconds.
    pub const FLAPPING: Self = Self::Flapping { up: Duration::from_secs(30), down: Duration::from_secs(5) };

    /// One of each kind that can be talked to.
    pub const ALL: [Self; 7] =
        [Self::Honest, Self::SLOW, Self::Deaf, Self::Mute, Self::Zombie, Self::Cutting, Self::FLAPPING];

    /// Its word.
    pub fn name(self) -> &'static str {
        match self {
            Self::Honest => "honest",
            Self::Slow { .. } => "slow",
            Self::Deaf => "deaf",
            Self::Mute => "mute",
            Self::Zombie => "zombie",
            Self::Cutting => "cutting",
            Self::Flapping { .. } => "flapping",
            Self::Down => "down",
        }
    }

    /// What may be expected of it.
    pub fn promise(self) -> Promise {
        match self {
            Self::Honest | Self::Slow { .. } => Promise::Accepts,
            Self::Flapping { .. } => Promise::Perhaps,
            Self::Deaf | Self::Mute | Self::Zombie | Self::Cutting | Self::Down => Promise::Never,
        }
    }

    /// Whether other nodes give it blocks and get blocks from it. Those that would not take a block from us do not
    /// take one from others either.
    pub fn gossips(self) -> bool {
        self.promise() != Promise::Never
    }

    /// By how much longer a message keeps it busy.
    pub(crate) fn delay(self, is_block: bool) -> Duration {
        match self {
            Self::Slow { by } if is_block => by,
            Self::Slow { by } => by / 5,
            _ => Duration::ZERO,
        }
    }
}

impl fmt::Display for Temperament {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
