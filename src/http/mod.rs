//! HTTP: the route table, and everything between a socket and a use case.
//!
//! It knows the use cases and the domain; never the store, the mailer, or the libraries behind them.

mod admin;
mod attempts;
#[doc(hidden)]
pub mod bench;
pub(crate) mod connection;
mod context;
mod cookies;
mod dev;
mod discovery;
mod extract;
pub(crate) mod guard;
mod links;
pub mod ops;
mod pages;
mod problem;
mod refusals;
mod sessions;
mod state;
mod status;
mod time;

use actix_cors::Cors;
use actix_service::fn_service;
use actix_web::http::Method;
use actix_web::http::header::{self, HeaderName};
use actix_web::middleware::Compress;
use actix_web::web::{self, Data, ServiceConfig};
use actix_web::{HttpResponse, ResponseError as _, Route, Scope, guard as guards};

pub use state::{HttpSettings, HttpState};

use self::problem::{Code, Problem};

/// The layers around the routes, outermost last: `App::new().configure(...)` cannot wrap.
macro_rules! layered {
    ($app:expr, $state:expr) => {
        $app.app_data($state.clone())
            .configure($crate::http::routes(&$state))
            .wrap($crate::http::cors(&$state))
            .wrap(::actix_web::middleware::from_fn($crate::http::guard::guard))
    };
}
pub(crate) use layered;

/// The methods of a route, in the table below.
macro_rules! at {
    ($path:literal, $allow:literal, $($method:ident => $handler:path),+) => {
        web::resource($path)
            .app_data(Pattern($path))
            $(.route($method().to($handler)))+
            .default_service(web::to(|| async { not_allowed($allow) }))
    };
}

/// The same for a path with one parameter. It is told by what stands before and behind: to match a link's 500 characters
/// against a pattern takes longer than all other routing, and patterns are tried one by one.
macro_rules! with_parameter {
    ($table:ident, at!($path:literal, $allow:literal, $($method:ident => $handler:path),+)) => {
        $($table.service(around($path).guard(of::$method()).default_service(web::to($handler)));)+
        $table.service(around($path).default_service(web::to(|| async { not_allowed($allow) })));
    };
}

/// Whatever has something in the place of this path's parameter.
fn around(path: &'static str) -> Scope {
    let (prefix, suffix) = path
        .split_once("/{")
        .map_or((path, ""), |(prefix, rest)| (prefix, rest.split_once('}').map_or("", |(_, suffix)| suffix)));
    let is_meant =
        guards::fn_guard(move |request| extract::follows(request.head().uri.path(), prefix, suffix));
    web::scope(prefix).app_data(Pattern(path)).guard(is_meant)
}

/// The path of a route as the table has it: its name in metrics and the log.
struct Pattern(&'static str);

/// What tells methods apart. The framework's own guards note the methods that they have seen, for an answer that is ours.
mod of {
    use actix_web::guard::{Guard, fn_guard};
    use actix_web::http::Method;

    pub(super) fn get() -> impl Guard {
        // RFC 9110, section 9.1: whatever answers GET answers HEAD.
        fn_guard(|request| matches!(request.head().method, Method::GET | Method::HEAD))
    }

    pub(super) fn post() -> impl Guard {
        fn_guard(|request| request.head().method == Method::POST)
    }

    pub(super) fn delete() -> impl Guard {
        fn_guard(|request| request.head().method == Method::DELETE)
    }
}

fn get() -> Route {
    web::route().guard(of::get())
}

fn post() -> Route {
    web::route().guard(of::post())
}

fn delete() -> Route {
    web::route().guard(of::delete())
}

fn not_allowed(allow: &'static str) -> HttpResponse {
    Problem { allow: Some(allow), ..Problem::new(Code::MethodNotAllowed) }.error_response()
}

/// Every public route; they are tried in this order, so those that are asked for most stand first. Only what is public is
/// compressed: not what carries secrets, and not event streams.
pub(crate) fn routes(state: &Data<HttpState>) -> impl FnOnce(&mut ServiceConfig) + use<> {
    let dev = state.dev;
    move |table| {
        let read = web::route().service(fn_service(status::read));
        table.service(around("/v1/attempts/{id}").guard(of::get()).default_service(read));
        with_parameter!(
            table,
            at!("/v/{link_token}", "GET, HEAD, POST", get => links::open, post => links::decide)
        );
        table
            .service(at!("/v1/attempts", "POST", post => attempts::start))
            .service(
                at!("/v1/session", "GET, HEAD, DELETE", get => sessions::read, delete => sessions::sign_out),
            )
            .service(at!("/v1/session/token", "POST", post => sessions::token))
            .service(at!("/.well-known/jwks.json", "GET, HEAD", get => discovery::jwks))
            .service(at!("/v1/tickets/redeem", "POST", post => sessions::redeem_ticket))
            .service(at!("/openapi.yaml", "GET, HEAD", get => discovery::openapi).wrap(Compress::default()))
            .service(at!("/docs", "GET, HEAD", get => discovery::docs).wrap(Compress::default()))
            .service(at!("/problems", "GET, HEAD", get => discovery::problems))
            .service(at!("/client.js", "GET, HEAD", get => discovery::client).wrap(Compress::default()))
            .service(
                at!("/relay-code.js", "GET, HEAD", get => discovery::relay_code).wrap(Compress::default()),
            )
            .service(at!("/compat.js", "GET, HEAD", get => discovery::compat).wrap(Compress::default()));
        with_parameter!(table, at!("/v1/attempts/{id}", "GET, HEAD, DELETE", delete => attempts::cancel));
        with_parameter!(table, at!("/v1/attempts/{id}/redeem", "POST", post => attempts::redeem));
        with_parameter!(table, at!("/v1/attempts/{id}/events", "GET, HEAD", get => status::events));
        with_parameter!(table, at!("/v1/attempts/{id}/code", "POST", post => attempts::code));
        with_parameter!(table, at!("/v1/attempts/{id}/resend", "POST", post => attempts::resend));
        with_parameter!(table, at!("/v/{link_token}/reissue", "POST", post => links::reissue));
        with_parameter!(
            table,
            at!("/v1/admin/attempts/{id}", "GET, HEAD, DELETE", get => admin::attempt, delete => admin::end_attempt)
        );
        with_parameter!(table, at!("/v1/admin/sessions/{id}", "DELETE", delete => admin::end_session));
        with_parameter!(table, at!("/problems/{code}", "GET, HEAD", get => discovery::problem));
        if dev {
            table
                .service(at!("/", "GET, HEAD", get => dev::demo))
                .service(at!("/dev/demo.js", "GET, HEAD", get => dev::demo_script))
                .service(at!("/dev/mailbox", "GET, HEAD", get => dev::mailbox));
            with_parameter!(table, at!("/dev/mailbox/{id}", "GET, HEAD", get => dev::mail));
            with_parameter!(table, at!("/dev/mailbox/{id}/html", "GET, HEAD", get => dev::mail_html));
        }
        table.default_service(web::to(|| async { Problem::new(Code::NotFound).error_response() }));
    }
}

/// Cross-origin rules (the Fetch standard's CORS): listed origins, with credentials. Unlisted ones are refused before.
pub(crate) fn cors(state: &Data<HttpState>) -> Cors {
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
            guard::X_REQUEST_ID,
        ])
        .expose_headers([header::RETRY_AFTER, guard::X_REQUEST_ID])
        .supports_credentials()
        .block_on_origin_mismatch(false)
        .max_age(600)
}
