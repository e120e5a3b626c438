//! A node's JSON-RPC over HTTP.

use std::{io, sync::Arc, time::Duration};

use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::{
    Method, Request, Response, StatusCode,
    body::Incoming,
    header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue, WWW_AUTHENTICATE},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::{TokioIo, TokioTimer};
use subtle::ConstantTimeEq;
use tokio::{
    net::{TcpListener, TcpStream},
    time::{sleep, timeout},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{host::Host, line::PAUSE};
use crate::{Temperament, rpc};

/// The longest body that is read, in bytes (L httpserver.cpp: MAX_SIZE, 0x02000000).
const MAX_BODY: usize = 0x0200_0000;

/// How long a request's head, and its body, may take (L httpserver.h: DEFAULT_HTTP_SERVER_TIMEOUT).
const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);

/// How long a wrong password makes wait (measured: 250 ms; none at all does not).
const WRONG_PASSWORD: Duration = Duration::from_millis(250);

/// What stands in a request that submits a block: all that is looked at before the node does.
const SUBMIT: [&[u8]; 2] = [b"submitblock", b"submitauxblock"];

/// How far into a body the method's name is looked for, in bytes.
const LOOKED_AT: usize = 4096;

/// The HTTP server of one node.
pub(super) struct Server {
    pub(super) host: Arc<Host>,
    /// `user:password`
    pub(super) login: String,
}

impl Server {
    /// Takes connections until the world ends.
    pub(super) async fn listen(
        self: Arc<Self>,
        listener: TcpListener,
        tasks: TaskTracker,
        ending: CancellationToken,
    ) {
        loop {
            let accepted = tokio::select! {
                () = ending.cancelled() => return,
                accepted = listener.accept() => accepted,
            };
            match accepted {
                Ok((stream, _)) => {
                    tasks.spawn(self.clone().serve(stream, ending.clone()));
                }
                Err(error) => {
                    tracing::warn!(%error, "a connection could not be taken");
                    tokio::select! {
                        () = ending.cancelled() => return,
                        () = sleep(PAUSE) => {}
                    }
                }
            }
        }
    }

    async fn serve(self: Arc<Self>, stream: TcpStream, ending: CancellationToken) {
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "TCP_NODELAY is not to be had");
        }
        let service = service_fn(|request| self.clone().answer(request));
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(REQUEST_TIMEOUT)
            .serve_connection(TokioIo::new(stream), service);
        tokio::select! {
            () = ending.cancelled() => {}
            served = connection => if let Err(error) = served {
                tracing::debug!(%error, "a simulated RPC connection has ended");
            }
        }
    }

    /// Answers a request. An error closes the connection without an answer.
    async fn answer(self: Arc<Self>, request: Request<Incoming>) -> io::Result<Response<Full<Bytes>>> {
        let link = self.host.link;
        sleep(link.latency).await;
        if self.host.look(crate::Node::is_away) {
            return Err(io::ErrorKind::ConnectionAborted.into());
        }
        if matches!(self.host.temperament, Temperament::Mute | Temperament::Deaf) {
            std::future::pending::<()>().await;
        }
        let response = self.respond(request).await?;
        sleep(link.latency).await;
        Ok(response)
    }

    async fn respond(&self, request: Request<Incoming>) -> io::Result<Response<Full<Bytes>>> {
        if request.method() != Method::POST {
            return Ok(plain(StatusCode::METHOD_NOT_ALLOWED, "JSONRPC server handles only POST requests"));
        }
        let Some(given) = request.headers().get(AUTHORIZATION) else { return Ok(unauthorized()) };
        if !self.admits(given) {
            sleep(WRONG_PASSWORD).await;
            return Ok(unauthorized());
        }
        let body = Limited::new(request.into_body(), MAX_BODY);
        let body = match timeout(REQUEST_TIMEOUT, body.collect()).await {
            Ok(Ok(body)) => body.to_bytes(),
            Ok(Err(error)) => return Err(io::Error::other(error)),
            Err(_) => return Err(io::ErrorKind::TimedOut.into()),
        };
        let begin = &body[..body.len().min(LOOKED_AT)];
        let submits = SUBMIT.iter().any(|method| begin.windows(method.len()).any(|part| part == *method));
        if submits && self.host.temperament == Temperament::Cutting {
            return Err(io::ErrorKind::ConnectionAborted.into());
        }
        self.work(body.len(), submits).await;
        let reply = self.host.with(|node, now| rpc::respond(node, &body, now));
        let mut response = Response::new(Full::new(Bytes::from(reply.body)));
        *response.status_mut() = StatusCode::from_u16(reply.status).map_err(io::Error::other)?;
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        Ok(response)
    }

    /// Takes as long as the line and the node need for a request of that many bytes.
    async fn work(&self, length: usize, submits: bool) {
        // Two hex digits a byte.
        let validation = if submits {
            self.host.look(|node| node.profile().validation_of(length / 2))
        } else {
            Duration::ZERO
        };
        let needed = self.host.link.transfer(length) + validation + self.host.temperament.delay(submits);
        if !needed.is_zero() {
            sleep(needed).await;
        }
    }

    fn admits(&self, given: &HeaderValue) -> bool {
        let encoded = given.to_str().ok().and_then(|text| text.strip_prefix("Basic "));
        let login = encoded.and_then(|encoded| STANDARD.decode(encoded.trim()).ok());
        login.is_some_and(|login| login.ct_eq(self.login.as_bytes()).into())
    }
}

fn plain(status: StatusCode, text: &'static str) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from_static(text.as_bytes())));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/html; charset=ISO-8859-1"));
    response
}

fn unauthorized() -> Response<Full<Bytes>> {
    let mut response = plain(StatusCode::UNAUTHORIZED, "");
    response.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static("Basic realm=\"jsonrpc\""));
    response
}
