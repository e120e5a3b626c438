//! The codec: a stream in pieces.

use bytes::BytesMut;
use tokio_util::codec::Decoder;
use wire::{Frame, FrameCodec, HEADER_LEN};

/// The magic of Litecoin's regtest, which is that of the seeds.
pub const MAGIC: [u8; 4] = [0xfa, 0xbf, 0xb5, 0xda];

/// How much the codec may reserve ahead of what has arrived, in bytes.
const AHEAD: usize = 64 * 1024;

/// Input: the limit in bytes (two bytes, little-endian; the greatest stands for 32 MB), how many pieces there are (one), their lengths (two each, used
/// in turn), the stream.
///
/// # Panics
/// When what comes of the stream depends on how it is cut, or more is held than the limit.
pub fn run(data: &[u8]) {
    let Some((&[low, high, count], rest)) = data.split_first_chunk() else { return };
    let limit = match u16::from_le_bytes([low, high]) {
        u16::MAX => 32_000_000,
        limit => limit.into(),
    };
    let Some((lengths, stream)) = rest.split_at_checked(2 * usize::from(count)) else { return };
    let pieces: Vec<usize> = lengths
        .chunks_exact(2)
        .map(|pair| usize::from(u16::from_le_bytes([pair[0], pair[1]])).max(1))
        .collect();
    let whole = feed(stream, limit, std::iter::empty());
    let cut = feed(stream, limit, pieces.into_iter().cycle());
    assert_eq!(whole, cut);
}

/// What came out of a stream: its frames, and the word for what ended it, if something did.
type Decoded = (Vec<Frame>, Option<&'static str>);

fn feed(stream: &[u8], limit: usize, mut pieces: impl Iterator<Item = usize>) -> Decoded {
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
                Ok(Some(frame)) => frames.push(frame),
                Ok(None) => break,
                Err(error) => return (frames, Some(error.kind())),
            }
        }
        assert!(buffer.len() < limit.max(HEADER_LEN), "{} bytes under a limit of {limit}", buffer.len());
        // Room is made for what arrived and a little ahead of it, not for a claim; growing buffers double.
        assert!(buffer.capacity() <= 3 * (most + AHEAD), "{} for {most}", buffer.capacity());
    }
    (frames, None)
}
