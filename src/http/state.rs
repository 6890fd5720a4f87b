//! The state that all handlers share.

use std::sync::Arc;

use actix_web::HttpRequest;
use actix_web::web::Data;

use super::pages::Pages;
use super::refusals::Refusals;
use super::response::cookies::Cookies;
use crate::clock::Clock;
use crate::domain::locale::Locale;
use crate::domain::network::TrustedProxies;
use crate::domain::secret_text::SecretText;
use crate::flow::Services;
use crate::metrics::Metrics;
use crate::token::Tokens;

/// The settings of the HTTP side.
pub struct HttpSettings {
    /// Scheme, host and port under which people reach the service, without a trailing slash.
    pub public_url: Arc<str>,
    /// The application's name, for people.
    pub app_name: String,
    /// The language of pages for browsers that name none.
    pub default_locale: Locale,
    /// Origins of applications whose pages may call the API.
    pub allowed_origins: Vec<String>,
    /// Keys of back ends.
    pub api_keys: Vec<SecretText>,
    /// Proxies whose `X-Forwarded-For` is trusted.
    pub trusted_proxies: TrustedProxies,
    /// How many refusals a network gets a minute; `None` for any number.
    pub refusals_per_minute: Option<u32>,
    /// Whether to serve the demo application and the mailbox.
    pub dev: bool,
}

/// The settings, services and caches that all handlers share.
pub struct HttpState {
    pub(super) settings: HttpSettings,
    pub(super) services: Services,
    pub(super) tokens: Arc<Tokens>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) metrics: Arc<Metrics>,
    pub(super) pages: Pages,
    pub(super) https: bool,
    pub(super) cookies: Cookies,
    pub(super) refusals: Refusals,
}

impl HttpState {
    /// Puts the state together.
    ///
    /// # Errors
    /// When a built-in page does not parse.
    pub fn new(
        settings: HttpSettings,
        services: Services,
        tokens: Arc<Tokens>,
        clock: Arc<dyn Clock>,
        metrics: Arc<Metrics>,
    ) -> Result<Self, String> {
        let https = settings.public_url.starts_with("https://");
        Ok(Self {
            pages: Pages::new(&settings.app_name)?,
            cookies: Cookies::new(https),
            refusals: Refusals::new(settings.refusals_per_minute),
            https,
            settings,
            services,
            tokens,
            clock,
            metrics,
        })
    }

    /// The state of the server that this request came to.
    pub(super) fn of(request: &HttpRequest) -> &Self {
        #[expect(clippy::expect_used, reason = "`http::app` registers it")]
        request.app_data::<Data<Self>>().expect("the state is registered")
    }

    /// Whether pages of this origin may call the API.
    pub(super) fn allows_origin(&self, origin: &[u8]) -> bool {
        origin == self.settings.public_url.as_bytes()
            || self.settings.allowed_origins.iter().any(|allowed| allowed.as_bytes() == origin)
    }

    /// The configured API key that equals the candidate. All are compared, in constant time.
    pub(super) fn api_key(&self, candidate: &str) -> Option<&str> {
        self.settings.api_keys.iter().fold(None, |found, key| {
            if key.matches(candidate.as_bytes()) { Some(key.expose()) } else { found }
        })
    }
}
