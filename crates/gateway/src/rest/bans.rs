//! `/api/v1/chains/{chain}/bans`: hosts that the operator wants nothing to do with.
//!
//! # Security
//!
//! Where no token is needed, a page in a browser on this machine could send requests here too, be it of a stranger's site
//! or under a name that the stranger has pointed to 127.0.0.1. A browser names the page with each request that may change
//! something (`Origin`, Fetch Standard §3.2), and no program does: what bears that header is refused. And what old
//! browsers send without it, a form, is not JSON.

use std::{net::IpAddr, time::Duration};

use actix_web::{
    HttpRequest, HttpResponse,
    http::{
        StatusCode,
        header::{CONTENT_TYPE, ORIGIN},
    },
    web::{self, Data, Path},
};
use engine::BanError;
use protocol::book::Address;
use serde_json::{Value, json};

use super::{Problem, chain};
use crate::{
    body::{self, BodyError},
    shared::Shared,
};

/// The largest body: a name of 253 characters and a number, with room to spare.
const BODY_LIMIT: usize = 4096;

/// For how long a host is banned unless the caller says otherwise, in seconds: a day.
const DEFAULT_SECONDS: u64 = 86_400;

/// For how long at most, in seconds: ten years.
const LONGEST_SECONDS: u64 = 3650 * 86_400;

/// What to do when a change is in force but not on disk.
const NOT_SAVED: &str =
    "make room in data_dir and let Blockcast write there; it tries again every five minutes and when it ends";

/// Bans `{"host", "seconds"}`; answers `{"chain", "host", "until"}`, in Unix seconds.
pub(super) async fn ban(
    shared: Data<Shared>,
    name: Path<String>,
    request: HttpRequest,
    payload: web::Payload,
) -> Result<HttpResponse, Problem> {
    let chain = chain(&shared, &name)?.clone();
    refuse_pages(&request)?;
    if !is_json(&request) {
        let message = "the content type is not application/json";
        let status = StatusCode::UNSUPPORTED_MEDIA_TYPE;
        return Err(Problem::new(status, "not_json", message, "send `Content-Type: application/json`"));
    }
    let body = body::read(&request, payload, BODY_LIMIT).await.map_err(|error| match error {
        BodyError::TooLarge { .. } => {
            Problem::new(StatusCode::PAYLOAD_TOO_LARGE, error.kind(), error.to_string(), FORM)
        }
        error => error.into(),
    })?;
    let (host, time) = wanted(&body)?;
    let banned = {
        let (chain, host) = (chain.clone(), host.clone());
        web::block(move || chain.ban_peer(&host, time)).await
    };
    let until = banned.map_err(|_| stopping())?.map_err(|error| match error {
        BanError::Configured => Problem::new(
            StatusCode::CONFLICT,
            "configured_peer",
            format!("host = {host:?} is a node of yours or a fixed peer"),
            format!("take it out of [[node]] or peers.fixed of chains/{}.toml and start again", chain.name()),
        ),
        error => not_saved(format!("the ban of {host}: {error}")),
    })?;
    Ok(HttpResponse::Ok().json(json!({ "chain": chain.name(), "host": host, "until": until })))
}

/// Lifts a ban; answers `{"chain", "host"}`.
pub(super) async fn unban(
    shared: Data<Shared>,
    path: Path<(String, String)>,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let (name, text) = path.into_inner();
    let chain = chain(&shared, &name)?.clone();
    refuse_pages(&request)?;
    let host = host(&text)?;
    let lifted = {
        let (chain, host) = (chain.clone(), host.clone());
        web::block(move || chain.unban_peer(&host)).await
    };
    lifted.map_err(|_| stopping())?.map_err(|error| match error {
        BanError::NotSaved(cause) => not_saved(format!(
            "the ban of {host} is lifted, but the peer book could not be saved, so it may be back after a restart: {cause}"
        )),
        _ => Problem::not_found(
            "not_banned",
            format!("host = {host:?} is not banned from {}", chain.name()),
            format!("/api/v1/chains/{}/peers lists the bans", chain.name()),
        ),
    })?;
    Ok(HttpResponse::Ok().json(json!({ "chain": chain.name(), "host": host })))
}

/// How to write a ban.
const FORM: &str = r#"send {"host": "203.0.113.7", "seconds": 86400}; seconds may be left out"#;

/// How to write a host.
const HOST_FORM: &str = "write an IP address or a name, such as 203.0.113.7, 2001:db8::1 or node.example.org";

fn refuse_pages(request: &HttpRequest) -> Result<(), Problem> {
    if !request.headers().contains_key(ORIGIN) {
        return Ok(());
    }
    let message = "the request comes from a page in a browser (it has an Origin header)";
    let remedy = "use `blockcast peers ban` and `unban`, or a program that sends no Origin";
    Err(Problem::new(StatusCode::FORBIDDEN, "from_a_page", message, remedy))
}

fn is_json(request: &HttpRequest) -> bool {
    let content_type = request.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let essence = content_type.map(|value| value.split(';').next().unwrap_or_default().trim());
    essence.is_some_and(|essence| essence.eq_ignore_ascii_case("application/json"))
}

fn not_saved(message: String) -> Problem {
    Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "not_saved", message, NOT_SAVED)
}

