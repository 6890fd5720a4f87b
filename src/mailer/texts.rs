//! The texts of mails in each language.
//!
//! They are flat JSON maps with slots in braces; all languages have the same keys. Nothing here is escaped: the results
//! are plain text.

use std::collections::HashMap;
use std::time::Duration;

use crate::domain::locale::Locale;

/// The texts of one language.
pub(super) struct Texts {
    locale: Locale,
    by_key: HashMap<String, String>,
}

impl Texts {
    /// Reads the texts that this crate has in a language.
    pub(super) fn load(locale: Locale) -> Result<Self, String> {
        let json = match locale {
            Locale::En => include_str!("locales/en.json"),
            Locale::De => include_str!("locales/de.json"),
        };
        let by_key = serde_json::from_str(json).map_err(|e| format!("{}.json: {e}", locale.as_str()))?;
        Ok(Self { locale, by_key })
    }

    /// The text of a key. The tests hold that each key in use has a text.
    pub(super) fn get(&self, key: &str) -> &str {
        self.by_key.get(key).map_or("", String::as_str)
    }

    /// The texts for a purpose and those for all, by their names in templates (`t`), with their slots filled.
    pub(super) fn phrases(&self, purpose: &str, values: &[(&str, &str)]) -> Vec<(&str, String)> {
        let phrase = |(key, text): (_, &String)| match str::split_once(key, '.') {
            None => Some((key, fill(text, values))),
            Some((of, name)) => (of == purpose).then(|| (name, fill(text, values))),
        };
        self.by_key.iter().map(|(key, text)| (key.as_str(), text)).filter_map(phrase).collect()
    }

    /// A duration in whole hours if it is a multiple of one, else in minutes: rounded down, but at least one.
    pub(super) fn duration(&self, duration: Duration) -> String {
        let minutes = (duration.as_secs() / 60).max(1);
        let (unit, count) =
            if minutes.is_multiple_of(60) { ("hours", minutes / 60) } else { ("minutes", minutes) };
        let key = format!("{unit}.{}", self.locale.plural(count).as_str());
        fill(self.get(&key), &[("count", &count.to_string())])
    }
}

/// Fills the slots of a text in one pass: values that look like slots stay as they are, and so do slots without a value.
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

/// Makes one line of a value: control characters and line separators become spaces. Marks that change the direction of
/// the text after them (Unicode TR 9) are dropped, so that no value changes how the text around it reads.
pub(super) fn one_line(value: &str) -> String {
    let kept = value.chars().filter(|c| !matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{200e}' | '\u{200f}' | '\u{61c}'));
    let spaced: String =
        kept.map(|c| if c.is_control() || matches!(c, '\u{2028}' | '\u{2029}') { ' ' } else { c }).collect();
    spaced.split(' ').filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(locale: Locale) -> Texts {
        Texts::load(locale).expect("texts")
    }

    fn slots(text: &str) -> Vec<&str> {
        let mut slots: Vec<_> =
            text.split('{').skip(1).filter_map(|s| s.split_once('}')).map(|(n, _)| n).collect();
        slots.sort_unstable();
        slots.dedup();
        slots
    }

    #[test]
    fn all_languages_have_the_same_texts_with_the_same_slots() {
        let english = texts(Locale::En).by_key;
        for locale in Locale::ALL {
            let other = texts(locale).by_key;
            assert_eq!(english.len(), other.len());
            for (key, text) in &english {
                let translated = other.get(key).unwrap_or_else(|| panic!("{locale:?} lacks {key}"));
                assert!(!translated.trim().is_empty(), "{locale:?} {key}");
                assert_eq!(slots(text), slots(translated), "{locale:?} {key}");
            }
        }
    }

    #[test]
    fn durations_read_as_people_write_them() {
        let durations =
            |seconds| Locale::ALL.map(|locale| texts(locale).duration(Duration::from_secs(seconds)));
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
