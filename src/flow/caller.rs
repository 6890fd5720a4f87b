//! The party that makes a request.

use crate::domain::locale::Locale;
use crate::domain::network::Network;
use crate::domain::secret::{AddressMark, Fingerprint};

/// The party that makes a request.
pub struct Caller {
    /// The hash of the client secret, if the request carries one. Tokens carry the same hash.
    pub client: Option<Fingerprint>,
    /// The network, as seen through the trusted proxies.
    pub network: Network,
    /// The `User-Agent`, if it is ASCII.
    pub user_agent: Option<String>,
    /// The language of the request, if it names one.
    pub locale: Option<Locale>,
    /// Proofs of addresses that the client has verified (the cookie `linkgate-verified`).
    pub marks: Vec<AddressMark>,
}
