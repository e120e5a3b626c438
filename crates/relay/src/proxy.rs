//! Whether the proxy works: told when that changes, and not for each peer that cannot be dialled meanwhile.

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use net::{DialError, Proxy};

use crate::Relay;

/// Whether the proxy was of no use the last time that it was asked.
#[derive(Debug, Default)]
pub(crate) struct ProxyState {
    is_down: AtomicBool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Change {
    Down,
    Back,
}

impl ProxyState {
    /// What a dial through the proxy shows, if it shows anything new.
    fn note(&self, failure: Option<&DialError>) -> Option<Change> {
        let is_down = match failure {
            // No address: the proxy was not even asked.
            Some(DialError::Resolve(..)) => return None,
            Some(DialError::Proxy(..)) => true,
            // It has connected, or said why it could not.
            _ => false,
        };
        match (self.is_down.swap(is_down, Relaxed), is_down) {
            (false, true) => Some(Change::Down),
            (true, false) => Some(Change::Back),
            _ => None,
        }
    }
}

impl Relay {
    /// Says when the proxy goes and when it is back.
    pub(crate) fn note_proxy(&self, proxy: &Proxy, failure: Option<&DialError>) {
        let (chain, address) = (self.name(), &proxy.address);
        match (self.proxy.note(failure), failure) {
            (Some(Change::Down), Some(reason)) => {
                tracing::warn!(chain, proxy = address, %reason, "the proxy is down; no peer can be connected to");
            }
            (Some(Change::Back), _) => tracing::info!(chain, proxy = address, "the proxy is back"),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{io, time::Duration};

    use net::{Answer, ProxyFault};

    use super::*;

    #[test]
    fn its_going_and_its_coming_back_are_told_once_each() {
        let state = ProxyState::default();
        let silent = DialError::Proxy("proxy:1".into(), ProxyFault::Silent(Duration::from_secs(1)));
        let refused = DialError::Answered("peer:1".into(), Answer::Refused);
        let late = DialError::Timeout("peer:1".into(), Duration::from_secs(1));
        let no_address = DialError::Resolve("peer".into(), io::ErrorKind::InvalidInput.into());
        assert_eq!(state.note(None), None, "it is expected to work");
        assert_eq!(state.note(Some(&silent)), Some(Change::Down));
        assert_eq!(state.note(Some(&silent)), None);
        assert_eq!(state.note(Some(&no_address)), None, "that says nothing of it");
        assert_eq!(state.note(Some(&refused)), Some(Change::Back), "it speaks of a peer");
        assert_eq!(state.note(Some(&late)), None);
        assert_eq!(state.note(Some(&silent)), Some(Change::Down));
        assert_eq!(state.note(None), Some(Change::Back));
    }
}
