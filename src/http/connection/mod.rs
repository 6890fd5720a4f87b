//! The public listener, and its connections.
//!
//! actix closes a connection that is slow with its first head, or idle. It would keep for ever one that is slow with a later
//! head, that sends a body which no route reads, or that does not read its responses. So the socket itself keeps the time
//! ([`timeout_stream`]): how long no request is in flight, and how long a write stalls. Connections whose request only waits
//! are parked ([`parking`]).

pub(crate) mod in_flight;
pub(crate) mod parking;
mod replay_buffer;
mod state;
mod timeout_stream;

use std::io;
use std::net::TcpListener;
use std::rc::Rc;
use std::time::Duration;

use actix_http::{HttpServiceBuilder, KeepAlive};
use actix_service::{IntoServiceFactory as _, ServiceFactoryExt as _, fn_factory, fn_service, map_config};
use actix_web::dev::{AppConfig, Server, ServiceFactory, ServiceRequest, ServiceResponse};
use actix_web::rt::net::TcpStream;
use actix_web::web::Data;
use actix_web::{App, Error};

use self::in_flight::WhileInFlight;
use self::timeout_stream::{IDLE_TIMEOUT, PROXY_IDLE_TIMEOUT, TimeoutStream};
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

/// Serves an application on this listener, with `workers` threads of at most `connections` connections each.
///
/// # Errors
/// When the socket cannot listen.
pub(super) fn listen<T>(
    state: &Data<HttpState>,
    app: impl Fn() -> App<T> + Clone + Send + 'static,
    listener: TcpListener,
    workers: usize,
    connections: usize,
) -> io::Result<Server>
where
    T: ServiceFactory<
            ServiceRequest,
            Config = (),
            Response = ServiceResponse<WhileInFlight>,
            Error = Error,
            InitError = (),
        > + 'static,
{
    rustix::net::listen(&listener, BACKLOG)?;
    let builder = Server::build()
        .workers(workers)
        .max_concurrent_connections(connections)
        .shutdown_timeout(SHUTDOWN_TIMEOUT)
        .disable_signals();
    let (state, draining) = (state.clone(), builder.graceful_shutdown_signal());
    let service = move || {
        let proxies = state.clone();
        // `AppConfig` has the host and address for `url_for`, which no route uses.
        let app = app().into_factory().map_err(|error: Error| error.error_response());
        let app = map_config(app, |()| AppConfig::default());
        let draining = draining.clone();
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
            let (http, proxies) = (http.new_service(()), proxies.clone());
            async move {
                let http = Rc::new(http.await?);
                Ok::<_, ()>(fn_service(move |io: TcpStream| {
                    // If the peer is gone already, the first read says so.
                    let _ = io.set_nodelay(true);
                    let peer = io.peer_addr().ok();
                    let from_proxy =
                        peer.is_some_and(|peer| proxies.settings.trusted_proxies.trusts(peer.ip()));
                    let idle = if from_proxy { PROXY_IDLE_TIMEOUT } else { IDLE_TIMEOUT };
                    parking::serve(Rc::clone(&http), io, peer, idle)
                }))
            }
        })
    };
    Ok(builder.listen("linkgate", listener, service)?.run())
}
