//! Cutting a byte stream into frames.

use bytes::{Buf, BufMut, Bytes, BytesMut};
use tokio_util::codec::{Decoder, Encoder};

use crate::{Command, checksum};

/// Length of a frame's header: magic 4, command 12, payload length 4, checksum 4.
pub const HEADER_LEN: usize = 24;

/// The largest payload that a peer may send before the handshake is done, in bytes. A `version` with the longest user
/// agent is 373 bytes (406 on Dash), so this leaves room and gives a stranger nothing to fill our memory with.
pub const HANDSHAKE_LIMIT: usize = 1024;

/// How much is reserved ahead while a large payload arrives, in bytes. The buffer thus grows with what was received,
/// not with what was announced.
const GROWTH: usize = 64 * 1024;

/// Buffers that grew beyond this are given back once empty, so that an idle peer costs little.
const KEEP: usize = 16 * 1024;

/// A frame's header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FrameHeader {
    /// The network's four bytes, in wire order.
    pub magic: [u8; 4],
    /// The twelve bytes of the command, not yet checked.
    pub command: [u8; 12],
    /// Payload length in bytes.
    pub length: u32,
    /// First four bytes of the payload's SHA-256d.
    pub checksum: [u8; 4],
}

impl FrameHeader {
    /// The header of a frame with this payload. Hashes the payload.
    pub fn of(magic: [u8; 4], command: Command, payload: &[u8]) -> Self {
        Self { magic, command: *command.as_wire(), length: payload.len() as u32, checksum: checksum(payload) }
    }

    /// The 24 bytes on the wire.
    pub fn to_wire(self) -> [u8; HEADER_LEN] {
        let mut bytes = [0; HEADER_LEN];
        let mut out = &mut bytes[..];
        out.put_slice(&self.magic);
        out.put_slice(&self.command);
        out.put_u32_le(self.length);
        out.put_slice(&self.checksum);
        bytes
    }

    /// From the 24 bytes on the wire.
    pub fn from_wire(bytes: &[u8; HEADER_LEN]) -> Self {
        let mut header = Self { magic: [0; 4], command: [0; 12], length: 0, checksum: [0; 4] };
        let mut rest = &bytes[..];
        rest.copy_to_slice(&mut header.magic);
        rest.copy_to_slice(&mut header.command);
        header.length = rest.get_u32_le();
        rest.copy_to_slice(&mut header.checksum);
        header
    }
}

/// One message off the wire, not yet understood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Frame {
    /// A whole message.
    Intact {
        /// Its name.
        command: Command,
        /// Its payload; shares the receive buffer.
        payload: Bytes,
    },
    /// A message to be dropped. The daemons keep the connection (measured: none hangs up on a bad checksum).
    Damaged(DamageKind),
}

/// What is wrong with a damaged frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DamageKind {
    /// The checksum does not match the payload.
    Checksum,
    /// The command is not a name.
    Command,
}

impl DamageKind {
    /// A stable name for metric labels.
    pub fn kind(self) -> &'static str {
        match self {
            Self::Checksum => "bad_checksum",
            Self::Command => "bad_command",
        }
    }
}

/// Why a stream cannot be read on. The daemons hang up on these, and so do we.
#[derive(Debug, thiserror::Error)]
pub enum FrameError {
    /// The bytes are not of our network, or we lost our place among them.
    #[error("magic is {} instead of {}: another network, or not this protocol", hex(found), hex(expected))]
    Magic {
        /// Our network's.
        expected: [u8; 4],
        /// What came.
        found: [u8; 4],
    },
    /// The announced payload is over the limit that is in force. Nothing was allocated for it.
    #[error("a payload of {length} bytes was announced, the limit is {limit}")]
    TooLong {
        /// Announced length in bytes.
        length: usize,
        /// The limit in bytes.
        limit: usize,
    },
    /// The socket failed.
    #[error(transparent)]
    Io(#[from] std::io::Error),
}

impl FrameError {
    /// A stable name for metric labels.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Magic { .. } => "bad_magic",
            Self::TooLong { .. } => "oversized",
            Self::Io(_) => "io",
        }
    }
}

