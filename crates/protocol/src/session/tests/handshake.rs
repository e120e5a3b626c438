//! From our `version` to their `verack`.

use wire::{Command, DamageKind, SendCompact};

use super::*;

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn our_version_asks_for_no_transactions_and_tells_what_the_policy_says() {
    let outputs = Talk::new().drain();
    let [Output::Send(Message::Version(ours))] = &outputs[..] else { panic!("{outputs:?}") };
    let policy = REGTEST.session_policy();
    assert_eq!((ours.protocol, ours.services), (policy.protocol, policy.services));
    let details = ours.details.as_ref().expect("details");
    assert_eq!((details.nonce, details.start_height, details.relay), (OUR_NONCE, 7, Some(false)));
    assert_eq!(details.user_agent, "/Blockcast:test/");
}

#[test]
fn a_peer_that_does_not_finish_the_handshake_in_time_is_hung_up_on() {
    let limit = REGTEST.session_policy().handshake_timeout;
    for says in
        [vec![], vec![Message::Version(version())], vec![Message::Version(version()), Message::Ping(1)]]
    {
        let mut talk = Talk::new();
        for message in says {
            talk.wait(SECOND);
            talk.hear(message);
        }
        let elapsed = talk.now - talk.session.opened;
        assert_eq!(hangs_up(&talk.wait(limit - elapsed - Duration::from_millis(1))), None);
        assert_eq!(hangs_up(&talk.wait(Duration::from_millis(1))), Some(&Disconnect::HandshakeTimeout));
        assert_eq!(talk.wait(SECOND), [], "it is over");
    }
}

#[test]
fn whatever_comes_before_version_is_unexpected() {
    for message in [Message::Verack, Message::Ping(1), Message::SendHeaders, Message::Inv(Vec::new())] {
        let mut talk = Talk::new();
        talk.drain();
        let command = message.command().to_string();
        let outputs = talk.hear(message);
        assert_eq!(outputs, [Output::Disconnect(Disconnect::Unexpected { command })]);
    }
}

#[test]
fn versions_of_no_use_are_refused_and_each_for_its_own_reason() {
    let with = |change: fn(&mut VersionMessage)| {
        let mut version = version();
        change(&mut version);
        version
    };
    let least = REGTEST.session_policy().min_peer_protocol;
    let needed = REGTEST.session_policy().required_services;
    let table = [
        (
            with(|version| version.details.as_mut().unwrap().nonce = OUR_NONCE),
            Disconnect::OurselfConnected,
            "self_connect",
        ),
        (with(|version| version.protocol = 70_014), Disconnect::TooOld { found: 70_014, least }, "too_old"),
        (
            with(|version| version.services = Services(9)),
            Disconnect::Services { found: Services(9), needed },
            "missing_services",
        ),
    ];
    for (version, expected, kind) in table {
        let mut talk = Talk::new();
        talk.drain();
        let outputs = talk.hear(Message::Version(version));
        assert_eq!(outputs, [Output::Disconnect(expected.clone())]);
        assert_eq!(expected.kind(), kind);
    }
}

#[test]
fn a_version_without_its_optional_end_is_fine() {
    let mut talk = Talk::new();
    talk.hear(Message::Version(VersionMessage { details: None, ..version() }));
    let outputs = talk.hear(Message::Verack);
    let [Event::Ready { user_agent, start_height, .. }] = events(&outputs)[..] else { panic!("{outputs:?}") };
    assert_eq!((user_agent.as_str(), start_height), ("", &None));
}

#[test]
fn sendaddrv2_is_sent_between_version_and_verack_to_those_who_know_it() {
    for (protocol, expected) in
        [(70_016, &["sendaddrv2", "verack"][..]), (70_017, &["sendaddrv2", "verack"]), (70_015, &["verack"])]
    {
        let mut talk = Talk::new();
        talk.drain();
        let outputs = talk.hear(Message::Version(VersionMessage { protocol, ..version() }));
        assert_eq!(commands(&outputs), expected, "{protocol}");
        assert!(!commands(&talk.hear(Message::Verack)).contains(&"sendaddrv2".to_owned()));
    }
}

