//! `/api/v1/events`: what happens, as it happens (server-sent events).

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

use actix_web::{
    HttpRequest, HttpResponse,
    http::{
        StatusCode,
        header::{CACHE_CONTROL, CONTENT_TYPE},
    },
    web::{Data, Query},
};
use bytes::Bytes;
use futures_util::stream;
use relay::Event;
use serde::Deserialize;
use tokio::sync::broadcast::{Receiver, error::RecvError};

use super::{Problem, chain};
use crate::shared::Shared;

/// How many may listen at a time: each holds a connection for as long as it likes.
const LISTENERS: usize = 32;

/// How often those who listen are told that nothing happens, so that a connection that is dead is noticed.
const STILL_HERE: Duration = Duration::from_secs(15);

/// Every kind of event.
const KINDS: [&str; 6] = ["block", "verdict", "peer", "fate", "connected", "disconnected"];

static LISTENING: AtomicUsize = AtomicUsize::new(0);

/// One who listens; counts as such until it is dropped.
struct Listener {
    events: Receiver<Arc<Event>>,
    chain: Option<String>,
    kinds: Vec<String>,
}

impl Drop for Listener {
    fn drop(&mut self) {
        LISTENING.fetch_sub(1, Relaxed);
    }
}

impl Listener {
    fn wants(&self, event: &Event) -> bool {
        self.chain.as_ref().is_none_or(|chain| *chain == event.chain)
            && (self.kinds.is_empty() || self.kinds.iter().any(|kind| kind == event.kind))
    }

    /// The next thing to say; `None` when the engine has ended.
    async fn next(&mut self) -> Option<Bytes> {
        loop {
            match tokio::time::timeout(STILL_HERE, self.events.recv()).await {
                Err(_) => return Some(Bytes::from_static(b": still here\n\n")),
                Ok(Ok(event)) if self.wants(&event) => return Some(written(&event)),
                Ok(Ok(_)) => {}
                Ok(Err(RecvError::Lagged(missed))) => {
                    return Some(format!("event: missed\ndata: {{\"events\":{missed}}}\n\n").into());
                }
                Ok(Err(RecvError::Closed)) => return None,
            }
        }
    }
}

fn written(event: &Event) -> Bytes {
    // These types have nothing that JSON cannot write, and it has no line ends.
    let data = serde_json::to_string(event).unwrap_or_default();
    format!("event: {}\ndata: {data}\n\n", event.kind).into()
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Params {
    chain: Option<String>,
    kind: Option<String>,
}

/// Streams events until the caller hangs up; `?chain=NAME` and `?kind=block,verdict` for a part of them.
pub(super) async fn listen(shared: Data<Shared>, request: HttpRequest) -> Result<HttpResponse, Problem> {
    let bad = |message: String| {
        let remedy = format!("write ?chain=NAME and &kind= with some of {}", KINDS.join(","));
        Problem::bad_request("bad_query", message, remedy)
    };
    let Query(params) =
        Query::<Params>::from_query(request.query_string()).map_err(|error| bad(error.to_string()))?;
    if let Some(name) = &params.chain {
        chain(&shared, name)?;
    }
    let kinds: Vec<String> =
        params.kind.iter().flat_map(|kinds| kinds.split(',')).map(str::to_owned).collect();
    if let Some(wrong) = kinds.iter().find(|kind| !KINDS.contains(&kind.as_str())) {
        return Err(bad(format!("kind={wrong} is no kind of event")));
    }
    if LISTENING.fetch_add(1, Relaxed) >= LISTENERS {
        LISTENING.fetch_sub(1, Relaxed);
        return Err(Problem::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "too_many_listeners",
            format!("{LISTENERS} listen already"),
            "close one of them, or try again later",
        ));
    }
    let listener = Listener { events: shared.engine.events().subscribe(), chain: params.chain, kinds };
    // Something at once: whoever waits for the head learns that it is being heard.
    let first = stream::iter([Ok::<_, std::convert::Infallible>(Bytes::from_static(b": listening\n\n"))]);
    let rest = stream::unfold(listener, |mut listener| async move {
        let said = listener.next().await?;
        Some((Ok(said), listener))
    });
    Ok(HttpResponse::Ok()
        .insert_header((CONTENT_TYPE, "text/event-stream"))
        .insert_header((CACHE_CONTROL, "no-store"))
        .streaming(futures_util::StreamExt::chain(first, rest)))
}
