//! The public server: the routes with their layers, on the connections of [`super::connection`].

use std::io;
use std::net::TcpListener;

use actix_cors::Cors;
use actix_web::App;
use actix_web::dev::Server;
use actix_web::http::Method;
use actix_web::http::header::{AUTHORIZATION, CONTENT_TYPE, HeaderName, RETRY_AFTER};
use actix_web::middleware::from_fn;
use actix_web::web::Data;

use super::connection;
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
    let for_app = state.clone();
    let app = move || {
        let dev = for_app.settings.dev;
        App::new()
            .app_data(for_app.clone())
            .configure(move |table| routes::configure(table, dev))
            .wrap(cors(for_app.clone()))
            .wrap(from_fn(layers::around_every_route))
            .wrap(layers::default_headers(for_app.https))
    };
    connection::listen(state, app, listener, workers, connections)
}

/// Cross-origin rules (the Fetch standard's CORS): listed origins, with credentials. The layer around this one rejects all
/// others.
fn cors(state: Data<HttpState>) -> Cors {
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
