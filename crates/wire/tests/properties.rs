//! Whatever comes, nothing panics, nothing over a limit is read, and what is understood is written back as it came.

mod common;

use bytes::{BufMut, Bytes};
use common::{CHAINS, chain, transcripts};
use proptest::{collection::vec, option, prelude::*, sample::Index};
use wire::{
    AddrEntry, AddrV2Entry, Address, BlockHash, BlockTxn, Command, CompactBlock, Encode, GetBlockTxn,
    GetHeaders, Header, InvItem, MAX_ADDRESSES, MAX_HEADERS, MAX_INV, MAX_LOCATOR, Message, NetworkAddress,
    PrefilledTransaction, Reject, RejectCode, SendCompact, Services, VersionDetails, VersionMessage,
};

const KNOWN: [Command; 22] = [
    Command::ADDR,
    Command::ADDRV2,
    Command::BLOCK,
    Command::BLOCKTXN,
    Command::CMPCTBLOCK,
    Command::FEEFILTER,
    Command::GETADDR,
    Command::GETBLOCKTXN,
    Command::GETDATA,
    Command::GETHEADERS,
    Command::HEADERS,
    Command::INV,
    Command::NOTFOUND,
    Command::PING,
    Command::PONG,
    Command::REJECT,
    Command::SENDADDRV2,
    Command::SENDCMPCT,
    Command::SENDHEADERS,
    Command::VERACK,
    Command::VERSION,
    Command::WTXIDRELAY,
];

/// Decodes a payload in each dialect; whatever is understood must be written back as it came.
fn survives(command: Command, payload: &Bytes) -> Result<(), TestCaseError> {
    for chain in &CHAINS {
        if let Ok(message) = Message::decode(command, payload.clone(), chain.dialect) {
            prop_assert_eq!(message.command(), command);
            prop_assert_eq!(&message.encode(), payload, "{}", chain.name);
        }
    }
    Ok(())
}

fn blob(most: usize) -> impl Strategy<Value = Bytes> {
    vec(any::<u8>(), 0..=most).prop_map(Bytes::from)
}

fn network_address() -> impl Strategy<Value = NetworkAddress> {
    any::<([u8; 16], u16)>().prop_map(|(ip, port)| NetworkAddress { ip: ip.into(), port })
}

fn block_hash() -> impl Strategy<Value = BlockHash> {
    any::<[u8; 32]>().prop_map(BlockHash::from_wire)
}

fn version() -> impl Strategy<Value = Message> {
    let head = (any::<(i32, u64, i64, u64)>(), network_address());
    let tail =
        (any::<(u64, u64, i32)>(), network_address(), blob(256), option::of((any::<bool>(), blob(40))));
    (head, option::of(tail)).prop_map(|(((protocol, services, timestamp, theirs), receiver), tail)| {
        let details = tail.map(|((ours, nonce, start_height), sender, user_agent, end)| {
            // Nothing can follow a flag that is not there.
            let (relay, extension) = end.map_or((None, Bytes::new()), |(relay, rest)| (Some(relay), rest));
            let sender = (Services(ours), sender);
            VersionDetails { sender, nonce, user_agent, start_height, relay, extension }
        });
        let receiver = (Services(theirs), receiver);
        Message::Version(VersionMessage {
            protocol,
            services: Services(services),
            timestamp,
            receiver,
            details,
        })
    })
}

fn address() -> impl Strategy<Value = Address> {
    prop_oneof![
        any::<[u8; 4]>().prop_map(|ip| Address::Ipv4(ip.into())),
        any::<[u8; 16]>().prop_map(|ip| Address::Ipv6(ip.into())),
        any::<[u8; 32]>().prop_map(Address::TorV3),
        any::<[u8; 32]>().prop_map(Address::I2p),
        any::<[u8; 16]>().prop_map(Address::Cjdns),
        any::<[u8; 10]>().prop_map(|key| Address::Other { network: 3, bytes: key.to_vec().into() }),
        (7u8.., blob(512)).prop_map(|(network, bytes)| Address::Other { network, bytes }),
    ]
}

fn addresses() -> impl Strategy<Value = Message> {
    let v1 = (any::<(u32, u64)>(), network_address()).prop_map(|((time, services), address)| AddrEntry {
        time,
        services: Services(services),
        address,
    });
    let v2 = (any::<(u32, u64, u16)>(), address()).prop_map(|((time, services, port), address)| {
        AddrV2Entry { time, services: Services(services), address, port }
    });
    prop_oneof![vec(v1, 0..20).prop_map(Message::Addr), vec(v2, 0..20).prop_map(Message::AddrV2)]
}

