//! Several calls in one request: one after another, as the daemon does it, so that a `getblock` behind a `submitblock`
//! sees the block.
//!
//! Each call travels on its own: the blocks through the engine, the rest to the node. (It has the same effect at the
//! node, and dashd refuses whole batches of users with a whitelist.) The replies are put together as they came.

use bytes::Bytes;
use rpc::FORWARD_REPLY_LIMIT;
use serde_json::value::RawValue;

use super::{
    Context, Door,
    call::Call,
    reply::{NODE_UNREACHABLE, Reply},
};

impl Door {
    /// Answers a batch.
    pub(super) async fn answer_batch(&self, elements: &[&RawValue], context: &Context<'_>) -> Reply {
        let mut body = vec![b'['];
        let mut notes = Vec::new();
        for (index, element) in elements.iter().enumerate() {
            if index > 0 {
                body.push(b',');
            }
            let text = element.get().as_bytes();
            let reply = match Call::read(text) {
                Ok(call) => {
                    let raw = Bytes::slice_ref(context.body, text);
                    let reply = self.answer_call(&call, raw, context).await;
                    fit_for_batch(reply, call.id, FORWARD_REPLY_LIMIT.saturating_sub(body.len()))
                }
                Err(fault) => self.invalid(&fault),
            };
            body.extend_from_slice(reply.body.trim_ascii());
            notes.extend(reply.notes);
        }
        body.extend_from_slice(b"]\n");
        Reply::batch(body, notes)
    }
}

/// The reply, or an error in its place when it is not JSON (a 403 has no body, an overloaded node sends HTML), or when
/// there is no room for it.
fn fit_for_batch(reply: Reply, id: &str, room: usize) -> Reply {
    if reply.body.len() > room {
        return Reply::error(id, NODE_UNREACHABLE, "blockcast: the replies to this batch are over 256 MiB");
    }
    if serde_json::from_slice::<&RawValue>(&reply.body).is_ok() {
        return reply;
    }
    let shown = String::from_utf8_lossy(&reply.body[..reply.body.len().min(200)]).into_owned();
    let message =
        format!("blockcast: the node answered HTTP {} without JSON-RPC: {}", reply.status, shown.trim());
    Reply::error(id, NODE_UNREACHABLE, message.trim_end_matches([':', ' ']))
}

#[cfg(test)]
mod tests {
    use rpc::Forwarded;

    use super::*;

    fn node_says(status: u16, body: &'static str) -> Reply {
        Reply::verbatim(Forwarded { status, content_type: None, body: Bytes::from_static(body.as_bytes()) })
    }

    #[test]
    fn a_reply_that_is_json_stays_as_it_is_and_another_becomes_an_error() {
        let json = "{\"result\": 1.10,\"error\":null,\"id\":1}\n";
        assert_eq!(fit_for_batch(node_says(200, json), "1", 1000).body, json);
        let overloaded = fit_for_batch(node_says(500, "Work queue depth exceeded"), "7", 1000).body;
        let overloaded = std::str::from_utf8(&overloaded).unwrap();
        assert!(
            overloaded.contains("HTTP 500") && overloaded.contains("Work queue depth exceeded"),
            "{overloaded}"
        );
        assert!(overloaded.ends_with("\"id\":7}\n"), "{overloaded}");
        let forbidden = fit_for_batch(node_says(403, ""), "7", 1000).body;
        assert!(std::str::from_utf8(&forbidden).unwrap().contains("HTTP 403"));
        let huge = fit_for_batch(node_says(200, json), "7", 3).body;
        assert!(std::str::from_utf8(&huge).unwrap().contains("256 MiB"));
    }
}
