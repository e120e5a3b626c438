//! `submitblock`: one body for all nodes, a connection that is open already, and quick retries while a retry can help.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout};

use crate::client::{Client, REQUEST_LIMIT};
use crate::connection::Failure;
use crate::error::RpcError;

/// The id of every submit. One connection carries one request at a time, so it need not be unique, and being constant
/// lets all nodes share one body.
const ID: &str = "blockcast";

/// The largest reply to a submit that is read. The longest on record, the help text, has 900 bytes.
const VERDICT_LIMIT: usize = 1024 * 1024;

/// The first pause between two attempts; each further one is half as long again, up to [`LAST_PAUSE`].
const FIRST_PAUSE: Duration = Duration::from_millis(50);

/// The longest pause. A node that comes back is asked within a quarter of a second.
const LAST_PAUSE: Duration = Duration::from_millis(250);

/// How many attempts a [`Submission`] lists: the first and the last ones. Half an hour of retries makes 7,000.
const LISTED: usize = 64;

/// A block as the body of a `submitblock` request, made once and shared: cloning it copies nothing, and any number of
/// nodes send from the same bytes, which are the caller's own where those are hex already.
#[derive(Clone)]
pub struct SubmitRequest {
    pieces: [Bytes; 3],
    /// How many connections have been given all of it.
    written: Arc<watch::Sender<usize>>,
}

/// How a submit to one node ended, and how it got there.
#[derive(Debug, Clone)]
pub struct Submission {
    /// The node's verdict, or why there is none. An error object of the node, such as -22 for a block that does not
    /// decode, is [`RpcError::Rpc`].
    pub outcome: Result<Answer, RpcError>,
    /// The attempts in order; the last one brought the outcome. Of more than 64, the first and last 32.
    pub attempts: Vec<Attempt>,
    /// How many attempts there were, also those not listed.
    pub tried: u64,
    /// When the last byte of the request went to the kernel, in the last attempt that got so far. `None`: no node can
    /// have the block from this submit. It says nothing about arrival.
    pub written_at: Option<Instant>,
}

/// One attempt of a [`Submission`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attempt {
    /// When it began, dialling included.
    pub started: Instant,
    /// When it had failed or the verdict was complete.
    pub ended: Instant,
    /// Why it failed; `None` for the one that brought the verdict.
    pub error: Option<RpcError>,
}

/// A node's verdict, as it came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The `result` of the reply: `null` for an accepted block, otherwise a string that says why not. The daemons send
    /// nothing else, but whatever comes is kept.
    pub result: Value,
    /// The JSON text of `result`, byte for byte.
    pub raw: String,
}

// === impl SubmitRequest ===

impl SubmitRequest {
    /// From the block in hex, as a pool sent it: the node gets the very same digits, and nothing is copied. A text that
    /// is no hex is passed on too, as a JSON string; what to say to it is the node's business.
    pub fn from_hex(hex: impl Into<Bytes>) -> Self {
        let hex = hex.into();
        // Without a way out within a chunk it is done many bytes at a time: nobody has the block yet.
        let is_plain =
            |chunk: &[u8]| chunk.iter().fold(true, |plain, byte| plain & byte.is_ascii_alphanumeric());
        if hex.chunks(256).all(is_plain) {
            return Self::around(hex);
        }
        let string = Bytes::from(Value::from(String::from_utf8_lossy(&hex)).to_string());
        let quotes = string.len() - 1;
        Self::around(string.slice(1..quotes))
    }

    /// From the block's bytes.
    pub fn from_bytes(block: &[u8]) -> Self {
        let mut digits = vec![b'0'; 2 * block.len()];
        faster_hex::hex_encode(block, &mut digits).expect("there is room for two digits a byte");
        Self::around(digits.into())
    }

    /// The request with what stands between the quotes of its only parameter.
    fn around(parameter: Bytes) -> Self {
        let head = format!(r#"{{"jsonrpc":"1.0","id":"{ID}","method":"submitblock","params":[""#);
        let pieces = [head.into(), parameter, Bytes::from_static(br#""]}"#)];
        Self { pieces, written: Arc::new(watch::Sender::new(0)) }
    }

    /// Waits until so many connections have given all of it to the kernel.
    pub async fn written_to(&self, connections: usize) {
        let mut written = self.written.subscribe();
        // The sender is our own.
        let (Ok(_) | Err(_)) = written.wait_for(|count| *count >= connections).await;
    }

    /// The size of the HTTP body in bytes.
    pub fn size(&self) -> usize {
        self.pieces.iter().map(Bytes::len).sum()
    }

    /// The HTTP body, in the pieces in which it is sent.
    pub fn pieces(&self) -> &[Bytes; 3] {
        &self.pieces
    }
}

impl fmt::Debug for SubmitRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SubmitRequest({} bytes)", self.size())
    }
}

// === impl Answer ===

impl Answer {
    /// Whether the node accepted and connected the block: the result is `null`.
    pub fn is_accepted(&self) -> bool {
        self.result.is_null()
    }

