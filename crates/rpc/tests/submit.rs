//! `submitblock`: verdicts verbatim, retries that help, none that do not, and nothing in its way.

mod support;

use std::sync::Arc;
use std::time::Duration;

use rpc::{Auth, Client, Endpoint, RpcError, Submission, SubmitRequest, Timeouts};
use serde_json::json;
use support::{Act, Daemon, PATIENCE, client, endpoint, error, recorded, result, unauthorized};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket};
use tokio::sync::{Barrier, Semaphore};
use tokio::time::{Instant, timeout};

fn block() -> SubmitRequest {
    SubmitRequest::from_hex("00000020c0ffee")
}

fn far() -> Instant {
    Instant::now() + PATIENCE
}

async fn submit(client: &Client) -> Submission {
    timeout(2 * PATIENCE, client.submit_block(&block(), far())).await.expect("a submit that ends")
}

/// The kinds of the failed attempts, in order.
fn failures(submission: &Submission) -> Vec<&'static str> {
    submission.attempts.iter().filter_map(|attempt| attempt.error.as_ref()).map(RpcError::kind).collect()
}

/// The second attempt began right behind the first: the shortest pause is 50 ms.
fn assert_no_pause(submission: &Submission) {
    let pause = submission.attempts[1].started - submission.attempts[0].ended;
    assert!(pause < Duration::from_millis(50), "{pause:?}");
}

#[tokio::test]
async fn the_nodes_verdict_comes_back_verbatim() {
    for (recording, raw, reason) in [
        ("submitblock_accepted", "null", None),
        ("submitblock_duplicate", "\"duplicate\"", Some("duplicate")),
        ("submitblock_proof_of_work_above_the_target", "\"high-hash\"", Some("high-hash")),
        ("submitblock_inconclusive_fork_same_height", "\"inconclusive\"", Some("inconclusive")),
    ] {
        let daemon = Daemon::start(move |seen| async move { recorded(recording, &seen) }).await;
        let submission = submit(&client(&daemon)).await;
        let answer = submission.outcome.as_ref().unwrap();
        assert_eq!((answer.raw.as_str(), answer.reason()), (raw, reason));
        assert_eq!(answer.is_accepted(), raw == "null");
        assert_eq!((submission.tried, failures(&submission)), (1, vec![]));
        let attempt = &submission.attempts[0];
        let written = submission.written_at.expect("written");
        assert!(attempt.started <= written && written <= attempt.ended);

        let seen = daemon.next().await;
        assert_eq!(seen.body, block().pieces().concat(), "the shared body goes out as it is");
        assert_eq!(seen.path, "/");
    }
}

