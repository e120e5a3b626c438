//! `keep_warm`: connections that are open when a block comes, and a state that is true.

mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU16, Ordering};
use std::time::Duration;

use rpc::{Client, Endpoint, Readiness, SubmitRequest, Timeouts};
use support::{Act, Daemon, PATIENCE, endpoint, error, recorded, unauthorized};
use tokio::net::TcpSocket;
use tokio::sync::{Barrier, Notify};
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout};

/// A client whose warmer runs every few milliseconds, and the task that runs it.
fn warmed(url: &str) -> (Client, JoinHandle<()>) {
    let quick = Duration::from_millis(5);
    let timeouts = Timeouts { warm: quick, warm_retry: quick, ..Timeouts::default() };
    let client = Client::new(Endpoint { timeouts, ..endpoint(url) });
    let warmer = client.clone();
    (client, tokio::spawn(async move { warmer.keep_warm().await }))
}

async fn state(client: &Client, wanted: &str) -> Readiness {
    let mut readiness = client.readiness();
    let kind = |state: &Readiness| match state {
        Readiness::Unknown => "unknown",
        Readiness::Ready => "ready",
        Readiness::NotReady(error) => error.kind(),
    };
    let found = timeout(PATIENCE, readiness.wait_for(|state| kind(state) == wanted)).await;
    found.unwrap_or_else(|_| panic!("never {wanted}")).expect("the client lives").clone()
}

#[tokio::test]
async fn a_block_finds_a_connection_that_is_already_open() {
    let daemon = Daemon::start(|seen| async move {
        match seen.json()["params"].as_array().unwrap().is_empty() {
            true => recorded("submitblock_no_params", &seen),
            false => recorded("submitblock_accepted", &seen),
        }
    })
    .await;
    let (client, warmer) = warmed(&daemon.url);
    assert_eq!(*client.readiness().borrow(), Readiness::Unknown);
    assert!(state(&client, "ready").await.is_ready());
    warmer.abort();
    assert!(warmer.await.unwrap_err().is_cancelled());
    let probes = daemon.requests();
    for nth in 0..probes {
        let seen = daemon.next().await;
        assert_eq!((seen.method().as_str(), seen.connection), ("submitblock", nth % 2), "two, in turn");
    }

    let request = SubmitRequest::from_hex("00");
    let submission = client.submit_block(&request, Instant::now() + PATIENCE).await;
    assert!(submission.outcome.unwrap().is_accepted());
    let seen = daemon.next().await;
    assert!(seen.connection < 2 && seen.on_connection > 0, "{seen:?}");
}

#[tokio::test]
async fn a_connection_that_died_is_dialled_again_and_the_node_stays_ready() {
    // Each connection carries one probe and dies at the second.
    let daemon = Daemon::start(|seen| async move {
        match seen.on_connection {
            0 => recorded("submitblock_no_params", &seen),
            _ => Act::Close,
        }
    })
    .await;
    let (client, warmer) = warmed(&daemon.url);
    state(&client, "ready").await;
    let mut changes = client.readiness();
    changes.mark_unchanged();
    while daemon.next().await.connection < 6 {}
    assert!(!changes.has_changed().unwrap(), "{:?}", changes.borrow());
    warmer.abort();
}

#[tokio::test]
async fn down_starting_locked_out_and_ready_are_told_apart_as_they_come() {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let (client, warmer) = warmed(&format!("http://{}", socket.local_addr().unwrap()));
    state(&client, "refused").await;

    let phase = Arc::new(AtomicU16::new(0));
    let now = Arc::clone(&phase);
    let _daemon = Daemon::on(socket.listen(16).unwrap(), move |seen| {
        let phase = now.load(Ordering::SeqCst);
        async move {
            match phase {
                0 => error(&seen, -28, "Loading block index..."),
                1 => unauthorized(),
                2 => recorded("method_not_found", &seen),
                _ => recorded("submitblock_no_params", &seen),
            }
        }
    });
    for (next, kind) in ["warming_up", "unauthorized", "rpc", "ready"].into_iter().enumerate() {
        phase.store(next as u16, Ordering::SeqCst);
        state(&client, kind).await;
    }
    warmer.abort();
}

/// The connection that is probed dies when blocks have used and returned as many as are wanted: that none is missing is
/// no answer to the question that was asked.
#[tokio::test]
async fn a_node_in_warm_up_is_not_called_ready_because_blocks_were_quicker() {
    let (hold, held, release) =
        (Arc::new(AtomicBool::new(false)), Arc::new(Notify::new()), Arc::new(Notify::new()));
    let both = Arc::new(Barrier::new(2));
    let theirs = (hold.clone(), held.clone(), release.clone());
    let daemon = Daemon::start(move |seen| {
        let ((hold, held, release), both) = (theirs.clone(), both.clone());
        async move {
            if !seen.json()["params"].as_array().unwrap().is_empty() {
                both.wait().await; // two connections
                return error(&seen, -22, "Block decode failed");
            }
            if hold.swap(false, Ordering::SeqCst) {
                held.notify_one();
                release.notified().await;
                return Act::Close;
            }
            error(&seen, -28, "Loading block index...")
        }
    })
    .await;
    let (client, warmer) = warmed(&daemon.url);
    state(&client, "warming_up").await;
    hold.store(true, Ordering::SeqCst);
    timeout(PATIENCE, held.notified()).await.expect("a probe to hold");
    let request = SubmitRequest::from_hex("00");
    let submit = || client.submit_block(&request, Instant::now() + PATIENCE);
    let submitted = tokio::join!(submit(), submit());
    assert!(submitted.0.outcome.is_err() && submitted.1.outcome.is_err(), "{submitted:?}");

    let mut changes = client.readiness();
    changes.mark_unchanged();
    let before = daemon.requests();
    release.notify_one();
    while daemon.next().await.nth < before + 1 {}
    assert!(!changes.has_changed().unwrap(), "{:?}", changes.borrow());
    warmer.abort();
}

#[tokio::test]
async fn submits_work_while_the_warmer_has_no_answer() {
    // The probes hang for ever; blocks are answered.
    let daemon = Daemon::start(|seen| async move {
        match seen.json()["params"].as_array().unwrap().is_empty() {
            true => Act::Hang,
            false => recorded("submitblock_accepted", &seen),
        }
    })
    .await;
    let (client, warmer) = warmed(&daemon.url);
    daemon.next().await;
    let submission = client.submit_block(&SubmitRequest::from_hex("00"), Instant::now() + PATIENCE).await;
    assert!(submission.outcome.unwrap().is_accepted());
    warmer.abort();
}
