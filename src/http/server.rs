//! The public server: the routes with their layers, on the connections of [`super::connection`].

use std::io;
use std::net::TcpListener;

use actix_cors::Cors;
use actix_web::dev::{Server, ServiceFactory, ServiceRequest, ServiceResponse};
use actix_web::http::Method;
use actix_web::http::header::{AUTHORIZATION, CONTENT_TYPE, HeaderName, RETRY_AFTER};
use actix_web::middleware::from_fn;
use actix_web::web::Data;
use actix_web::{App, Error};

use super::connection;
use super::connection::in_flight::WhileInFlight;
use super::layers;
use super::request::headers::{IDEMPOTENCY_KEY, LINKGATE_CLIENT, X_REQUEST_ID};
use super::routes;
use super::state::HttpState;

/// Serves the public routes on this listener, with `workers` threads of at most `connections` connections each.
///
/// # Errors
/// When the socket cannot listen.
pub fn listen(
    state: &Data<HttpState>,
    listener: TcpListener,
    workers: usize,
    connections: usize,
) -> io::Result<Server> {
    let app_state = state.clone();
    connection::listen(state, move || app(&app_state), listener, workers, connections)
}

fn app(
    state: &Data<HttpState>,
) -> App<
    impl ServiceFactory<
        ServiceRequest,
        Config = (),
        Response = ServiceResponse<WhileInFlight>,
        Error = Error,
        InitError = (),
    > + use<>,
> {
    let dev = state.settings.dev;
    App::new()
        .app_data(state.clone())
        .configure(move |table| routes::configure(table, dev))
        .wrap(cors(state))
        .wrap(from_fn(layers::around_every_route))
}

/// Cross-origin rules (the Fetch standard's CORS): listed origins, with credentials. The layer around this one rejects all
/// others.
fn cors(state: &Data<HttpState>) -> Cors {
    let state = state.clone();
    Cors::default()
        .allowed_origin_fn(move |origin, _| state.allows_origin(origin.as_bytes()))
        .allowed_methods([Method::GET, Method::POST, Method::DELETE])
        .allowed_headers([
            AUTHORIZATION,
            CONTENT_TYPE,
            IDEMPOTENCY_KEY,
            HeaderName::from_static("prefer"),
            LINKGATE_CLIENT,
            X_REQUEST_ID,
        ])
        .expose_headers([RETRY_AFTER, X_REQUEST_ID])
        .supports_credentials()
        .block_on_origin_mismatch(false)
        .max_age(600)
}
