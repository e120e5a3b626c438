//! `POST /api/v1/chains/{chain}/blocks`: a block handed in by a program or a person.

use std::time::{Duration, Instant};

use actix_web::{
    HttpRequest, HttpResponse,
    http::StatusCode,
    web::{self, Data, Path, Query},
};
use bytes::Bytes;
use engine::ChainHandle;
use relay::{Goal, Source, Submission, Trust};
use serde::Deserialize;

use super::{Problem, chain};
use crate::{body, shared::Shared};

/// The largest block: what the largest of the chains allows in a message (32 MB), and then some.
const BLOCK_LIMIT: usize = 32 * 1024 * 1024;

/// The largest body: such a block in hex, with a line end.
const BODY_LIMIT: usize = 2 * BLOCK_LIMIT + 2;

/// How long to wait unless the caller says otherwise: what pools bear (pools.md §2).
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(4);

/// How long a refusal waits for our own finding. An inspection takes milliseconds.
const INSPECTED_WITHIN: Duration = Duration::from_millis(250);

/// How long a caller may want to wait, in seconds.
const LONGEST_TIMEOUT: f64 = 3600.0;

/// The header by which `blockcast submit` says who it is.
const SOURCE: &str = "X-Blockcast-Source";

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Params {
    wait: Option<String>,
    timeout: Option<String>,
}

/// Hands the block in and answers with the delivery's report: 200 once the goal is reached, 202 when the wait ends
/// before.
pub(super) async fn submit(
    shared: Data<Shared>,
    name: Path<String>,
    request: HttpRequest,
    payload: web::Payload,
) -> Result<HttpResponse, Problem> {
    let chain = chain(&shared, &name)?;
    let (goal, timeout) = wait(request.query_string())?;
    let source = match request.headers().get(SOURCE).map(|value| value.as_bytes()) {
        Some(b"cli") => Source::Cli,
        _ => Source::Rest,
    };
    let body = body::read(&request, payload, BODY_LIMIT).await?;
    let received_at = Instant::now();
    let (bytes, hex) = decode(body)?;
    let submitter = request.peer_addr().map(|address| address.to_string());
    let submission =
        Submission { source, trust: Trust::Own, submitter, bytes, hex, on_disk: false, received_at };
    Ok(hand_in(&shared, chain, submission, goal, timeout).await)
}

/// Hands a block in, and answers once the goal is reached, or the time is over.
pub(super) async fn hand_in(
    shared: &Shared,
    chain: &ChainHandle,
    submission: Submission,
    goal: Goal,
    timeout: Duration,
) -> HttpResponse {
    let received_at = submission.received_at;
    let (delivery, _waiting) = shared.submit(chain, submission);
    let reached = delivery.reached(goal, timeout).await;
    let status = if reached { StatusCode::OK } else { StatusCode::ACCEPTED };
    let mut report = delivery.report(chain.name());
    if report.status == "refused" && report.inspected_ms.is_none() {
        // Nodes may refuse faster than we find out why; the reason is what the caller needs most.
        delivery.finding(INSPECTED_WITHIN).await;
        report = delivery.report(chain.name());
    }
    delivery.answered(received_at, report.status.clone());
    shared.engine.complete(&mut report);
    HttpResponse::build(status).json(report)
}

/// What to wait for, and how long.
pub(super) fn wait(query: &str) -> Result<(Goal, Duration), Problem> {
    const REMEDY: &str = "write ?wait=node or ?wait=peers:N, and &timeout=SECONDS (at most 3600)";
    let bad = |message: String| Problem::bad_request("bad_query", message, REMEDY);
    let Query(params) = Query::<Params>::from_query(query).map_err(|error| bad(error.to_string()))?;
    let goal = match params.wait.as_deref() {
        None | Some("node") => Goal::Node,
        Some(text) => {
            let peers = text.strip_prefix("peers:").and_then(|count| count.parse().ok());
            Goal::Peers(peers.ok_or_else(|| bad(format!("wait={text} is neither node nor peers:N")))?)
        }
    };
    let Some(text) = params.timeout else { return Ok((goal, DEFAULT_TIMEOUT)) };
    let seconds = text.parse().ok().filter(|seconds| (0.0..=LONGEST_TIMEOUT).contains(seconds));
    let seconds =
        seconds.ok_or_else(|| bad(format!("timeout={text} is not a number of seconds from 0 to 3600")))?;
    Ok((goal, Duration::from_secs_f64(seconds)))
}

