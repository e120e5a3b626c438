//! What a real daemon said, heard again.

use tokio_util::codec::Decoder;
use wire::{Command, Frame, FrameCodec};

use super::*;

/// One message of the daemon and what the session made of it.
pub(super) struct Heard {
    pub(super) command: Command,
    pub(super) message: Message,
    pub(super) outputs: Vec<Output>,
}

/// A conversation that was heard to its end.
pub(super) struct Replay {
    pub(super) talk: Talk,
    /// Our `version`.
    pub(super) opening: VersionMessage,
    pub(super) heard: Vec<Heard>,
    /// The blocks that the daemon found meanwhile.
    pub(super) blocks: Vec<BlockHash>,
}

/// Feeds everything that the daemon sent, byte for byte through the codec and at the recorded times, with a tick each
/// second. The codec's limit rises only when the session says so. Before each message the daemon is silent for `stall`
/// longer than it was.
pub(super) fn replay(mut talk: Talk, file: &str, stall: Duration) -> Replay {
    let recording = recordings::read(file);
    let outputs = talk.drain();
    let [Output::Send(Message::Version(opening))] = &outputs[..] else {
        panic!("{file}: we speak first: {outputs:?}")
    };

    let mut codec = FrameCodec::new(talk.chain.params().magic);
    let mut buffer = bytes::BytesMut::new();
    let mut heard: Vec<Heard> = Vec::new();
    let (begin, mut ticked, mut stalled) = (talk.now, 0, Duration::ZERO);
    for entry in recording["messages"].as_array().expect("messages") {
        if entry["dir"] != "node->client" {
            continue;
        }
        stalled += stall;
        let at = Duration::from_secs_f64(entry["t_ms"].as_f64().expect("a time") / 1e3) + stalled;
        while ticked < at.as_secs() {
            ticked += 1;
            talk.now = begin + Duration::from_secs(ticked);
            let outputs = talk.wait(Duration::ZERO);
            if let Some(last) = heard.last_mut() {
                last.outputs.extend(outputs);
            }
        }
        talk.now = begin + at;
        buffer.extend_from_slice(&recordings::unhex(entry["raw_hex"].as_str().expect("hex")));
        let frame = codec.decode(&mut buffer).unwrap_or_else(|error| panic!("{file}: {error}"));
        let Some(Frame::Intact { command, payload }) = frame else { panic!("{file}: {frame:?}") };
        let message =
            Message::decode(command, payload, talk.chain.dialect()).expect("a recorded message decodes");
        let outputs = talk.hear(message.clone());
        for output in &outputs {
            if let Output::RaiseLimit(limit) = output {
                codec.set_limit(*limit);
            }
        }
        heard.push(Heard { command, message, outputs });
    }
    let blocks = recording["blocks"].as_array().into_iter().flatten();
    let blocks = blocks.map(|hash| hash.as_str().expect("a hash").parse().expect("a hash")).collect();
    Replay { talk, opening: opening.clone(), heard, blocks }
}
