//! Ports for servers that this crate starts.

use std::net::{Ipv4Addr, TcpListener};
use std::sync::atomic::{AtomicU32, Ordering};

/// Below the range from which Linux takes ports for outgoing connections (32768 to 60999 by default): a node that
/// is restarted on its old port must not find that an unrelated client got it meanwhile, as can happen with a
/// port found by binding to 0.
const FIRST: u32 = 20_000;
const COUNT: u32 = 12_000;

/// A port on 127.0.0.1 on which nobody listens, and which no other call in this process was given.
///
/// Another process can still take it before the caller does. Two test runners at the same time start at different
/// places, by their process ids, so that this is rare.
///
/// # Panics
/// When every port of the range is taken.
pub fn free_port() -> u16 {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let start = std::process::id().wrapping_mul(101);
    for _ in 0..COUNT {
        let step = NEXT.fetch_add(1, Ordering::Relaxed);
        let port = FIRST + start.wrapping_add(step) % COUNT;
        let port = u16::try_from(port).expect("the range ends below 65536");
        if TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
            return port;
        }
    }
    panic!("no free port on 127.0.0.1 from {FIRST} to {}", FIRST + COUNT - 1);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_is_given_once_and_never_while_somebody_listens_on_it() {
        let first = free_port();
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, first)).unwrap();
        let later: Vec<u16> = (0..100).map(|_| free_port()).collect();
        assert!(!later.contains(&listener.local_addr().unwrap().port()));
        let mut unique = later.clone();
        unique.sort_unstable();
        unique.dedup();
        assert_eq!(unique.len(), later.len());
    }
}
