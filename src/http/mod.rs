//! HTTP: the route table, and everything between a socket and a use case.
//!
//! It knows the use cases and the domain; never the store, the mailer, or the libraries behind them.

#[doc(hidden)]
pub mod bench;
pub(crate) mod connection;
mod context;
mod layers;
mod pages;
mod refusals;
mod request;
mod response;
mod routes;
mod state;

use actix_cors::Cors;
use actix_service::fn_service;
use actix_web::dev::{ServiceFactory, ServiceRequest, ServiceResponse};
use actix_web::http::Method;
use actix_web::http::header::{self, HeaderName};
use actix_web::middleware::{Compress, from_fn};
use actix_web::web::{self, Data, ServiceConfig, delete, post, resource};
use actix_web::{App, Error, Route, guard as guards};

pub use self::routes::ops;
pub use self::state::{HttpSettings, HttpState};

use self::connection::WhileOpen;
use self::request::extract;
use self::routes::{admin, attempts, dev, discovery, links, sessions, status};

/// The public application: its routes, and the layers around them.
pub(crate) fn app(
    state: &Data<HttpState>,
) -> App<
    impl ServiceFactory<
        ServiceRequest,
        Config = (),
        Response = ServiceResponse<WhileOpen>,
        Error = Error,
        InitError = (),
    > + use<>,
> {
    let dev = state.dev;
    App::new()
        .app_data(state.clone())
        .configure(move |table| add_routes(table, dev))
        .wrap(cors(state))
        .wrap(from_fn(layers::guard))
}

/// Every public route. Only public documents are compressed: no response that carries a secret, and no event stream.
fn add_routes(table: &mut ServiceConfig, dev: bool) {
    table
        .service(resource("/v1/attempts").route(post().to(attempts::start)))
        .service(
            resource("/v1/attempts/{id}")
                .route(get().service(fn_service(status::read)))
                .route(delete().to(attempts::cancel)),
        )
        .service(resource("/v1/attempts/{id}/events").route(get().to(status::events)))
        .service(resource("/v1/attempts/{id}/code").route(post().to(attempts::code)))
        .service(resource("/v1/attempts/{id}/resend").route(post().to(attempts::resend)))
        .service(resource("/v1/attempts/{id}/redeem").route(post().to(attempts::redeem)))
        .service(resource("/v/{link_token}").route(get().to(links::open)).route(post().to(links::decide)))
        .service(resource("/v/{link_token}/reissue").route(post().to(links::reissue)))
        .service(
            resource("/v1/session").route(get().to(sessions::read)).route(delete().to(sessions::sign_out)),
        )
        .service(resource("/v1/session/token").route(post().to(sessions::token)))
        .service(resource("/v1/tickets/redeem").route(post().to(sessions::redeem_ticket)))
        .service(
            resource("/v1/admin/attempts/{id}")
                .route(get().to(admin::attempt))
                .route(delete().to(admin::end_attempt)),
        )
        .service(resource("/v1/admin/sessions/{id}").route(delete().to(admin::end_session)))
        .service(resource("/.well-known/jwks.json").route(get().to(discovery::jwks)))
        .service(resource("/openapi.yaml").route(get().to(discovery::openapi)).wrap(Compress::default()))
        .service(resource("/docs").route(get().to(discovery::docs)).wrap(Compress::default()))
        .service(resource("/problems").route(get().to(discovery::problems)))
        .service(resource("/problems/{code}").route(get().to(discovery::problem)))
        .service(resource("/client.js").route(get().to(discovery::client)).wrap(Compress::default()))
        .service(resource("/relay-code.js").route(get().to(discovery::relay_code)).wrap(Compress::default()))
        .service(resource("/compat.js").route(get().to(discovery::compat)).wrap(Compress::default()));
    if dev {
        table
            .service(resource("/").route(get().to(dev::demo)))
            .service(resource("/dev/demo.js").route(get().to(dev::demo_script)))
            .service(resource("/dev/mailbox").route(get().to(dev::mailbox)))
            .service(resource("/dev/mailbox/{id}").route(get().to(dev::mail)))
            .service(resource("/dev/mailbox/{id}/html").route(get().to(dev::mail_html)));
    }
}

/// Answers `GET`, and `HEAD` like it (RFC 9110, section 9.3.2).
fn get() -> Route {
    web::route().guard(guards::Any(guards::Get()).or(guards::Head()))
}

/// Cross-origin rules (the Fetch standard's CORS): listed origins, with credentials. Unlisted ones are refused before.
fn cors(state: &Data<HttpState>) -> Cors {
    let state = state.clone();
    Cors::default()
        .allowed_origin_fn(move |origin, _| state.allows_origin(origin.as_bytes()))
        .allowed_methods([Method::GET, Method::POST, Method::DELETE])
        .allowed_headers([
            header::AUTHORIZATION,
            header::CONTENT_TYPE,
            HeaderName::from_static("idempotency-key"),
            HeaderName::from_static("prefer"),
            extract::LINKGATE_CLIENT,
            layers::X_REQUEST_ID,
        ])
        .expose_headers([header::RETRY_AFTER, layers::X_REQUEST_ID])
        .supports_credentials()
        .block_on_origin_mismatch(false)
        .max_age(600)
}
