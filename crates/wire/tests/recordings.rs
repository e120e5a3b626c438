//! Every message recorded from a real daemon is understood, and written back as it was.

mod common;

use std::collections::BTreeMap;

use bytes::{Bytes, BytesMut};
use common::{CAP, CHAINS, RecordedChain, chain, recording, transcripts, unhex};
use tokio_util::codec::{Decoder, Encoder};
use wire::{
    BlockHash, Command, Frame, FrameCodec, FrameHeader, HANDSHAKE_LIMIT, HEADER_LEN, Message, Reject,
    RejectCode, Services, checksum, sha256d,
};

/// How often each command must be seen, so that a test that sees nothing fails. Of a command that is not listed, any
/// number will do.
const AT_LEAST: [(&str, &[(&str, usize)]); 3] = [
    (
        "litecoin",
        &[
            ("addr", 1),
            ("addrv2", 1),
            ("block", 2),
            ("blocktxn", 3),
            ("cmpctblock", 11),
            ("feefilter", 10),
            ("getaddr", 5),
            ("getblocktxn", 3),
            ("getdata", 5),
            ("getheaders", 16),
            ("headers", 11),
            ("inv", 3),
            ("notfound", 1),
            ("ping", 17),
            ("pong", 17),
            ("sendaddrv2", 13),
            ("sendcmpct", 33),
            ("sendheaders", 11),
            ("verack", 20),
            ("version", 20),
            ("wtxidrelay", 12),
        ],
    ),
    (
        "dogecoin",
        &[
            ("addr", 1),
            ("cmpctblock", 6),
            ("feefilter", 8),
            ("getaddr", 4),
            ("getheaders", 13),
            ("headers", 9),
            ("inv", 3),
            ("ping", 14),
            ("pong", 14),
            ("sendcmpct", 18),
            ("sendheaders", 9),
            ("verack", 16),
            ("version", 16),
        ],
    ),
    (
        "dash",
        &[
            ("addr", 3),
            ("addrv2", 3),
            ("cmpctblock", 3),
            ("getaddr", 7),
            ("getheaders", 17),
            ("headers", 11),
            ("inv", 3),
            ("ping", 21),
            ("pong", 21),
            ("sendaddrv2", 17),
            ("sendcmpct", 13),
            ("sendheaders", 11),
            ("verack", 24),
            ("version", 24),
        ],
    ),
];

/// What Dash sends and a relay ignores.
const UNKNOWN: [&str; 8] = [
    "senddsq",
    "getsporks",
    "sendheaders2",
    "getheaders2",
    "govsync",
    "headers2",
    "getmnlistd",
    "mnlistdiff",
];

fn codec(chain: &RecordedChain) -> FrameCodec {
    let mut codec = FrameCodec::new(chain.magic);
    codec.set_limit(CAP);
    codec
}

fn decode(chain: &RecordedChain, raw: &[u8]) -> Message {
    let frame = codec(chain).decode(&mut BytesMut::from(raw)).expect("a frame").expect("a whole frame");
    let Frame::Intact { command, payload } = frame else { panic!("{frame:?}") };
    Message::decode(command, payload, chain.dialect).expect("a message")
}

#[test]
fn every_recorded_message_is_understood_and_written_back_byte_for_byte() {
    for chain in &CHAINS {
        let mut seen = BTreeMap::<String, usize>::new();
        for recording in transcripts(chain.name) {
            for recorded in recording.messages() {
                let at = format!("{}: {}", recording.file, recorded.cmd);
                let raw = recorded.raw();
                let mut buffer = BytesMut::from(&raw[..]);
                let frame = codec(chain).decode(&mut buffer).unwrap_or_else(|error| panic!("{at}: {error}"));
                let Some(Frame::Intact { command, payload }) = frame else { panic!("{at}: {frame:?}") };
                assert!(buffer.is_empty(), "{at}");
                assert_eq!((command.as_str(), payload.len()), (&*recorded.cmd, recorded.payload_len), "{at}");

                let message = Message::decode(command, payload.clone(), chain.dialect)
                    .unwrap_or_else(|error| panic!("{at}: {error}"));
                assert_eq!(message.command(), command, "{at}");
                let unknown = matches!(message, Message::Unknown { .. });
                assert_eq!(unknown, UNKNOWN.contains(&command.as_str()), "{at}");

                let again = message.encode();
                assert_eq!(again, payload, "{at}");
                assert_eq!(
                    FrameHeader::of(chain.magic, command, &again).to_wire(),
                    raw[..HEADER_LEN],
                    "{at}"
                );
                let mut framed = BytesMut::new();
                codec(chain).encode((command, again), &mut framed).expect("encodes");
                assert_eq!(framed, raw, "{at}");
                *seen.entry(recorded.cmd.clone()).or_default() += 1;
            }
        }
        let (_, at_least) = AT_LEAST.iter().find(|(name, _)| *name == chain.name).expect("a list");
        for (command, least) in *at_least {
            let count = seen.get(*command).copied().unwrap_or_default();
            assert!(count >= *least, "{}: {command} was seen {count} times, not {least}", chain.name);
        }
    }
}

