//! The words of mails in each language, and how times and durations read in it.
//!
//! The texts are flat JSON maps with slots in braces; all languages have the same keys. Nothing here escapes: what
//! comes out is plain text.

use std::collections::HashMap;
use std::time::Duration;

use chrono::{DateTime, Datelike as _, Utc};

use crate::domain::locale::Locale;

/// The texts of one language, as they stand in its file.
pub(super) struct Texts(HashMap<String, String>);

impl Texts {
    pub(super) fn of(locale: Locale) -> Self {
        let json = match locale {
            Locale::En => include_str!("locales/en.json"),
            Locale::De => include_str!("locales/de.json"),
        };
        Self(serde_json::from_str(json).expect("a file of this crate, held valid by a test"))
    }

    /// The text of a key; the tests hold that every key that is asked for is there.
    pub(super) fn get(&self, key: &str) -> &str {
        self.0.get(key).map_or("", String::as_str)
    }

    /// A time of day in UTC, to the minute.
    pub(super) fn time(&self, time: DateTime<Utc>) -> String {
        let day = time.day().to_string();
        let year = time.year().to_string();
        let clock = time.format("%H:%M").to_string();
        let month = self.get(&format!("month.{}", time.month()));
        fill(self.get("date"), &[("day", &day), ("month", month), ("year", &year), ("time", &clock)])
    }

    /// A duration in whole minutes (rounded down, but at least one), or in hours where it is a number of them.
    pub(super) fn duration(&self, duration: Duration) -> String {
        let minutes = (duration.as_secs() / 60).max(1);
        let (unit, count) =
            if minutes.is_multiple_of(60) { ("hour", minutes / 60) } else { ("minute", minutes) };
        if count == 1 {
            return self.get(unit).to_owned();
        }
        fill(self.get(&format!("{unit}s")), &[("count", &count.to_string())])
    }
}

/// Puts values into the slots of a text, in one pass: what looks like a slot in a value stays as it is, and so does a
/// slot without a value.
pub(super) fn fill(text: &str, values: &[(&str, &str)]) -> String {
    let mut out = String::with_capacity(text.len() + 32);
    let mut rest = text;
    while let Some((before, slot)) = rest.split_once('{') {
        out.push_str(before);
        let value = slot.split_once('}').and_then(|(name, after)| {
            values.iter().find(|(n, _)| *n == name).map(|(_, value)| (*value, after))
        });
        if let Some((value, after)) = value {
            out.push_str(value);
            rest = after;
        } else {
            out.push('{');
            rest = slot;
        }
    }
    out.push_str(rest);
    out
}

/// Makes a value fit for one line of plain text: control characters and line separators become spaces, and the
/// marks that change the direction of what follows (Unicode TR 9) are dropped, so that a value cannot make the text
/// around it read otherwise.
pub(super) fn one_line(value: &str) -> String {
    let kept = value.chars().filter(|c| !matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{200e}' | '\u{200f}' | '\u{61c}'));
    let spaced: String =
        kept.map(|c| if c.is_control() || matches!(c, '\u{2028}' | '\u{2029}') { ' ' } else { c }).collect();
    spaced.split(' ').filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn slots(text: &str) -> Vec<&str> {
        let mut slots: Vec<_> =
            text.split('{').skip(1).filter_map(|s| s.split_once('}')).map(|(n, _)| n).collect();
        slots.sort_unstable();
        slots.dedup();
        slots
    }

    #[test]
    fn all_languages_have_the_same_texts_with_the_same_slots() {
        let english = Texts::of(Locale::En).0;
        for locale in Locale::ALL {
            let other = Texts::of(locale).0;
            assert_eq!(english.len(), other.len());
            for (key, text) in &english {
                let translated = other.get(key).unwrap_or_else(|| panic!("{locale:?} lacks {key}"));
                assert!(!translated.trim().is_empty(), "{locale:?} {key}");
                assert_eq!(slots(text), slots(translated), "{locale:?} {key}");
            }
        }
    }

    #[test]
    fn times_and_durations_read_as_people_write_them() {
        let time = DateTime::from_timestamp(1_794_000_180, 0).expect("a time");
        let texts = Locale::ALL.map(Texts::of);
        assert_eq!(
            texts.each_ref().map(|t| t.time(time)),
            ["6 November 2026 at 21:23 UTC", "6. November 2026, 21:23 Uhr (UTC)"]
        );
        let durations = |seconds| texts.each_ref().map(|t| t.duration(Duration::from_secs(seconds)));
        assert_eq!(durations(600), ["10 minutes", "10 Minuten"]);
        assert_eq!(durations(119), ["1 minute", "1 Minute"]);
        assert_eq!(durations(3), ["1 minute", "1 Minute"]);
        assert_eq!(durations(3600), ["1 hour", "1 Stunde"]);
        assert_eq!(durations(5400), ["90 minutes", "90 Minuten"]);
        assert_eq!(durations(7200), ["2 hours", "2 Stunden"]);
    }

    #[test]
    fn slots_are_filled_once_and_values_are_left_alone() {
        let values = [("a", "{b}"), ("b", "{a}")];
        assert_eq!(fill("x {a} {b} {c} {", &values), "x {b} {a} {c} {");
    }

    #[test]
    fn a_value_is_one_line_that_reads_from_left_to_right() {
        assert_eq!(one_line(" a\r\nBcc: b\u{0}\u{2028}c\t\u{85}d "), "a Bcc: b c d");
        assert_eq!(one_line("\u{202e}live\u{2066}x\u{200f}"), "livex");
        assert_eq!(one_line("Zoë 👩\u{200d}💻"), "Zoë 👩\u{200d}💻");
    }
}
