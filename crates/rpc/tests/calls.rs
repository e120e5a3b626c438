//! Ordinary calls, batches and forwards.

mod support;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use rpc::{Auth, Client, Endpoint, Forwarded, RpcError, Timeouts};
use serde_json::{Value, json};
use support::{
    Act, CANARY, Daemon, PATIENCE, client, endpoint, error, forbidden, recorded, result, unauthorized,
};
use tokio::sync::Semaphore;
use tokio::time::timeout;

#[tokio::test]
async fn a_call_returns_the_result_in_the_callers_type() {
    #[derive(serde::Deserialize)]
    struct Info {
        chain: String,
        blocks: u64,
    }
    let daemon = Daemon::start(|seen| async move { recorded(&seen.method(), &seen) }).await;
    let info: Info = client(&daemon).call("getblockchaininfo", json!([])).await.unwrap();
    assert_eq!((info.chain.as_str(), info.blocks), ("regtest", 660));
    let seen = daemon.next().await.json();
    assert_eq!((&seen["jsonrpc"], &seen["params"]), (&json!("1.0"), &json!([])));

    let error = client(&daemon).call::<u64>("getblockchaininfo", json!([])).await.unwrap_err();
    assert_eq!(error.kind(), "malformed");
    assert!(error.to_string().contains("getblockchaininfo"), "{error}");
}

#[tokio::test]
async fn an_error_of_the_node_keeps_its_code_and_message() {
    let daemon = Daemon::start(|seen| async move { recorded("method_not_found", &seen) }).await;
    let error = client(&daemon).call::<Value>("nosuchmethod", json!([])).await.unwrap_err();
    assert_eq!(error, RpcError::Rpc { code: -32601, message: "Method not found".into() });
}

#[tokio::test]
async fn calls_one_after_another_share_a_connection_and_have_different_ids() {
    let daemon = Daemon::start(|seen| async move { result(&seen, json!(7)) }).await;
    let client = client(&daemon);
    for _ in 0..3 {
        client.call::<u64>("getblockcount", json!([])).await.unwrap();
    }
    let seen = [daemon.next().await, daemon.next().await, daemon.next().await];
    assert!(seen.iter().all(|seen| seen.connection == 0));
    assert_ne!(seen[0].json()["id"], seen[1].json()["id"]);
}

#[tokio::test]
async fn the_path_of_the_url_is_where_calls_go() {
    let daemon = Daemon::start(|seen| async move { result(&seen, json!(null)) }).await;
    let client = Client::new(endpoint(&format!("{}/wallet/pool", daemon.url)));
    client.call::<Value>("getwalletinfo", json!([])).await.unwrap();
    assert_eq!(daemon.next().await.path, "/wallet/pool");
}

