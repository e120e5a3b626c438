//! From a connection's bytes to frames.

use bytes::BytesMut;
use tokio_util::codec::Decoder;
use wire::{Command, Frame, FrameCodec, FrameError, FrameHeader, HEADER_LEN};

use super::HangUp;

/// What came out of the bytes.
pub(super) enum Heard {
    /// A whole frame.
    Frame(Frame),
    /// The stream cannot be read on.
    Broken(HangUp),
    /// Half of a block has come, and the node's temperament wants no more.
    Enough,
}

/// The reading half of a connection.
#[derive(Debug)]
pub(super) struct Intake {
    codec: FrameCodec,
    buffer: BytesMut,
    /// Whether the buffer begins with a frame's header.
    at_header: bool,
    /// The buffer's length at which it is enough.
    enough: Option<usize>,
    /// What may be made of a stream that does not begin with the magic.
    beginning: Beginning,
}

/// How a stream may begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Beginning {
    /// With the magic, or it is broken.
    Plain,
    /// With the magic, or it is a key (BIP324).
    Either,
    /// It was a key, or is taken for one: nothing can be understood.
    Encrypted,
}

impl Intake {
    /// The daemons accept payloads up to `limit` from the first message on.
    pub(super) fn new(magic: [u8; 4], limit: usize, may_encrypt: bool) -> Self {
        let mut codec = FrameCodec::new(magic);
        codec.set_limit(limit);
        let beginning = if may_encrypt { Beginning::Either } else { Beginning::Plain };
        Self { codec, buffer: BytesMut::new(), at_header: true, enough: None, beginning }
    }

    pub(super) fn put(&mut self, bytes: &[u8]) {
        if self.beginning != Beginning::Encrypted {
            self.buffer.extend_from_slice(bytes);
        }
    }

    /// The next frame. `cuts`: blocks are read up to their middle only.
    pub(super) fn next(&mut self, cuts: bool) -> Option<Heard> {
        if cuts
            && self.at_header
            && let Some(header) = self.buffer.first_chunk::<HEADER_LEN>().map(FrameHeader::from_wire)
            && header.command == *Command::BLOCK.as_wire()
        {
            self.enough = Some(HEADER_LEN + header.length as usize / 2);
        }
        if let Some(enough) = self.enough {
            return (self.buffer.len() >= enough).then_some(Heard::Enough);
        }
        match self.codec.decode(&mut self.buffer) {
            Ok(Some(frame)) => {
                self.at_header = true;
                self.beginning = Beginning::Plain;
                Some(Heard::Frame(frame))
            }
            Ok(None) => {
                self.at_header = self.buffer.len() < HEADER_LEN && self.at_header;
                None
            }
            Err(FrameError::Magic { .. }) if self.beginning == Beginning::Either => {
                self.beginning = Beginning::Encrypted;
                self.buffer.clear();
                None
            }
            Err(FrameError::Magic { .. }) => Some(Heard::Broken(HangUp::BadMagic)),
            Err(FrameError::TooLong { .. }) => Some(Heard::Broken(HangUp::Oversized)),
            Err(FrameError::Io(_)) => unreachable!("a decoder in memory does no I/O"),
        }
    }
}