fn inventory() -> impl Strategy<Value = Message> {
    let items = vec(any::<(u32, [u8; 32])>().prop_map(|(kind, hash)| InvItem { kind, hash }), 0..300);
    (items, 0..3).prop_map(|(items, which)| match which {
        0 => Message::Inv(items),
        1 => Message::GetData(items),
        _ => Message::NotFound(items),
    })
}

fn header() -> impl Strategy<Value = Header> {
    vec(any::<u8>(), 80).prop_map(|bytes| Header::new(bytes.try_into().expect("80 bytes")))
}

fn headers() -> impl Strategy<Value = Message> {
    let request = (any::<u32>(), vec(block_hash(), 0..=MAX_LOCATOR), block_hash());
    prop_oneof![
        request.prop_map(|(protocol, locator, stop)| Message::GetHeaders(GetHeaders {
            protocol,
            locator,
            stop
        })),
        vec(header(), 0..260).prop_map(Message::Headers),
    ]
}

/// A transaction with witness, or a HogEx, or neither.
fn transaction() -> impl Strategy<Value = Bytes> {
    (any::<[u8; 44]>(), blob(300), blob(300), prop_oneof![Just(0u8), Just(1), Just(8), Just(9)]).prop_map(
        |(random, script, item, flags)| {
            let mut bytes = random[..4].to_vec();
            if flags != 0 {
                bytes.put_slice(&[0, flags]);
            }
            bytes.put_u8(1);
            bytes.put_slice(&random[4..40]);
            bytes.put_byte_string(&script);
            bytes.put_slice(&random[40..]);
            bytes.put_u8(1);
            bytes.put_u64_le(1);
            bytes.put_byte_string(&script);
            if flags & 1 != 0 {
                bytes.put_u8(1);
                bytes.put_byte_string(&item);
            }
            if flags & 8 != 0 {
                bytes.put_u8(0);
            }
            bytes.put_u32_le(0);
            bytes.into()
        },
    )
}

/// Rising places in a block.
fn places() -> impl Strategy<Value = Vec<u16>> {
    proptest::collection::btree_set(any::<u16>(), 0..300).prop_map(|set| set.into_iter().collect())
}

fn compact() -> impl Strategy<Value = Message> {
    let prefilled = proptest::collection::btree_map(any::<u16>(), transaction(), 0..10);
    let block = (header(), any::<u64>(), vec(any::<[u8; 6]>(), 0..300), prefilled, blob(50)).prop_map(
        |(header, nonce, short_ids, prefilled, extension)| {
            let prefilled = prefilled
                .into_iter()
                .map(|(index, transaction)| PrefilledTransaction { index, transaction })
                .collect();
            Message::CompactBlock(Box::new(CompactBlock { header, nonce, short_ids, prefilled, extension }))
        },
    );
    prop_oneof![
        any::<(bool, u64)>()
            .prop_map(|(announce, version)| Message::SendCompact(SendCompact { announce, version })),
        block,
        (block_hash(), places())
            .prop_map(|(block, indexes)| Message::GetBlockTxn(GetBlockTxn { block, indexes })),
        (block_hash(), vec(transaction(), 0..10))
            .prop_map(|(block, transactions)| Message::BlockTxn(BlockTxn { block, transactions })),
    ]
}

fn others() -> impl Strategy<Value = Message> {
    let reject = (blob(12), any::<u8>(), blob(111), option::of(any::<[u8; 32]>())).prop_map(
        |(command, code, reason, hash)| {
            let data = hash.map_or(Bytes::new(), |hash| hash.to_vec().into());
            Message::Reject(Reject { command, code: RejectCode(code), reason, data })
        },
    );
    prop_oneof![
        prop_oneof![
            Just(Message::Verack),
            Just(Message::WtxidRelay),
            Just(Message::SendAddrV2),
            Just(Message::SendHeaders),
            Just(Message::GetAddr),
        ],
        any::<u64>().prop_map(Message::FeeFilter),
        any::<u64>().prop_map(Message::Ping),
        any::<u64>().prop_map(Message::Pong),
        blob(3000).prop_map(Message::Block),
        reject,
        ("[a-z0-9]{1,11}x", blob(300)).prop_map(|(name, payload)| {
            let mut bytes = [0; 12];
            bytes[..name.len()].copy_from_slice(name.as_bytes());
            let command = Command::from_wire(bytes).expect("a name");
            Message::Unknown { command, payload }
        }),
    ]
}

