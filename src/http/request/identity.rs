//! The sender of a request: client, network and language.

use std::net::Ipv4Addr;

use actix_web::HttpRequest;
use actix_web::http::header::{ACCEPT_LANGUAGE, HeaderValue, USER_AGENT, X_FORWARDED_FOR};

use super::headers::{LINKGATE_CLIENT, cookie, single};
use crate::domain::locale::Locale;
use crate::domain::network::Network;
use crate::domain::secret::ClientSecret;
use crate::flow::Caller;
use crate::http::response::cookies::Cookies;
use crate::http::response::problem::Problem;
use crate::http::state::HttpState;
use crate::token::{fingerprint, fresh_bytes};

/// The sender of a request, and how it identified itself.
pub(crate) struct RequestIdentity {
    pub(crate) caller: Caller,
    /// Whether the client secret came in `Linkgate-Client`: such clients keep no cookies.
    pub(crate) by_header: bool,
}

impl RequestIdentity {
    /// Reads the headers and cookies that identify the sender.
    ///
    /// # Errors
    /// [`Problem::invalid`] for a malformed or repeated `Linkgate-Client`.
    pub(crate) fn of(request: &HttpRequest) -> Result<Self, Problem> {
        let (state, headers) = (HttpState::of(request), request.headers());
        let text = |name| headers.get(name).and_then(|value: &HeaderValue| value.to_str().ok());
        let header = single(headers, &LINKGATE_CLIENT)?;
        let secret = match header {
            Some(value) => {
                let secret = value.to_str().ok().and_then(|text| ClientSecret::parse(text).ok());
                Some(secret.ok_or_else(|| {
                    let (shortest, longest) = (ClientSecret::MIN_LEN, ClientSecret::MAX_LEN);
                    Problem::invalid(format!(
                        "Linkgate-Client must be {shortest} to {longest} characters of base64url: at least 128 \
                         random bits."
                    ))
                })?)
            }
            // A malformed cookie counts as missing: the browser gets a new one.
            None => cookie(request, &state.cookies.client).and_then(|text| ClientSecret::parse(text).ok()),
        };
        let caller = Caller {
            client: secret.as_ref().map(fingerprint),
            network: network(request),
            user_agent: text(USER_AGENT).map(str::to_owned),
            locale: text(ACCEPT_LANGUAGE).and_then(Locale::negotiate),
            marks: cookie(request, &state.cookies.verified).map_or_else(Vec::new, Cookies::marks),
        };
        Ok(Self { caller, by_header: header.is_some() })
    }

    /// Makes a caller without a client secret a client; returns the secret that its browser must keep.
    pub(crate) fn ensure_client(&mut self) -> Option<ClientSecret> {
        let secret = self.caller.client.is_none().then(|| ClientSecret::from_bytes(&fresh_bytes()))?;
        self.caller.client = Some(fingerprint(&secret));
        Some(secret)
    }
}

/// The network that a request comes from, as seen through the trusted proxies.
pub(crate) fn network(request: &HttpRequest) -> Network {
    let peer = request.peer_addr().map_or(Ipv4Addr::UNSPECIFIED.into(), |peer| peer.ip());
    // A hop that is not UTF-8 is garbage, but the others still count.
    let hops = request.headers().get_all(X_FORWARDED_FOR);
    let forwarded: Vec<_> = hops.map(|value| String::from_utf8_lossy(value.as_bytes())).collect();
    let forwarded: Vec<&str> = forwarded.iter().map(|value| &**value).collect();
    Network::of(HttpState::of(request).settings.trusted_proxies.client_address(peer, &forwarded))
}
