//! Messages, in the dialect of each chain.

use bytes::Bytes;
use dash::DashDialect;
use litecoin::LitecoinDialect;
use wire::{Command, Dialect, Message};

use crate::{
    allocations::Meter,
    commands::NAMES,
    dialects::{Dash, Dogecoin, Litecoin},
};

/// Of a chain that has a crate of its own twice: by that crate, and as the tests of `wire` read it.
const DIALECTS: [&dyn Dialect; 5] = [&LitecoinDialect, &DashDialect, &Litecoin, &Dogecoin, &Dash];

/// The command that one byte of an input stands for.
pub fn command(byte: u8) -> Command {
    let name = NAMES[usize::from(byte) % NAMES.len()];
    let mut bytes = [0; 12];
    bytes[..name.len()].copy_from_slice(name.as_bytes());
    Command::from_wire(bytes).expect("these are names")
}

/// Input: the command (one byte), the payload.
///
/// # Panics
/// When a message is not written back as it came, or takes more memory than its bytes warrant.
pub fn run(data: &[u8]) {
    let Some((&first, payload)) = data.split_first() else { return };
    let (command, payload) = (command(first), Bytes::copy_from_slice(payload));
    for dialect in DIALECTS {
        let shared = payload.clone();
        let meter = Meter::start();
        let message = Message::decode(command, shared, dialect);
        assert!(meter.peak() <= 1024 + 16 * payload.len(), "{} bytes of memory", meter.peak());
        if let Ok(message) = message {
            assert_eq!(message.command(), command);
            assert_eq!(message.encode(), payload, "{dialect:?}");
        }
    }
}
