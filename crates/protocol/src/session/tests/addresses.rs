//! Addresses of every kind of network, well-formed and not: read for what they are, and nobody hears of them, unless a
//! session is told to [gossip](super::gossip).

use bytes::{BufMut, BytesMut};
use proptest::{collection::vec, prelude::*};
use wire::{Command, Encode, MAX_ADDRESSES};

use super::*;

/// An entry of `addrv2` as it stands on the wire.
#[derive(Debug, Clone)]
struct Entry {
    time: u32,
    services: u64,
    network: u8,
    bytes: Vec<u8>,
    port: u16,
}

impl Entry {
    /// How long an address of a network is (BIP155). Of those that nobody knows yet, as long as it likes, up to 512.
    fn length(network: u8) -> Option<usize> {
        match network {
            1 => Some(4),
            2 | 6 => Some(16),
            3 => Some(10),
            4 | 5 => Some(32),
            _ => None,
        }
    }

    fn is_well_formed(&self) -> bool {
        match Self::length(self.network) {
            Some(length) => self.bytes.len() == length,
            None => self.bytes.len() <= 512,
        }
    }

    fn write(&self, out: &mut BytesMut) {
        out.put_u32_le(self.time);
        out.put_compact_size(self.services);
        out.put_u8(self.network);
        out.put_byte_string(&self.bytes);
        out.put_u16(self.port);
    }
}

fn entry() -> impl Strategy<Value = Entry> {
    let network = prop_oneof![4 => 1u8..=6, 1 => any::<u8>()];
    let entry = network.prop_flat_map(|network| {
        let right = Entry::length(network);
        let bytes = match right {
            Some(right) => prop_oneof![30 => vec(any::<u8>(), right), 1 => vec(any::<u8>(), 0..=600)].boxed(),
            None => prop_oneof![30 => vec(any::<u8>(), 0..=512), 1 => vec(any::<u8>(), 513..=600)].boxed(),
        };
        (Just(network), bytes)
    });
    (entry, any::<(u32, u64, u16)>()).prop_map(|((network, bytes), (time, services, port))| Entry {
        time,
        services,
        network,
        bytes,
        port,
    })
}

/// Addresses of `addr`, among them those that stand for something else: IPv4, and Tor and private ones of old.
fn sixteen_bytes() -> impl Strategy<Value = [u8; 16]> {
    let prefixed = |prefix: &'static [u8]| {
        any::<[u8; 16]>().prop_map(move |mut bytes| {
            bytes[..prefix.len()].copy_from_slice(prefix);
            bytes
        })
    };
    prop_oneof![
        any::<[u8; 16]>(),
        Just([0; 16]),
        prefixed(&[0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff]),
        prefixed(&[0xfd, 0x87, 0xd8, 0x7e, 0xeb, 0x43]),
        prefixed(&[0xfd, 0x6b, 0x88, 0xc0, 0x87, 0x24]),
        prefixed(&[0xfc]),
    ]
}

/// Has a session hear a payload. It must not answer, nor hang up for once, nor tell anyone of anything but garbage.
fn heard(talk: &mut Talk, command: Command, payload: Bytes) -> Result<Option<Message>, TestCaseError> {
    let (outputs, message) = match Message::decode(command, payload.clone(), talk.chain.dialect()) {
        Ok(message) => {
            prop_assert_eq!(message.encode(), payload);
            (talk.hear(message.clone()), Some(message))
        }
        Err(error) => {
            talk.session.handle_undecodable(&error, talk.now);
            (talk.drain(), None)
        }
    };
    prop_assert_eq!(commands(&outputs), Vec::<String>::new());
    let garbage = outputs.iter().all(|output| matches!(output, Output::Event(Event::Garbage { .. })));
    prop_assert!(garbage && outputs.len() == usize::from(message.is_none()), "{outputs:?}");
    Ok(message)
}

proptest! {
    #[test]
    fn addrv2_of_any_network_is_read_or_refused_as_a_whole_and_goes_no_further(
        entries in vec(entry(), 0..40),
        // Half of the counts are true.
        count in prop_oneof![Just(None), any::<u16>().prop_map(|count| Some(u64::from(count))), any::<u64>().prop_map(Some)],
        cut in prop_oneof![9 => Just(0usize), 1 => 1usize..30],
    ) {
        let mut payload = BytesMut::new();
        let said = count.unwrap_or(entries.len() as u64);
        // What is cut off could be what was not counted.
        prop_assume!(cut == 0 || said >= entries.len() as u64);
        payload.put_compact_size(said);
        entries.iter().for_each(|entry| entry.write(&mut payload));
        payload.truncate(payload.len().saturating_sub(cut));
        let whole = said == entries.len() as u64 && cut == 0;
        let readable = whole && entries.iter().all(Entry::is_well_formed);
        for mut talk in [dash::ready(), Talk::ready()] {
            let message = heard(&mut talk, Command::ADDRV2, payload.clone().freeze())?;
            prop_assert_eq!(message.is_some(), readable);
            let Some(Message::AddrV2(read)) = message else { continue };
            for (entry, read) in entries.iter().zip(read) {
                // What cannot be dialled has no address to be dialled at.
                prop_assert_eq!(read.to_socket_addr().is_some(), matches!(entry.network, 1 | 2));
            }
        }
    }

    #[test]
    fn addr_is_read_whatever_its_sixteen_bytes_stand_for_and_goes_no_further(
        entries in vec((any::<(u32, u64, u16)>(), sixteen_bytes()), 0..40),
        more in 0usize..20,
    ) {
        let mut payload = BytesMut::new();
        payload.put_compact_size(entries.len() as u64);
        for ((time, services, port), ip) in &entries {
            payload.put_u32_le(*time);
            payload.put_u64_le(*services);
            payload.put_slice(ip);
            payload.put_u16(*port);
        }
        payload.put_bytes(0, more);
        for mut talk in [dash::ready(), Talk::ready()] {
            let message = heard(&mut talk, Command::ADDR, payload.clone().freeze())?;
            prop_assert_eq!(message.is_some(), more == 0, "nothing may follow");
        }
    }
}

#[test]
fn more_than_a_thousand_addresses_are_no_message() {
    for (command, size) in [(Command::ADDR, 30), (Command::ADDRV2, 9)] {
        for (count, readable) in [(MAX_ADDRESSES, true), (MAX_ADDRESSES + 1, false)] {
            let mut payload = BytesMut::new();
            payload.put_compact_size(count as u64);
            // Of an `addrv2`, network 0 with no bytes.
            payload.put_bytes(0, count * size);
            let message = heard(&mut dash::ready(), command, payload.freeze()).expect("heard");
            assert_eq!(message.is_some(), readable, "{command}: {count}");
        }
    }
}
