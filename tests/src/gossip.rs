//! A peer that tells a node of others, which needs no more than a handshake (protocol version 70015, `addr`).

use std::io::{self, Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddrV4, TcpStream};
use std::time::{Duration, SystemTime};

use crate::block::sha256d;
use crate::daemon::Daemon;

/// The magic of Litecoin's regtest.
const MAGIC: [u8; 4] = [0xfa, 0xbf, 0xb5, 0xda];
/// NODE_NETWORK and NODE_WITNESS: what a daemon wants of those whom it remembers.
const SERVICES: u64 = 0x9;
const PATIENCE: Duration = Duration::from_secs(20);

/// Tells a Litecoin node on regtest of others, and returns when it has taken note.
///
/// # Panics
/// When the node does not talk to us.
pub fn tell(node: &Daemon, others: &[SocketAddrV4]) {
    try_tell(node, others)
        .unwrap_or_else(|error| panic!("{} cannot be told of others: {error}", node.name()));
}

fn try_tell(node: &Daemon, others: &[SocketAddrV4]) -> io::Result<()> {
    let mut stream = TcpStream::connect(node.p2p_addr())?;
    stream.set_read_timeout(Some(PATIENCE))?;
    send(&mut stream, "version", &version())?;
    wait_for(&mut stream, "verack")?;
    send(&mut stream, "verack", &[])?;
    let count = u8::try_from(others.len()).ok().filter(|count| *count < 0xfd).expect("a small number");
    let mut addresses = vec![count];
    for other in others {
        addresses.extend_from_slice(&(now() as u32).to_le_bytes());
        addresses.extend(address(*other));
    }
    send(&mut stream, "addr", &addresses)?;
    // Messages are processed in order: whoever answers the ping has processed what was before it.
    send(&mut stream, "ping", &7u64.to_le_bytes())?;
    wait_for(&mut stream, "pong")
}

fn now() -> u64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).expect("it is after 1970").as_secs()
}

/// Services, IP address and port.
fn address(of: SocketAddrV4) -> Vec<u8> {
    let ip = of.ip().to_ipv6_mapped().octets();
    [&SERVICES.to_le_bytes()[..], &ip, &of.port().to_be_bytes()].concat()
}

fn version() -> Vec<u8> {
    let nobody = address(SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, 0));
    let mut payload = 70_015u32.to_le_bytes().to_vec();
    payload.extend_from_slice(&SERVICES.to_le_bytes());
    payload.extend_from_slice(&now().to_le_bytes());
    payload.extend([&nobody[..], &nobody].concat());
    payload.extend_from_slice(&0x5eed_u64.to_le_bytes());
    payload.extend_from_slice(b"\x08/gossip/");
    payload.extend_from_slice(&0u32.to_le_bytes());
    payload.push(1);
    payload
}

fn send(stream: &mut TcpStream, command: &str, payload: &[u8]) -> io::Result<()> {
    let mut name = [0; 12];
    name[..command.len()].copy_from_slice(command.as_bytes());
    let length = u32::try_from(payload.len()).expect("a small message").to_le_bytes();
    let checksum = &sha256d(payload)[..4];
    stream.write_all(&[&MAGIC[..], &name, &length, checksum, payload].concat())
}

fn wait_for(stream: &mut TcpStream, command: &str) -> io::Result<()> {
    loop {
        let mut header = [0; 24];
        stream.read_exact(&mut header)?;
        let length = u32::from_le_bytes([header[16], header[17], header[18], header[19]]);
        io::copy(&mut (&mut *stream).take(length.into()), &mut io::sink())?;
        if header[4..16]
            .strip_prefix(command.as_bytes())
            .is_some_and(|rest| rest.iter().all(|byte| *byte == 0))
        {
            return Ok(());
        }
    }
}