/// The threads that wait for the disk are gone, or one has crashed.
fn stopping() -> Problem {
    let message = "Blockcast is stopping, or failed on the way (then the log says where)";
    let remedy = "look at the bans (…/peers) and ask again";
    Problem::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", message, remedy)
}

/// The host that is to be banned, and for how long.
fn wanted(body: &[u8]) -> Result<(String, Duration), Problem> {
    let bad = |message: String| Problem::bad_request("bad_body", message, FORM);
    let body: Value =
        serde_json::from_slice(body).map_err(|error| bad(format!("the body is not JSON: {error}")))?;
    let object = body.as_object().ok_or_else(|| bad("the body is no JSON object".to_owned()))?;
    if let Some(key) = object.keys().find(|key| !["host", "seconds"].contains(&key.as_str())) {
        return Err(bad(format!("{key:?} is no field of a ban")));
    }
    let host = match object.get("host") {
        Some(Value::String(text)) => host(text)?,
        Some(other) => return Err(bad(format!("host = {other} is no text"))),
        None => return Err(bad("host is missing".to_owned())),
    };
    let seconds = match object.get("seconds") {
        None | Some(Value::Null) => DEFAULT_SECONDS,
        Some(value) => {
            let seconds = value.as_u64().filter(|seconds| (1..=LONGEST_SECONDS).contains(seconds));
            seconds.ok_or_else(|| {
                let message = format!("seconds = {value} is no whole number from 1 to {LONGEST_SECONDS}");
                Problem::bad_request("bad_seconds", message, "write for how long, 86400 for a day")
            })?
        }
    };
    Ok((host, Duration::from_secs(seconds)))
}

/// A host in the words of the peer book, with or without a port, which is dropped: bans are of hosts.
fn host(text: &str) -> Result<String, Problem> {
    let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
    if let Ok(ip) = bare.parse::<IpAddr>() {
        return Ok(ip.to_canonical().to_string());
    }
    // What is an address with some port is a host.
    let address = text.parse::<Address>().or_else(|_| format!("{text}:0").parse());
    address.map(|address| address.host()).map_err(|_| {
        let shown: String = text.chars().take(300).collect();
        Problem::bad_request("bad_host", format!("host = {shown:?} is no host"), HOST_FORM)
    })
}

#[cfg(test)]
mod tests {
    use actix_web::ResponseError;
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_host_is_the_same_however_it_is_written() {
        for (text, expected) in [
            ("203.0.113.7", "203.0.113.7"),
            ("203.0.113.7:9333", "203.0.113.7"),
            ("::ffff:203.0.113.7", "203.0.113.7"),
            ("[::ffff:203.0.113.7]:9333", "203.0.113.7"),
            ("2001:DB8:0::1", "2001:db8::1"),
            ("[2001:db8::1]", "2001:db8::1"),
            ("[2001:db8::1]:9333", "2001:db8::1"),
            ("Node.Example.org", "node.example.org"),
            ("node.example.org:9333", "node.example.org"),
        ] {
            assert_eq!(host(text).unwrap(), expected, "{text}");
        }
        for wrong in [
            "",
            ":",
            ":9333",
            "203.0.113",
            "203.0.113.700",
            "203.0.113.7:x",
            "203.0.113.7:1:2",
            "[::1",
            "a b",
            "é",
        ] {
            let problem = host(wrong).expect_err(wrong);
            assert_eq!(problem.status_code(), StatusCode::BAD_REQUEST, "{wrong}");
            assert!(problem.to_string().contains(&format!("host = {wrong:?}")), "{problem}");
        }
    }

    #[test]
    fn a_ban_lasts_a_day_unless_the_caller_says_otherwise() {
        let of = |body: &str| wanted(body.as_bytes()).unwrap();
        let seconds = Duration::from_secs;
        assert_eq!(of(r#"{"host": "203.0.113.7"}"#), ("203.0.113.7".into(), seconds(86_400)));
        assert_eq!(of(r#"{"host": "a:1", "seconds": 1}"#), ("a".into(), seconds(1)));
        assert_eq!(of(r#"{"seconds": 315360000, "host": "::1"}"#), ("::1".into(), seconds(LONGEST_SECONDS)));
        for (wrong, said) in [
            ("", "not JSON"),
            ("{", "not JSON"),
            ("[]", "no JSON object"),
            ("{}", "host is missing"),
            (r#"{"host": 7}"#, "host = 7"),
            (r#"{"host": "a b"}"#, r#"host = "a b""#),
            (r#"{"host": "a", "second": 7}"#, r#""second""#),
            (r#"{"host": "a", "seconds": 0}"#, "seconds = 0"),
            (r#"{"host": "a", "seconds": -1}"#, "seconds = -1"),
            (r#"{"host": "a", "seconds": 1.5}"#, "seconds = 1.5"),
            (r#"{"host": "a", "seconds": "60"}"#, r#"seconds = "60""#),
            (r#"{"host": "a", "seconds": 315360001}"#, "seconds = 315360001"),
        ] {
            let problem = wanted(wrong.as_bytes()).expect_err(wrong);
            assert_eq!(problem.status_code(), StatusCode::BAD_REQUEST, "{wrong}");
            assert!(problem.to_string().contains(said), "{wrong}: {problem}");
        }
    }

    proptest! {
        #[test]
        fn no_body_and_no_host_makes_it_panic(body: Vec<u8>, text: String) {
            let _ = wanted(&body);
            let _ = host(&text);
        }
    }
}
