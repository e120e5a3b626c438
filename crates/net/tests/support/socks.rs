//! A SOCKS5 server of whose manners a test has the choice.

#![allow(clippy::unwrap_used, reason = "a fault of the test's own machinery should fail the test")]

use std::{
    io,
    net::{Ipv4Addr, Ipv6Addr, SocketAddr},
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional},
    net::{TcpListener, TcpStream},
    sync::mpsc,
};

/// What a server does with whoever connects.
#[derive(Debug, Clone)]
pub(crate) enum Manner {
    /// Connects everybody to this address, whatever they ask for.
    LeadTo(String),
    /// Answers every request with this code (RFC 1928 §6).
    Answer(u8),
    /// Takes connections and says nothing.
    Silent,
    /// Greets, takes the request, and says nothing more.
    SilentOnceAsked,
    /// Says this and hangs up.
    Say(&'static [u8]),
}

/// A server. It takes any number of connections, and lives as long as the runtime.
pub(crate) struct Socks {
    pub(crate) address: String,
    /// What it was asked to connect to, as it was asked: IPv4 and IPv6 addresses in their own form, names as names.
    pub(crate) requests: mpsc::UnboundedReceiver<String>,
}

impl Socks {
    /// Without `login`, anyone may use it.
    pub(crate) async fn start(manner: Manner, login: Option<(&'static str, &'static str)>) -> Self {
        Self::on(TcpListener::bind("127.0.0.1:0").await.unwrap(), manner, login)
    }

    /// The same at an address of the test's choice.
    pub(crate) fn on(
        listener: TcpListener,
        manner: Manner,
        login: Option<(&'static str, &'static str)>,
    ) -> Self {
        let address = listener.local_addr().unwrap().to_string();
        let (sender, requests) = mpsc::unbounded_channel();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (manner, sender) = (manner.clone(), sender.clone());
                // Whoever hangs up ends the service, which is for the client to notice.
                tokio::spawn(async move { drop(serve(stream, manner, login, sender).await) });
            }
        });
        Self { address, requests }
    }
}

async fn serve(
    mut client: TcpStream,
    manner: Manner,
    login: Option<(&'static str, &'static str)>,
    requests: mpsc::UnboundedSender<String>,
) -> io::Result<()> {
    match manner {
        Manner::Silent => return until_hung_up(&mut client).await,
        Manner::Say(words) => return client.write_all(words).await,
        _ => {}
    }
    greet(&mut client, login).await?;
    let asked = request(&mut client).await?;
    // The test may be over.
    drop(requests.send(asked));
    match manner {
        Manner::LeadTo(target) => {
            let mut upstream = TcpStream::connect(target).await?;
            reply(&mut client, 0).await?;
            copy_bidirectional(&mut client, &mut upstream).await?;
            Ok(())
        }
        Manner::Answer(code) => reply(&mut client, code).await,
        _ => until_hung_up(&mut client).await,
    }
}

async fn until_hung_up(client: &mut TcpStream) -> io::Result<()> {
    while client.read(&mut [0; 64]).await? > 0 {}
    Ok(())
}

/// Method selection (RFC 1928 §3) and, if there is a login, the login (RFC 1929).
async fn greet(client: &mut TcpStream, login: Option<(&str, &str)>) -> io::Result<()> {
    assert_eq!(client.read_u8().await?, 5, "SOCKS5");
    let mut methods = vec![0; client.read_u8().await?.into()];
    client.read_exact(&mut methods).await?;
    let Some((user, password)) = login else { return client.write_all(&[5, 0]).await };
    if !methods.contains(&2) {
        return client.write_all(&[5, 0xff]).await;
    }
    client.write_all(&[5, 2]).await?;
    assert_eq!(client.read_u8().await?, 1, "version 1 of the login");
    let right = text(client).await? == user && text(client).await? == password;
    client.write_all(&[1, u8::from(!right)]).await
}

async fn text(client: &mut TcpStream) -> io::Result<String> {
    let mut bytes = vec![0; client.read_u8().await?.into()];
    client.read_exact(&mut bytes).await?;
    Ok(String::from_utf8(bytes).unwrap())
}

/// What a `CONNECT` asks for (RFC 1928 §4).
async fn request(client: &mut TcpStream) -> io::Result<String> {
    let mut head = [0; 4];
    client.read_exact(&mut head).await?;
    assert_eq!(head[..3], [5, 1, 0], "CONNECT");
    let host = match head[3] {
        1 => Ipv4Addr::from(client.read_u32().await?).to_string(),
        3 => text(client).await?,
        4 => {
            let ip = Ipv6Addr::from(client.read_u128().await?);
            return Ok(SocketAddr::new(ip.into(), client.read_u16().await?).to_string());
        }
        other => panic!("address type {other}"),
    };
    Ok(format!("{host}:{}", client.read_u16().await?))
}

async fn reply(client: &mut TcpStream, code: u8) -> io::Result<()> {
    client.write_all(&[5, code, 0, 1, 0, 0, 0, 0, 0, 0]).await
}
