//! Status, REST, metrics and probes: `[http].listen`.

mod bans;
mod blocks;
mod chains;
mod counts;
mod events;
mod peers;
mod probes;
mod problem;
mod status;
mod submit;

use std::sync::Arc;

use actix_web::{
    Error, HttpRequest, HttpResponse, ResponseError,
    body::MessageBody,
    dev::{ServiceRequest, ServiceResponse},
    http::{
        Method, StatusCode,
        header::{self, HeaderValue},
    },
    middleware::{Next, from_fn},
    web::{self, Data, ServiceConfig},
};
use engine::ChainHandle;
use secrecy::SecretString;

use self::problem::Problem;
use crate::{auth::BearerToken, shared::Shared};

/// Paths that a probe may ask for without the token.
const OPEN: [&str; 2] = ["/livez", "/readyz"];

pub(crate) fn configure(shared: Data<Shared>, token: Option<SecretString>, app: &mut ServiceConfig) {
    let token = token.map(|token| Arc::new(BearerToken::new(token)));
    let check =
        from_fn(move |request: ServiceRequest, next: Next<_>| check_token(token.clone(), request, next));
    let get = |path: &str, route: actix_web::Route| {
        web::resource(path.to_owned())
            .route(route.method(Method::GET))
            .default_service(web::to(|| only("GET")))
    };
    let routes = web::scope("")
        .wrap(check)
        .service(get("/livez", web::to(probes::live)))
        .service(get("/readyz", web::to(probes::ready)))
        .service(get("/metrics", web::to(probes::metrics)))
        .service(get("/broadcaster_status", web::to(status::all)))
        .service(get("/broadcaster_status/{chain}", web::to(status::one)))
        .service(get("/api/v1/chains", web::to(chains::all)))
        .service(get("/api/v1/chains/{chain}", web::to(chains::one)))
        .service(get("/api/v1/chains/{chain}/peers", web::to(peers::all)))
        .service(get("/api/v1/chains/{chain}/peers/{address}", web::to(peers::one)))
        .service(
            web::resource("/api/v1/chains/{chain}/bans")
                .route(web::post().to(bans::ban))
                .default_service(web::to(|| only("POST"))),
        )
        .service(
            web::resource("/api/v1/chains/{chain}/bans/{host}")
                .route(web::delete().to(bans::unban))
                .default_service(web::to(|| only("DELETE"))),
        )
        .service(get("/api/v1/blocks", web::to(blocks::all)))
        .service(get("/api/v1/blocks/{hash}", web::to(blocks::one)))
        .service(get("/api/v1/blocks/{hash}/raw", web::to(blocks::raw)))
        .service(
            web::resource("/api/v1/blocks/{hash}/replay")
                .route(web::post().to(blocks::replay))
                .default_service(web::to(|| only("POST"))),
        )
        .service(get("/api/v1/events", web::to(events::listen)))
        .service(
            web::resource("/api/v1/chains/{chain}/blocks")
                .route(web::post().to(submit::submit))
                .default_service(web::to(|| only("POST"))),
        )
        .default_service(web::to(unknown));
    app.app_data(shared).service(routes);
}

/// Lets nobody in without the token, if there is one; also not to find out which paths exist.
async fn check_token(
    token: Option<Arc<BearerToken>>,
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<impl MessageBody>, Error> {
    let shown = request.headers().get(header::AUTHORIZATION);
    let admitted = match &token {
        Some(token) => OPEN.contains(&request.path()) || token.is_shown_by(shown),
        None => true,
    };
    if admitted {
        return next.call(request).await.map(ServiceResponse::map_into_left_body);
    }
    let problem = Problem::new(
        StatusCode::UNAUTHORIZED,
        "unauthorized",
        if shown.is_some() { "the token is not the right one" } else { "a token is needed" },
        "send `Authorization: Bearer TOKEN` with the content of the file that [http] token_file names",
    );
    let mut refusal = problem.error_response();
    refusal.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    Ok(request.into_response(refusal).map_into_right_body())
}

async fn unknown(request: HttpRequest) -> HttpResponse {
    let message = format!("there is nothing at {}", request.path());
    let remedy = "try /api/v1/chains, /api/v1/blocks, /api/v1/events, /broadcaster_status, /metrics, /livez or /readyz";
    Problem::not_found("unknown_path", message, remedy).error_response()
}

async fn only(method: &'static str) -> HttpResponse {
    let problem = Problem::new(
        StatusCode::METHOD_NOT_ALLOWED,
        "method_not_allowed",
        "this path does not know the method",
        format!("use {method}"),
    );
    let mut refusal = problem.error_response();
    refusal.headers_mut().insert(header::ALLOW, HeaderValue::from_static(method));
    refusal
}

/// The chain of a request's path.
fn chain<'a>(shared: &'a Shared, name: &str) -> Result<&'a Arc<ChainHandle>, Problem> {
    shared.engine.chain(name).ok_or_else(|| {
        let known: Vec<_> = shared.engine.chains().iter().map(|chain| chain.name()).collect();
        let message = format!("there is no chain {name:?} here; running are {}", known.join(", "));
        Problem::not_found("unknown_chain", message, "a chain goes by the name of its file in chains/")
    })
}
