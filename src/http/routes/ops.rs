//! The operations listener: probes and metrics. Never on the public address.

use std::io;
use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use actix_web::dev::Server;
use actix_web::middleware::from_fn;
use actix_web::web::{Data, get, resource};
use actix_web::{App, HttpResponse, HttpServer};
use serde_json::json;

use crate::clock::Clock;
use crate::flow::Services;
use crate::http::layers::errors::explain_errors;
use crate::metrics::{CONTENT_TYPE, Metrics};

/// The state of the probes.
pub struct OpsState {
    services: Services,
    clock: Arc<dyn Clock>,
    metrics: Arc<Metrics>,
    /// Whether a store lost later turns readiness off, too.
    strict: bool,
    /// Whether the store has answered once.
    seen_store: AtomicBool,
}

impl OpsState {
    /// Nothing has been seen yet.
    #[must_use]
    pub fn new(services: Services, clock: Arc<dyn Clock>, metrics: Arc<Metrics>, strict: bool) -> Self {
        Self { services, clock, metrics, strict, seen_store: AtomicBool::new(false) }
    }
}

/// Serves probes and metrics on this listener.
///
/// # Errors
/// When the socket cannot listen.
pub fn listen(state: &Data<OpsState>, listener: TcpListener) -> io::Result<Server> {
    let state = state.clone();
    let app = move || {
        App::new()
            .app_data(state.clone())
            .service(resource("/livez").route(get().to(live)))
            .service(resource("/readyz").route(get().to(ready)))
            .service(resource("/metrics").route(get().to(metrics)))
            .wrap(from_fn(explain_errors))
    };
    Ok(HttpServer::new(app).workers(1).disable_signals().listen(listener)?.run())
}

/// `GET /livez`: the process answers. It never asks the store, since a restart would not repair the store.
async fn live() -> HttpResponse {
    HttpResponse::Ok().json(json!({ "status": "live" }))
}

/// Whether traffic should come here, and whether the store answers.
async fn readiness(state: &OpsState) -> (bool, bool) {
    let store = state.services.operators.store_answers().await;
    if store {
        state.seen_store.store(true, Ordering::Relaxed);
    }
    let draining = state.services.waiters.is_draining();
    (!draining && state.seen_store.load(Ordering::Relaxed) && (store || !state.strict), store)
}

/// `GET /readyz`
async fn ready(state: Data<OpsState>) -> HttpResponse {
    let (ready, store) = readiness(&state).await;
    let mut response = if ready { HttpResponse::Ok() } else { HttpResponse::ServiceUnavailable() };
    response.json(json!({
        "status": if ready { "ready" } else { "not_ready" },
        "draining": state.services.waiters.is_draining(),
        "store": if store { "up" } else { "down" },
    }))
}

/// `GET /metrics`. It asks the store, so that the store's metrics are current even when nobody probes or signs in.
async fn metrics(state: Data<OpsState>) -> HttpResponse {
    // Read before the store is asked, which may take a while: the scrape begins now.
    let now = state.clock.now();
    let (ready, _) = readiness(&state).await;
    state.metrics.scraped(ready, now);
    HttpResponse::Ok().content_type(CONTENT_TYPE).body(state.metrics.render())
}