#[test]
fn a_ping_before_verack_is_answered_and_nothing_else_is() {
    let mut talk = Talk::new();
    talk.hear(Message::Version(version()));
    assert_eq!(talk.hear(Message::Ping(9)), [Output::Send(Message::Pong(9))]);
    let unknown = Message::Unknown { command: Command::BLOCK, payload: Bytes::new() };
    for message in
        [Message::SendAddrV2, Message::WtxidRelay, Message::Version(version()), Message::GetAddr, unknown]
    {
        assert_eq!(talk.hear(message), []);
    }
    assert!(!talk.session.is_ready());
}

#[test]
fn the_best_compact_format_is_offered_once_right_behind_the_handshake() {
    let mut talk = Talk::new();
    let mut sent = talk.drain();
    sent.extend(talk.hear(Message::Version(version())));
    let before = commands(&sent);
    assert_eq!(before, ["version", "sendaddrv2", "verack"]);

    let ready = talk.hear(Message::Verack);
    assert_eq!(ready[0], Output::RaiseLimit(REGTEST.session_policy().max_payload));
    assert_eq!(ready[1], Output::Send(Message::SendCompact(SendCompact { announce: false, version: 3 })));

    let mut later = talk.hear(Message::SendCompact(SendCompact { announce: false, version: 1 }));
    later.extend(talk.hear(Message::Verack));
    later.extend(talk.hear(Message::Version(version())));
    later.extend(talk.wait(REGTEST.session_policy().ping_interval));
    assert_eq!(commands(&later), ["ping"], "a second verack or version changes nothing");
}

#[test]
fn the_limit_is_not_raised_before_verack() {
    let mut talk = Talk::new();
    let mut outputs = talk.drain();
    outputs.extend(talk.hear(Message::Version(version())));
    outputs.extend(talk.wait(SECOND));
    assert!(!outputs.iter().any(|output| matches!(output, Output::RaiseLimit(_))));
    assert!(talk.hear(Message::Verack).iter().any(|output| matches!(output, Output::RaiseLimit(_))));
}

#[test]
fn garbage_during_the_handshake_ends_it() {
    let mut talk = Talk::new();
    talk.drain();
    let kind = "invalid";
    let outputs = talk.hear_garbage();
    assert_eq!(
        outputs,
        [Output::Event(Event::Garbage { kind }), Output::Disconnect(Disconnect::Garbage { kind })]
    );
    assert_eq!(talk.hear_garbage(), [], "nothing follows");

    let mut talk = Talk::new();
    talk.hear(Message::Version(version()));
    talk.session.handle_damaged(DamageKind::Checksum, talk.now);
    assert_eq!(hangs_up(&talk.drain()), Some(&Disconnect::Garbage { kind: "bad_checksum" }));
}

#[test]
fn a_peer_is_asked_for_its_tip_once_we_know_a_chain() {
    let mut talk = Talk::new();
    let locator = std::mem::take(&mut talk.shelf.locator);
    talk.hear(Message::Version(version()));
    assert_eq!(
        commands(&talk.hear(Message::Verack)),
        ["sendcmpct", "sendheaders"],
        "there is nothing to ask"
    );
    assert_eq!(talk.wait(SECOND), []);

    talk.shelf.locator = locator.clone();
    let outputs = talk.wait(SECOND);
    let [Output::Send(Message::GetHeaders(question))] = &outputs[..] else { panic!("{outputs:?}") };
    assert_eq!((&question.locator, question.stop), (&locator, BlockHash::ZERO));
    assert_eq!(talk.wait(SECOND), [], "once");
}

#[test]
fn once_over_a_session_neither_says_nor_does_anything() {
    let mut talk = Talk::new();
    talk.hear(Message::Verack);
    assert_eq!(talk.hear(Message::Version(version())), []);
    assert_eq!(talk.hear(Message::Ping(1)), []);
    assert_eq!(talk.wait(Duration::from_secs(3600)), []);
    assert!(!talk.session.is_ready());
}

#[test]
fn a_peer_that_asks_for_headers_is_known_to_prefer_them() {
    let mut talk = Talk::ready();
    assert_eq!(talk.hear(Message::SendHeaders), [Output::Event(Event::PrefersHeaders)]);
}
