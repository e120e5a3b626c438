//! Reading a request's body: its length is bounded, and so is the time that it may take.

use std::time::Duration;

use actix_web::{HttpRequest, http::header::CONTENT_LENGTH, web};
use bytes::{Bytes, BytesMut};
use futures_util::StreamExt;

/// How long a client may take to send a body. The largest takes 27 s over 10 Mbit/s.
const WITHIN: Duration = Duration::from_secs(60);

/// Why a body could not be read.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum BodyError {
    /// It is, or claims to be, too long.
    #[error("the body is over the limit of {limit} bytes")]
    TooLarge {
        /// The limit.
        limit: usize,
    },
    /// The client sends too slowly.
    #[error("the body did not arrive within {WITHIN:?}")]
    TooSlow,
    /// The connection broke, or the encoding is not valid.
    #[error("the body did not arrive whole: {0}")]
    Broken(String),
}

impl BodyError {
    /// The HTTP status that says so.
    pub(crate) fn status(&self) -> u16 {
        match self {
            Self::TooLarge { .. } => 413,
            Self::TooSlow => 408,
            Self::Broken(_) => 400,
        }
    }

    /// A stable word.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Self::TooLarge { .. } => "body_too_large",
            Self::TooSlow => "body_too_slow",
            Self::Broken(_) => "body_broken",
        }
    }
}

/// Reads the whole body.
///
/// Memory for the announced length is taken at once, so that a block is not copied again and again as it grows: call
/// this only for callers who have shown who they are.
pub(crate) async fn read(
    request: &HttpRequest,
    payload: web::Payload,
    limit: usize,
) -> Result<Bytes, BodyError> {
    let announced = request.headers().get(CONTENT_LENGTH);
    let announced = announced.and_then(|value| value.to_str().ok()?.parse::<usize>().ok());
    if announced.is_some_and(|length| length > limit) {
        return Err(BodyError::TooLarge { limit });
    }
    let body = collect(payload, announced.unwrap_or_default(), limit);
    tokio::time::timeout(WITHIN, body).await.unwrap_or(Err(BodyError::TooSlow))
}

async fn collect(mut payload: web::Payload, expected: usize, limit: usize) -> Result<Bytes, BodyError> {
    let mut body = BytesMut::with_capacity(expected);
    while let Some(chunk) = payload.next().await {
        let chunk = chunk.map_err(|error| BodyError::Broken(error.to_string()))?;
        if chunk.len() > limit - body.len() {
            return Err(BodyError::TooLarge { limit });
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body.freeze())
}