#[tokio::test]
async fn a_verdict_that_no_daemon_gives_is_kept_with_its_own_text() {
    let daemon = Daemon::start(|_| async {
        Act::Reply(200, "application/json", br#"{"id":"blockcast","result":{"b" : 1.0}}"#.to_vec())
    })
    .await;
    let answer = submit(&client(&daemon)).await.outcome.unwrap();
    assert_eq!((answer.raw.as_str(), answer.is_accepted()), (r#"{"b" : 1.0}"#, false));
}

#[tokio::test]
async fn a_block_that_does_not_decode_is_a_final_error() {
    let daemon = Daemon::start(|seen| async move { recorded("submitblock_not_hex", &seen) }).await;
    let submission = submit(&client(&daemon)).await;
    let message = "Block decode failed".to_owned();
    assert_eq!(submission.outcome, Err(RpcError::Rpc { code: -22, message }));
    assert_eq!(daemon.requests(), 1);
}

#[tokio::test]
async fn a_node_that_is_starting_is_asked_until_it_is_ready() {
    let daemon = Daemon::start(|seen| async move {
        match seen.nth {
            0..3 => error(&seen, -28, "Loading block index..."),
            _ => recorded("submitblock_accepted", &seen),
        }
    })
    .await;
    let submission = submit(&client(&daemon)).await;
    assert!(submission.outcome.as_ref().unwrap().is_accepted());
    assert_eq!(failures(&submission), ["warming_up"; 3]);
    let pauses: Vec<Duration> =
        submission.attempts.windows(2).map(|pair| pair[1].started - pair[0].ended).collect();
    for (pause, least) in pauses.iter().zip([50, 75, 112]) {
        assert!(*pause >= Duration::from_millis(least), "{pauses:?}");
    }
}

#[tokio::test]
async fn a_full_work_queue_is_tried_again_with_the_status_of_either_daemon() {
    for status in [500, 503] {
        let daemon = Daemon::start(move |seen| async move {
            match seen.nth {
                0 => Act::Reply(status, "text/html", b"Work queue depth exceeded".to_vec()),
                _ => recorded("submitblock_accepted", &seen),
            }
        })
        .await;
        let submission = submit(&client(&daemon)).await;
        assert!(submission.outcome.as_ref().unwrap().is_accepted());
        assert_eq!(failures(&submission), ["overloaded"]);
    }
}

#[tokio::test]
async fn a_node_that_is_down_is_tried_until_it_listens() {
    // A bound socket that does not listen refuses connections, and nobody else can take its port.
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let client = Client::new(endpoint(&format!("http://{}", socket.local_addr().unwrap())));

    let too_late = client.submit_block(&block(), Instant::now()).await;
    assert_eq!(failures(&too_late), ["refused"], "one attempt is made even after the deadline");
    assert_eq!(too_late.written_at, None);

    // The submit is polled first, and loopback refuses within that poll.
    let (submission, _daemon) = tokio::join!(submit(&client), async {
        let listener = socket.listen(16).unwrap();
        Daemon::on(listener, |seen| async move { recorded("submitblock_accepted", &seen) })
    });
    assert!(submission.outcome.as_ref().unwrap().is_accepted());
    assert_eq!(failures(&submission), ["refused"]);
}

#[tokio::test]
async fn retries_end_at_the_deadline_with_the_last_reason() {
    let daemon = Daemon::start(|seen| async move { error(&seen, -28, "Verifying blocks...") }).await;
    let deadline = Instant::now() + Duration::from_millis(400);
    let submission = client(&daemon).submit_block(&block(), deadline).await;
    let message = "Verifying blocks...".to_owned();
    assert_eq!(submission.outcome, Err(RpcError::WarmingUp { message }));
    assert!(submission.tried >= 2, "{submission:?}");
    assert!(submission.attempts.iter().all(|attempt| attempt.started < deadline));
}

#[tokio::test]
async fn a_connection_that_breaks_is_dialled_again() {
    let daemon = Daemon::start(|seen| async move {
        match seen.nth {
            0 => Act::Close,
            1 => Act::Raw(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{\"result\"".to_vec()),
            _ => recorded("submitblock_duplicate", &seen),
        }
    })
    .await;
    let submission = submit(&client(&daemon)).await;
    assert_eq!(submission.outcome.as_ref().unwrap().reason(), Some("duplicate"));
    assert_eq!(failures(&submission), ["connection_lost"; 2]);
}

#[tokio::test]
async fn a_pooled_connection_that_turns_out_dead_is_replaced_at_once() {
    // The second request on connection 0 finds it dead, as one that crosses the daemon's idle timeout does.
    let daemon = Daemon::start(|seen| async move {
        match (seen.connection, seen.on_connection) {
            (0, 1) => Act::Close,
            _ => recorded("submitblock_accepted", &seen),
        }
    })
    .await;
    let client = client(&daemon);
    assert_eq!(submit(&client).await.tried, 1);
    let submission = submit(&client).await;
    assert!(submission.outcome.as_ref().is_ok(), "{submission:?}");
    assert_eq!(failures(&submission), ["connection_lost"]);
    assert_no_pause(&submission);
    let connections: Vec<usize> = [daemon.next().await, daemon.next().await, daemon.next().await]
        .iter()
        .map(|seen| seen.connection)
        .collect();
    assert_eq!(connections, [0, 0, 1]);
}

#[tokio::test]
async fn after_a_dead_pooled_connection_no_other_pooled_one_is_tried() {
    // A node that restarts kills every connection: trying them one by one would cost a round trip each.
    let both = Arc::new(Barrier::new(2));
    let daemon = Daemon::start(move |seen| {
        let both = Arc::clone(&both);
        async move {
            match (seen.connection, seen.on_connection) {
                (0 | 1, 0) => {
                    both.wait().await;
                }
                (0 | 1, _) => return Act::Close,
                _ => {}
            }
            recorded("submitblock_accepted", &seen)
        }
    })
    .await;
    let client = client(&daemon);
    let (one, two) = tokio::join!(submit(&client), submit(&client));
    assert!(one.outcome.is_ok() && two.outcome.is_ok());
    let submission = submit(&client).await;
    assert!(submission.outcome.is_ok());
    assert_eq!(failures(&submission), ["connection_lost"]);
}

#[tokio::test]
async fn a_submit_that_is_dropped_half_written_stops_writing() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let client = Client::new(endpoint(&format!("http://{}", listener.local_addr().unwrap())));
    let request = SubmitRequest::from_bytes(&vec![0; 15_000_000]);
    let size = request.size();
    let submit = tokio::spawn(async move { client.submit_block(&request, far()).await });
    let (mut stream, _) = listener.accept().await.unwrap();
    // Its first bytes are here, and the kernel cannot hold the rest.
    stream.readable().await.unwrap();
    submit.abort();
    assert!(submit.await.unwrap_err().is_cancelled());
    let mut received = Vec::new();
    // The end may come as a reset, which is as good.
    let end = timeout(PATIENCE, stream.read_to_end(&mut received)).await.expect("the connection ends");
    assert!(end.is_err() || received.len() < size, "all {size} bytes came");
}

#[tokio::test]
async fn a_connection_whose_request_was_answered_before_it_was_whole_is_not_used_again() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = endpoint(&format!("http://{}", listener.local_addr().unwrap()));
    let timeouts = Timeouts { submit: Duration::from_secs(3), ..Timeouts::default() };
    let client = Client::new(Endpoint { timeouts, ..endpoint });
    let request = SubmitRequest::from_bytes(&vec![0; 15_000_000]);
    let size = request.size();
    let submit = tokio::spawn(async move { client.submit_block(&request, far()).await });
    // What stands before the node has no room, says so at once, and reads no further.
    let (mut full, _) = listener.accept().await.unwrap();
    full.readable().await.unwrap();
    let words = "Work queue depth exceeded";
    let busy = format!("HTTP/1.1 503 Service Unavailable\r\nContent-Length: {}\r\n\r\n{words}", words.len());
    full.write_all(busy.as_bytes()).await.unwrap();
    let (mut stream, _) = timeout(PATIENCE, listener.accept()).await.expect("another connection").unwrap();
    let mut received = Vec::new();
    while received.len() < size || !received.ends_with(b"]}") {
        let read = timeout(PATIENCE, stream.read_buf(&mut received)).await.expect("the whole request");
        assert_ne!(read.unwrap(), 0, "it ends after {} bytes", received.len());
    }
    let verdict = json!({ "result": null, "error": null, "id": "blockcast" }).to_string();
    let reply = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{verdict}", verdict.len());
    stream.write_all(reply.as_bytes()).await.unwrap();
    let submission = timeout(PATIENCE, submit).await.expect("a verdict").unwrap();
    assert!(submission.outcome.unwrap().is_accepted());
    assert_eq!(submission.tried, 2);
}

#[tokio::test]
async fn a_timeout_is_reported_and_never_retried() {
    let daemon = Daemon::start(|_| async { Act::Hang }).await;
    let after = Duration::from_millis(200);
    let timeouts = Timeouts { submit: after, ..Timeouts::default() };
    let client = Client::new(Endpoint { timeouts, ..endpoint(&daemon.url) });
    let submission = submit(&client).await;
    let outcome = submission.outcome.unwrap_err();
    assert_eq!(outcome, RpcError::Timeout { address: daemon.url["http://".len()..].into(), after });
    assert!(outcome.may_have_been_done());
    assert!(submission.written_at.is_some(), "the node has the whole block");
    assert_eq!((submission.tried, daemon.requests()), (1, 1));
    daemon.connections_ended(1).await;
}

#[tokio::test]
async fn a_new_cookie_is_read_after_a_401_and_used_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(".cookie");
    std::fs::write(&path, "__cookie__:old").unwrap();
    let new = "Basic X19jb29raWVfXzpuZXc="; // __cookie__:new
    let rewritten = path.clone();
    let daemon = Daemon::start(move |seen| {
        let path = rewritten.clone();
        async move {
            if seen.authorization == new {
                return recorded("submitblock_accepted", &seen);
            }
            std::fs::write(&path, "__cookie__:new\n").unwrap();
            unauthorized()
        }
    })
    .await;
    let client = Client::new(Endpoint { auth: Auth::Cookie(path), ..endpoint(&daemon.url) });
    let submission = submit(&client).await;
    assert!(submission.outcome.as_ref().is_ok(), "{submission:?}");
    assert_eq!(failures(&submission), ["unauthorized"]);
    assert_no_pause(&submission);
    assert_eq!(daemon.requests(), 2);
}

#[tokio::test]
async fn a_missing_cookie_file_and_one_not_yet_renewed_are_waited_for() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(".cookie");
    let rewritten = path.clone();
    let daemon = Daemon::start(move |seen| {
        let path = rewritten.clone();
        async move {
            match seen.nth {
                0 => unauthorized(),
                1 => {
                    std::fs::write(&path, "__cookie__:new").unwrap();
                    unauthorized()
                }
                _ => recorded("submitblock_accepted", &seen),
            }
        }
    })
    .await;
    let client = Client::new(Endpoint { auth: Auth::Cookie(path.clone()), ..endpoint(&daemon.url) });
    let missing = client.submit_block(&block(), Instant::now()).await;
    assert_eq!(failures(&missing), ["cookie_missing"]);
    assert!(missing.outcome.unwrap_err().to_string().contains(path.to_str().unwrap()));

    std::fs::write(&path, "__cookie__:old").unwrap();
    let submission = submit(&client).await;
    assert!(submission.outcome.as_ref().is_ok(), "{submission:?}");
    assert_eq!(failures(&submission), ["unauthorized", "unauthorized"]);
}

