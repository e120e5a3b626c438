//! Objects of a chain's own kind, of which Dash's `clsig` is the one that there is.

use ::dash::Dash;
use wire::{Command, InvItem};

use super::*;

/// `clsig` in an `inv`.
const CLSIG: u32 = 29;

fn ready() -> Talk {
    let dash: Arc<dyn Chain> = Arc::new(Dash::new(Network::Regtest));
    Talk::ready_on(&dash, VersionMessage { protocol: 70_240, services: Services(0x1c05), ..version() })
}

fn object(signature: u8) -> (Bytes, [u8; 32]) {
    let object: Bytes = [&[1, 0, 0, 0][..], &[7; 32], &[signature; 96]].concat().into();
    let id = sha256d(&object);
    (object, id)
}

fn inv(ids: impl IntoIterator<Item = [u8; 32]>) -> Message {
    Message::Inv(ids.into_iter().map(|hash| InvItem { kind: CLSIG, hash }).collect())
}

fn clsig(payload: &Bytes) -> Message {
    Message::Unknown { command: Command::literal("clsig"), payload: payload.clone() }
}

fn fault(kind: &'static str) -> Output {
    Output::Event(Event::Fault { kind })
}

#[test]
fn what_is_announced_is_fetched_once_and_reported() {
    let mut talk = ready();
    let (object, id) = object(1);
    let asked = Output::Send(Message::GetData(vec![InvItem { kind: CLSIG, hash: id }]));
    assert_eq!(talk.hear(inv([id])), [Output::Event(Event::ObjectAnnounced { id }), asked]);
    assert_eq!(talk.hear(inv([id])), [], "it is on its way");
    assert_eq!(talk.hear(clsig(&object)), [Output::Event(Event::Object { payload: object.clone() })]);
    assert_eq!(talk.hear(clsig(&object)), [fault("unasked_for")]);
}

#[test]
fn what_the_shelf_has_is_not_fetched_and_the_peer_has_it() {
    let mut talk = ready();
    let (object, id) = object(1);
    talk.shelf.objects.insert(id, object);
    assert_eq!(talk.hear(inv([id])), [Output::Event(Event::ObjectAnnounced { id })]);
}

#[test]
fn what_may_be_passed_on_is_served_and_nothing_else() {
    let mut talk = ready();
    let ((genuine, id), (_, other)) = (object(1), object(2));
    talk.shelf.objects.insert(id, genuine.clone());
    let items = [id, other].map(|hash| InvItem { kind: CLSIG, hash });
    let outputs = talk.hear(Message::GetData(items.to_vec()));
    assert_eq!(outputs, [Output::Send(clsig(&genuine)), Output::Send(Message::NotFound(vec![items[1]]))]);
}

#[test]
fn a_flood_is_fetched_as_far_as_an_honest_peer_would_go_and_ends_the_connection_if_it_goes_on() {
    let mut talk = ready();
    let ids = |from: u8| (from..from + 50).map(|signature| object(signature).1);
    let outputs = talk.hear(inv(ids(0)));
    let announced = |outputs: &[Output]| {
        events(outputs).iter().filter(|event| matches!(event, Event::ObjectAnnounced { .. })).count()
    };
    assert_eq!((announced(&outputs), outputs.last()), (16, Some(&fault("object_flood"))));
    // All that was asked for may come.
    for signature in 0..16 {
        assert_eq!(talk.hear(clsig(&object(signature).0)).len(), 1);
    }
    let rest: Vec<_> = (0..20).flat_map(|_| talk.hear(inv(ids(100)))).collect();
    assert_eq!(announced(&rest), 0);
    assert_eq!(hangs_up(&rest), Some(&Disconnect::Faults { kind: "object_flood" }));
}

#[test]
fn faults_are_borne_a_few_times_and_chatter_in_between_forgives_none() {
    let mut talk = ready();
    let empty = clsig(&Bytes::new());
    for _ in 0..8 {
        assert_eq!(talk.hear(empty.clone()), [fault("unasked_for")]);
        talk.hear(Message::Ping(1));
    }
    let last = talk.hear(empty.clone());
    assert_eq!(hangs_up(&last), Some(&Disconnect::Faults { kind: "unasked_for" }));
    // One a minute is borne for ever.
    let mut talk = ready();
    for _ in 0..100 {
        talk.now += Duration::from_secs(60);
        assert_eq!(talk.hear(empty.clone()), [fault("unasked_for")]);
    }
}

#[test]
fn what_a_peer_says_it_has_not_is_waited_for_no_longer() {
    let mut talk = ready();
    let (object, id) = object(1);
    talk.hear(inv([id]));
    talk.hear(Message::NotFound(vec![InvItem { kind: CLSIG, hash: id }]));
    assert_eq!(talk.hear(clsig(&object)), [fault("unasked_for")]);
}

#[test]
fn what_is_longer_than_it_can_be_is_not_looked_at() {
    let mut talk = ready();
    let long = Bytes::from(vec![1; 133]);
    talk.hear(inv([sha256d(&long)]));
    assert_eq!(talk.hear(clsig(&long)), [fault("object_too_long")]);
}

#[test]
fn lists_of_masternodes_that_nobody_asked_for_are_a_fault_and_the_rest_of_dashs_talk_is_none() {
    let mut talk = ready();
    let say = |talk: &mut Talk, command: &'static str| {
        let command =
            Command::from_wire(std::array::from_fn(|i| command.as_bytes().get(i).copied().unwrap_or(0)));
        talk.hear(Message::Unknown {
            command: command.expect("printable"),
            payload: Bytes::from_static(&[0; 64]),
        })
    };
    for command in ["mnlistdiff", "qrinfo"] {
        assert_eq!(say(&mut talk, command), [fault("unasked_for")]);
    }
    for command in ["senddsq", "getsporks", "govsync", "mnauth", "spork", "qsendrecsigs", "isdlock", "ssc"] {
        assert_eq!(say(&mut talk, command), [], "{command}");
    }
}

#[test]
fn an_instantsend_lock_that_is_announced_is_neither_fetched_nor_a_fault() {
    let mut talk = ready();
    let items = vec![InvItem { kind: 31, hash: [3; 32] }; 2000];
    assert_eq!(talk.hear(Message::Inv(items)), []);
}

#[test]
fn a_chain_without_such_objects_fetches_none() {
    let mut talk = Talk::ready();
    assert_eq!(talk.hear(inv([[1; 32]])), []);
    assert_eq!(talk.hear(clsig(&object(1).0)), []);
}
