//! Errors as JSON: what is wrong, and what to do about it.

use std::fmt;

use actix_web::{HttpResponse, ResponseError, http::StatusCode};
use serde_json::json;

use crate::body::BodyError;

/// Why a request is not carried out. It is answered as
/// `{"error": {"kind": "unknown_chain", "message": "…", "remedy": "…"}}`.
#[derive(Debug)]
pub(crate) struct Problem {
    status: StatusCode,
    kind: &'static str,
    message: String,
    remedy: String,
}

impl Problem {
    pub(crate) fn new(
        status: StatusCode,
        kind: &'static str,
        message: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Self {
        Self { status, kind, message: message.into(), remedy: remedy.into() }
    }

    /// 400.
    pub(crate) fn bad_request(
        kind: &'static str,
        message: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Self {
        Self::new(StatusCode::BAD_REQUEST, kind, message, remedy)
    }

    /// 404.
    pub(crate) fn not_found(
        kind: &'static str,
        message: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Self {
        Self::new(StatusCode::NOT_FOUND, kind, message, remedy)
    }
}

impl From<BodyError> for Problem {
    fn from(error: BodyError) -> Self {
        let status = StatusCode::from_u16(error.status()).unwrap_or(StatusCode::BAD_REQUEST);
        let remedy = match &error {
            BodyError::TooLarge { .. } => "send one block, raw or in hex",
            BodyError::TooSlow | BodyError::Broken(_) => "look at the network between you and Blockcast",
        };
        Self::new(status, error.kind(), error.to_string(), remedy)
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.message, self.remedy)
    }
}

impl ResponseError for Problem {
    fn status_code(&self) -> StatusCode {
        self.status
    }

    fn error_response(&self) -> HttpResponse {
        let Self { kind, message, remedy, .. } = self;
        let error = json!({ "kind": kind, "message": message, "remedy": remedy });
        HttpResponse::build(self.status).json(json!({ "error": error }))
    }
}