    /// What the node said instead: `duplicate`, `high-hash`, … `None` if it accepted.
    pub fn reason(&self) -> Option<&str> {
        match &self.result {
            Value::Null => None,
            Value::String(reason) => Some(reason),
            _ => Some(&self.raw),
        }
    }
}

// === impl Client ===

/// What to do after a failed attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Next {
    /// Nothing that we do changes the outcome.
    Stop,
    /// Something has just changed (a new cookie, a dead connection gone): again, on a fresh connection.
    AtOnce,
    /// The node may come round.
    AfterPause,
}

/// What one attempt brought.
struct Tried {
    result: Result<Answer, RpcError>,
    next: Next,
    written_at: Option<Instant>,
}

impl Client {
    /// Submits a block and returns the node's verdict.
    ///
    /// It goes out on an idle submit connection if there is one (see [`keep_warm`](Self::keep_warm)), else on a new
    /// one; never behind another request. Submitting a block twice does no harm (the second verdict is `duplicate`), so
    /// whatever may pass is tried again, after 50 ms at first and every 250 ms at last, until `deadline`: nothing
    /// listens, no route, the connection broke, the node is starting (-28), its work queue is full, its cookie is
    /// missing or not yet renewed. At once, and without a pause, when a pooled connection turned out dead or the cookie
    /// file has new content.
    ///
    /// Not tried again: a verdict of any kind, an error of the node (-22), a wrong password, a 403, a reply that makes
    /// no sense, and [`RpcError::Timeout`]: the node holds the block and may be at work on it, so the caller asks the
    /// chain.
    ///
    /// # Deadline
    ///
    /// No attempt *begins* after `deadline`, except that there is always one. An attempt under way is not cut: the
    /// block is on its way and its verdict is worth waiting for. So this returns at the latest
    /// [`Timeouts::connect`](crate::Timeouts::connect) + [`Timeouts::submit`](crate::Timeouts::submit) after
    /// `deadline`.
    pub async fn submit_block(&self, request: &SubmitRequest, deadline: Instant) -> Submission {
        let mut submission = Submission {
            outcome: Err(RpcError::TooLarge { what: "request", limit: REQUEST_LIMIT }),
            attempts: Vec::new(),
            tried: 0,
            written_at: None,
        };
        if request.size() > REQUEST_LIMIT {
            return submission;
        }
        let mut pause = FIRST_PAUSE;
        let mut fresh = false;
        loop {
            let started = Instant::now();
            let tried = self.attempt(request, fresh).await;
            let ended = Instant::now();
            submission.record(Attempt { started, ended, error: tried.result.as_ref().err().cloned() });
            submission.written_at = tried.written_at.or(submission.written_at);
            submission.outcome = tried.result;
            match tried.next {
                Next::Stop => return submission,
                Next::AtOnce if ended < deadline => fresh = true,
                Next::AfterPause if ended + pause < deadline => {
                    sleep(pause).await;
                    pause = (pause * 3 / 2).min(LAST_PAUSE);
                    fresh = false;
                }
                Next::AtOnce | Next::AfterPause => return submission,
            }
        }
    }

