//! Whatever a peer says, in whatever order, whenever.

use proptest::prelude::*;
use wire::{
    Command, CompactBlock, DamageKind, GetBlockTxn, GetHeaders, InvItem, Reject, RejectCode, SendCompact,
};

use super::*;

#[derive(Debug, Clone)]
enum Step {
    Hear(Message),
    Garbage,
    Damage,
    Wait(u64),
}

fn any_hash() -> impl Strategy<Value = BlockHash> {
    prop_oneof![Just(block().hash), any::<[u8; 32]>().prop_map(BlockHash::from_wire)]
}

fn items() -> impl Strategy<Value = Vec<InvItem>> {
    let kind = prop_oneof![Just(1), Just(2), Just(4), Just(0x6000_0002), any::<u32>()];
    let item = (kind, any_hash()).prop_map(|(kind, hash)| InvItem::block(kind, hash));
    prop::collection::vec(item, 0..80)
}

pub(super) fn message() -> impl Strategy<Value = Message> {
    let header = block().header.clone();
    let compact = CompactBlock {
        header: header.clone(),
        nonce: 1,
        short_ids: vec![[1; 6]],
        prefilled: Vec::new(),
        extension: Bytes::new(),
    };
    let versions = (any::<i32>(), any::<u64>(), any::<u64>()).prop_map(|(protocol, services, nonce)| {
        let mut version = VersionMessage { protocol, services: Services(services), ..version() };
        version.details.as_mut().expect("details").nonce = nonce;
        Message::Version(version)
    });
    let request = (any_hash(), prop::collection::vec(0u16..40, 0..5))
        .prop_map(|(block, indexes)| Message::GetBlockTxn(GetBlockTxn { block, indexes }));
    let reject = (any_hash(), any::<Vec<u8>>()).prop_map(|(block, reason)| {
        Message::Reject(Reject {
            command: Bytes::from_static(b"block"),
            code: RejectCode(1),
            reason: reason.into(),
            data: Bytes::copy_from_slice(block.as_wire()),
        })
    });
    let locator = prop::collection::vec(any_hash(), 0..101)
        .prop_map(|locator| Message::GetHeaders(GetHeaders { protocol: 1, locator, stop: BlockHash::ZERO }));
    prop_oneof![
        3 => Just(Message::Version(version())),
        1 => versions,
        3 => Just(Message::Verack),
        2 => any::<u64>().prop_map(Message::Ping),
        2 => any::<u64>().prop_map(Message::Pong),
        4 => items().prop_map(Message::Inv),
        4 => items().prop_map(Message::GetData),
        1 => items().prop_map(Message::NotFound),
        2 => request,
        2 => locator,
        1 => reject,
        1 => (any::<bool>(), any::<u64>())
            .prop_map(|(announce, version)| Message::SendCompact(SendCompact { announce, version })),
        1 => (0usize..50).prop_map(move |count| Message::Headers(vec![header.clone(); count])),
        1 => Just(Message::CompactBlock(Box::new(compact))),
        1 => any::<Vec<u8>>().prop_map(|payload| Message::Block(payload.into())),
        1 => Just(Message::Unknown { command: Command::GETADDR, payload: Bytes::new() }),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        12 => message().prop_map(Step::Hear),
        1 => Just(Step::Garbage),
        1 => Just(Step::Damage),
        4 => (0u64..200_000).prop_map(Step::Wait),
    ]
}

/// The most that one step may make a session ask for.
fn bound(step: &Step) -> usize {
    match step {
        // Sixteen events and a question.
        Step::Hear(Message::Inv(_)) => 17,
        // A body and an event for each, and what was not found.
        Step::Hear(Message::GetData(items)) => 2 * items.len() + 1,
        // The greatest of the others is the end of the handshake.
        _ => 5,
    }
}

proptest! {
    #[test]
    fn nothing_a_peer_says_panics_or_makes_us_say_much(
        // Half of the conversations get past the handshake.
        ready: bool,
        steps in prop::collection::vec(step(), 0..60),
    ) {
        let mut talk = if ready { Talk::ready() } else { Talk::new() };
        talk.drain();
        talk.shelve(&block());
        let (start, mut bodies, mut over) = (talk.now, 0, false);
        for step in steps {
            let was_ready = talk.session.is_ready();
            let bound = bound(&step);
            let outputs = match step {
                Step::Hear(message) => talk.hear(message),
                Step::Garbage => talk.hear_garbage(),
                Step::Damage => {
                    talk.session.handle_damaged(DamageKind::Checksum, talk.now);
                    talk.drain()
                }
                Step::Wait(milliseconds) => talk.wait(Duration::from_millis(milliseconds)),
            };
            prop_assert!(outputs.len() <= bound, "{} of {bound}: {outputs:?}", outputs.len());
            prop_assert!(!over || outputs.is_empty(), "after the end: {outputs:?}");
            over |= hangs_up(&outputs).is_some();
            let said = commands(&outputs);
            bodies += said.iter().filter(|command| ["block", "blocktxn"].contains(&command.as_str())).count();
            if !was_ready && !talk.session.is_ready() {
                let early = ["sendaddrv2", "verack", "pong"];
                prop_assert!(said.iter().all(|command| early.contains(&command.as_str())), "{said:?}");
            }
        }
        let allowed = 32 + (talk.now - start).as_secs() as usize;
        prop_assert!(bodies <= allowed, "{bodies} bodies, {allowed} are allowed");
    }
}
