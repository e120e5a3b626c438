//! The codec, fed with anything in any pieces under any limit.

use bytes::{BufMut, BytesMut};
use proptest::{collection::vec, prelude::*};
use tokio_util::codec::Decoder;
use wire::{Command, Frame, FrameCodec, FrameHeader, HANDSHAKE_LIMIT, HEADER_LEN};

const MAGIC: [u8; 4] = [0xfb, 0xc0, 0xb6, 0xdb];

/// How much the codec may reserve ahead of what has arrived, in bytes.
const AHEAD: usize = 64 * 1024;

/// A stretch of a stream.
fn stretch() -> impl Strategy<Value = Vec<u8>> {
    let payload = || vec(any::<u8>(), 0..1500);
    let intact =
        |payload: Vec<u8>| [&FrameHeader::of(MAGIC, Command::INV, &payload).to_wire()[..], &payload].concat();
    let damaged =
        (payload(), any::<prop::sample::Index>(), any::<u8>()).prop_map(move |(payload, at, value)| {
            let mut bytes = intact(payload);
            let at = at.index(bytes.len());
            bytes[at] = value;
            bytes
        });
    let length = prop_oneof![any::<u32>(), 0u32..2000, 0u32..32_000_000];
    let claim = (length, any::<[u8; 12]>()).prop_map(|(length, command)| {
        FrameHeader { magic: MAGIC, command, length, checksum: [0; 4] }.to_wire().to_vec()
    });
    prop_oneof![
        8 => payload().prop_map(intact),
        3 => damaged,
        1 => claim,
        1 => vec(any::<u8>(), 0..100),
    ]
}

/// What came out of a stream: its frames, and the word for what ended it, if something did.
type Decoded = (Vec<Frame>, Option<&'static str>);

/// Feeds a stream piece by piece, and holds what the codec holds against its limit after each.
fn feed(
    stream: &[u8],
    limit: usize,
    mut pieces: impl Iterator<Item = usize>,
) -> Result<Decoded, TestCaseError> {
    let (mut codec, mut buffer, mut frames) = (FrameCodec::new(MAGIC), BytesMut::new(), Vec::new());
    codec.set_limit(limit);
    // The most bytes that were there at a time.
    let mut most = 0;
    let mut rest = stream;
    while !rest.is_empty() {
        let (piece, behind) = rest.split_at(pieces.next().unwrap_or(usize::MAX).min(rest.len()));
        rest = behind;
        buffer.extend_from_slice(piece);
        most = most.max(buffer.len());
        loop {
            match codec.decode(&mut buffer) {
                Ok(Some(frame)) => {
                    if let Frame::Intact { payload, .. } = &frame {
                        prop_assert!(payload.len() <= limit);
                    }
                    frames.push(frame);
                }
                Ok(None) => break,
                Err(error) => return Ok((frames, Some(error.kind()))),
            }
        }
        prop_assert!(buffer.len() < limit.max(HEADER_LEN), "{} bytes under a limit of {limit}", buffer.len());
        // Room is made for what arrived and a little ahead of it, twice over as growing buffers do, with the room of
        // what was read off its front. Not for a claim.
        prop_assert!(buffer.capacity() <= 3 * (most + AHEAD), "{} for {most}", buffer.capacity());
    }
    Ok((frames, None))
}

#[test]
fn the_limit_itself_is_allowed_and_one_byte_more_is_refused_by_its_header() {
    for limit in [0, 1, HANDSHAKE_LIMIT, 4_000_000, 32_000_000] {
        let decode = |length: usize| {
            let (length, command) = (length as u32, *Command::BLOCK.as_wire());
            let header = FrameHeader { magic: MAGIC, command, length, checksum: [0; 4] };
            let mut codec = FrameCodec::new(MAGIC);
            codec.set_limit(limit);
            codec.decode(&mut BytesMut::from(&header.to_wire()[..])).map_err(|error| error.kind())
        };
        assert!(decode(limit).is_ok(), "{limit}");
        assert_eq!(decode(limit + 1), Err("oversized"));
    }
}

proptest! {
    #[test]
    fn the_same_comes_of_a_stream_however_it_is_cut_and_no_more_than_the_limit_is_held(
        stretches in vec(stretch(), 0..12),
        limit in prop_oneof![Just(0), Just(HANDSHAKE_LIMIT), 0usize..2000, Just(32_000_000)],
        pieces in vec(prop_oneof![1usize..40, 1usize..3000], 1..100),
    ) {
        let stream = stretches.concat();
        let cut = feed(&stream, limit, pieces.into_iter().cycle())?;
        let whole = feed(&stream, limit, std::iter::empty())?;
        let by_byte = feed(&stream, limit, std::iter::repeat(1))?;
        prop_assert_eq!(&cut, &by_byte);
        prop_assert_eq!(&cut, &whole);
    }

    #[test]
    fn a_limit_may_change_between_frames_and_what_was_let_in_stays_in(
        payload in vec(any::<u8>(), 1..1500),
        at in any::<prop::sample::Index>(),
        lower in 0usize..1500,
    ) {
        let stream = [&FrameHeader::of(MAGIC, Command::INV, &payload).to_wire()[..], &payload].concat();
        let mut codec = FrameCodec::new(MAGIC);
        codec.set_limit(payload.len());
        let mut buffer = BytesMut::new();
        // The header has been read, and not all of the payload.
        let cut = HEADER_LEN + at.index(payload.len());
        buffer.put_slice(&stream[..cut]);
        prop_assert!(matches!(codec.decode(&mut buffer), Ok(None)));
        codec.set_limit(lower);
        buffer.put_slice(&stream[cut..]);
        let frame = codec.decode(&mut buffer);
        prop_assert!(matches!(&frame, Ok(Some(Frame::Intact { payload: read, .. })) if *read == payload), "{:?}", frame);

        buffer.put_slice(&stream);
        let next = codec.decode(&mut buffer);
        prop_assert_eq!(next.is_err(), payload.len() > lower, "the next one is held against the new limit");
    }
}