    async fn attempt(&self, request: &SubmitRequest, fresh: bool) -> Tried {
        let failed =
            |error: RpcError| Tried { next: self.next_after(&error), result: Err(error), written_at: None };
        let login = match self.credentials().header().await {
            Ok(login) => login,
            Err(error) => return failed(error),
        };
        let pooled = if fresh { None } else { self.submits().take() };
        let was_pooled = pooled.is_some();
        let mut connection = match pooled {
            Some(connection) => connection,
            None => match self.dial().await {
                Ok(connection) => connection,
                Err(error) => return failed(error),
            },
        };
        let meter = connection.meter();
        connection.tell_when_written(request.size(), request.written.clone());
        let post = self.post(self.endpoint().url.path(), &login, request.pieces.clone());
        let limit = self.endpoint().timeouts.submit;
        let exchanged = timeout(limit, connection.exchange(post, VERDICT_LIMIT)).await;
        let written_at = meter.lock().written_at(request.size());
        let (next, result) = match exchanged {
            Err(_) => (Next::Stop, Err(self.timed_out(limit))),
            Ok(Err(Failure { error, silent, .. })) => {
                let dead = was_pooled && silent;
                (if dead { Next::AtOnce } else { self.next_after(&error) }, Err(self.redacted(error)))
            }
            Ok(Ok(reply)) => {
                self.submits().put(connection);
                let result = self.reader().result(&reply, &json!(ID)).and_then(|raw| {
                    let raw = raw.get();
                    let result =
                        serde_json::from_str(raw).map_err(|e| self.reader().malformed(e.to_string()))?;
                    Ok(Answer { result, raw: raw.to_owned() })
                });
                match result {
                    Ok(answer) => (Next::Stop, Ok(answer)),
                    Err(refused @ RpcError::Unauthorized { .. }) => {
                        match self.credentials().renew(&login).await {
                            Ok(true) => (Next::AtOnce, Err(refused)),
                            Ok(false) => (self.next_after(&refused), Err(refused)),
                            Err(error) => (self.next_after(&error), Err(error)),
                        }
                    }
                    Err(error) => (self.next_after(&error), Err(error)),
                }
            }
        };
        Tried { result, next, written_at }
    }

    /// The rule of [`submit_block`](Self::submit_block), for an error that nothing has been done about yet.
    fn next_after(&self, error: &RpcError) -> Next {
        match error {
            RpcError::Refused { .. }
            | RpcError::Unreachable { .. }
            | RpcError::ConnectTimeout { .. }
            | RpcError::ConnectionLost { .. }
            | RpcError::CookieMissing { .. }
            | RpcError::CookieUnreadable { .. }
            | RpcError::WarmingUp { .. }
            | RpcError::Overloaded { .. } => Next::AfterPause,
            // A node that has just started may not have written its new cookie yet.
            RpcError::Unauthorized { .. } if self.credentials().is_cookie() => Next::AfterPause,
            RpcError::Unauthorized { .. }
            | RpcError::Timeout { .. }
            | RpcError::Forbidden { .. }
            | RpcError::Rpc { .. }
            | RpcError::Http { .. }
            | RpcError::Malformed { .. }
            | RpcError::TooLarge { .. }
            | RpcError::InvalidRequest { .. } => Next::Stop,
        }
    }
}

impl Submission {
    fn record(&mut self, attempt: Attempt) {
        self.tried += 1;
        if self.attempts.len() == LISTED {
            self.attempts.remove(LISTED / 2);
        }
        self.attempts.push(attempt);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn body(request: &SubmitRequest) -> Value {
        let body = request.pieces().concat();
        assert_eq!(request.size(), body.len());
        serde_json::from_slice(&body).unwrap()
    }

    proptest! {
        #[test]
        fn the_body_is_the_same_from_bytes_and_from_hex_and_is_valid_json(block: Vec<u8>) {
            let hex: String = block.iter().map(|byte| format!("{byte:02x}")).collect();
            let expected = json!({ "jsonrpc": "1.0", "id": ID, "method": "submitblock", "params": [hex] });
            prop_assert_eq!(&body(&SubmitRequest::from_bytes(&block)), &expected);
            prop_assert_eq!(&body(&SubmitRequest::from_hex(hex)), &expected);
        }

        #[test]
        fn whatever_the_caller_calls_hex_reaches_the_node_as_that_text(text: String) {
            let request = SubmitRequest::from_hex(text.clone());
            prop_assert_eq!(&body(&request)["params"], &json!([text]));
        }
    }

    #[test]
    fn the_callers_own_digits_are_sent_and_not_a_copy() {
        let digits = Bytes::from_static(b"00AbCd");
        let request = SubmitRequest::from_hex(digits.clone());
        assert_eq!(body(&request)["params"], json!(["00AbCd"]));
        assert_eq!(request.clone().pieces()[1].as_ptr(), digits.as_ptr());
    }

    #[test]
    fn of_many_attempts_the_first_and_last_are_kept_and_all_are_counted() {
        let start = Instant::now();
        let refused = RpcError::Refused { address: "a:1".into() };
        let mut submission =
            Submission { outcome: Err(refused.clone()), attempts: Vec::new(), tried: 0, written_at: None };
        let at = |n: u64| start + Duration::from_millis(n);
        for n in 0..1000 {
            submission.record(Attempt { started: at(n), ended: at(n), error: Some(refused.clone()) });
        }
        let started: Vec<Instant> = submission.attempts.iter().map(|attempt| attempt.started).collect();
        let expected: Vec<Instant> = (0..32).chain(968..1000).map(at).collect();
        assert_eq!(started, expected);
        assert_eq!(submission.tried, 1000);
    }
}
