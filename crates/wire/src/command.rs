//! The twelve-byte name of a message.

use std::fmt;

/// A message's name: up to twelve printable ASCII characters, padded with zeros on the wire.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Command([u8; 12]);

macro_rules! commands {
    ($($name:ident = $text:literal),* $(,)?) => {
        /// The commands that a relay knows.
        impl Command {
            $(#[doc = concat!("`", $text, "`")] pub const $name: Self = Self::literal($text);)*
        }
    };
}

commands! {
    ADDR = "addr", ADDRV2 = "addrv2", BLOCK = "block", BLOCKTXN = "blocktxn", CMPCTBLOCK = "cmpctblock",
    FEEFILTER = "feefilter", GETADDR = "getaddr", GETBLOCKTXN = "getblocktxn", GETDATA = "getdata",
    GETHEADERS = "getheaders", HEADERS = "headers", INV = "inv", NOTFOUND = "notfound", PING = "ping", PONG = "pong",
    REJECT = "reject", SENDADDRV2 = "sendaddrv2", SENDCMPCT = "sendcmpct", SENDHEADERS = "sendheaders",
    VERACK = "verack", VERSION = "version", WTXIDRELAY = "wtxidrelay",
}

impl Command {
    /// From its name, for constants: a chain's own commands are named in its own crate.
    ///
    /// # Panics
    /// When compiled, if the name is longer than twelve bytes.
    pub const fn literal(text: &str) -> Self {
        let text = text.as_bytes();
        assert!(text.len() <= 12);
        let mut bytes = [0; 12];
        let mut i = 0;
        while i < text.len() {
            bytes[i] = text[i];
            i += 1;
        }
        Self(bytes)
    }

    /// From its twelve bytes on the wire; `None` if one is not printable ASCII (0x20 to 0x7e), or if anything but
    /// zeros follows the first zero (L net.cpp:719).
    pub fn from_wire(bytes: [u8; 12]) -> Option<Self> {
        let length = bytes.iter().position(|&byte| byte == 0).unwrap_or(12);
        let (name, padding) = bytes.split_at(length);
        (name.iter().all(|byte| (0x20..=0x7e).contains(byte)) && padding.iter().all(|&byte| byte == 0))
            .then_some(Self(bytes))
    }

    /// The twelve bytes on the wire.
    pub fn as_wire(&self) -> &[u8; 12] {
        &self.0
    }

    /// The name without its padding.
    pub fn as_str(&self) -> &str {
        let length = self.0.iter().position(|&byte| byte == 0).unwrap_or(12);
        std::str::from_utf8(&self.0[..length]).unwrap_or_default()
    }
}

impl fmt::Display for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_bytes_behind_its_end_or_unprintable_ones_is_refused() {
        assert_eq!(Command::from_wire(*b"ping\0\0\0\0\0\0\0\0"), Some(Command::PING));
        assert_eq!(Command::from_wire(*b"ping\0\0\0x\0\0\0\0"), None);
        assert_eq!(Command::from_wire(*b"pi\x1fg\0\0\0\0\0\0\0\0"), None);
        assert_eq!(Command::from_wire(*b"twelve-bytes").unwrap().as_str(), "twelve-bytes");
    }
}