#[test]
fn a_recorded_stream_can_be_cut_anywhere() {
    for chain in &CHAINS {
        for recording in transcripts(chain.name) {
            let messages: Vec<_> = recording.messages().filter(|message| message.is_from_node()).collect();
            assert!(messages.len() >= 4, "{}", recording.file);
            let stream: Vec<u8> = messages.iter().flat_map(|message| message.raw()).collect();
            for size in [1, 7, 24, 1460] {
                let (mut codec, mut buffer, mut frames) = (codec(chain), BytesMut::new(), Vec::new());
                for piece in stream.chunks(size) {
                    buffer.extend_from_slice(piece);
                    while let Some(frame) = codec.decode(&mut buffer).expect("frames") {
                        frames.push(frame);
                    }
                }
                let expected: Vec<Frame> = messages
                    .iter()
                    .map(|message| {
                        let raw = message.raw();
                        let command = raw[4..16].try_into().expect("twelve bytes");
                        Frame::Intact {
                            command: Command::from_wire(command).expect("a name"),
                            payload: message.payload(),
                        }
                    })
                    .collect();
                assert_eq!(frames, expected, "{} in pieces of {size}", recording.file);
            }
        }
    }
}

#[test]
fn a_handshake_fits_into_the_limit_that_is_in_force_then() {
    let mut handshakes = 0;
    for chain in &CHAINS {
        for recording in transcripts(chain.name) {
            for message in recording.messages().take_while(|message| message.cmd != "sendcmpct") {
                if ["version", "verack", "wtxidrelay", "sendaddrv2"].contains(&&*message.cmd) {
                    assert!(message.payload_len <= HANDSHAKE_LIMIT);
                    let frame = FrameCodec::new(chain.magic).decode(&mut BytesMut::from(&message.raw()[..]));
                    assert!(matches!(frame, Ok(Some(Frame::Intact { .. }))), "{}: {frame:?}", recording.file);
                    handshakes += usize::from(message.cmd == "verack");
                }
            }
        }
    }
    assert!(handshakes >= 30, "{handshakes}");
}

#[test]
fn the_daemons_introduce_themselves() {
    for (name, services, extension) in
        [("litecoin", 0x100_0409, 0), ("dogecoin", 0xd, 0), ("dash", 0x1c05, 33)]
    {
        let mut seen = 0;
        for recording in transcripts(name) {
            for message in
                recording.messages().filter(|message| message.is_from_node() && message.cmd == "version")
            {
                let Message::Version(version) = decode(chain(name), &message.raw()) else {
                    panic!("{message:?}")
                };
                assert_eq!(version.user_agent(), recording.daemon, "{}", recording.file);
                assert_eq!(version.services, Services(services), "{}", recording.file);
                assert!(version.start_height().is_some());
                assert_eq!(
                    version.details.expect("details").extension.len(),
                    extension,
                    "{}",
                    recording.file
                );
                seen += 1;
            }
        }
        assert!(seen >= 8, "{name}: {seen}");
    }
}

#[test]
fn announcements_name_the_blocks_that_the_node_mined() {
    for name in ["litecoin", "dogecoin"] {
        let mut seen = [0; 3];
        for recording in transcripts(name).iter().filter(|recording| recording.file.contains("announce_")) {
            let mut named: Vec<BlockHash> = Vec::new();
            let id = |header: &wire::Header| BlockHash::from_wire(sha256d(header.fixed()));
            for message in recording.messages().filter(|message| message.is_from_node()) {
                match decode(chain(name), &message.raw()) {
                    Message::Inv(items) => {
                        assert!(items.iter().all(|item| item.kind == 2));
                        named.extend(items.iter().map(wire::InvItem::block_hash));
                        seen[0] += 1;
                    }
                    Message::Headers(headers) => {
                        named.extend(headers.iter().map(id));
                        let auxpow = headers.last().is_some_and(|header| !header.extension().is_empty());
                        seen[1] += usize::from(name == "litecoin" || auxpow);
                    }
                    Message::CompactBlock(block) => {
                        named.push(id(&block.header));
                        assert_eq!(block.header.extension().is_empty(), name == "litecoin", "auxpow");
                        assert_eq!(
                            block.prefilled.first().map(|prefilled| prefilled.index),
                            Some(0),
                            "the coinbase"
                        );
                        seen[2] += 1;
                    }
                    _ => {}
                }
            }
            for block in &recording.blocks {
                assert!(named.contains(&block.parse().expect("a hash")), "{}: {block}", recording.file);
            }
            assert_eq!(recording.blocks.len(), 3, "{}", recording.file);
        }
        assert!(seen.into_iter().all(|count| count >= 3), "{name}: {seen:?}");
    }
}

