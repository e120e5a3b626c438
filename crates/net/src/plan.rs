//! What is written to a peer: frames that are made once and shared by all.

use bytes::Bytes;
use wire::{BlockHash, Command, FrameHeader, HEADER_LEN, Message};

/// One frame, ready to be written.
#[derive(Debug, Clone)]
pub struct Packet {
    /// Its command.
    pub command: Command,
    /// The 24 bytes in front of the payload, with its checksum.
    pub header: [u8; HEADER_LEN],
    /// The payload; shared.
    pub payload: Bytes,
}

impl Packet {
    /// A frame around a payload. Hashes the payload: make it once per block, not once per peer.
    pub fn new(magic: [u8; 4], command: Command, payload: Bytes) -> Self {
        let header = FrameHeader::of(magic, command, &payload).to_wire();
        Self { command, header, payload }
    }

    /// A frame around a payload whose SHA-256d is known: nothing is hashed.
    pub fn with_digest(magic: [u8; 4], command: Command, payload: Bytes, digest: &[u8; 32]) -> Self {
        let [a, b, c, d, ..] = *digest;
        let (length, command_bytes) = (payload.len() as u32, *command.as_wire());
        let header = FrameHeader { magic, command: command_bytes, length, checksum: [a, b, c, d] };
        Self { command, header: header.to_wire(), payload }
    }

    /// A frame around a message.
    pub fn of(magic: [u8; 4], message: &Message) -> Self {
        Self::new(magic, message.command(), message.encode())
    }

    /// Its length on the wire, in bytes.
    pub fn len(&self) -> usize {
        HEADER_LEN + self.payload.len()
    }

    /// Never: a frame has a header.
    pub fn is_empty(&self) -> bool {
        false
    }
}

/// What a plan takes beside its payloads, in bytes, rounded up: the list of packets, their headers, the allocations.
const OVERHEAD: usize = 256;

/// A short list of frames that belong together, written in order with nothing between them.
#[derive(Debug, Clone)]
pub struct Plan {
    /// The block that the first frame delivers, if that is what the plan is for. What follows it asks what became of
    /// it.
    pub block: Option<BlockHash>,
    /// The frames.
    pub packets: Vec<Packet>,
}

impl Plan {
    /// A single message that delivers nothing.
    pub fn control(magic: [u8; 4], message: &Message) -> Self {
        Self { block: None, packets: vec![Packet::of(magic, message)] }
    }

    /// Its length on the wire, in bytes.
    pub fn len(&self) -> usize {
        self.packets.iter().map(Packet::len).sum()
    }

    /// What it holds in memory for this peer alone until it is written, in bytes: nearly nothing of a block's frame,
    /// whose payload all peers share, and all of any other.
    pub(crate) fn held(&self) -> usize {
        let own = self.packets.iter().filter(|packet| packet.command != Command::BLOCK);
        OVERHEAD + own.map(Packet::len).sum::<usize>()
    }

    /// Whether there is nothing to write.
    pub fn is_empty(&self) -> bool {
        self.packets.is_empty()
    }
}
