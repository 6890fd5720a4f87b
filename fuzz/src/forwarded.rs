//! Forwarded headers: the client is always the peer or a hop that a trusted proxy has written.

use std::net::{IpAddr, Ipv6Addr};

use linkgate::domain::network::{Network, TrustedProxies};

/// The maximum of hops that count, empty ones included.
const MAX_HOPS: usize = 50;

/// The first line of the input is the list of trusted proxies, the second the peer, all others are the values of
/// `X-Forwarded-For` headers, in order; any bytes, as the server takes them.
pub fn check(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let mut lines = text.split('\n');
    let entries: Vec<String> = lines.next().unwrap_or_default().split(',').map(str::to_owned).collect();
    let Some(peer) = lines.next().and_then(|line| line.parse::<IpAddr>().ok()) else { return };
    let headers: Vec<&str> = lines.collect();
    let nobody = TrustedProxies::default();
    assert!(nobody.is_empty());
    assert_eq!(
        nobody.client_address(peer, &headers),
        peer.to_canonical(),
        "a header is believed without a proxy"
    );
    let blocks: Vec<Option<Block>> = entries.iter().map(|entry| Block::parse(entry)).collect();
    match TrustedProxies::parse(&entries) {
        Ok(proxies) => {
            let blocks: Vec<Block> =
                blocks.into_iter().map(|block| block.expect("a list with a bad entry is taken")).collect();
            walk(&proxies, &blocks, peer, &headers);
        }
        Err(faults) => {
            assert_eq!(faults.len(), blocks.iter().filter(|block| block.is_none()).count(), "one fault each");
        }
    }
}

fn walk(proxies: &TrustedProxies, blocks: &[Block], peer: IpAddr, headers: &[&str]) {
    let trusts = |address: IpAddr| blocks.iter().any(|block| block.holds(address));
    let client = proxies.client_address(peer, headers);
    assert_eq!(client, client.to_canonical(), "IPv4 in the disguise of IPv6");
    let joined = headers.join(",");
    let hops: Vec<&str> = joined.rsplit(',').collect();
    let hops = if headers.is_empty() { &[][..] } else { &hops[..] };

    // Every hop between the client and this server is a trusted proxy.
    let position = if client == peer.to_canonical() { None } else { Some(client) };
    let mut between = vec![peer];
    let mut found = position.is_none();
    for hop in hops.iter().take(MAX_HOPS) {
        if found {
            break;
        }
        let hop = hop.trim_matches([' ', '\t']);
        if hop.is_empty() {
            continue;
        }
        let address = read(hop).expect("the walk goes past a hop that cannot be read");
        if address.to_canonical() == client && between.iter().all(|hop| trusts(*hop)) {
            found = true;
        } else {
            between.push(address);
        }
    }
    assert!(found, "{client} is neither the peer nor a hop that a trusted proxy wrote");
    if !trusts(peer) {
        assert_eq!(client, peer.to_canonical(), "a peer that is not trusted is believed");
    }
    // A trusted proxy counts as the client only if no hop before it is readable.
    if trusts(client) {
        for hop in
            hops.iter().take(MAX_HOPS).map(|hop| hop.trim_matches([' ', '\t'])).filter(|h| !h.is_empty())
        {
            // Only addresses without ports and brackets: for others, `read` may differ from linkgate.
            let Ok(address) = hop.parse::<IpAddr>() else { break };
            assert!(trusts(address), "{address} is the client, not {client}");
        }
    } else {
        // Hops that the client writes come before those of the proxies, and change nothing.
        for forged in ["203.0.113.66", "10.0.0.1, ::1", "\"", ",,,", "unknown"] {
            let mut longer = vec![forged];
            longer.extend(headers);
            assert_eq!(proxies.client_address(peer, &longer), client, "{forged} on the left counts");
        }
    }
    // The distribution of hops over headers does not matter.
    if !headers.is_empty() {
        assert_eq!(proxies.client_address(peer, &[&joined]), client, "one header is not as good as several");
        let each: Vec<&str> = joined.split(',').collect();
        assert_eq!(proxies.client_address(peer, &each), client, "several headers are not as good as one");
    }
    network(client);
}

/// The network of an address.
fn network(address: IpAddr) {
    let network = Network::of(address);
    let text = network.to_string();
    let (base, length) = text.split_once('/').expect("CIDR notation");
    let base: IpAddr = base.parse().expect("an address");
    assert_eq!(Network::of(base), network);
    assert_eq!(Network::of(base).canonical(), network.canonical());
    let block = Block::parse(&text).expect("a block");
    assert!(block.holds(address) && length.parse() == Ok(if address.is_ipv4() { 24 } else { 56 }));
}

/// Reads a hop more leniently than linkgate does; the result is only compared.
fn read(hop: &str) -> Option<IpAddr> {
    let hop = hop.trim_matches('"');
    let bare = hop.parse().ok();
    let bracketed = || hop.strip_prefix('[')?.split_once(']')?.0.split('%').next()?.parse::<Ipv6Addr>().ok();
    let with_port = || hop.split_once(':')?.0.parse().ok();
    bare.or_else(|| bracketed().map(IpAddr::V6)).or_else(with_port)
}

/// A CIDR block by bit arithmetic alone: all addresses as IPv6, IPv4 ones mapped.
struct Block {
    bits: u128,
    length: u32,
}

impl Block {
    fn parse(entry: &str) -> Option<Self> {
        let entry = entry.trim_matches(' ');
        let (address, length) = match entry.split_once('/') {
            Some((address, length)) => (address, Some(length)),
            None => (entry, None),
        };
        let address: IpAddr = address.parse().ok()?;
        let (bits, offset) = (bits(address), if address.is_ipv4() { 96 } else { 0 });
        let length = match length {
            // The standard library accepts a sign, linkgate does not.
            Some(text) => text.bytes().all(|b| b.is_ascii_digit()).then(|| text.parse::<u32>().ok())??,
            None => 128 - offset,
        };
        (length + offset <= 128).then_some(Self { bits, length: length + offset })
    }

    fn holds(&self, address: IpAddr) -> bool {
        // `::/0` does not contain IPv4 addresses, although mapped ones are in it.
        if address.to_canonical().is_ipv4() && self.length < 96 {
            return false;
        }
        let differing = bits(address) ^ self.bits;
        self.length == 0 || differing >> (128 - self.length) == 0
    }
}

fn bits(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(v4) => v4.to_ipv6_mapped().to_bits(),
        IpAddr::V6(v6) => v6.to_bits(),
    }
}

/// The seeds.
#[must_use]
pub fn seeds() -> Vec<Vec<u8>> {
    [
        "10.0.0.0/8,fd00::/8\n10.0.0.1\n198.51.100.7, 10.0.0.2",
        "10.0.0.0/8\n10.0.0.1\n203.0.113.9\n198.51.100.7,10.0.0.3\n10.0.0.2",
        "10.0.0.1\n192.0.2.1\n198.51.100.7",
        "::/0\n::1\n\"[2001:db8::1]:443\", [2001:db8::2], 192.0.2.1:80",
        "::ffff:10.0.0.0/104\n::ffff:10.1.2.3\n::ffff:192.0.2.1",
        "10.0.0.0/8\n10.0.0.1\n198.51.100.7, unknown",
        "10.0.0.0/8\n10.0.0.1\n, ,\t,198.51.100.7 ,,",
        "127.0.0.1, 0.0.0.0/0\n127.0.0.1\n10.0.0.1,10.0.0.2",
        "10.0.0.0/33,x\n10.0.0.1\n1.1.1.1",
    ]
    .map(|text| text.as_bytes().to_vec())
    .to_vec()
}
