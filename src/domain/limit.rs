//! Rate limits on mails, and the domains that may get them.
//!
//! This module only describes limits; `flow` enforces them with permits in the store.

use std::time::Duration;

use super::email::{EmailAddress, InvalidEmailAddress};

/// At most `count` in any `window`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limit {
    /// At least one.
    pub count: u32,
    /// A sliding window.
    pub window: Duration,
}

/// The limits on mails. An empty list limits nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MailLimits {
    /// To one address.
    pub per_address: Vec<Limit>,
    /// Requested from one network.
    pub per_network: Vec<Limit>,
    /// Requested by one client.
    pub per_client: Vec<Limit>,
    /// In total, over all replicas.
    pub overall: Vec<Limit>,
}

/// A list of email domains, each with or without its subdomains.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DomainList(
    /// Domains in the canonical form of addresses; a leading dot stands for all domains below.
    Vec<String>,
);

impl DomainList {
    /// Adds an entry: `example.com` matches itself, `*.example.com` every domain below it.
    ///
    /// # Errors
    /// [`InvalidEmailAddress`] if no address could have such a domain.
    pub fn add(&mut self, entry: &str) -> Result<(), InvalidEmailAddress> {
        let (dot, domain) = entry.strip_prefix("*.").map_or(("", entry), |domain| (".", domain));
        let address = EmailAddress::parse(&format!("postmaster@{domain}"))?;
        self.0.push(format!("{dot}{}", address.domain()));
        Ok(())
    }

    /// Whether the list has no entries.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether the domain of this address is on the list.
    #[must_use]
    pub fn has(&self, address: &EmailAddress) -> bool {
        let domain = address.domain();
        self.0.iter().any(|entry| entry == domain || entry.starts_with('.') && domain.ends_with(entry))
    }
}

/// The domains that get mails.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DomainRules {
    /// Only these; if empty, all.
    pub allowed: DomainList,
    /// Never these, even if allowed.
    pub blocked: DomainList,
}

impl DomainRules {
    /// Whether linkgate may send mails to this address.
    #[must_use]
    pub fn allow(&self, address: &EmailAddress) -> bool {
        (self.allowed.is_empty() || self.allowed.has(address)) && !self.blocked.has(address)
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test that cannot continue fails")]
mod tests {
    use super::*;

    fn list(entries: &[&str]) -> DomainList {
        let mut list = DomainList::default();
        for entry in entries {
            list.add(entry).unwrap();
        }
        list
    }

    fn allows(rules: &DomainRules, domain: &str) -> bool {
        rules.allow(&EmailAddress::parse(&format!("ada@{domain}")).unwrap())
    }

    #[test]
    fn a_domain_matches_itself_and_a_star_every_domain_below() {
        let blocked = list(&["example.com", "*.example.org", "Bücher.example"]);
        let rules = DomainRules { blocked, ..DomainRules::default() };
        for refused in
            ["example.com", "EXAMPLE.com", "a.example.org", "a.b.example.org", "xn--bcher-kva.example"]
        {
            assert!(!allows(&rules, refused), "{refused}");
        }
        for taken in
            ["a.example.com", "example.org", "badexample.com", "notexample.org", "example.com.example.net"]
        {
            assert!(allows(&rules, taken), "{taken}");
        }
    }

    #[test]
    fn an_empty_list_allows_all_and_a_blocked_domain_stays_blocked() {
        assert!(allows(&DomainRules::default(), "example.com"));
        let rules = DomainRules {
            allowed: list(&["example.com", "*.example.com"]),
            blocked: list(&["b.example.com"]),
        };
        assert!(allows(&rules, "example.com") && allows(&rules, "a.example.com"));
        assert!(!allows(&rules, "b.example.com") && !allows(&rules, "example.net"));
    }

    #[test]
    fn an_invalid_domain_cannot_be_listed() {
        for entry in
            ["", "*", "*.", "example", "*.com", "a@example.com", "ex ample.com", "127.0.0.1", ".example.com"]
        {
            assert!(DomainList::default().add(entry).is_err(), "{entry}");
        }
    }
}
