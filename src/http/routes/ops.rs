//! The operations listener: probes and metrics. Never on the public address.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use actix_web::dev::{ServiceFactory, ServiceRequest, ServiceResponse};
use actix_web::middleware::from_fn;
use actix_web::web::{Data, get, resource};
use actix_web::{App, Error, HttpResponse};
use serde_json::json;

use crate::clock::Clock;
use crate::flow::Services;
use crate::http::layers::errors::explain_errors;
use crate::metrics::{CONTENT_TYPE, Metrics};

/// What the probes know.
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

/// The application of the operations listener.
pub fn app(
    state: Data<OpsState>,
) -> App<
    impl ServiceFactory<ServiceRequest, Config = (), Response = ServiceResponse, Error = Error, InitError = ()>,
> {
    App::new()
        .app_data(state)
        .service(resource("/livez").route(get().to(live)))
        .service(resource("/readyz").route(get().to(ready)))
        .service(resource("/metrics").route(get().to(metrics)))
        .wrap(from_fn(explain_errors))
}

/// `GET /livez`: the process answers. It never asks the store: a restart would not bring it back.
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

/// `GET /metrics`. It asks the store, so that what it says of it is true where nobody probes and nobody signs in.
async fn metrics(state: Data<OpsState>) -> HttpResponse {
    // Before the store, which may take its time: the scrape begins now.
    let now = state.clock.now();
    let (ready, _) = readiness(&state).await;
    state.metrics.scraped(ready, now);
    HttpResponse::Ok().content_type(CONTENT_TYPE).body(state.metrics.render())
}