fn message() -> impl Strategy<Value = Message> {
    prop_oneof![version(), addresses(), inventory(), headers(), compact(), others()]
}

proptest! {
    #[test]
    fn every_message_reads_back(message in message()) {
        let again = Message::decode(message.command(), message.encode(), chain("litecoin").dialect);
        prop_assert_eq!(again, Ok(message));
    }

    #[test]
    fn a_message_that_is_cut_short_is_refused_or_another_one(message in message(), cut in any::<Index>()) {
        let payload = message.encode();
        if !payload.is_empty() {
            survives(message.command(), &payload.slice(..cut.index(payload.len())))?;
        }
    }

    #[test]
    fn random_payloads_do_no_harm(payload in blob(400)) {
        for command in KNOWN {
            survives(command, &payload)?;
        }
    }

    #[test]
    fn random_payloads_behind_a_plausible_count_do_no_harm(
        count in prop_oneof![0u64..300, Just(u64::MAX), Just(1 << 32), Just(50_000)],
        start in prop_oneof![Just(0usize), Just(4), Just(32), Just(88)],
        rest in blob(400),
    ) {
        let mut payload = vec![1; start];
        payload.put_compact_size(count);
        payload.put_slice(&rest);
        for command in KNOWN {
            survives(command, &payload.clone().into())?;
        }
    }
}

#[test]
fn recorded_messages_may_be_damaged_anywhere() {
    let mut damaged = 0;
    for chain in &CHAINS {
        for recording in transcripts(chain.name) {
            for recorded in recording.messages().filter(|recorded| recorded.payload_len <= 700) {
                let raw = recorded.raw();
                let command =
                    Command::from_wire(raw[4..16].try_into().expect("twelve bytes")).expect("a name");
                let payload = recorded.payload();
                for offset in 0..payload.len() {
                    for value in [0x00, 0x01, 0xfd, 0xff] {
                        let mut bytes = payload.to_vec();
                        bytes[offset] = value;
                        survives(command, &bytes.into())
                            .unwrap_or_else(|error| panic!("{}: {error}", recording.file));
                    }
                    survives(command, &payload.slice(..offset)).unwrap_or_else(|error| panic!("{error}"));
                    damaged += 1;
                }
            }
        }
    }
    assert!(damaged > 10_000, "{damaged}");
}

/// A payload of `count` entries of `size` zero bytes each, with `around` more before and behind.
fn list(before: &[u8], count: usize, size: usize, behind: &[u8]) -> Bytes {
    let mut payload = before.to_vec();
    payload.put_compact_size(count as u64);
    payload.put_bytes(0, count * size);
    payload.put_slice(behind);
    payload.into()
}

#[test]
fn one_entry_more_than_the_daemons_allow_is_refused() {
    /// What stands before and behind the list.
    type Around = (&'static [u8], &'static [u8]);
    // Entry size, limit.
    let cases: [(Command, usize, usize, Around); 8] = [
        (Command::ADDR, 30, MAX_ADDRESSES, (&[], &[])),
        (Command::INV, 36, MAX_INV, (&[], &[])),
        (Command::GETDATA, 36, MAX_INV, (&[], &[])),
        (Command::NOTFOUND, 36, MAX_INV, (&[], &[])),
        (Command::HEADERS, 81, MAX_HEADERS, (&[], &[])),
        (Command::GETHEADERS, 32, MAX_LOCATOR, (&[0; 4], &[0; 32])),
        (Command::GETBLOCKTXN, 1, 0x1_0000, (&[0; 32], &[])),
        (Command::CMPCTBLOCK, 6, 0x1_0000, (&[0; 88], &[0])),
    ];
    assert_eq!((MAX_ADDRESSES, MAX_INV, MAX_HEADERS, MAX_LOCATOR), (1000, 50_000, 2000, 101));
    for (command, size, limit, (before, behind)) in cases {
        for chain in &CHAINS {
            let decode = |count| Message::decode(command, list(before, count, size, behind), chain.dialect);
            let all = decode(limit).unwrap_or_else(|error| panic!("{command}: {error}"));
            assert_eq!(all.encode(), list(before, limit, size, behind), "{command}");
            let error = decode(limit + 1).expect_err("one too many");
            assert_eq!(error.kind(), "too_many", "{command}: {error}");
        }
    }
}

