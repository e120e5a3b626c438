//! The book on disk.

use proptest::prelude::*;

use super::*;

const CHAIN: &str = "litecoin mainnet";
const LABELS: &[&str] = &["quorum", "masternode"];

/// A book with a history.
fn lived() -> World {
    let mut world = World::new(Rules { hidden: true, ..rules() });
    (1..=40).for_each(|n| assert!(world.hear(&format!("20.{n}.0.1:9333"), NODE)));
    world.hear("127.0.0.1:9333", own());
    world.hear("pool.example:9333", fixed(Priority::High));
    world.hear("30.1.0.1:9333", Kind::preferred(LABELS, "quorum"));
    world.hear("[2a01:4f8::1]:9333", GOSSIP);
    world.hear(&Address::onion(&[9; 32], 9333).to_string(), GOSSIP);
    let (from, seen) = (Some(Group::V4([66, 1])), Some(EPOCH as u32));
    world.book.hear(Heard { from, seen, ..Heard::of(at("20.50.0.1:9333"), GOSSIP) }, world.now);
    world.run(2 * HOUR);
    for address in world.connected_now() {
        let address = at(&address);
        world.book.delivered(&address, Some(Duration::from_millis(80)), world.now);
        world.book.announced(&address, Duration::ZERO, world.now);
        world.book.pinged(&address, Duration::from_millis(40), world.now);
    }
    world.failed("20.50.0.1:9333", true);
    world.book.ban("20.40.0.1", world.book.unix(world.now) + 86_400.0);
    world
}

fn written(world: &World) -> Vec<u8> {
    world.book.to_file(CHAIN, world.now).to_json()
}

#[test]
fn a_book_comes_back_as_it_was_with_its_anchors_first_and_nobody_else_in_a_herd() {
    let before = lived();
    let file = BookFile::parse(&written(&before), CHAIN).expect("our own file");
    let mut after = World::new(Rules { hidden: true, ..rules() });
    after.now = before.now + MINUTE;
    // The configuration comes first.
    after.hear("127.0.0.1:9333", own());
    after.hear("pool.example:9333", fixed(Priority::High));
    let restored = after.book.restore(&file, LABELS, after.now);
    assert_eq!((restored.peers, restored.left_out), (before.book.len() - 1, 0));
    for (address, entry) in after.book.iter().filter(|(_, entry)| !entry.kind.is_own()) {
        let was = before.book.get(address).expect("it was there");
        // Of two that want the same place among those that were connected, it need not be the same who has it.
        let uptimes = (entry.uptime(after.now), was.uptime(before.now));
        assert_eq!(
            (&entry.kind, entry.deliveries, uptimes.0.is_zero(), entry.failures_in_a_row()),
            (&was.kind, was.deliveries, uptimes.1.is_zero(), was.failures_in_a_row()),
            "{address}"
        );
        let (score, was) = (f64::from(entry.score(after.now)), f64::from(was.score(before.now)));
        assert!((score - was).abs() <= 5.0 + 0.05 * was, "{address}: {was} -> {score}");
    }
    assert_eq!(after.book.bans(after.now).count(), 1);
    let connected = before.connected_now();
    let dials = after.dials();
    assert_eq!(dials.len(), 1 + 3, "our own node, and no more others at once than ever");
    assert!(dials.iter().all(|address| connected.contains(address)), "{dials:?}");
    let waiting = after.book.get(&at("20.50.0.1:9333")).expect("it is there");
    assert!(!waiting.is_due(before.now), "a backoff outlives a restart");
}

#[test]
fn a_long_time_away_fades_what_was_earned() {
    let before = lived();
    let file = BookFile::parse(&written(&before), CHAIN).expect("our own file");
    let proven =
        before.connected_now().into_iter().find(|address| address.starts_with("20.")).expect("one is");
    let mut after = World::new(rules());
    after.now = before.now + 20 * Score::HALF_LIFE;
    after.book.restore(&file, LABELS, after.now);
    assert!(before.score(&proven) > 150 && (95..=110).contains(&after.score(&proven)));
}