#[test]
fn a_compact_block_of_format_3_brings_coinbase_hogex_and_mweb_part() {
    let litecoin = chain("litecoin");
    let recording = recording("litecoin", "live_vectors.json");
    let blocks: Vec<_> = recording
        .messages()
        .filter_map(|message| match decode(litecoin, &message.raw()) {
            Message::CompactBlock(block) => Some(block),
            _ => None,
        })
        .collect();
    assert_eq!(blocks.len(), 2);
    for block in blocks {
        let places: Vec<u16> = block.prefilled.iter().map(|prefilled| prefilled.index).collect();
        assert_eq!((places.as_slice(), block.short_ids.len()), (&[0, 7][..], 6));
        assert_eq!(block.prefilled[1].transaction[4..6], [0, 8], "marker and flag of a HogEx");
        assert_eq!(block.extension[0], 1, "an MWEB part is there");
    }
}

#[test]
fn what_a_node_asks_for_is_what_it_gets() {
    let litecoin = chain("litecoin");
    let recording = recording("litecoin", "live_vectors.json");
    let messages: Vec<Message> =
        recording.messages().map(|message| decode(litecoin, &message.raw())).collect();
    let mut answered = [0; 3];
    for pair in messages.windows(2) {
        match pair {
            [Message::GetBlockTxn(request), Message::BlockTxn(answer)] => {
                assert_eq!(request.block, answer.block);
                assert_eq!(request.indexes.len(), answer.transactions.len());
                assert!(request.indexes.is_sorted());
                answered[0] += 1;
            }
            [Message::GetData(request), Message::Block(block)] => {
                assert_eq!(request[0].block_hash(), BlockHash::from_wire(sha256d(&block[..80])));
                assert!(litecoin.dialect.inv_types().asks_for_block(request[0].kind));
                answered[1] += 1;
            }
            [Message::GetData(request), Message::NotFound(answer)] => {
                assert_eq!(request, answer);
                answered[2] += 1;
            }
            _ => {}
        }
    }
    assert_eq!(answered, [3, 2, 1]);
}

/// Hand-made, from BIP61 and the form in which dogecoind 1.14.9 sends it; none was recorded as bytes.
#[test]
fn a_hand_made_reject_is_understood() {
    let hash = "1a91e3dace36e2be3bf030a65679fe821aa1d6ef92e7c9902eb318182c355691";
    let payload = unhex(concat!(
        "05626c6f636b",                     // "block"
        "10",                               // invalid
        "0f6261642d74786e6d726b6c726f6f74", // "bad-txnmrklroot"
        "9156352c1818b32e90c9e792efd6a11a82fe7956a630f03bbee236cedae3911a",
    ));
    let decode = |payload: Bytes| Message::decode(Command::REJECT, payload, chain("dogecoin").dialect);
    let message = decode(payload.clone()).expect("a reject");
    let Message::Reject(reject) = &message else { panic!("{message:?}") };
    assert_eq!((reject.reason(), reject.code), ("bad-txnmrklroot".into(), RejectCode(0x10)));
    assert_eq!(reject.block().expect("a block's").to_string(), hash);
    assert_eq!(message.encode(), payload);

    // That of a version that is too old has no hash.
    let obsolete = Reject {
        command: "version".into(),
        code: RejectCode(0x11),
        reason: "Version must be 70003 or greater".into(),
        data: Bytes::new(),
    };
    let message = Message::Reject(obsolete);
    assert_eq!(decode(message.encode()), Ok(message));
}

#[test]
fn a_recorded_message_with_a_flipped_bit_is_damaged_or_of_another_network() {
    let litecoin = chain("litecoin");
    let recording = recording("litecoin", "live_vectors.json");
    let raw = recording.messages().find(|message| message.cmd == "notfound").expect("one").raw();
    for (offset, expected) in
        [(0, "magic"), (4, "damaged"), (19, "too long"), (20, "damaged"), (raw.len() - 1, "damaged")]
    {
        let mut bytes = BytesMut::from(&raw[..]);
        bytes[offset] ^= 0x80;
        let outcome = match codec(litecoin).decode(&mut bytes) {
            Ok(Some(Frame::Damaged(_))) => "damaged",
            Err(wire::FrameError::Magic { .. }) => "magic",
            Err(wire::FrameError::TooLong { .. }) => "too long",
            other => panic!("{offset}: {other:?}"),
        };
        assert_eq!(outcome, expected, "{offset}");
    }
    assert_eq!(checksum(&raw[HEADER_LEN..]), raw[20..24]);
}
