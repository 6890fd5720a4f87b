//! Email addresses in canonical form.
//!
//! A typed address becomes one ASCII string, the *canonical address*, which is used in `RCPT TO`, sealed into tokens,
//! hashed into subjects and asserted to applications. An input that a person and a machine could read as different
//! addresses is rejected, not repaired.
//!
//! No error or debug output contains an address or any part of the input.

use std::fmt;

use idna::AsciiDenyList;
use idna::uts46::{DnsLength, Hyphens, Uts46};

/// The longest input that is parsed, in bytes: 254 characters of at most four bytes each, and a few spaces.
const MAX_INPUT: usize = 1024;

/// The longest canonical address, in octets (RFC 5321 section 4.5.3.1.3, as corrected by RFC 3696 erratum 1690).
const MAX_ADDRESS: usize = 254;

/// The longest local part, in octets (RFC 5321 section 4.5.3.1.1).
const MAX_LOCAL_PART: usize = 64;

/// Invisible characters that UTS 46 permits in a domain: the two joiners (valid in some scripts, by context), the blank
/// Braille pattern and the null notehead. It drops or rejects all others.
const INVISIBLE: [char; 4] = ['\u{200c}', '\u{200d}', '\u{2800}', '\u{1d159}'];

/// An email address in canonical form: ASCII, lower case, at most 254 octets, the domain in A-labels (RFC 5890).
///
/// Two addresses are equal if their canonical forms are. `Debug` does not print the address, to keep it out of logs.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct EmailAddress(String);

impl EmailAddress {
    /// Parses a typed address into the canonical address.
    ///
    /// Leading and trailing spaces (U+0020) are dropped. The local part is an ASCII dot-atom (RFC 5322 section 3.2.3) of 1 to
    /// 64 octets without `%`, `!` and `=?`, and is lower-cased. The domain has at least two labels, goes through
    /// strict UTS 46 (STD 3 rules, hyphens and DNS lengths checked) and must, converted back to Unicode, read as
    /// typed; its last label is not a number.
    ///
    /// # Errors
    ///
    /// An [`InvalidEmailAddress`] with the reason, which never repeats the input.
    pub fn parse(input: &str) -> Result<Self, InvalidEmailAddress> {
        if input.len() > MAX_INPUT {
            return Err(InvalidEmailAddress::TooLong);
        }
        let typed = input.trim_matches(' ');
        let (local_part, domain) = typed.split_once('@').ok_or(InvalidEmailAddress::NoAtSign)?;
        if !is_local_part(local_part) {
            return Err(InvalidEmailAddress::LocalPart);
        }
        // Every character becomes at least one octet: too many characters need no Unicode tables.
        if typed.chars().count() > MAX_ADDRESS {
            return Err(InvalidEmailAddress::TooLong);
        }
        let domain = canonical_domain(domain)?;
        if local_part.len() + 1 + domain.len() > MAX_ADDRESS {
            return Err(InvalidEmailAddress::TooLong);
        }
        Ok(Self(format!("{}@{domain}", local_part.to_ascii_lowercase())))
    }

    /// Accepts an address that is already canonical, such as one from a token.
    ///
    /// # Errors
    ///
    /// As [`EmailAddress::parse`], and [`InvalidEmailAddress::NotCanonical`] if parsing would change a byte.
    pub fn from_canonical(address: &str) -> Result<Self, InvalidEmailAddress> {
        let parsed = Self::parse(address)?;
        if parsed.0 == address { Ok(parsed) } else { Err(InvalidEmailAddress::NotCanonical) }
    }

    /// The canonical address, in the form for `RCPT TO` (RFC 5321 section 4.1.1.3).
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The part before the `@`: a dot-atom in lower case.
    #[must_use]
    pub fn local_part(&self) -> &str {
        self.0.split_once('@').map_or("", |(local_part, _)| local_part)
    }

    /// The part after the `@`: the domain in A-labels, in lower case.
    #[must_use]
    pub fn domain(&self) -> &str {
        self.0.split_once('@').map_or("", |(_, domain)| domain)
    }
}

impl fmt::Display for EmailAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for EmailAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("EmailAddress(…)")
    }
}

