//! Replies in the daemon's form: JSON-RPC 1.0, one line, a `Content-Length`, and its choice of HTTP status.

use actix_web::{
    HttpResponse,
    http::{
        StatusCode,
        header::{CONTENT_TYPE, HeaderName, HeaderValue},
    },
};
use bytes::Bytes;
use rpc::Forwarded;

/// The body is not JSON.
pub(crate) const PARSE_ERROR: i64 = -32700;
/// The body is JSON, but no call.
pub(crate) const INVALID_REQUEST: i64 = -32600;
/// Ours, from JSON-RPC's range for implementations, which no daemon uses: the method is on the `deny` list.
pub(crate) const DENIED: i64 = -32000;
/// Ours: the node that the call goes to cannot be asked.
pub(crate) const NODE_UNREACHABLE: i64 = -32001;
/// Ours: nobody is known to have the block, and it is not on disk.
pub(crate) const NOT_DELIVERED: i64 = -32002;

const METHOD_NOT_FOUND: i64 = -32601;

/// The block that was handed in.
const BLOCK: HeaderName = HeaderName::from_static("x-blockcast-block");
/// What we found wrong with it ourselves.
const FINDING: HeaderName = HeaderName::from_static("x-blockcast-finding");

/// The longest finding that is told in a header.
const FINDING_LIMIT: usize = 500;

/// An answer to the pool.
#[derive(Debug)]
pub(crate) struct Reply {
    /// The HTTP status.
    pub(crate) status: u16,
    /// The JSON, and the line end.
    pub(crate) body: Bytes,
    content_type: Option<String>,
    /// What is told beside the answer, which must look exactly like the daemon's.
    pub(crate) notes: Vec<Note>,
}

/// What is told of a block beside the verdict.
#[derive(Debug, Clone)]
pub(crate) struct Note {
    /// The block.
    pub(crate) block: wire::BlockHash,
    /// What we found wrong with it ourselves, if that keeps it off P2P.
    pub(crate) finding: Option<String>,
}

impl Reply {
    fn json(status: u16, body: impl Into<Bytes>) -> Self {
        Self { status, body: body.into(), content_type: Some("application/json".into()), notes: Vec::new() }
    }

    /// A result; it and the id are JSON texts.
    pub(crate) fn result(id: &str, result: &str) -> Self {
        Self::json(200, format!("{{\"result\":{result},\"error\":null,\"id\":{id}}}\n"))
    }

    /// An error, with the HTTP status that the daemon gives to it (`JSONErrorReply`, httprpc.cpp).
    pub(crate) fn error(id: &str, code: i64, message: &str) -> Self {
        let status = match code {
            INVALID_REQUEST => 400,
            METHOD_NOT_FOUND => 404,
            _ => 500,
        };
        let message = serde_json::Value::from(message);
        Self::json(
            status,
            format!("{{\"result\":null,\"error\":{{\"code\":{code},\"message\":{message}}},\"id\":{id}}}\n"),
        )
    }

    /// The replies to the calls of a batch. Its status is always 200.
    pub(crate) fn batch(body: Vec<u8>, notes: Vec<Note>) -> Self {
        Self { notes, ..Self::json(200, body) }
    }

    /// A node's reply as it came.
    pub(crate) fn verbatim(forwarded: Forwarded) -> Self {
        let Forwarded { status, content_type, body } = forwarded;
        Self { status, body, content_type, notes: Vec::new() }
    }

    pub(crate) fn with_status(self, status: u16) -> Self {
        Self { status, ..self }
    }

    pub(crate) fn with_note(mut self, note: Note) -> Self {
        self.notes.push(note);
        self
    }

    pub(crate) fn into_response(self) -> HttpResponse {
        // A node behind some proxy may send a status that is none.
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::BAD_GATEWAY);
        let mut response = HttpResponse::build(status);
        if let Some(content_type) = self.content_type.and_then(|text| HeaderValue::try_from(text).ok()) {
            response.insert_header((CONTENT_TYPE, content_type));
        }
        for note in self.notes {
            response.append_header((BLOCK, note.block.to_string()));
            if let Some(finding) = note.finding {
                response.append_header((FINDING, header_text(&finding)));
            }
        }
        response.body(self.body)
    }
}

/// The text, cut, with what a header cannot hold replaced.
fn header_text(text: &str) -> String {
    text.chars().take(FINDING_LIMIT).map(|c| if matches!(c, ' '..='~') { c } else { '?' }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replies_look_like_the_daemons() {
        assert_eq!(Reply::result("7", "null").body, "{\"result\":null,\"error\":null,\"id\":7}\n");
        let error = Reply::error("\"a\"", -22, "Block \"decode\" failed");
        assert_eq!(error.status, 500);
        let expected = "{\"result\":null,\"error\":{\"code\":-22,\"message\":\"Block \\\"decode\\\" failed\"},\"id\":\"a\"}\n";
        assert_eq!(error.body, expected);
        assert_eq!(Reply::error("null", -32600, "").status, 400);
        assert_eq!(Reply::error("null", -32601, "").status, 404);
    }

    #[test]
    fn a_finding_cannot_break_out_of_its_header() {
        assert_eq!(header_text("a\r\nX: y\u{e9}"), "a??X: y?");
        assert_eq!(header_text(&"x".repeat(9_000)).len(), FINDING_LIMIT);
    }
}
