//! Blocks from files and standard input.

use std::fs::File;
use std::io::{Read, stdin};
use std::path::Path;

use anyhow::{Context, bail};
use bytes::Bytes;

/// The longest file that is read, in bytes: no daemon takes a message of more than 32 MiB, in hex that is twice as
/// much, and some room for line breaks.
const LIMIT: u64 = 65 * 1024 * 1024;

/// Reads a block, raw or in hex, from a file or, for `-`, from standard input.
///
/// Hex may be in upper or lower case and have blanks and line breaks anywhere. Nothing else is asked of the block: what
/// it is worth is for others to say.
///
/// # Errors
/// When the file cannot be read, is too long or empty, or has an odd number of hex digits.
pub(crate) fn read_block(path: &Path) -> anyhow::Result<Bytes> {
    let (name, bytes) = if path == Path::new("-") {
        ("standard input".into(), read(stdin().lock()))
    } else {
        (path.display().to_string(), File::open(path).and_then(read))
    };
    let bytes = bytes.with_context(|| format!("cannot read {name}"))?;
    if bytes.len() as u64 > LIMIT {
        bail!("{name} is longer than {LIMIT} bytes; that is no block");
    }
    block(bytes).with_context(|| name)
}

fn read(source: impl Read) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    source.take(LIMIT + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// A block is taken for hex if it consists of nothing else: a raw one begins with a version, which has zeros in it.
fn block(bytes: Vec<u8>) -> anyhow::Result<Bytes> {
    if !bytes.iter().all(|byte| byte.is_ascii_hexdigit() || byte.is_ascii_whitespace()) {
        return Ok(bytes.into());
    }
    let digits: Vec<u8> = bytes.into_iter().filter(|byte| !byte.is_ascii_whitespace()).collect();
    if digits.is_empty() {
        bail!("there is no block in it: it is empty");
    }
    if !digits.len().is_multiple_of(2) {
        bail!("{} hex digits, an odd number: is the block cut off?", digits.len());
    }
    let mut block = vec![0; digits.len() / 2];
    faster_hex::hex_decode(&digits, &mut block).context("not hex")?;
    Ok(block.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(bytes: &[u8]) -> Result<Bytes, String> {
        block(bytes.to_vec()).map_err(|error| error.to_string())
    }

    #[test]
    fn hex_is_decoded_whatever_its_case_and_line_breaks() {
        assert_eq!(read(b"00fF\r\n 2a\n"), Ok(Bytes::from_static(&[0, 0xff, 0x2a])));
    }

    #[test]
    fn anything_else_is_taken_as_it_is() {
        for raw in [&b"\0\0\0 "[..], b"00fg", b"0x00", b"\xff"] {
            assert_eq!(read(raw), Ok(Bytes::copy_from_slice(raw)));
        }
    }

    #[test]
    fn nothing_and_half_a_byte_are_told_to_the_caller() {
        assert!(read(b"").unwrap_err().contains("empty"));
        assert!(read(b" \n").unwrap_err().contains("empty"));
        assert!(read(b"00f").unwrap_err().contains("3 hex digits"));
    }
}