/// An address as a person typed it, with the canonical address that it stands for.
#[derive(Clone, PartialEq, Eq)]
pub struct TypedAddress {
    as_typed: String,
    canonical: EmailAddress,
}

impl TypedAddress {
    /// Parses what a person typed.
    ///
    /// # Errors
    ///
    /// As [`EmailAddress::parse`].
    pub fn parse(typed: &str) -> Result<Self, InvalidEmailAddress> {
        Ok(Self { as_typed: typed.to_owned(), canonical: EmailAddress::parse(typed)? })
    }

    /// The address as typed, for display to the person.
    #[must_use]
    pub fn as_typed(&self) -> &str {
        &self.as_typed
    }

    /// The canonical address, for everything else.
    #[must_use]
    pub const fn canonical(&self) -> &EmailAddress {
        &self.canonical
    }
}

/// Why an input is not an email address that linkgate accepts. Contains no part of the input.
#[derive(thiserror::Error, Debug, Clone, Copy, PartialEq, Eq)]
pub enum InvalidEmailAddress {
    /// The input or its canonical form is too long.
    #[error("the email address is too long")]
    TooLong,
    /// There is no ASCII `@`.
    #[error("the email address has no @")]
    NoAtSign,
    /// The part before the `@` is not a plain ASCII dot-atom of 1 to 64 octets.
    #[error("the part before the @ is not one that can be used here")]
    LocalPart,
    /// The part after the `@` is not a mail domain of at least two labels.
    #[error("the part after the @ is not a domain name")]
    Domain,
    /// The domain has characters that UTS 46 drops or replaces: it would differ from the one on the screen.
    #[error("the part after the @ has characters that stand for others")]
    DomainNotAsTyped,
    /// A valid address, but not in canonical form (from [`EmailAddress::from_canonical`] only).
    #[error("the email address is not in canonical form")]
    NotCanonical,
}

/// Whether this is a `dot-atom-text` (RFC 5322 section 3.2.3) without the old routing characters (`%`, `!`) and without the
/// start of an encoded word (RFC 2047).
fn is_local_part(text: &str) -> bool {
    (1..=MAX_LOCAL_PART).contains(&text.len())
        && !text.contains("=?")
        && text.split('.').all(|atom| !atom.is_empty() && atom.bytes().all(is_atext))
}

fn is_atext(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"#$&'*+-/=?^_`{|}~".contains(&byte)
}

/// The domain in A-labels, if it is valid and reads as typed.
fn canonical_domain(typed: &str) -> Result<String, InvalidEmailAddress> {
    let ascii = Uts46::new()
        .to_ascii(typed.as_bytes(), AsciiDenyList::STD3, Hyphens::Check, DnsLength::Verify)
        .map_err(|_| InvalidEmailAddress::Domain)?;
    let (_, last_label) = ascii.rsplit_once('.').ok_or(InvalidEmailAddress::Domain)?;
    if is_number(last_label) {
        return Err(InvalidEmailAddress::Domain);
    }
    if !reads_as_typed(typed, &ascii) {
        return Err(InvalidEmailAddress::DomainNotAsTyped);
    }
    Ok(ascii.into_owned())
}

/// Whether URL parsers would take a domain with this last label for an IPv4 address (WHATWG URL, "ends in a number").
fn is_number(label: &str) -> bool {
    let is_hexadecimal =
        label.strip_prefix("0x").is_some_and(|digits| digits.bytes().all(|b| b.is_ascii_hexdigit()));
    is_hexadecimal || label.bytes().all(|b| b.is_ascii_digit())
}

/// Whether each typed label is the A-label or its Unicode form, ignoring case.
fn reads_as_typed(typed: &str, ascii: &str) -> bool {
    let (unicode, valid) = Uts46::new().to_unicode(ascii.as_bytes(), AsciiDenyList::STD3, Hyphens::Check);
    if valid.is_err() || unicode.contains(INVISIBLE) {
        return false;
    }
    let mut labels = ascii.split('.').zip(unicode.split('.'));
    typed.split('.').all(|typed| {
        labels
            .next()
            .is_some_and(|(ascii, unicode)| typed.eq_ignore_ascii_case(ascii) || same_letters(typed, unicode))
    }) && labels.next().is_none()
}

