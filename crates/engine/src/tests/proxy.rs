//! What `[peers]` says of proxy and gossip reaches the connections.

#[allow(dead_code, reason = "the tests of dialling itself use all of it")]
#[path = "../../../net/tests/support/socks.rs"]
mod socks;

use std::fs;

use wire::Message;

use super::{
    HEIGHT, eventually, on_system,
    peer::{FakePeer, Manner},
};
use crate::{Engine, KNOWN_CHAINS};

#[test]
fn a_tor_peer_is_reached_through_the_proxy_with_its_login_and_asked_whom_it_knows() {
    on_system(async {
        let peer = FakePeer::start(Manner::Accept, HEIGHT as i32).await;
        let led = socks::Manner::LeadTo(peer.address.clone());
        let mut server = socks::Socks::start(led, Some(("user", "sesame"))).await;
        let directory = tempfile::tempdir().unwrap();
        let path = |name: &str| directory.path().join(name);
        fs::create_dir(path("chains")).unwrap();
        fs::write(path("proxy.password"), "sesame\n").unwrap();
        fs::write(path("blockcast.toml"), format!("data_dir = {:?}\n", path("data"))).unwrap();
        let chain = format!(
            "chain = \"litecoin\"\nnetwork = \"regtest\"\n[peers]\nfixed = [{{ address = \"abc.onion:9333\" }}]\n\
             proxy = \"socks5://user@{}\"\nproxy_password_file = \"proxy.password\"\n",
            server.address
        );
        fs::write(path("chains/litecoin.toml"), chain).unwrap();
        let config = config::load(directory.path(), [], KNOWN_CHAINS).expect("a good configuration");
        let engine = Engine::start(&config).expect("an engine");
        let chain = &engine.chains()[0];
        eventually("the peer is ready", || chain.relay.ready_peers().len() == 1).await;
        assert_eq!(server.requests.recv().await.as_deref(), Some("abc.onion:9333"));
        peer.until(|messages| messages.contains(&Message::GetAddr)).await;
        engine.shut_down(std::time::Duration::ZERO).await;
    });
}
