//! A block at the front door: through the engine, and back with the verdict.

use std::time::{Duration, Instant};

use bytes::Bytes;
use relay::{Source, Submission, Trust};
use tracing::Level;

use super::{
    Context, Door,
    call::Call,
    reply::{Note, Reply},
    verdict::{Words, verdict},
};

/// How long a refusal waits for our own finding. An inspection takes milliseconds.
const INSPECTED_WITHIN: Duration = Duration::from_millis(250);

impl Door {
    /// Answers a call that hands in a block. `None`: it does not, or what it hands in is not hex, and then the node's
    /// own words are wanted.
    pub(super) async fn take_block(&self, call: &Call<'_>, context: &Context<'_>) -> Option<Reply> {
        let digits = call.block().filter(|digits| !digits.is_empty())?;
        let mut block = vec![0; digits.len() / 2];
        faster_hex::hex_decode(digits.as_bytes(), &mut block).ok()?;
        let submission = Submission {
            source: Source::FrontDoor,
            trust: Trust::Own,
            submitter: context.caller.clone(),
            on_disk: false,
            bytes: block.into(),
            hex: Some(Bytes::slice_ref(context.body, digits.as_bytes())),
            received_at: context.received_at,
        };
        Some(self.submit(call.id, submission).await)
    }

    async fn submit(&self, id: &str, submission: Submission) -> Reply {
        let called_at = Instant::now();
        let received_at = submission.received_at;
        let name = self.chain.name();
        let (delivery, _waiting) = self.shared.submit(&self.chain, submission);
        self.pins.remember(&delivery);
        let acknowledgement = delivery.acknowledgement().await;
        let at_a_peer = delivery.report(name).peers_with_block > 0;
        let verdict = verdict(&acknowledgement, at_a_peer);
        self.count(verdict.kind);
        delivery.answered(received_at, verdict.words.to_string());
        let block = delivery.block();
        let finding = match (acknowledgement.finding, verdict.kind) {
            // A node may refuse faster than we find out why.
            (None, "refused") => delivery.finding(INSPECTED_WITHIN).await,
            (finding, _) => finding,
        };
        let took = called_at.elapsed();
        // The level is a constant of each call site.
        macro_rules! log {
            ($level:expr) => {
                tracing::event!(
                    $level,
                    chain = name,
                    %block,
                    answer = ?verdict.words,
                    durable = acknowledgement.durable,
                    finding,
                    ?took,
                    "front door answered submitblock"
                )
            };
        }
        match verdict.kind {
            "accepted" => log!(Level::INFO),
            "undelivered" => log!(Level::ERROR),
            _ => log!(Level::WARN),
        }
        let reply = match &verdict.words {
            Words::Null => Reply::result(id, "null"),
            Words::Word(word) => Reply::result(id, &serde_json::Value::from(word.as_str()).to_string()),
            Words::Error { code, message } => Reply::error(id, *code, message),
        };
        reply.with_note(Note { block, finding })
    }
}
