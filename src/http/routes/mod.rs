//! The route table, and the handlers: one file for each group of routes.

mod admin;
mod attempts;
mod dev;
mod discovery;
mod links;
pub mod ops;
mod sessions;
mod status;

use actix_service::fn_service;
use actix_web::middleware::Compress;
use actix_web::web::{self, ServiceConfig, delete, post, resource};
use actix_web::{Route, guard};

/// Every public route. Only public documents are compressed: no response that carries a secret, and no event stream.
pub(super) fn configure(table: &mut ServiceConfig, dev: bool) {
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
    web::route().guard(guard::Any(guard::Get()).or(guard::Head()))
}
