//! The public server: the routes with their layers, on the connections of [`super::connection`].

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::rc::Rc;
use std::time::Duration;

use actix_cors::Cors;
use actix_http::{HttpServiceBuilder, KeepAlive};
use actix_service::{
    IntoServiceFactory as _, ServiceFactory as _, ServiceFactoryExt as _, fn_factory, fn_service, map_config,
};
use actix_web::dev::{AppConfig, Server};
use actix_web::http::Method;
use actix_web::http::header::{AUTHORIZATION, CONTENT_TYPE, HeaderName, RETRY_AFTER};
use actix_web::middleware::from_fn;
use actix_web::rt::net::TcpStream;
use actix_web::web::Data;
use actix_web::{App, Error};

use super::connection::parking;
use super::connection::timeout_stream::{IDLE_TIMEOUT, PROXY_IDLE_TIMEOUT, TimeoutStream};
use super::layers;
use super::request::headers::{IDEMPOTENCY_KEY, LINKGATE_CLIENT, X_REQUEST_ID};
use super::routes;
use super::state::HttpState;

/// How long the first head of a connection may take to arrive.
const HEAD_TIMEOUT: Duration = Duration::from_secs(5);

/// How long a client may take to close a connection that we close.
const DISCONNECT_TIMEOUT: Duration = Duration::from_secs(1);

/// How many connections may wait to be accepted; the standard library asks for 128. Beyond that, clients retry after a
/// second at the earliest.
const BACKLOG: i32 = 4096;

/// How long requests in flight may take once the listener is closed, in seconds.
const SHUTDOWN_TIMEOUT: u64 = 30;

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
    rustix::net::listen(&listener, BACKLOG)?;
    let builder = Server::build()
        .workers(workers)
        .max_concurrent_connections(connections)
        .shutdown_timeout(SHUTDOWN_TIMEOUT)
        .disable_signals();
    let (state, draining) = (state.clone(), builder.graceful_shutdown_signal());
    let service = move || {
        let (state, draining, dev) = (state.clone(), draining.clone(), state.settings.dev);
        let app = App::new()
            .app_data(state.clone())
            .configure(move |table| routes::configure(table, dev))
            .wrap(cors(state.clone()))
            .wrap(from_fn(layers::around_every_route))
            .wrap(layers::default_headers(state.https));
        // `AppConfig` has the host and address for `url_for`, which no route uses.
        let app = app.into_factory().map_err(|error: Error| error.error_response());
        let app = map_config(app, |()| AppConfig::default());
        let http = HttpServiceBuilder::default()
            .graceful_shutdown_signal(move || {
                let draining = draining.clone();
                async move {
                    // Answer bytes that can be read at once, even after draining has begun: a parked request.
                    tokio::task::yield_now().await;
                    draining.notified().await;
                }
            })
            // `TimeoutStream` keeps this time: the dispatcher would create a timer after each response.
            .keep_alive(KeepAlive::Os)
            .client_request_timeout(HEAD_TIMEOUT)
            .client_disconnect_timeout(DISCONNECT_TIMEOUT)
            // A client that hangs up while it waits gives its place back at once.
            .h1_allow_half_closed(false)
            .on_connect_ext(|stream: &TimeoutStream, data| {
                data.insert(Rc::clone(&stream.state));
            })
            .h1(app);
        fn_factory(move || {
            let (http, state) = (http.new_service(()), state.clone());
            async move {
                let http = Rc::new(http.await?);
                Ok::<_, ()>(fn_service(move |io: TcpStream| {
                    // If this fails because the peer is gone, the first read fails, too.
                    let _ = io.set_nodelay(true);
                    let peer = io.peer_addr().ok();
                    parking::serve(Rc::clone(&http), io, peer, idle_timeout(&state, peer))
                }))
            }
        })
    };
    Ok(builder.listen("linkgate", listener, service)?.run())
}

/// How long a connection of this peer may be idle.
fn idle_timeout(state: &HttpState, peer: Option<SocketAddr>) -> Duration {
    let from_proxy = peer.is_some_and(|peer| state.settings.trusted_proxies.trusts(peer.ip()));
    if from_proxy { PROXY_IDLE_TIMEOUT } else { IDLE_TIMEOUT }
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