/// Whether both have the same letters, one by one. `unicode` is in NFC, so then `typed` is, too.
fn same_letters(typed: &str, unicode: &str) -> bool {
    let mut letters = unicode.chars();
    typed
        .chars()
        .all(|typed| letters.next().is_some_and(|letter| typed == letter || is_upper_case_of(typed, letter)))
        && letters.next().is_none()
}

/// Checks both directions: the Kelvin, Ohm and Angstrom signs have lower cases, but are not the upper case of any letter.
fn is_upper_case_of(upper: char, lower: char) -> bool {
    upper.to_lowercase().eq([lower]) && lower.to_uppercase().eq([upper])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn canonical(input: &str) -> Option<String> {
        EmailAddress::parse(input).ok().map(|address| address.as_str().to_owned())
    }

    fn reason(input: &str) -> Option<InvalidEmailAddress> {
        EmailAddress::parse(input).err()
    }

    #[test]
    fn spaces_at_the_ends_are_trimmed_and_no_other_white_space_is() {
        assert_eq!(canonical("  user@example.com "), Some("user@example.com".into()));
        for input in
            ["\tuser@example.com", "user@example.com\n", "user@example.com\u{a0}", "\u{3000}user@example.com"]
        {
            assert_eq!(canonical(input), None, "{input:?}");
        }
    }

    #[test]
    fn both_halves_are_lower_cased() {
        assert_eq!(canonical("First.Last@EXAMPLE.Com"), Some("first.last@example.com".into()));
    }

    #[test]
    fn the_local_part_is_a_plain_dot_atom() {
        for input in
            ["a..b@example.com", ".a@example.com", "a.@example.com", "a b@example.com", "a%b@example.com"]
        {
            assert_eq!(reason(input), Some(InvalidEmailAddress::LocalPart), "{input}");
        }
        assert_eq!(canonical("a?=b@example.com"), Some("a?=b@example.com".into()));
        assert_eq!(reason("a=?b@example.com"), Some(InvalidEmailAddress::LocalPart));
    }

    #[test]
    fn a_local_part_of_64_octets_is_the_longest() {
        assert!(canonical(&format!("{}@example.com", "a".repeat(64))).is_some());
        assert_eq!(reason(&format!("{}@example.com", "a".repeat(65))), Some(InvalidEmailAddress::LocalPart));
    }

    #[test]
    fn an_address_of_254_octets_is_the_longest() {
        let domain = |last: usize| format!("{0}.{0}.{1}.com", "b".repeat(63), "c".repeat(last));
        let longest = format!("{}@{}", "a".repeat(64), domain(57));
        assert_eq!((longest.len(), canonical(&longest)), (254, Some(longest.clone())));
        assert_eq!(reason(&format!("{}@{}", "a".repeat(64), domain(58))), Some(InvalidEmailAddress::TooLong));
    }

    #[test]
    fn the_length_in_octets_counts_not_the_length_as_typed() {
        // 18 characters each as typed, 31 octets each as A-labels.
        let labels: Vec<String> = (0..7).map(|n| format!("ä{}ü{n}", "x".repeat(15))).collect();
        let typed = format!("{}@{}.com", "a".repeat(64), labels.join("."));
        assert!(typed.chars().count() < MAX_ADDRESS);
        assert_eq!(reason(&typed), Some(InvalidEmailAddress::TooLong));
    }

    #[test]
    fn input_over_the_limit_is_rejected_even_if_it_is_spaces() {
        assert_eq!(reason(&" ".repeat(MAX_INPUT + 1)), Some(InvalidEmailAddress::TooLong));
    }

    #[test]
    fn a_domain_has_two_labels_and_no_number_at_its_end() {
        for domain in
            ["localhost", "com.", "example.com.", ".com", "127.0.0.1", "example.1", "127.0.0.0x1", "a.0x"]
        {
            assert_eq!(reason(&format!("user@{domain}")), Some(InvalidEmailAddress::Domain), "{domain}");
        }
        assert!(canonical("user@163.com").is_some());
        assert!(canonical("user@example.1a").is_some());
    }

    #[test]
    fn an_international_domain_may_be_typed_in_any_case_and_in_either_form() {
        let munich = Some("user@xn--mnchen-3ya.de".to_owned());
        for domain in ["münchen.de", "MÜNCHEN.DE", "xn--mnchen-3ya.de", "XN--Mnchen-3ya.de"] {
            assert_eq!(canonical(&format!("user@{domain}")), munich, "{domain}");
        }
        assert_eq!(canonical("user@ΒΌΛΟΣ.com"), canonical("user@βόλοσ.com"));
    }

    #[test]
    fn sharp_s_and_final_sigma_are_letters_of_their_own() {
        assert_eq!(canonical("user@faß.de"), Some("user@xn--fa-hia.de".into()));
        assert_ne!(canonical("user@βόλος.com"), canonical("user@βόλοσ.com"));
    }

    #[test]
    fn characters_that_stand_for_others_are_rejected() {
        let domains = [
            "exam\u{200b}ple.com", // zero-width space
            "exam\u{ad}ple.com",   // soft hyphen
            "ｅxample.com",        // full width
            "example。com",        // ideographic full stop
            "\u{212a}elvin.com",   // Kelvin sign
            "\u{212b}ngström.com", // Angstrom sign
            "\u{2126}mega.com",    // Ohm sign
            "\u{130}stanbul.com",  // dotted capital I
            "ﬁne.com",             // ligature
            "ſafe.com",            // long s
            "mu\u{308}nchen.de",   // not NFC
            "example.com\u{301}",  // a mark on the last letter
            "①example.com",        // circled digit
            "exam\u{2800}ple.com", // blank Braille pattern
            "क्\u{200d}ष.com",      // joiner where UTS 46 allows it
            "ｘn--mnchen-3ya.de",  // full width in an A-label
        ];
        for domain in domains {
            assert_eq!(
                reason(&format!("user@{domain}")),
                Some(InvalidEmailAddress::DomainNotAsTyped),
                "{}",
                domain.escape_unicode()
            );
        }
    }

    #[test]
    fn an_a_label_does_not_smuggle_in_characters_that_are_rejected_in_unicode() {
        let ascii = Uts46::new()
            .to_ascii("क्\u{200d}ष.com".as_bytes(), AsciiDenyList::STD3, Hyphens::Check, DnsLength::Verify)
            .expect("a joiner after a virama is valid");
        assert_eq!(reason(&format!("user@{ascii}")), Some(InvalidEmailAddress::DomainNotAsTyped));
        for fake in ["xn--example-.com", "xn--.com", "xn--a.com", "ab--cd.com", "xn--mnchen-3yA\u{301}.de"] {
            assert!(canonical(&format!("user@{fake}")).is_none(), "{fake}");
        }
    }

    #[test]
    fn only_the_canonical_form_is_taken_from_a_token() {
        assert!(EmailAddress::from_canonical("user@xn--mnchen-3ya.de").is_ok());
        for other in ["User@example.com", " user@example.com", "user@münchen.de", "user@XN--mnchen-3ya.de"] {
            assert_eq!(
                EmailAddress::from_canonical(other),
                Err(InvalidEmailAddress::NotCanonical),
                "{other}"
            );
        }
    }

    #[test]
    fn the_parts_are_separated_by_the_at_sign() {
        let address = EmailAddress::parse("a.b@example.com").expect("a valid address");
        assert_eq!((address.local_part(), address.domain()), ("a.b", "example.com"));
        assert_eq!(address.to_string(), "a.b@example.com");
        let typed = TypedAddress::parse(" A.B@example.com").expect("a valid address");
        assert_eq!((typed.as_typed(), typed.canonical()), (" A.B@example.com", &address));
    }

    #[test]
    fn neither_debug_nor_an_error_shows_the_address() {
        let address = EmailAddress::parse("secret@example.com").expect("a valid address");
        assert_eq!(format!("{address:?}"), "EmailAddress(…)");
        let error = EmailAddress::parse("secret@localhost").expect_err("one label");
        assert!(!format!("{error} {error:?}").contains("secret"));
    }
}
