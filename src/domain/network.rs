//! Networks, and the address that a request really came from.
//!
//! A [`Network`] is the coarse location of a client: enough to tell "the same home or office" from "somewhere else", and
//! the most precise part of an address that linkgate keeps. [`TrustedProxies`] decides which hops of `X-Forwarded-For` to
//! trust. This module works on addresses and header values; it does not hash or log.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

/// How many hops of `X-Forwarded-For` are read, from the right.
const MAX_HOPS: usize = 50;

/// The network of a client: an IPv4 /24 or an IPv6 /56. An IPv4-mapped IPv6 address (RFC 4291 section 2.5.5.2) is IPv4.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Network(IpNet);

impl Network {
    /// The network of an address.
    #[must_use]
    pub fn of(address: IpAddr) -> Self {
        Self(match address.to_canonical() {
            IpAddr::V4(v4) => Ipv4Net::new_assert(v4, 24).trunc().into(),
            IpAddr::V6(v6) => Ipv6Net::new_assert(v6, 56).trunc().into(),
        })
    }

    /// The network as bytes, for a keyed hash: the IP version (4 or 6), then the address, zero-padded to 16 bytes.
    /// Different networks have different bytes.
    #[must_use]
    pub fn canonical(&self) -> [u8; 17] {
        let mut bytes = [0; 17];
        match self.0.addr() {
            IpAddr::V4(v4) => {
                bytes[0] = 4;
                bytes[1..5].copy_from_slice(&v4.octets());
            }
            IpAddr::V6(v6) => {
                bytes[0] = 6;
                bytes[1..].copy_from_slice(&v6.octets());
            }
        }
        bytes
    }
}

/// The proxies whose `X-Forwarded-For` is trusted. By default none.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TrustedProxies(Vec<IpNet>);

impl TrustedProxies {
    /// Whether no proxy is trusted.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Builds the list from CIDR blocks (`10.0.0.0/8`, `fd00::/8`) and single addresses.
    ///
    /// # Errors
    ///
    /// The position of each entry that is neither, counted from 1.
    pub fn parse(entries: &[String]) -> Result<Self, Vec<usize>> {
        let parsed: Vec<Option<IpNet>> = entries.iter().map(|entry| parse_network(entry)).collect();
        let invalid =
            (1..).zip(&parsed).filter_map(|(position, network)| network.is_none().then_some(position));
        let invalid: Vec<usize> = invalid.collect();
        if invalid.is_empty() { Ok(Self(parsed.into_iter().flatten().collect())) } else { Err(invalid) }
    }

    /// The client's address, given the peer of the connection and the values of all `X-Forwarded-For` headers in order:
    /// the right-most hop that is not a trusted proxy.
    ///
    /// The headers of an untrusted peer are ignored. A malformed hop ends the walk at the trusted proxy to its right. If all
    /// hops are trusted, the left-most is the client. IPv4-mapped addresses are returned as IPv4.
    #[must_use]
    pub fn client_address(&self, peer: IpAddr, forwarded_for: &[&str]) -> IpAddr {
        let mut client = peer.to_canonical();
        for hop in forwarded_for.iter().rev().flat_map(|value| value.rsplit(',')).take(MAX_HOPS) {
            if !self.trusts(client) {
                break;
            }
            // RFC 9110 section 5.6.1.2: empty list elements are ignored.
            let hop = hop.trim_matches([' ', '\t']);
            if hop.is_empty() {
                continue;
            }
            let Some(address) = parse_hop(hop) else { break };
            client = address;
        }
        client
    }

    /// Whether this is the address of a trusted proxy.
    #[must_use]
    pub fn trusts(&self, address: IpAddr) -> bool {
        self.0.iter().any(|network| network.contains(&address))
    }
}