/// The block, and the caller's own digits if it came in hex. Which of the two it is shows in the content, whatever the
/// content type says: a block's version alone has bytes that no text has.
fn decode(body: Bytes) -> Result<(Bytes, Option<Bytes>), Problem> {
    const REMEDY: &str = "send the block as raw bytes, or in hex without spaces and 0x";
    let bad = |message: String| Problem::bad_request("bad_body", message, REMEDY);
    let text = body.trim_ascii();
    if text.is_empty() {
        return Err(Problem::bad_request("empty_body", "the body is empty", REMEDY));
    }
    if text.iter().all(|byte| byte.is_ascii_graphic() || byte.is_ascii_whitespace()) {
        if let Some(at) = text.iter().position(|byte| !byte.is_ascii_hexdigit()) {
            let found = char::from(text[at]);
            return Err(bad(format!(
                "the body is text, and {found:?} at its character {} is no hex digit",
                at + 1
            )));
        }
        let mut block = vec![0; text.len() / 2];
        // All are digits: what is left is their number.
        faster_hex::hex_decode(text, &mut block)
            .map_err(|_| bad(format!("the body has {} hex digits, an odd number", text.len())))?;
        return Ok((block.into(), Some(body.slice_ref(text))));
    }
    if body.len() > BLOCK_LIMIT {
        return Err(body::BodyError::TooLarge { limit: BLOCK_LIMIT }.into());
    }
    Ok((body, None))
}

#[cfg(test)]
mod tests {
    use actix_web::ResponseError;
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_wait_is_for_a_node_and_four_seconds_unless_the_caller_says_otherwise() {
        let seconds = Duration::from_secs_f64;
        assert_eq!(wait("").unwrap(), (Goal::Node, seconds(4.0)));
        assert_eq!(wait("wait=node&timeout=1.5").unwrap(), (Goal::Node, seconds(1.5)));
        assert_eq!(wait("timeout=0&wait=peers:12").unwrap(), (Goal::Peers(12), seconds(0.0)));
        assert_eq!(wait("wait=peers%3A0").unwrap(), (Goal::Peers(0), seconds(4.0)));
        for wrong in [
            "wait=",
            "wait=peer:1",
            "wait=peers:",
            "wait=peers:-1",
            "wait=peers:1.5",
            "timeout=",
            "timeout=-1",
            "timeout=3601",
            "timeout=NaN",
            "timeout=inf",
            "timeout=x",
            "wiat=node",
            "wait=node&wait=node",
        ] {
            let problem = wait(wrong).expect_err(wrong);
            assert_eq!(problem.status_code(), StatusCode::BAD_REQUEST, "{wrong}");
        }
    }

    #[test]
    fn hex_is_told_from_raw_bytes_by_its_content() {
        let (bytes, hex) = decode(Bytes::from_static(b" 00fF\n")).unwrap();
        assert_eq!((&bytes[..], hex.as_deref()), (&[0, 0xff][..], Some(&b"00fF"[..])));
        let raw = Bytes::from_static(b"\x00\x00\x00 0011");
        assert_eq!(decode(raw.clone()).unwrap(), (raw, None));
        for (text, said) in [
            (&b""[..], "empty"),
            (b" \n", "empty"),
            (b"0x00", "'x' at its character 2"),
            (b"00 11", "' ' at its character 3"),
            (b"001", "3 hex digits"),
        ] {
            let problem = decode(Bytes::from_static(text)).expect_err(said);
            assert!(problem.to_string().contains(said), "{problem}");
        }
    }

    proptest! {
        #[test]
        fn no_body_makes_it_panic_and_hex_comes_back_as_it_was(body: Vec<u8>) {
            let _ = decode(body.clone().into());
            prop_assume!(!body.is_empty());
            let hex = faster_hex::hex_string(&body);
            let (bytes, digits) = decode(hex.clone().into()).unwrap();
            prop_assert_eq!((bytes.as_ref(), digits.as_deref()), (&body[..], Some(hex.as_bytes())));
        }
    }
}