#[test]
fn one_addrv2_entry_or_byte_too_many_is_refused() {
    let decode = |payload: Bytes| Message::decode(Command::ADDRV2, payload, chain("litecoin").dialect);
    let entry = AddrV2Entry {
        time: 1,
        services: Services(1),
        address: Address::Ipv4([127, 0, 0, 1].into()),
        port: 1,
    };
    let encode = |count| Message::AddrV2(vec![entry.clone(); count]).encode();
    assert!(decode(encode(1000)).is_ok());
    assert_eq!(decode(encode(1001)).expect_err("one too many").kind(), "too_many");

    let unknown = |length| {
        Message::AddrV2(vec![AddrV2Entry {
            address: Address::Other { network: 9, bytes: vec![0; length].into() },
            ..entry.clone()
        }])
    };
    assert!(decode(unknown(512).encode()).is_ok());
    assert_eq!(decode(unknown(513).encode()).expect_err("too long").kind(), "too_many");

    let mut odd = Message::AddrV2(vec![entry.clone()]).encode().to_vec();
    odd[7] = 5; // an IPv4 address of five bytes
    assert_eq!(decode(odd.into()).expect_err("no such address").kind(), "invalid");
}

#[test]
fn texts_that_are_too_long_are_refused() {
    let dialect = chain("litecoin").dialect;
    let reject = |command: usize, reason: usize| {
        let (command, reason) = (vec![b'a'; command].into(), vec![b'a'; reason].into());
        let message = Message::Reject(Reject { command, code: RejectCode(1), reason, data: Bytes::new() });
        Message::decode(Command::REJECT, message.encode(), dialect)
    };
    assert!(reject(12, 111).is_ok());
    assert_eq!(reject(13, 111).expect_err("too long").kind(), "too_many");
    assert_eq!(reject(12, 112).expect_err("too long").kind(), "too_many");

    let version = |user_agent: usize| {
        let details = VersionDetails {
            sender: (Services(0), NetworkAddress::UNSPECIFIED),
            nonce: 0,
            user_agent: vec![b'a'; user_agent].into(),
            start_height: 0,
            relay: None,
            extension: Bytes::new(),
        };
        let message = Message::Version(VersionMessage {
            protocol: 70_017,
            services: Services(0),
            timestamp: 0,
            receiver: (Services(0), NetworkAddress::UNSPECIFIED),
            details: Some(details),
        });
        Message::decode(Command::VERSION, message.encode(), dialect)
    };
    assert!(version(256).is_ok());
    assert_eq!(version(257).expect_err("too long").kind(), "too_many");
}

#[test]
fn indexes_beyond_any_block_are_refused() {
    let decode = |distances: &[u64]| {
        let mut payload = vec![0; 32];
        payload.put_compact_size(distances.len() as u64);
        distances.iter().for_each(|&distance| payload.put_compact_size(distance));
        Message::decode(Command::GETBLOCKTXN, payload.into(), chain("litecoin").dialect)
    };
    assert!(decode(&[0xffff]).is_ok());
    for distances in [&[0x1_0000][..], &[0xffff, 0], &[1, u64::MAX], &[0x8000, 0x7fff]] {
        assert_eq!(decode(distances).expect_err("no such place").kind(), "too_many", "{distances:?}");
    }
}

#[test]
fn bytes_behind_a_message_are_refused_where_writing_it_back_would_lose_them() {
    let decode = |command, payload: &[u8]| {
        Message::decode(command, Bytes::copy_from_slice(payload), chain("litecoin").dialect)
            .map_err(|error| error.kind())
    };
    assert_eq!(decode(Command::VERACK, &[0]), Err("trailing"));
    assert_eq!(decode(Command::PING, &[0; 9]), Err("trailing"));
    assert_eq!(decode(Command::PING, &[]), Err("truncated"));
    assert_eq!(decode(Command::INV, &[0, 0]), Err("trailing"));
    assert_eq!(decode(Command::SENDCMPCT, &[2, 1, 0, 0, 0, 0, 0, 0, 0]), Err("invalid"));
    assert_eq!(decode(Command::HEADERS, &[1; 82]), Err("invalid"));
}
