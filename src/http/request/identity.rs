//! Who sends a request: its client, network and language.

use std::future::{Ready, ready};
use std::net::Ipv4Addr;

use actix_web::http::header::{ACCEPT_LANGUAGE, X_FORWARDED_FOR};
use actix_web::{FromRequest, HttpRequest, dev};

use super::headers::{LINKGATE_CLIENT, cookie, single, user_agent};
use crate::domain::locale::Locale;
use crate::domain::network::Network;
use crate::domain::secret::ClientSecret;
use crate::flow::Caller;
use crate::http::response::cookies::Cookies;
use crate::http::response::problem::Problem;
use crate::http::state::HttpState;
use crate::token::{fingerprint, fresh_bytes};

/// Who sends a request, and how it proves that.
pub(crate) struct RequestIdentity {
    /// Client, network, language. Its `User-Agent` is missing: see [`RequestIdentity::with_user_agent`].
    pub(crate) caller: Caller,
    /// Whether the client secret came in `Linkgate-Client`: such clients keep no cookies.
    pub(crate) by_header: bool,
}

impl RequestIdentity {
    /// Adds the `User-Agent`, for the few use cases that show the browser to people.
    pub(crate) fn with_user_agent(mut self, request: &HttpRequest) -> Self {
        self.caller.user_agent = user_agent(request);
        self
    }

    /// Makes the caller a client if it is none yet; returns the secret that its browser must then keep.
    pub(crate) fn ensure_client(&mut self) -> Option<ClientSecret> {
        let secret = self.caller.client.is_none().then(|| ClientSecret::from_bytes(&fresh_bytes()))?;
        self.caller.client = Some(fingerprint(&secret));
        Some(secret)
    }
}

impl FromRequest for RequestIdentity {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _: &mut dev::Payload) -> Self::Future {
        ready(identify(request))
    }
}

fn identify(request: &HttpRequest) -> Result<RequestIdentity, Problem> {
    let state = HttpState::of(request);
    let header = single(request.headers(), &LINKGATE_CLIENT)?;
    let secret = match header {
        Some(value) => {
            let secret = value.to_str().ok().and_then(|text| ClientSecret::parse(text).ok());
            Some(secret.ok_or_else(|| {
                Problem::invalid(
                    "Linkgate-Client must be 22 to 128 characters of base64url: at least 128 random bits.",
                )
            })?)
        }
        // A malformed cookie counts as missing: the browser gets a new one.
        None => cookie(request, &state.cookies.client).and_then(|text| ClientSecret::parse(text).ok()),
    };
    let languages = request.headers().get(ACCEPT_LANGUAGE).and_then(|value| value.to_str().ok());
    let caller = Caller {
        client: secret.as_ref().map(fingerprint),
        network: network(request),
        user_agent: None,
        locale: languages.and_then(Locale::negotiate),
        marks: cookie(request, &state.cookies.verified).map_or_else(Vec::new, Cookies::marks),
    };
    Ok(RequestIdentity { caller, by_header: header.is_some() })
}

/// The network that a request comes from, as seen through the trusted proxies.
pub(crate) fn network(request: &HttpRequest) -> Network {
    let peer = request.peer_addr().map_or(Ipv4Addr::UNSPECIFIED.into(), |peer| peer.ip());
    // A hop that is not UTF-8 is garbage, and invalidates none of the others.
    let hops = request.headers().get_all(X_FORWARDED_FOR);
    let forwarded: Vec<_> = hops.map(|value| String::from_utf8_lossy(value.as_bytes())).collect();
    let forwarded: Vec<&str> = forwarded.iter().map(|value| &**value).collect();
    Network::of(HttpState::of(request).settings.trusted_proxies.client_address(peer, &forwarded))
}
