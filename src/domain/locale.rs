//! The languages of mails and pages, and how one is chosen.

use std::str::FromStr;

/// A language that linkgate has texts in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Locale {
    /// English.
    #[default]
    En,
    /// German.
    De,
}

impl Locale {
    /// All languages.
    pub const ALL: [Self; 2] = [Self::En, Self::De];

    /// The language tag (RFC 5646).
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::En => "en",
            Self::De => "de",
        }
    }

    /// The language of a tag such as `de` or `de-AT`, if there are texts in it.
    #[must_use]
    pub fn from_tag(tag: &str) -> Option<Self> {
        let language = tag.trim().split(['-', '_']).next()?;
        Self::ALL.into_iter().find(|l| l.as_str().eq_ignore_ascii_case(language))
    }

    /// The best match for an `Accept-Language` value (RFC 9110, section 12.5.4).
    #[must_use]
    pub fn negotiate(accept_language: &str) -> Option<Self> {
        let mut best: Option<(f32, Self)> = None;
        for item in accept_language.split(',').take(20) {
            let mut parts = item.split(';');
            let Some(locale) = parts.next().and_then(Self::from_tag) else { continue };
            let quality = parts
                .find_map(|p| p.trim().strip_prefix("q=").map(str::to_owned))
                .map_or(1.0, |q| f32::from_str(&q).unwrap_or(0.0));
            if quality > 0.0 && best.is_none_or(|(q, _)| quality > q) {
                best = Some((quality, locale));
            }
        }
        best.map(|(_, locale)| locale)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_most_wanted_language_that_there_is_wins() {
        assert_eq!(Locale::negotiate("fr, de-AT;q=0.8, en;q=0.5"), Some(Locale::De));
        assert_eq!(Locale::negotiate("en, de"), Some(Locale::En));
        assert_eq!(Locale::negotiate("de;q=0, fr"), None);
        assert_eq!(Locale::negotiate("*;q=nonsense,;;,"), None);
    }
}