#[tokio::test]
async fn an_answer_to_another_request_is_malformed() {
    let daemon = Daemon::start(|_| async {
        Act::Reply(200, "application/json", br#"{"result":1,"error":null,"id":987654}"#.to_vec())
    })
    .await;
    let error = client(&daemon).call::<u64>("getblockcount", json!([])).await.unwrap_err();
    assert_eq!(error.kind(), "malformed");
    assert!(error.to_string().contains("987654"), "{error}");
}

#[tokio::test]
async fn a_connection_that_the_node_has_closed_is_replaced_without_an_error() {
    let daemon = Daemon::start(|seen| async move {
        let body = json!({ "result": 7, "error": null, "id": seen.json()["id"] }).to_string();
        Act::ReplyAndClose(200, body.into_bytes())
    })
    .await;
    let client = client(&daemon);
    for expected in 0..3 {
        client.call::<u64>("getblockcount", json!([])).await.unwrap();
        assert_eq!(daemon.next().await.connection, expected);
        daemon.connections_ended(expected + 1).await;
    }
}

#[tokio::test]
async fn a_call_whose_connection_breaks_is_not_sent_twice() {
    let daemon = Daemon::start(|seen| async move {
        match seen.nth {
            1 => Act::Close,
            _ => result(&seen, json!(7)),
        }
    })
    .await;
    let client = client(&daemon);
    client.call::<u64>("getblockcount", json!([])).await.unwrap();
    let error = client.call::<Value>("sendtoaddress", json!(["x", 1])).await.unwrap_err();
    assert_eq!((error.kind(), error.may_have_been_done()), ("connection_lost", true));
    assert_eq!(daemon.requests(), 2);
}

#[tokio::test]
async fn a_call_ends_with_its_time_limit_and_lets_its_connection_go() {
    let daemon = Daemon::start(|_| async { Act::Hang }).await;
    let timeouts = Timeouts { call: Duration::from_millis(30), ..Timeouts::default() };
    let client = Client::new(Endpoint { timeouts, ..endpoint(&daemon.url) });
    let error = client.call::<u64>("getblockcount", json!([])).await.unwrap_err();
    assert_eq!(error.kind(), "timeout");
    daemon.connections_ended(1).await;
    let error = client.batch(&[("getblockcount", json!([]))]).await.unwrap_err();
    assert_eq!(error.kind(), "timeout");
}

#[tokio::test]
async fn a_reply_over_the_limit_is_refused_by_its_announced_length() {
    let daemon = Daemon::start(|_| async {
        let length = rpc::REPLY_LIMIT + 1;
        Act::RawAndHold(format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n").into_bytes())
    })
    .await;
    let error = client(&daemon).call::<Value>("getblock", json!(["x"])).await.unwrap_err();
    assert_eq!(error, RpcError::TooLarge { what: "reply", limit: rpc::REPLY_LIMIT });
}

#[tokio::test]
async fn a_large_reply_in_many_pieces_arrives_whole() {
    let hex = "5a".repeat(4_000_000);
    let sent = hex.clone();
    let daemon = Daemon::start(move |seen| {
        let reply = result(&seen, json!(sent));
        async move { reply }
    })
    .await;
    assert!(client(&daemon).call::<String>("getblock", json!(["x", 0])).await.unwrap() == hex);
}

#[tokio::test]
async fn a_rotated_cookie_is_read_again_after_a_401() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(".cookie");
    let daemon = Daemon::start(|seen| async move {
        match seen.authorization.as_str() {
            "Basic X19jb29raWVfXzpuZXc=" => result(&seen, json!(7)),
            _ => unauthorized(),
        }
    })
    .await;
    let client = Client::new(Endpoint { auth: Auth::Cookie(path.clone()), ..endpoint(&daemon.url) });
    let error = client.call::<u64>("getblockcount", json!([])).await.unwrap_err();
    assert_eq!((error.kind(), daemon.requests()), ("cookie_missing", 0));

    std::fs::write(&path, "__cookie__:old").unwrap();
    let error = client.call::<u64>("getblockcount", json!([])).await.unwrap_err();
    assert_eq!((error.kind(), daemon.requests()), ("unauthorized", 1));

    std::fs::write(&path, "__cookie__:new").unwrap();
    assert_eq!(client.call::<u64>("getblockcount", json!([])).await.unwrap(), 7);
    assert_eq!(daemon.requests(), 3);
    assert_eq!(client.call::<u64>("getblockcount", json!([])).await.unwrap(), 7);
    assert_eq!(daemon.requests(), 4, "the new cookie is remembered");
}

#[tokio::test]
async fn a_batch_is_one_request_and_its_results_are_in_the_callers_order() {
    let daemon = Daemon::start(|seen| async move {
        let requests = seen.json();
        let replies: Vec<Value> = requests
            .as_array()
            .unwrap()
            .iter()
            .rev()
            .map(|request| match request["method"].as_str().unwrap() {
                "nosuch" => {
                    let error = json!({ "code": -32601, "message": "Method not found" });
                    json!({ "result": null, "error": error, "id": request["id"] })
                }
                method => json!({ "result": method, "error": null, "id": request["id"] }),
            })
            .collect();
        Act::Reply(200, "application/json", json!(replies).to_string().into_bytes())
    })
    .await;
    let client = client(&daemon);
    let results =
        client.batch(&[("one", json!([])), ("nosuch", json!([])), ("three", json!([]))]).await.unwrap();
    assert_eq!(results[0], Ok(json!("one")));
    assert_eq!(results[1], Err(RpcError::Rpc { code: -32601, message: "Method not found".into() }));
    assert_eq!(results[2], Ok(json!("three")));
    assert_eq!(client.batch(&[]).await, Ok(vec![]));
    assert_eq!(daemon.requests(), 1);
}

#[tokio::test]
async fn a_forbidden_batch_is_asked_call_by_call() {
    // As dashd with an rpcwhitelist: a batch looks like no listed method, and neither does `stop`.
    let daemon = Daemon::start(|seen| async move {
        match seen.method().as_str() {
            "(batch)" | "stop" => forbidden(),
            "getblock" => error(&seen, -5, "Block not found"),
            method => result(&seen, json!(method)),
        }
    })
    .await;
    let client = client(&daemon);
    let calls = [("getblockcount", json!([])), ("stop", json!([])), ("getblock", json!(["x"]))];
    let results = client.batch(&calls).await.unwrap();
    assert_eq!(results[0], Ok(json!("getblockcount")));
    assert_eq!(results[1].as_ref().unwrap_err().kind(), "forbidden");
    assert_eq!(results[2], Err(RpcError::Rpc { code: -5, message: "Block not found".into() }));

    let nothing = client.batch(&[("stop", json!([]))]).await;
    assert_eq!(nothing.unwrap_err().kind(), "forbidden");
}

#[tokio::test]
async fn a_forward_passes_bytes_both_ways_untouched() {
    let odd = Bytes::from_static(b"{ \"id\" : {\"a\":[]} ,\"method\":\"x\"\n}\xff");
    let daemon = Daemon::start(|seen| async move {
        match seen.path.as_str() {
            "/wallet/pool" => Act::Reply(404, "application/json", b"{ \"no\":\xfe such}\n".to_vec()),
            "/forbidden" => forbidden(),
            _ => unauthorized(),
        }
    })
    .await;
    let client = client(&daemon);
    let forwarded = client.forward(odd.clone(), "/wallet/pool").await.unwrap();
    let expected = Forwarded {
        status: 404,
        content_type: Some("application/json".into()),
        body: Bytes::from_static(b"{ \"no\":\xfe such}\n"),
    };
    assert_eq!(forwarded, expected);
    let seen = daemon.next().await;
    assert_eq!((seen.body, seen.path.as_str()), (odd.clone(), "/wallet/pool"));
    assert!(seen.authorization.starts_with("Basic "), "the login is ours");

    assert_eq!(client.forward(odd.clone(), "/forbidden").await.unwrap().status, 403);
    assert_eq!(client.forward(odd.clone(), "/").await.unwrap_err().kind(), "unauthorized");
    for path in ["", "x", "/a b", "/a\r\nX: y", "/a?b"] {
        assert_eq!(
            client.forward(odd.clone(), path).await.unwrap_err().kind(),
            "invalid_request",
            "{path:?}"
        );
    }
    let huge = Bytes::from(vec![0; rpc::REQUEST_LIMIT + 1]);
    assert_eq!(client.forward(huge, "/").await.unwrap_err().kind(), "too_large");
    assert_eq!(daemon.requests(), 3);
}

#[tokio::test]
async fn a_long_poll_outlives_every_time_limit_and_blocks_no_other_forward() {
    let gate = Arc::new(Semaphore::new(0));
    let held = Arc::clone(&gate);
    let daemon = Daemon::start(move |seen| {
        let held = Arc::clone(&held);
        async move {
            if seen.method() == "longpoll" {
                drop(held.acquire().await.unwrap());
            }
            result(&seen, json!(seen.method()))
        }
    })
    .await;
    let short = Duration::from_millis(20);
    let timeouts = Timeouts { call: short, submit: short, ..Timeouts::default() };
    let client = Client::new(Endpoint { timeouts, ..endpoint(&daemon.url) });
    let poller = client.clone();
    let body = Bytes::from_static(br#"{"method":"longpoll","id":1}"#);
    let mut poll = tokio::spawn(async move { poller.forward(body, "/").await });
    daemon.next().await;
    for _ in 0..3 {
        let quick = client.forward(Bytes::from_static(br#"{"method":"quick","id":2}"#), "/").await.unwrap();
        assert_eq!(quick.status, 200);
    }
    // The one wait in these tests that is about time: longer than any limit of this client.
    assert!(timeout(10 * short, &mut poll).await.is_err(), "the poll is still open");
    gate.add_permits(1);
    let reply = timeout(PATIENCE, poll).await.unwrap().unwrap().unwrap();
    assert_eq!(reply.status, 200);
}

#[tokio::test]
async fn a_forward_that_is_dropped_closes_its_connection() {
    let daemon = Daemon::start(|_| async { Act::Hang }).await;
    let client = client(&daemon);
    let poll = tokio::spawn(async move { client.forward(Bytes::from_static(b"{}"), "/").await });
    daemon.next().await;
    poll.abort();
    daemon.connections_ended(1).await;
}

#[tokio::test]
async fn no_secret_is_shown_even_if_the_other_side_sends_it_back() {
    let daemon = Daemon::start(|seen| async move {
        let basic = seen.authorization.clone();
        let echo = format!("{basic} {CANARY} pool:{CANARY}");
        match seen.nth {
            0 => error(&seen, -1, &echo),
            1 => error(&seen, -28, &echo),
            2 => Act::Reply(418, "text/html", echo.into_bytes()),
            3 => Act::Reply(200, "text/html", echo.into_bytes()),
            4 => result(&seen, json!(echo)),
            5 => Act::Reply(
                200,
                "application/json",
                json!({ "id": echo, "result": 1 }).to_string().into_bytes(),
            ),
            6 => Act::Raw(format!("HTTP/1.1 {echo}\r\n\r\n").into_bytes()),
            7 => unauthorized(),
            _ => Act::Close,
        }
    })
    .await;
    let client = client(&daemon);
    let mut shown = format!("{client:?} {:?} {:?}", client.endpoint(), client.endpoint().auth);
    let mut kinds = Vec::new();
    for _ in 0..9 {
        let error = client.call::<u64>("getblockcount", json!([])).await.unwrap_err();
        kinds.push(error.kind());
        shown += &format!("\n{error} {error:?}");
    }
    let malformed = "malformed";
    assert_eq!(
        kinds,
        [
            "rpc",
            "warming_up",
            "http",
            malformed,
            malformed,
            malformed,
            malformed,
            "unauthorized",
            "connection_lost"
        ]
    );
    let basic = daemon.next().await.authorization;
    let basic = basic.strip_prefix("Basic ").unwrap();
    assert!(!shown.contains(CANARY) && !shown.contains(basic), "{shown}");
    assert!(shown.contains("[secret]"), "the daemon did send it back: {shown}");
    assert!(shown.contains("wrong password for user \"pool\""), "{shown}");
}