fn hex(bytes: &[u8; 4]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The codec of one connection.
#[derive(Debug, Clone)]
pub struct FrameCodec {
    magic: [u8; 4],
    limit: usize,
    pending: Option<FrameHeader>,
}

impl FrameCodec {
    /// A codec for a new connection: payloads up to [`HANDSHAKE_LIMIT`].
    pub fn new(magic: [u8; 4]) -> Self {
        Self { magic, limit: HANDSHAKE_LIMIT, pending: None }
    }

    /// Sets the payload limit in bytes: the chain's cap, once the handshake is done.
    pub fn set_limit(&mut self, limit: usize) {
        self.limit = limit;
    }

    /// The payload limit in force, in bytes.
    pub fn limit(&self) -> usize {
        self.limit
    }

    fn accept_header(&self, header: FrameHeader) -> Result<FrameHeader, FrameError> {
        if header.magic != self.magic {
            return Err(FrameError::Magic { expected: self.magic, found: header.magic });
        }
        let length = header.length as usize;
        if length > self.limit {
            return Err(FrameError::TooLong { length, limit: self.limit });
        }
        Ok(header)
    }
}

impl Decoder for FrameCodec {
    type Item = Frame;
    type Error = FrameError;

    fn decode(&mut self, buffer: &mut BytesMut) -> Result<Option<Frame>, FrameError> {
        let header = match self.pending {
            Some(header) => header,
            None => {
                let Some(bytes) = buffer.first_chunk::<HEADER_LEN>() else {
                    // Someone who speaks another protocol may never send 24 bytes: say so at the fourth.
                    if let Some(&found) = buffer.first_chunk::<4>().filter(|found| **found != self.magic) {
                        return Err(FrameError::Magic { expected: self.magic, found });
                    }
                    return Ok(None);
                };
                let header = self.accept_header(FrameHeader::from_wire(bytes))?;
                buffer.advance(HEADER_LEN);
                self.pending = Some(header);
                header
            }
        };
        let length = header.length as usize;
        if buffer.len() < length {
            buffer.reserve((length - buffer.len()).min(GROWTH));
            return Ok(None);
        }
        self.pending = None;
        let payload = buffer.split_to(length).freeze();
        if buffer.is_empty() && buffer.capacity() > KEEP {
            *buffer = BytesMut::new();
        }
        Ok(Some(if checksum(&payload) != header.checksum {
            Frame::Damaged(DamageKind::Checksum)
        } else if let Some(command) = Command::from_wire(header.command) {
            Frame::Intact { command, payload }
        } else {
            Frame::Damaged(DamageKind::Command)
        }))
    }

    /// A peer that leaves in the middle of a frame has left, and that is all there is to say.
    fn decode_eof(&mut self, buffer: &mut BytesMut) -> Result<Option<Frame>, FrameError> {
        self.decode(buffer)
    }
}

/// For tests and simulated nodes. The engine itself writes prepared headers and shared payloads vectored, and does not
/// hash a block once per peer.
impl Encoder<(Command, Bytes)> for FrameCodec {
    type Error = FrameError;

    fn encode(
        &mut self,
        (command, payload): (Command, Bytes),
        buffer: &mut BytesMut,
    ) -> Result<(), FrameError> {
        buffer.reserve(HEADER_LEN + payload.len());
        buffer.put_slice(&FrameHeader::of(self.magic, command, &payload).to_wire());
        buffer.put_slice(&payload);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const MAGIC: [u8; 4] = [0xfb, 0xc0, 0xb6, 0xdb];

    fn framed(command: Command, payload: &[u8]) -> BytesMut {
        let mut buffer = BytesMut::new();
        FrameCodec::new(MAGIC).encode((command, Bytes::copy_from_slice(payload)), &mut buffer).unwrap();
        buffer
    }

    #[test]
    fn a_ping_is_framed_as_the_fact_sheet_says() {
        let bytes = framed(Command::PING, &0x1122334455667788u64.to_le_bytes());
        let text: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(text, "fbc0b6db70696e670000000000000000080000008d9a66f28877665544332211");
    }

    #[test]
    fn a_cap_size_claim_before_the_handshake_is_refused_and_nothing_is_reserved_for_it() {
        let mut buffer = BytesMut::new();
        let header = FrameHeader {
            magic: MAGIC,
            command: *Command::VERSION.as_wire(),
            length: 1025,
            checksum: [0; 4],
        };
        buffer.put_slice(&header.to_wire());
        let error = FrameCodec::new(MAGIC).decode(&mut buffer).unwrap_err();
        assert_eq!(error.kind(), "oversized");
        assert!(buffer.capacity() < 1024);
    }

    #[test]
    fn a_large_claim_grows_the_buffer_only_as_bytes_arrive() {
        let mut codec = FrameCodec::new(MAGIC);
        codec.set_limit(32_000_000);
        let mut buffer = BytesMut::new();
        let header = FrameHeader {
            magic: MAGIC,
            command: *Command::BLOCK.as_wire(),
            length: 32_000_000,
            checksum: [0; 4],
        };
        buffer.put_slice(&header.to_wire());
        assert!(codec.decode(&mut buffer).unwrap().is_none());
        assert!(buffer.capacity() <= 2 * GROWTH, "{}", buffer.capacity());
    }

    #[test]
    fn wrong_magic_is_noticed_at_the_fourth_byte() {
        let mut buffer = BytesMut::from(&b"HTTP"[..]);
        assert_eq!(FrameCodec::new(MAGIC).decode(&mut buffer).unwrap_err().kind(), "bad_magic");
    }

    #[test]
    fn a_damaged_frame_is_dropped_and_the_next_is_read() {
        let mut buffer = framed(Command::PING, &[1; 8]);
        buffer[HEADER_LEN] ^= 1;
        let mut second = framed(Command::PING, &[2; 8]);
        second[4 + 6] = b'x'; // behind the name's end
        buffer.unsplit(second);
        buffer.unsplit(framed(Command::VERACK, &[]));
        let mut codec = FrameCodec::new(MAGIC);
        assert_eq!(codec.decode(&mut buffer).unwrap(), Some(Frame::Damaged(DamageKind::Checksum)));
        assert_eq!(codec.decode(&mut buffer).unwrap(), Some(Frame::Damaged(DamageKind::Command)));
        let verack = Frame::Intact { command: Command::VERACK, payload: Bytes::new() };
        assert_eq!(codec.decode(&mut buffer).unwrap(), Some(verack));
    }

    proptest! {
        #[test]
        fn frames_survive_being_cut_at_any_place(
            payloads in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..300), 1..5),
            cuts in prop::collection::vec(1usize..40, 1..200),
        ) {
            let mut stream = BytesMut::new();
            for payload in &payloads {
                stream.unsplit(framed(Command::INV, payload));
            }
            let (mut codec, mut buffer, mut seen) = (FrameCodec::new(MAGIC), BytesMut::new(), Vec::new());
            let mut cuts = cuts.into_iter().cycle();
            while !stream.is_empty() {
                let cut = cuts.next().unwrap().min(stream.len());
                buffer.extend_from_slice(&stream.split_to(cut));
                while let Some(frame) = codec.decode(&mut buffer).unwrap() {
                    let Frame::Intact { payload, .. } = frame else { panic!("{frame:?}") };
                    seen.push(payload.to_vec());
                }
            }
            prop_assert_eq!(seen, payloads);
        }

        #[test]
        fn no_bytes_make_the_codec_panic_or_hold_more_than_its_limit(bytes: Vec<u8>, with_magic: bool) {
            let mut buffer = BytesMut::new();
            if with_magic {
                buffer.put_slice(&MAGIC);
            }
            buffer.put_slice(&bytes);
            let held = buffer.len();
            let mut codec = FrameCodec::new(MAGIC);
            while let Ok(Some(_)) = codec.decode(&mut buffer) {}
            prop_assert!(buffer.capacity() <= held.max(HANDSHAKE_LIMIT + HEADER_LEN) * 2);
        }
    }
}
