//! The languages of mails and pages: which one a reader gets, and how it writes counts, lists, browsers and times.
//!
//! All that depends on the language, other than texts, is decided here.

use chrono::{DateTime, Datelike as _, Utc};
use serde::Deserialize;

use super::words::words;

words! {
    /// A language that linkgate has texts in; the word is its tag (RFC 5646).
    #[derive(Deserialize, Default)]
    pub enum Locale {
        /// English.
        #[default]
        En = "en",
        /// German.
        De = "de",
    }
}

words! {
    /// The plural category of a count (CLDR, UTS 35 part 3, section 5), as keys of texts end with it. Each language uses
    /// some of them, and all use `Other`.
    pub enum Plural {
        /// As for 0 in Arabic.
        Zero = "zero",
        /// As for 1 in English.
        One = "one",
        /// As for 2 in Arabic.
        Two = "two",
        /// As for 2 to 4 in Czech.
        Few = "few",
        /// As for 5 and more in Polish.
        Many = "many",
        /// All other counts.
        Other = "other",
    }
}

/// How much room a time may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TimeStyle {
    /// As in prose: "6 November 2026 at 21:23 UTC".
    Long,
    /// As in a list of facts: "6 November 2026, 21:23 UTC".
    Short,
}

/// The conventions of one language.
struct Conventions {
    plural: fn(u64) -> Plural,
    /// The conjunction between the last two items of a list; commas separate the earlier ones.
    last_and: &'static str,
    /// The word between a browser and its system.
    on: &'static str,
    /// From January on.
    months: [&'static str; 12],
    /// Formats of chrono's; `%B` is the month's name in this language.
    long_time: &'static str,
    short_time: &'static str,
}

const ENGLISH: Conventions = Conventions {
    plural: one_or_other,
    last_and: " and ",
    on: " on ",
    months: [
        "January",
        "February",
        "March",
        "April",
        "May",
        "June",
        "July",
        "August",
        "September",
        "October",
        "November",
        "December",
    ],
    long_time: "%-d %B %Y at %H:%M UTC",
    short_time: "%-d %B %Y, %H:%M UTC",
};

const GERMAN: Conventions = Conventions {
    plural: one_or_other,
    last_and: " und ",
    on: " unter ",
    months: [
        "Januar",
        "Februar",
        "März",
        "April",
        "Mai",
        "Juni",
        "Juli",
        "August",
        "September",
        "Oktober",
        "November",
        "Dezember",
    ],
    long_time: "%-d. %B %Y, %H:%M Uhr (UTC)",
    short_time: "%d.%m.%Y, %H:%M UTC",
};

/// The plural rule of English, German and others for whole numbers.
fn one_or_other(count: u64) -> Plural {
    if count == 1 { Plural::One } else { Plural::Other }
}

impl Locale {
    const fn conventions(self) -> &'static Conventions {
        match self {
            Self::En => &ENGLISH,
            Self::De => &GERMAN,
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
                .find_map(|parameter| parameter.trim().strip_prefix("q="))
                .map_or(1.0, |quality| quality.parse().unwrap_or(0.0));
            if quality > 0.0 && best.is_none_or(|(q, _)| quality > q) {
                best = Some((quality, locale));
            }
        }
        best.map(|(_, locale)| locale)
    }

    /// The plural category of a count.
    #[must_use]
    pub fn plural(self, count: u64) -> Plural {
        (self.conventions().plural)(count)
    }

    /// A list whose items all hold: "a, b and c".
    #[must_use]
    pub fn list(self, items: &[&str]) -> String {
        match items {
            [] => String::new(),
            [only] => (*only).to_owned(),
            [first @ .., last] => [&first.join(", "), *last].join(self.conventions().last_and),
        }
    }

    /// A browser as [`describe`](super::browser::describe) names it, such as "Firefox on Linux", in this language.
    #[must_use]
    pub fn browser(self, description: &str) -> String {
        description.replacen(ENGLISH.on, self.conventions().on, 1)
    }

    /// A time in UTC, to the minute.
    #[must_use]
    pub fn time(self, time: DateTime<Utc>, style: TimeStyle) -> String {
        let conventions = self.conventions();
        let format = match style {
            TimeStyle::Long => conventions.long_time,
            TimeStyle::Short => conventions.short_time,
        };
        let month = time.month0() as usize;
        time.format(&format.replace("%B", conventions.months[month])).to_string()
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

    #[test]
    fn times_read_as_people_write_them() {
        let time = |seconds, style| {
            let time = DateTime::from_timestamp(seconds, 0).expect("a time");
            Locale::ALL.map(|locale| locale.time(time, style))
        };
        assert_eq!(
            time(1_794_000_180, TimeStyle::Long),
            ["6 November 2026 at 21:23 UTC", "6. November 2026, 21:23 Uhr (UTC)"]
        );
        assert_eq!(
            time(1_794_000_180, TimeStyle::Short),
            ["6 November 2026, 21:23 UTC", "06.11.2026, 21:23 UTC"]
        );
        assert_eq!(
            time(1_772_323_200, TimeStyle::Long),
            ["1 March 2026 at 00:00 UTC", "1. März 2026, 00:00 Uhr (UTC)"]
        );
    }

    #[test]
    fn a_browser_runs_on_its_system_in_each_language() {
        let browser = |description| Locale::ALL.map(|locale| locale.browser(description));
        assert_eq!(browser("Firefox on Linux"), ["Firefox on Linux", "Firefox unter Linux"]);
        assert_eq!(browser("HTTP client"), ["HTTP client", "HTTP client"]);
    }

    #[test]
    fn the_last_two_items_of_a_list_are_joined_by_a_word() {
        let list = |items| Locale::ALL.map(|locale| locale.list(items));
        assert_eq!(list(&["a", "b", "c"]), ["a, b and c", "a, b und c"]);
        assert_eq!(list(&["a", "b"]), ["a and b", "a und b"]);
        assert_eq!(list(&["a"]), ["a", "a"]);
        assert_eq!(list(&[]), ["", ""]);
    }

    #[test]
    fn counts_have_the_plural_categories_of_cldr() {
        for locale in Locale::ALL {
            let categories = [0, 1, 2, 11, 21].map(|count| locale.plural(count).as_str());
            assert_eq!(categories, ["other", "one", "other", "other", "other"], "{locale:?}");
        }
    }
}
