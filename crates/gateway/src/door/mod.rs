//! The front door: a listener that looks to the pool like the coin's daemon.
//!
//! `call` reads what the pool wants, `submission` is for blocks, `aux` for work that is merge-mined, `verdict` words the answer, `pins` remembers which
//! node gave it, `forward` is for everything else, `batch` for several calls at once, `reply` writes what the daemon
//! would write.

mod aux;
mod batch;
mod call;
mod forward;
mod pins;
mod reply;
mod submission;
mod verdict;

use std::{
    collections::HashSet,
    sync::Arc,
    time::{Duration, Instant},
};

use actix_web::{
    HttpRequest, HttpResponse,
    http::{Method, StatusCode, header},
    web::{self, Data, ServiceConfig},
};
use bytes::Bytes;
use engine::ChainHandle;
use relay::Node;

use self::{
    call::{Call, Request},
    forward::Trouble,
    pins::Pins,
    reply::Reply,
};
use crate::{
    auth::{BasicLogin, Login},
    body,
    shared::Shared,
};

/// The largest request: what the daemons take (`MAX_SIZE`, httpserver.cpp).
const BODY_LIMIT: usize = rpc::REQUEST_LIMIT;

/// How long a wrong password is left waiting, as by the daemons (httprpc.cpp).
const WRONG_PASSWORD_DELAY: Duration = Duration::from_millis(250);

/// The front door of one chain.
#[derive(Debug)]
pub(crate) struct Door {
    shared: Shared,
    chain: Arc<ChainHandle>,
    user: String,
    login: BasicLogin,
    denied: HashSet<String>,
    pins: Pins,
    trouble: Trouble,
}

/// What every call of one HTTP request has in common.
struct Context<'a> {
    /// The whole body.
    body: &'a Bytes,
    /// The path: `/`, or that of a wallet.
    path: &'a str,
    /// When the last byte of the body had arrived.
    received_at: Instant,
    /// Who calls: the login and the address.
    caller: Option<String>,
}

impl Door {
    pub(crate) fn new(shared: Shared, chain: Arc<ChainHandle>, settings: &config::FrontDoor) -> Self {
        Self {
            shared,
            chain,
            user: settings.user.clone(),
            login: BasicLogin::new(&settings.user, settings.password.secret()),
            denied: settings.deny.iter().cloned().collect(),
            pins: Pins::default(),
            trouble: Trouble::default(),
        }
    }

    /// Every path and method comes here: what is wrong with them is said in the daemon's way.
    pub(crate) fn configure(door: Data<Self>, app: &mut ServiceConfig) {
        app.app_data(door).default_service(web::to(serve));
    }

    async fn answer(&self, request: &HttpRequest, payload: web::Payload) -> HttpResponse {
        let path = request.uri().path();
        // The daemons know no other paths, and take a query for a part of the path.
        if !(path == "/" || path.starts_with("/wallet/")) || request.uri().query().is_some() {
            return HttpResponse::NotFound().finish();
        }
        if request.method() != Method::POST {
            return HttpResponse::MethodNotAllowed()
                .insert_header((header::ALLOW, "POST"))
                .body("JSONRPC server handles only POST requests");
        }
        if let Some(refusal) = self.check_login(request).await {
            return refusal;
        }
        let reply = match body::read(request, payload, BODY_LIMIT).await {
            Ok(body) => {
                let caller = request.peer_addr().map(|address| format!("{}@{address}", self.user));
                self.answer_body(&body, path, caller).await
            }
            Err(error) => {
                self.count("invalid");
                tracing::warn!(chain = self.chain.name(), %error, "call to the front door not read");
                Reply::error("null", reply::PARSE_ERROR, &error.to_string()).with_status(error.status())
            }
        };
        reply.into_response()
    }

    /// The refusal, unless the login is right.
    async fn check_login(&self, request: &HttpRequest) -> Option<HttpResponse> {
        let login = self.login.judge(request.headers().get(header::AUTHORIZATION));
        if login == Login::Right {
            return None;
        }
        self.count("unauthorized");
        if login == Login::Wrong {
            let from = request.peer_addr().map(|address| address.ip());
            tracing::warn!(
                chain = self.chain.name(),
                from = from.map(tracing::field::display),
                "wrong user or password at the front door; compare the pool's with [front_door] user and password_file"
            );
            tokio::time::sleep(WRONG_PASSWORD_DELAY).await;
        }
        let challenge = (header::WWW_AUTHENTICATE, "Basic realm=\"jsonrpc\"");
        Some(HttpResponse::Unauthorized().insert_header(challenge).finish())
    }

    async fn answer_body(&self, body: &Bytes, path: &str, caller: Option<String>) -> Reply {
        let context = Context { body, path, received_at: Instant::now(), caller };
        match call::read(body) {
            Ok(Request::Single(call)) => self.answer_call(&call, body.clone(), &context).await,
            Ok(Request::Batch(elements)) => self.answer_batch(&elements, &context).await,
            Err(fault) => self.invalid(&fault),
        }
    }

    /// Answers one call. `raw` is its text, as it is passed on.
    async fn answer_call(&self, call: &Call<'_>, raw: Bytes, context: &Context<'_>) -> Reply {
        if self.denied.contains(&*call.method) {
            return self.deny(call);
        }
        if let Some(reply) = self.take_block(call, context).await {
            return reply;
        }
        if let Some(reply) = self.take_aux(call, &raw, context).await {
            return reply;
        }
        match self.node_for(call) {
            Some(node) => self.forward(&node, raw, call.id, context.path).await,
            None => {
                Reply::error(call.id, reply::NODE_UNREACHABLE, "blockcast: this chain has no node to ask")
                    .with_status(503)
            }
        }
    }

    /// The node that a call goes to: the primary, except for questions about a block that came in by this door.
    fn node_for(&self, call: &Call<'_>) -> Option<Arc<Node>> {
        let nodes = self.chain.relay.nodes();
        let pinned = self.pins.node_for(call, self.chain.name());
        let pinned = pinned.and_then(|name| nodes.iter().find(|node| node.name() == name));
        pinned.or_else(|| nodes.iter().find(|node| node.is_primary())).cloned()
    }

    fn deny(&self, call: &Call<'_>) -> Reply {
        self.count("denied");
        let method = &*call.method;
        tracing::warn!(
            chain = self.chain.name(),
            method,
            "the pool called a method that [front_door] deny lists"
        );
        let message =
            format!("blockcast: method {method} is denied by [front_door] deny in the configuration");
        Reply::error(call.id, reply::DENIED, &message)
    }

    fn invalid(&self, fault: &call::Fault) -> Reply {
        self.count("invalid");
        tracing::debug!(chain = self.chain.name(), fault = fault.message, "not a JSON-RPC call");
        Reply::error(&fault.id, fault.code, fault.message)
    }

    fn count(&self, answer: &str) {
        self.chain.relay.metrics().front_door_call(answer);
    }
}

async fn serve(door: Data<Door>, request: HttpRequest, payload: web::Payload) -> HttpResponse {
    let mut response = door.answer(&request, payload).await;
    // yiimp looks for `Content-Length:` in just these letters (pools.md §1).
    response.head_mut().set_camel_case_headers(true);
    if response.status() == StatusCode::PAYLOAD_TOO_LARGE {
        // The rest of the body is on its way and nobody will read it.
        response.head_mut().set_connection_type(actix_web::http::ConnectionType::Close);
    }
    response
}