#[test]
fn a_file_of_p2pools_is_taken_over_but_not_its_claims_of_success() {
    let file = br#"{
        "version": "1.0", "last_updated": 1764370000.5, "bootstrapped": true, "local_dashd": "127.0.0.1:9999",
        "peers": {
            "127.0.0.1:9999": {"score": 999999, "source": "local_dashd", "protected": true},
            "20.1.0.1:9999": {"score": 250, "first_seen": 1764300000.1, "last_seen": 1764369000, "source": "dashd",
                "protected": false, "successful_broadcasts": 20, "failed_broadcasts": 3, "ping_ms": 31.5,
                "outbound": true, "blocks_relayed": 4, "txs_relayed": 100},
            "20.2.0.1:9999": {"score": 150, "source": "addr"},
            "192.168.0.1:9999": {"score": 150, "source": "addr"},
            "not an address": {"score": 1}
        }
    }"#;
    let file = BookFile::parse(file, CHAIN).expect("p2pool's file");
    let mut world = World::new(rules());
    let restored = world.book.restore(&file, &[], world.now);
    assert_eq!((restored.peers, restored.left_out, restored.from_p2pool), (2, 2, true));
    let entry = world.book.get(&at("20.1.0.1:9999")).expect("it is there");
    assert_eq!((entry.deliveries, entry.failures, entry.kind.as_str()), (0, 0, "node"));
    assert!((140..=150).contains(&world.score("20.1.0.1:9999")), "little of what is mostly luck");
    assert_eq!(world.book.get(&at("20.2.0.1:9999")).map(|entry| entry.kind.as_str()), Some("gossip"));
}

#[test]
fn another_chains_file_and_a_later_versions_are_told_from_damage() {
    let text = String::from_utf8(written(&lived())).expect("JSON is text");
    let later = text.replace("\"format\":1", "\"format\":2").replace("\"peers\":{", "\"peers\":7,\"x\":{");
    assert!(matches!(BookFile::parse(later.as_bytes(), CHAIN), Err(file::FileError::TooNew(2))));
    let other = BookFile::parse(text.as_bytes(), "dash mainnet");
    assert!(matches!(other, Err(file::FileError::OtherChain { .. })), "{other:?}");
    assert!(matches!(BookFile::parse(b"", CHAIN), Err(file::FileError::Damaged(_))));
}

#[test]
fn a_full_book_finds_room_for_all_again() {
    let mut before = World::new(rules());
    for n in 0..20_000u32 {
        let [a, b, c, d] = (0x2000_0000 + n.wrapping_mul(2_654_435_761) % 0x4000_0000).to_be_bytes();
        before.book.hear(Heard::of(SocketAddr::from(([a, b, c, d], 1)).into(), NODE), before.now);
    }
    let file = BookFile::parse(&written(&before), CHAIN).expect("our own file");
    let mut after = World::new(rules());
    after.book = PeerBook::new(rules(), Calendar { instant: after.now, unix: EPOCH }, 2);
    let restored = after.book.restore(&file, LABELS, after.now);
    assert_eq!(after.book.len(), restored.peers);
    assert!(restored.left_out * 100 < restored.peers, "{restored:?}");
}

#[test]
fn a_name_that_the_configuration_no_longer_has_is_left_out() {
    let file = BookFile::parse(&written(&lived()), CHAIN).expect("our own file");
    let mut after = World::new(Rules { hidden: true, ..rules() });
    assert_eq!(after.book.restore(&file, LABELS, after.now).left_out, 1);
    assert!(after.book.get(&at("pool.example:9333")).is_none());
}

#[test]
fn a_file_cut_at_any_byte_is_damaged() {
    let text = written(&lived());
    for end in 0..text.len() {
        let cut = BookFile::parse(&text[..end], CHAIN);
        assert!(matches!(cut, Err(file::FileError::Damaged(_))), "{end}");
    }
}

/// Each bit of a small book's file, one after the other.
#[test]
fn a_file_flipped_at_any_byte_is_refused_or_gives_a_book_that_works() {
    let mut world = World::new(rules());
    world.hear("20.1.0.1:9333", NODE);
    world.hear("20.2.0.1:9333", GOSSIP);
    world.run(MINUTE);
    let whole = written(&world);
    let (mut read, mut refused) = (0, 0);
    for bit in 0..8 * whole.len() {
        let mut text = whole.clone();
        text[bit / 8] ^= 1 << (bit % 8);
        let Ok(file) = BookFile::parse(&text, CHAIN) else {
            refused += 1;
            continue;
        };
        read += 1;
        let mut after = World::new(rules());
        let restored = after.book.restore(&file, LABELS, after.now);
        after.run(upkeep::CYCLE);
        assert!(restored.peers + restored.left_out <= 2, "bit {bit}");
        assert!(after.book.iter().all(|(_, entry)| entry.score(after.now) <= 1000), "bit {bit}");
    }
    assert!(read > 1000 && refused > 1000, "{read} {refused}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn a_file_with_any_byte_changed_is_refused_or_gives_a_book_that_works(at in 0usize..100_000, byte: u8) {
        static WRITTEN: std::sync::LazyLock<Vec<u8>> = std::sync::LazyLock::new(|| written(&lived()));
        let mut text = WRITTEN.clone();
        let at = at % text.len();
        text[at] = byte;
        if let Ok(file) = BookFile::parse(&text, CHAIN) {
            let mut after = World::new(rules());
            after.book.restore(&file, LABELS, after.now);
            after.run(2 * MINUTE);
            let scores = after.book.iter().all(|(_, entry)| entry.score(after.now) <= 1000);
            prop_assert!(scores);
        }
    }
}