/// A CIDR block, or a single address as a block of one. Blocks of IPv4-mapped addresses become IPv4, as addresses do.
fn parse_network(entry: &str) -> Option<IpNet> {
    let entry = entry.trim_matches(' ');
    // `ipnet`'s own parser reads 010.0.0.0/8 as 10.0.0.0/8, other programs as 8.0.0.0/8: such entries are rejected.
    let network = match entry.split_once('/') {
        Some((address, length)) if length.bytes().all(|b| b.is_ascii_digit()) => {
            IpNet::new(address.parse().ok()?, length.parse().ok()?).ok()?
        }
        Some(_) => return None,
        None => IpNet::from(entry.parse::<IpAddr>().ok()?),
    };
    let mapped = match network {
        IpNet::V6(v6) => v6.addr().to_ipv4_mapped().zip(v6.prefix_len().checked_sub(96)),
        IpNet::V4(_) => None,
    };
    match mapped {
        Some((address, length)) => Ipv4Net::new(address, length).ok().map(|v4| IpNet::V4(v4.trunc())),
        None => Some(network.trunc()),
    }
}

/// An address as proxies write it: bare, quoted, in brackets or with a port (the last three as in RFC 7239 section 6).
fn parse_hop(hop: &str) -> Option<IpAddr> {
    let hop = hop.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap_or(hop);
    let bare = || hop.parse::<IpAddr>().ok();
    let with_port = || hop.parse::<SocketAddr>().ok().map(|socket| socket.ip());
    let bracketed = || hop.strip_prefix('[')?.strip_suffix(']')?.parse::<Ipv6Addr>().ok().map(IpAddr::V6);
    bare().or_else(with_port).or_else(bracketed).map(|address| address.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().expect("an IP address in a test")
    }

    fn proxies(entries: &[&str]) -> TrustedProxies {
        let entries: Vec<String> = entries.iter().map(ToString::to_string).collect();
        TrustedProxies::parse(&entries).expect("valid entries in a test")
    }

    fn client(peer: &str, forwarded_for: &[&str]) -> IpAddr {
        proxies(&["10.0.0.0/8", "fd00::/8"]).client_address(ip(peer), forwarded_for)
    }

    #[test]
    fn the_same_network_is_the_same_v4_24_or_v6_56() {
        assert_eq!(Network::of(ip("192.0.2.1")), Network::of(ip("192.0.2.254")));
        assert_ne!(Network::of(ip("192.0.2.1")), Network::of(ip("192.0.3.1")));
        assert_eq!(Network::of(ip("2001:db8:0:ff01::1")), Network::of(ip("2001:db8:0:ffff::2")));
        assert_ne!(Network::of(ip("2001:db8:0:ff01::1")), Network::of(ip("2001:db8:0:fe01::1")));
    }

    #[test]
    fn an_ipv4_mapped_address_is_ipv4() {
        assert_eq!(Network::of(ip("::ffff:192.0.2.7")), Network::of(ip("192.0.2.9")));
        assert_eq!(Network::of(ip("::ffff:192.0.2.7")).0.to_string(), "192.0.2.0/24");
        assert_eq!(Network::of(ip("2001:db8:1:2ff::1")).0.to_string(), "2001:db8:1:200::/56");
    }

    #[test]
    fn different_networks_have_different_bytes() {
        let v4 = Network::of(ip("32.1.13.1")).canonical();
        let v6 = Network::of(ip("2001:d00::")).canonical();
        assert_eq!(v4[1..], v6[1..]);
        assert_ne!(v4, v6);
    }

    #[test]
    fn an_untrusted_peer_is_the_client_whatever_it_says() {
        assert_eq!(client("192.0.2.1", &["198.51.100.1"]), ip("192.0.2.1"));
        assert_eq!(
            TrustedProxies::default().client_address(ip("127.0.0.1"), &["198.51.100.1"]),
            ip("127.0.0.1")
        );
    }

    #[test]
    fn the_right_most_untrusted_hop_is_the_client() {
        assert_eq!(client("10.0.0.1", &["198.51.100.1, 192.0.2.1,10.0.0.2"]), ip("192.0.2.1"));
    }

    #[test]
    fn several_headers_are_one_list_in_their_order() {
        assert_eq!(client("10.0.0.1", &["198.51.100.1", "192.0.2.1", "10.0.0.2, 10.0.0.3"]), ip("192.0.2.1"));
    }

    #[test]
    fn a_garbage_hop_ends_the_walk_at_the_last_trusted_one() {
        for garbage in
            ["unknown", "_hidden", "1.2.3", "1.2.3.4:99999", "fe80::1%eth0", "\"", "[::1", "192.0.2.1 x"]
        {
            assert_eq!(
                client("10.0.0.1", &[&format!("192.0.2.1, {garbage}, 10.0.0.2")]),
                ip("10.0.0.2"),
                "{garbage}"
            );
            assert_eq!(client("10.0.0.1", &[&format!("192.0.2.1, {garbage}")]), ip("10.0.0.1"), "{garbage}");
        }
    }

    #[test]
    fn empty_elements_do_not_count() {
        assert_eq!(client("10.0.0.1", &["192.0.2.1, ,", "", ", 10.0.0.2"]), ip("192.0.2.1"));
        assert_eq!(client("10.0.0.1", &[]), ip("10.0.0.1"));
    }

    #[test]
    fn when_all_hops_are_trusted_the_left_most_is_the_client() {
        assert_eq!(client("10.0.0.1", &["10.0.0.3, 10.0.0.2"]), ip("10.0.0.3"));
    }

    #[test]
    fn a_hop_may_have_a_port_brackets_or_quotes() {
        let hops = [
            ("192.0.2.1:567", "192.0.2.1"),
            ("\"192.0.2.1\"", "192.0.2.1"),
            ("2001:db8::1", "2001:db8::1"),
            ("[2001:db8::1]", "2001:db8::1"),
            ("[2001:db8::1]:80", "2001:db8::1"),
            ("\"[2001:db8::1]:80\"", "2001:db8::1"),
            ("::ffff:192.0.2.1", "192.0.2.1"),
        ];
        for (hop, address) in hops {
            assert_eq!(client("10.0.0.1", &[hop]), ip(address), "{hop}");
        }
    }

    #[test]
    fn at_most_fifty_hops_are_read() {
        let trusted = vec!["10.0.0.2"; MAX_HOPS - 1].join(",");
        assert_eq!(client("10.0.0.1", &["192.0.2.1", &trusted]), ip("192.0.2.1"));
        assert_eq!(client("10.0.0.1", &["192.0.2.1", "10.0.0.9", &trusted]), ip("10.0.0.9"));
    }

    #[test]
    fn a_mapped_peer_or_block_is_ipv4() {
        assert_eq!(client("::ffff:10.0.0.1", &["192.0.2.1"]), ip("192.0.2.1"));
        let mapped = proxies(&["::ffff:10.0.0.0/104"]);
        assert_eq!(mapped.client_address(ip("10.1.2.3"), &["192.0.2.1"]), ip("192.0.2.1"));
    }

    #[test]
    fn a_single_address_trusts_itself_alone() {
        let one = proxies(&["10.0.0.1"]);
        assert_eq!(one.client_address(ip("10.0.0.1"), &["10.0.0.2"]), ip("10.0.0.2"));
        assert_eq!(one.client_address(ip("10.0.0.2"), &["192.0.2.1"]), ip("10.0.0.2"));
    }

    #[test]
    fn an_entry_that_could_be_read_as_octal_or_has_a_sign_is_rejected() {
        for entry in
            ["010.0.0.0/8", "10.0.0.08", "10.0.0.0/+8", "::ffff:09.0.0.0/104", "10.0.0.0/", "10.0.0.0/8/8"]
        {
            assert!(TrustedProxies::parse(&[entry.to_owned()]).is_err(), "{entry}");
        }
        assert!(TrustedProxies::parse(&[" 10.0.0.0/8 ".to_owned()]).is_ok());
    }

    #[test]
    fn every_bad_entry_is_reported() {
        let entries = ["10.0.0.0/8", "10.0.0.0/33", "proxy.example"].map(String::from);
        let errors = TrustedProxies::parse(&entries).expect_err("two bad entries");
        assert_eq!(errors, [2, 3]);
    }
}
