//! Whatever a peer's bytes are: messages that were fine until someone changed a byte, in any state, at any time.

use proptest::{collection::vec, prelude::*, sample::Index};
use tokio_util::codec::{Decoder, Encoder};
use wire::{Command, Frame, FrameCodec};

use super::{allocations::Meter, property, *};

/// What a peer does next.
#[derive(Debug, Clone)]
enum Step {
    /// Says this, with these bytes of the payload changed, so many bytes cut off its end, and perhaps another name on it.
    Say { message: Box<Message>, changes: Vec<(Index, u8)>, cut: usize, renamed: Option<Command> },
    /// Says nothing for so many milliseconds; below zero, the clock is told to have gone back.
    Wait(i64),
}

fn step() -> impl Strategy<Value = Step> {
    const NAMES: [Command; 8] = [
        Command::VERSION,
        Command::GETDATA,
        Command::GETBLOCKTXN,
        Command::GETHEADERS,
        Command::HEADERS,
        Command::CMPCTBLOCK,
        Command::BLOCKTXN,
        Command::ADDRV2,
    ];
    let changes = prop_oneof![3 => Just(Vec::new()), 2 => vec((any::<Index>(), any::<u8>()), 1..4)];
    let cut = prop_oneof![4 => Just(0), 1 => 1usize..40];
    let renamed = prop_oneof![9 => Just(None), 1 => prop::sample::select(&NAMES[..]).prop_map(Some)];
    prop_oneof![
        6 => (property::message(), changes, cut, renamed).prop_map(|(message, changes, cut, renamed)| {
            Step::Say { message: Box::new(message), changes, cut, renamed }
        }),
        1 => prop_oneof![0i64..200_000, -200_000i64..0].prop_map(Step::Wait),
    ]
}

/// The frame on the wire, with the right checksum, so that what is inside is looked at.
fn bytes(
    message: &Message,
    changes: &[(Index, u8)],
    cut: usize,
    renamed: Option<Command>,
) -> bytes::BytesMut {
    let mut payload = message.encode().to_vec();
    if !payload.is_empty() {
        for (at, value) in changes {
            let at = at.index(payload.len());
            payload[at] = *value;
        }
    }
    payload.truncate(payload.len().saturating_sub(cut));
    let mut frame = bytes::BytesMut::new();
    let command = renamed.unwrap_or(message.command());
    FrameCodec::new(REGTEST.params().magic)
        .encode((command, payload.into()), &mut frame)
        .expect("a frame of any size can be written");
    frame
}

/// What was said, in bytes: bodies of blocks and all else.
fn lengths(outputs: &[Output]) -> (usize, usize) {
    outputs.iter().fold((0, 0), |(bodies, others), output| match output {
        Output::Send(message @ (Message::Block(_) | Message::BlockTxn(_))) => {
            (bodies + message.encode().len(), others)
        }
        Output::Send(message) => (bodies, others + message.encode().len()),
        _ => (bodies, others),
    })
}

proptest! {
    #[test]
    fn no_bytes_at_no_time_panic_hold_memory_or_draw_more_than_they_may(
        steps in vec(step(), 0..80),
        introduced: bool,
    ) {
        let mut talk = if introduced { Talk::ready() } else { Talk::new() };
        talk.drain();
        talk.shelve(&block());
        talk.shelf.headers = vec![block().header.clone(); 3];
        let mut codec = FrameCodec::new(REGTEST.params().magic);
        codec.set_limit(REGTEST.session_policy().max_payload);
        let (mut allowed, mut bodies, mut over) = (32, 0, false);
        let meter = Meter::start();
        for step in steps {
            let (said, outputs) = match step {
                Step::Wait(milliseconds) => {
                    let time = Duration::from_millis(milliseconds.unsigned_abs());
                    // One a second, and what a clock that goes back may forgive once.
                    allowed += if milliseconds < 0 { 32 } else { 1 + time.as_secs() as usize };
                    let now = if milliseconds < 0 { talk.now.checked_sub(time) } else { talk.now.checked_add(time) };
                    talk.now = now.unwrap_or(talk.now);
                    (0, talk.wait(Duration::ZERO))
                }
                Step::Say { message, changes, cut, renamed } => {
                    let mut bytes = bytes(&message, &changes, cut, renamed);
                    let length = bytes.len();
                    let outputs = match codec.decode(&mut bytes).expect("our magic, within the limit") {
                        Some(Frame::Intact { command, payload }) => {
                            match Message::decode(command, payload, REGTEST.dialect()) {
                                Ok(message) => talk.hear(message),
                                Err(error) => {
                                    talk.session.handle_undecodable(&error, talk.now);
                                    talk.drain()
                                }
                            }
                        }
                        other => return Err(TestCaseError::fail(format!("{other:?}"))),
                    };
                    (length, outputs)
                }
            };
            prop_assert!(!over || outputs.is_empty(), "after the end: {outputs:?}");
            over |= hangs_up(&outputs).is_some();
            let (body, other) = lengths(&outputs);
            bodies += usize::from(body > 0) * commands(&outputs)
                .iter()
                .filter(|command| ["block", "blocktxn"].contains(&command.as_str()))
                .count();
            // What is not found is said in as many bytes as it was asked for; a pong, a question or three headers more.
            prop_assert!(other <= said + 512, "{other} bytes for {said}: {outputs:?}");
            drop(outputs);
            prop_assert!(meter.held() < 64 * 1024, "{} bytes", meter.held());
        }
        prop_assert!(bodies <= allowed, "{bodies} bodies, {allowed} are allowed");
    }
}
