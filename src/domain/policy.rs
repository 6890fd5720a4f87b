//! Who the opener is to the requester, and how a link may then be confirmed (the design's section 4).

use serde::{Deserialize, Serialize};

/// What an attempt is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Purpose {
    /// Signs in whoever controls the address.
    SignIn,
    /// The same, and tells the application that it meant to make an account.
    SignUp,
    /// Proves control of an address to add to an account. Signs nobody in.
    VerifyEmail,
}

impl Purpose {
    /// All purposes.
    pub const ALL: [Self; 3] = [Self::SignIn, Self::SignUp, Self::VerifyEmail];

    /// Its name in the API, in settings and in tokens.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::SignIn => "sign_in",
            Self::SignUp => "sign_up",
            Self::VerifyEmail => "verify_email",
        }
    }

    /// Whether a confirmed attempt leads to a session.
    #[must_use]
    pub const fn signs_in(self) -> bool {
        !matches!(self, Self::VerifyEmail)
    }
}

/// The policy for links that are opened on another client than the requester's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CrossDevice {
    /// An approve page in the requester's network, a relay code elsewhere.
    #[default]
    Adaptive,
    /// An approve page everywhere.
    Approve,
    /// A relay code everywhere.
    RelayCode,
    /// Only the requester's own client may open the link.
    SameClient,
}

impl CrossDevice {
    /// All policies.
    pub const ALL: [Self; 4] = [Self::Adaptive, Self::Approve, Self::RelayCode, Self::SameClient];

    /// Its name in the API and in settings.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Adaptive => "adaptive",
            Self::Approve => "approve",
            Self::RelayCode => "relay_code",
            Self::SameClient => "same_client",
        }
    }

    /// How this opener may confirm.
    #[must_use]
    pub const fn confirm(self, opener: Opener) -> Confirm {
        match (opener, self) {
            (Opener::SameClient, _) => Confirm::Automatic,
            (_, Self::SameClient) => Confirm::Mismatch,
            (_, Self::Approve) | (Opener::SameNetwork, Self::Adaptive) => Confirm::Approve,
            (_, Self::RelayCode) | (Opener::OtherNetwork, Self::Adaptive) => Confirm::RelayCode,
        }
    }
}

/// Who opened the link, as seen from the requester.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Opener {
    /// The client that started the attempt: it holds the client secret whose hash is in the link.
    SameClient,
    /// Another client in the same network (IPv4 /24, IPv6 /56).
    SameNetwork,
    /// Another client elsewhere.
    OtherNetwork,
}

impl Confirm {
    /// Its name in the API.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Automatic => "automatic",
            Self::Approve => "approve",
            Self::RelayCode => "relay_code",
            Self::Mismatch => "mismatch",
        }
    }
}

/// How a link is confirmed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Confirm {
    /// The page confirms by itself; without JavaScript, by one button.
    Automatic,
    /// The opener says yes or no; the session belongs to the requester.
    Approve,
    /// The opener is shown six digits, to be typed in where the requester waits.
    RelayCode,
    /// Not here: only where the link was asked for.
    Mismatch,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_of_the_design_holds() {
        use Confirm::{Approve, Automatic, Mismatch, RelayCode};
        let table = [
            (Opener::SameClient, [Automatic, Automatic, Automatic, Automatic]),
            (Opener::SameNetwork, [Approve, Approve, RelayCode, Mismatch]),
            (Opener::OtherNetwork, [RelayCode, Approve, RelayCode, Mismatch]),
        ];
        for (opener, row) in table {
            assert_eq!(CrossDevice::ALL.map(|policy| policy.confirm(opener)), row, "{opener:?}");
        }
    }
}
