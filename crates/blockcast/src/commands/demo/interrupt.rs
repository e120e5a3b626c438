//! Ctrl-C: once to end in order, twice to end at once.

use anyhow::Context;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// The signals by which a person or a supervisor ends the demo. SIGHUP is a terminal that was closed.
#[derive(Debug)]
pub(super) struct Interrupt {
    term: Signal,
    int: Signal,
    hangup: Signal,
}

impl Interrupt {
    /// # Errors
    /// When the signals cannot be caught.
    pub(super) fn catch() -> anyhow::Result<Self> {
        let catch = |kind| signal(kind).context("cannot catch signals");
        Ok(Self {
            term: catch(SignalKind::terminate())?,
            int: catch(SignalKind::interrupt())?,
            hangup: catch(SignalKind::hangup())?,
        })
    }

    /// Waits for the next one.
    pub(super) async fn next(&mut self) {
        tokio::select! {
            _ = self.term.recv() => {}
            _ = self.int.recv() => {}
            _ = self.hangup.recv() => {}
        }
    }
}
