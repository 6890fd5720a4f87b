//! The opener's relation to the requester, and how it may confirm a link (docs/architecture.md, "Openers").

use serde::{Deserialize, Serialize};

use super::words::words;

words! {
    /// The purpose of an attempt.
    #[derive(Deserialize)]
    pub enum Purpose {
        /// Signs in the person who controls the address.
        SignIn = "sign_in",
        /// Signs in, and tells the application that the person wants an account.
        SignUp = "sign_up",
        /// Proves control of an address to add to an account. Signs nobody in.
        VerifyEmail = "verify_email",
    }
}

impl Purpose {
    /// Whether a confirmed attempt leads to a session.
    #[must_use]
    pub const fn signs_in(self) -> bool {
        !matches!(self, Self::VerifyEmail)
    }
}

words! {
    /// The policy for links that are opened on another client than the requester's.
    #[derive(Deserialize)]
    pub enum CrossDevice {
        /// An approve page in the requester's network, a relay code elsewhere.
        Adaptive = "adaptive",
        /// An approve page everywhere.
        Approve = "approve",
        /// A relay code everywhere.
        RelayCode = "relay_code",
        /// Only the requester's own client can confirm.
        SameClient = "same_client",
    }
}

impl CrossDevice {
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

/// The opener of a link, relative to the requester.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Opener {
    /// The client that started the attempt: it has the client secret whose hash is in the link.
    SameClient,
    /// Another client in the same network (IPv4 /24, IPv6 /56).
    SameNetwork,
    /// Another client in another network.
    OtherNetwork,
}

words! {
    /// How a link is confirmed.
    pub enum Confirm {
        /// The page confirms automatically; without JavaScript, by one button.
        Automatic = "automatic",
        /// The opener approves or denies; the session belongs to the requester.
        Approve = "approve",
        /// The opener's page shows six digits for the requester to enter.
        RelayCode = "relay_code",
        /// Not possible on this client: only on the requester's.
        Mismatch = "mismatch",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_opener_confirms_as_the_policy_says() {
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
