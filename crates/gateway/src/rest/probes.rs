//! `/livez`, `/readyz` and `/metrics`.

use actix_web::{HttpResponse, http::StatusCode, web::Data};
use prometheus::{Encoder, TEXT_FORMAT, TextEncoder};
use serde_json::json;

use super::Problem;
use crate::shared::Shared;

/// The process serves HTTP: 200, whatever else is wrong.
pub(super) async fn live() -> HttpResponse {
    HttpResponse::Ok().json(json!({ "live": true }))
}

/// 200 when a block handed in now would be saved and sent; else 503 with the reasons.
pub(super) async fn ready(shared: Data<Shared>) -> HttpResponse {
    let readiness = shared.readiness();
    let status = if readiness.ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    HttpResponse::build(status).json(readiness)
}

/// All metrics in Prometheus's text format.
pub(super) async fn metrics(shared: Data<Shared>) -> Result<HttpResponse, Problem> {
    let families = shared.engine.metrics().registry().gather();
    let mut text = Vec::new();
    TextEncoder::new().encode(&families, &mut text).map_err(|error| {
        tracing::error!(%error, "the metrics cannot be written");
        Problem::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "metrics",
            format!("the metrics cannot be written: {error}"),
            "this is a fault of Blockcast: please report it",
        )
    })?;
    Ok(HttpResponse::Ok().content_type(TEXT_FORMAT).body(text))
}