#[tokio::test]
async fn a_wrong_password_is_permanent() {
    let daemon = Daemon::start(|_| async { unauthorized() }).await;
    let submission = submit(&client(&daemon)).await;
    assert_eq!(failures(&submission), ["unauthorized"]);
    assert_eq!(daemon.requests(), 1);
}

#[tokio::test]
async fn garbage_and_oversized_replies_are_final_and_cost_no_memory() {
    let mut chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec();
    for _ in 0..17 {
        chunked.extend_from_slice(b"10000\r\n");
        chunked.extend_from_slice(&[b' '; 0x10000]);
        chunked.extend_from_slice(b"\r\n");
    }
    for (bytes, kind) in [
        (b"SSH-2.0-OpenSSH_9.2\r\n\r\n".to_vec(), "malformed"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n<ht>".to_vec(), "malformed"),
        (b"HTTP/1.1 302 Found\r\nLocation: /x\r\nContent-Length: 0\r\n\r\n".to_vec(), "http"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 1048577\r\n\r\n".to_vec(), "too_large"),
        (
            b"HTTP/1.1 200 OK\r\nContent-Length: 18446744073709551615\r\n\r\n".to_vec(),
            "malformed or too large",
        ),
        (chunked, "too_large"),
        ([&b"HTTP/1.1 200 OK\r\nX: "[..], &[b'x'; 200_000]].concat(), "malformed"),
    ] {
        let sent = bytes.clone();
        let daemon = Daemon::start(move |_| {
            let bytes = bytes.clone();
            async move { Act::RawAndHold(bytes) }
        })
        .await;
        let submission = submit(&client(&daemon)).await;
        let found = submission.outcome.unwrap_err().kind();
        assert!(
            kind.replace(' ', "_").contains(found),
            "{found}, not {kind}: {:?}",
            &sent[..sent.len().min(60)]
        );
        assert_eq!(daemon.requests(), 1);
    }
}

#[tokio::test]
async fn a_block_over_the_daemons_body_limit_is_not_sent() {
    let daemon = Daemon::start(|_| async { Act::Hang }).await;
    let request = SubmitRequest::from_bytes(&vec![0; rpc::REQUEST_LIMIT / 2]);
    let submission = client(&daemon).submit_block(&request, far()).await;
    assert_eq!(submission.outcome, Err(RpcError::TooLarge { what: "request", limit: rpc::REQUEST_LIMIT }));
    assert_eq!(daemon.requests(), 0);
}

#[tokio::test]
async fn two_submits_at_once_travel_on_two_connections() {
    // Neither is answered before both are there: on one connection this would never end.
    let both = Arc::new(Barrier::new(2));
    let daemon = Daemon::start(move |seen| {
        let both = Arc::clone(&both);
        async move {
            both.wait().await;
            recorded("submitblock_accepted", &seen)
        }
    })
    .await;
    let client = client(&daemon);
    for _ in 0..2 {
        let (one, two) = tokio::join!(submit(&client), submit(&client));
        assert!(one.outcome.is_ok() && two.outcome.is_ok());
    }
    let mut connections = Vec::new();
    for _ in 0..4 {
        connections.push(daemon.next().await.connection);
    }
    assert_ne!(connections[0], connections[1]);
    connections[2..].sort_unstable();
    assert_eq!(connections[2..], [0, 1], "the second pair finds both connections open");
}

#[tokio::test]
async fn a_slow_call_does_not_delay_a_submit() {
    let gate = Arc::new(Semaphore::new(0));
    let held = Arc::clone(&gate);
    let daemon = Daemon::start(move |seen| {
        let held = Arc::clone(&held);
        async move {
            if seen.method() == "getblocktemplate" {
                drop(held.acquire().await.unwrap());
            }
            result(&seen, json!(null))
        }
    })
    .await;
    let client = client(&daemon);
    submit(&client).await;
    daemon.next().await;
    let caller = client.clone();
    let slow = tokio::spawn(async move { caller.call::<()>("getblocktemplate", json!([])).await });
    let seen = daemon.next().await;
    assert_ne!(seen.connection, 0, "a call never takes an idle submit connection");
    let submission = submit(&client).await;
    assert!(submission.outcome.is_ok() && !slow.is_finished());
    assert_eq!(daemon.next().await.connection, 0, "the submit found its connection free");
    gate.add_permits(1);
    slow.await.unwrap().unwrap();
}

#[tokio::test]
async fn a_connection_idle_for_too_long_is_not_used_again() {
    let daemon = Daemon::start(|seen| async move { recorded("submitblock_accepted", &seen) }).await;
    let timeouts = Timeouts { idle: Duration::ZERO, ..Timeouts::default() };
    let client = Client::new(Endpoint { timeouts, ..endpoint(&daemon.url) });
    submit(&client).await;
    submit(&client).await;
    assert_eq!((daemon.next().await.connection, daemon.next().await.connection), (0, 1));
}
