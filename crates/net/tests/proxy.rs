//! Dialling through a SOCKS5 proxy, over real sockets: whose fault it is when that fails, and what the proxy is told.

#![allow(clippy::unwrap_used, reason = "a fault of the test's own machinery should fail the test")]

#[path = "support/socks.rs"]
mod socks;

use std::time::Duration;

use net::{DialError, Proxy, dial};
use socks::{Manner, Socks};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

/// How long what should happen at once may take.
const PATIENCE: Duration = Duration::from_secs(20);

/// How long what will not happen is waited for.
const BRIEF: Duration = Duration::from_millis(50);

const LOGIN: (&str, &str) = ("user", "password");

fn proxy(server: &Socks) -> Proxy {
    Proxy { address: server.address.clone(), login: None }
}

fn with_login(server: &Socks, (user, password): (&str, &str)) -> Proxy {
    Proxy { login: Some((user.to_owned(), password.to_owned())), ..proxy(server) }
}

/// Someone who says `hello` to whoever connects and repeats what he says.
async fn echo() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let (mut reader, mut writer) = stream.split();
                let greeted = writer.write_all(b"hello").await;
                // The test may be over.
                drop((greeted, tokio::io::copy(&mut reader, &mut writer).await));
            });
        }
    });
    address
}

async fn converse(stream: &mut TcpStream) {
    let mut words = [0; 5];
    stream.read_exact(&mut words).await.unwrap();
    assert_eq!(&words, b"hello", "the first bytes behind the proxy's reply are the peer's");
    stream.write_all(b"again").await.unwrap();
    stream.read_exact(&mut words).await.unwrap();
    assert_eq!(&words, b"again");
}

async fn failure(proxy: &Proxy, limit: Duration) -> DialError {
    dial("peer.example:9333", Some(proxy), limit).await.expect_err("no connection")
}

#[tokio::test]
async fn names_are_handed_to_the_proxy_as_they_stand_and_addresses_as_addresses() {
    let mut server = Socks::start(Manner::LeadTo(echo().await), None).await;
    // Nobody on this machine could resolve the first three.
    for (address, asked, remote) in [
        ("expyuzz4wqqyqhjn.onion:9333", "expyuzz4wqqyqhjn.onion:9333", "[::]:0"),
        ("ukeu3k5o.b32.i2p:9333", "ukeu3k5o.b32.i2p:9333", "[::]:0"),
        ("node.invalid:1", "node.invalid:1", "[::]:0"),
        ("localhost:1", "localhost:1", "[::]:0"),
        ("203.0.113.5:9333", "203.0.113.5:9333", "203.0.113.5:9333"),
        ("[::ffff:203.0.113.5]:9333", "203.0.113.5:9333", "203.0.113.5:9333"),
        ("[2001:db8::1]:9333", "[2001:db8::1]:9333", "[2001:db8::1]:9333"),
    ] {
        let (mut stream, known) = dial(address, Some(&proxy(&server)), PATIENCE).await.unwrap();
        assert_eq!(server.requests.recv().await.unwrap(), asked);
        assert_eq!(known.to_string(), remote, "{address}");
        converse(&mut stream).await;
    }
    let bad = dial("no port here", Some(&proxy(&server)), PATIENCE).await.unwrap_err();
    assert_eq!(bad.kind(), "unresolved");
    assert!(server.requests.try_recv().is_err(), "the proxy is not troubled with what is no address");
}

#[tokio::test]
async fn a_login_opens_the_proxy_and_a_wrong_one_is_the_proxys_fault_and_not_shown() {
    let server = Socks::start(Manner::LeadTo(echo().await), Some(LOGIN)).await;
    let (mut stream, _) = dial("a.example:1", Some(&with_login(&server, LOGIN)), PATIENCE).await.unwrap();
    converse(&mut stream).await;
    for wrong in [with_login(&server, ("user", "canary")), proxy(&server)] {
        let error = failure(&wrong, PATIENCE).await;
        assert_eq!(error.kind(), "proxy_down", "{error}");
        assert!(!format!("{error} {error:?}").contains("canary"));
    }
    let open = Socks::start(Manner::LeadTo(echo().await), None).await;
    let (mut stream, _) = dial("a.example:1", Some(&with_login(&open, LOGIN)), PATIENCE).await.unwrap();
    converse(&mut stream).await;
}

#[tokio::test]
async fn what_the_proxy_answers_is_about_the_peer_and_has_the_word_of_a_direct_connection() {
    for (code, kind) in [
        (1, "unreachable"),
        (2, "unreachable"),
        (3, "unreachable"),
        (4, "unreachable"),
        (5, "refused"),
        (6, "timeout"),
        (8, "unreachable"),
        // It has no CONNECT, or an answer that nobody knows.
        (7, "proxy_down"),
        (200, "proxy_down"),
    ] {
        let server = Socks::start(Manner::Answer(code), None).await;
        let error = failure(&proxy(&server), PATIENCE).await;
        assert_eq!(error.kind(), kind, "{code}: {error}");
        assert_eq!(error.to_string().contains("peer.example"), kind != "proxy_down", "{error}");
    }
}

#[tokio::test]
async fn a_proxy_that_is_not_there_or_speaks_something_else_is_down_whoever_was_dialled() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let gone = Proxy { address: listener.local_addr().unwrap().to_string(), login: None };
    drop(listener);
    let error = failure(&gone, PATIENCE).await;
    assert!(matches!(error, DialError::Proxy(..)) && error.kind() == "proxy_down", "{error}");
    assert!(error.to_string().contains(&gone.address), "{error}");
    let unresolved = Proxy { address: "no port here".into(), login: None };
    assert_eq!(failure(&unresolved, PATIENCE).await.kind(), "proxy_down");

    const WORDS: [&[u8]; 7] = [
        b"",
        b"\x05",
        b"HTTP/1.1 400 Bad Request\r\n\r\n",
        b"\x04\x5a\0\0\0\0\0\0",
        b"\x05\xff",
        b"\x05\x01",
        b"\x05\x00\x05\x00\x00\x03\x04\xff\xfe\xfd\xfc\0\0",
    ];
    for words in WORDS {
        let server = Socks::start(Manner::Say(words), None).await;
        let error = failure(&proxy(&server), PATIENCE).await;
        assert_eq!(error.kind(), "proxy_down", "{words:?}: {error}");
    }
}

#[tokio::test]
async fn silence_is_the_proxys_fault_until_it_has_greeted_and_the_peers_from_then_on() {
    let silent = Socks::start(Manner::Silent, None).await;
    assert_eq!(failure(&proxy(&silent), BRIEF).await.kind(), "proxy_down");
    let busy = Socks::start(Manner::SilentOnceAsked, None).await;
    // Should the machine be too slow for a greeting, it is tried again with more time.
    let mut limit = BRIEF;
    let error = loop {
        let error = failure(&proxy(&busy), limit).await;
        if error.kind() != "proxy_down" || limit > PATIENCE {
            break error;
        }
        limit *= 4;
    };
    assert_eq!(error.kind(), "timeout", "{error}");
    assert!(error.to_string().contains("peer.example"), "{error}");
}

#[tokio::test]
async fn a_proxy_that_comes_back_is_used_again() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let proxy = Proxy { address: address.to_string(), login: None };
    assert_eq!(failure(&proxy, PATIENCE).await.kind(), "proxy_down");
    let listener = TcpListener::bind(address).await.unwrap();
    let _server = Socks::on(listener, Manner::LeadTo(echo().await), None);
    let (mut stream, _) = dial("a.example:1", Some(&proxy), PATIENCE).await.unwrap();
    converse(&mut stream).await;
}
