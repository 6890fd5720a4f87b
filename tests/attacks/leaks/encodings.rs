//! The forms in which a text can leak: as it is, encoded, or hashed without a key.

use aws_lc_rs::digest::{SHA1_FOR_LEGACY_USE_ONLY, SHA256, SHA512, digest};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};

/// How many bytes of a hash are searched for: a stored hash may be truncated.
const DIGEST_BYTES: usize = 12;

/// Shorter pieces occur by chance.
const SHORTEST: usize = 7;

/// A text to search for.
pub(crate) struct Needle {
    /// How it is encoded.
    pub(crate) how: String,
    pub(crate) bytes: Vec<u8>,
    /// Whether the search ignores case.
    pub(crate) any_case: bool,
}

/// All forms of a secret. Other spellings of it, except the lower-case one, are up to the caller.
pub(crate) fn needles(secret: &[u8]) -> Vec<Needle> {
    let mut found = Vec::new();
    let mut add = |how: &str, bytes: Vec<u8>, any_case: bool| {
        found.push(Needle { how: how.to_owned(), bytes, any_case });
    };
    add("as it is", secret.to_vec(), true);
    let pairs = hex(secret);
    let all: Vec<String> = (0..secret.len()).map(|at| format!("%{}", &pairs[at * 2..at * 2 + 2])).collect();
    add("percent-encoded", all.concat().into_bytes(), true);
    let reserved = percent_encoding::percent_encode(secret, percent_encoding::NON_ALPHANUMERIC).to_string();
    add("percent-encoded where it must be", reserved.into_bytes(), true);
    let text = String::from_utf8_lossy(secret);
    let component: String = url::form_urlencoded::byte_serialize(text.as_bytes()).collect();
    add("as a form has it", component.into_bytes(), true);
    add("hexadecimal", hex(secret).into_bytes(), true);
    add("as a list of bytes", listed(secret).into_bytes(), true);
    for form in [secret.to_vec(), secret.to_ascii_lowercase(), secret.to_ascii_uppercase()] {
        for piece in base64_pieces(&form) {
            add("base64", piece.into_bytes(), false);
        }
        for (name, hash) in hashes(&form) {
            let hash = &hash[..DIGEST_BYTES];
            add(&format!("{name}, bytes"), hash.to_vec(), false);
            add(&format!("{name}, hexadecimal"), hex(hash).into_bytes(), true);
            add(&format!("{name}, as a list of bytes"), listed(hash).into_bytes(), true);
            for piece in base64_pieces(hash) {
                add(&format!("{name}, base64"), piece.into_bytes(), false);
            }
        }
    }
    found.retain(|needle| needle.bytes.len() >= SHORTEST);
    found
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    let pairs: Vec<String> = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    pairs.concat()
}

/// As Rust prints bytes.
fn listed(bytes: &[u8]) -> String {
    bytes.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

/// The part of the base64 of these bytes that does not depend on the bytes around them, for each of the three positions
/// at which they can begin.
fn base64_pieces(bytes: &[u8]) -> Vec<String> {
    let mut pieces = Vec::new();
    for before in 0..3 {
        let mut padded = vec![0; before];
        padded.extend_from_slice(bytes);
        let from = (before * 8).div_ceil(6);
        let to = padded.len() * 8 / 6;
        for engine in [&STANDARD, &URL_SAFE] {
            pieces.push(engine.encode(&padded)[from..to].to_owned());
        }
    }
    pieces
}

/// The hashes that need no key.
pub(crate) fn hashes(bytes: &[u8]) -> Vec<(&'static str, Vec<u8>)> {
    vec![
        ("SHA-256", digest(&SHA256, bytes).as_ref().to_vec()),
        ("SHA-512", digest(&SHA512, bytes).as_ref().to_vec()),
        ("SHA-1", digest(&SHA1_FOR_LEGACY_USE_ONLY, bytes).as_ref().to_vec()),
        ("MD5", md5(bytes).to_vec()),
    ]
}

/// MD5 (RFC 1321), which no library in the tree has.
fn md5(bytes: &[u8]) -> [u8; 16] {
    const SHIFTS: [[u32; 4]; 4] = [[7, 12, 17, 22], [5, 9, 14, 20], [4, 11, 16, 23], [6, 10, 15, 21]];
    let mut state: [u32; 4] = [0x6745_2301, 0xefcd_ab89, 0x98ba_dcfe, 0x1032_5476];
    let mut message = bytes.to_vec();
    message.push(0x80);
    while message.len() % 64 != 56 {
        message.push(0);
    }
    message.extend_from_slice(&(bytes.len() as u64 * 8).to_le_bytes());
    for block in message.chunks_exact(64) {
        let word = |at: usize| u32::from_le_bytes(block[at * 4..at * 4 + 4].try_into().unwrap());
        let [mut a, mut b, mut c, mut d] = state;
        for step in 0..64 {
            let (mixed, at) = match step / 16 {
                0 => ((b & c) | (!b & d), step),
                1 => ((d & b) | (!d & c), (5 * step + 1) % 16),
                2 => (b ^ c ^ d, (3 * step + 5) % 16),
                _ => (c ^ (b | !d), (7 * step) % 16),
            };
            let sum = a.wrapping_add(mixed).wrapping_add(sine(step)).wrapping_add(word(at));
            (a, d, c) = (d, c, b);
            b = b.wrapping_add(sum.rotate_left(SHIFTS[step / 16][step % 4]));
        }
        for (whole, part) in state.iter_mut().zip([a, b, c, d]) {
            *whole = whole.wrapping_add(part);
        }
    }
    let mut out = [0; 16];
    for (bytes, word) in out.chunks_exact_mut(4).zip(state) {
        bytes.copy_from_slice(&word.to_le_bytes());
    }
    out
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss,
    reason = "floor(2^32 |sin|) of a small number is a u32"
)]
fn sine(step: usize) -> u32 {
    (((step + 1) as f64).sin().abs() * 4_294_967_296.0) as u32
}

#[test]
fn the_hashes_are_those_of_the_standards() {
    let of_abc: Vec<String> = hashes(b"abc").iter().map(|(_, hash)| hex(&hash[..8])).collect();
    assert_eq!(of_abc, ["ba7816bf8f01cfea", "ddaf35a193617aba", "a9993e364706816a", "900150983cd24fb0"]);
    let long = [b'a'; 200];
    assert_eq!(hex(&md5(&long)), "887f30b43b2867f4a9accceee7d16e6c");
}
