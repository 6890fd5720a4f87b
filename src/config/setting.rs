//! One setting: its name, the form of its value, and its value if it is not set.

use std::fmt;
use std::time::Duration;

/// The prefix of every setting's name.
pub const PREFIX: &str = "LINKGATE_";

/// The suffix of the variable that names a secret's file.
pub const FILE_SUFFIX: &str = "_FILE";

/// The form of a value.
#[derive(Debug, Clone, Copy)]
pub enum Kind {
    /// One line of this form.
    Line(&'static str),
    /// One of these words.
    Choice(fn() -> Vec<&'static str>),
    /// Texts, separated by commas.
    List,
    /// A duration from the first to the second, both included.
    Duration(Duration, Duration),
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Line(form) => f.write_str(form),
            Self::Choice(words) => f.write_str(&words().join(", ")),
            Self::List => f.write_str("list"),
            Self::Duration(min, max) => write!(f, "duration, {} to {}", human(*min), human(*max)),
        }
    }
}

/// The value of a setting that is not set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fallback {
    /// None: the setting is required.
    Required,
    /// This value, as an operator would write it.
    Value(&'static str),
    /// The default of the field's type, or a value derived from other settings. The text describes it.
    Derived(&'static str),
}

impl fmt::Display for Fallback {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Required => f.write_str("required"),
            Self::Value(text) | Self::Derived(text) => f.write_str(text),
        }
    }
}

/// A setting.
#[derive(Debug)]
pub struct Setting {
    /// The environment variable.
    pub name: &'static str,
    /// The form of the value.
    pub kind: Kind,
    /// The value if the setting is not set.
    pub fallback: Fallback,
    /// Whether the value is a secret: then it can also come from the file that `<name>_FILE` names.
    pub secret: bool,
    /// The effect of the setting, in one line without a full stop.
    pub about: &'static str,
    /// A value to copy. For secrets, in angle brackets, how to make one.
    pub example: &'static str,
}

impl Setting {
    /// Whether the setting must be set.
    #[must_use]
    pub fn required(&self) -> bool {
        self.fallback == Fallback::Required
    }

    /// The variable that names the file with the value.
    #[must_use]
    pub fn file_name(&self) -> String {
        format!("{}{FILE_SUFFIX}", self.name)
    }
}

const UNITS: [(u64, char); 4] = [(24 * 60 * 60, 'd'), (60 * 60, 'h'), (60, 'm'), (1, 's')];

/// A duration as written in settings, in the largest unit that divides it.
pub(super) fn human(duration: Duration) -> String {
    let seconds = duration.as_secs();
    let fits = UNITS.into_iter().find(|(unit, _)| seconds >= *unit && seconds.is_multiple_of(*unit));
    let (unit, letter) = fits.unwrap_or((1, 's'));
    format!("{}{letter}", seconds / unit)
}

/// Parses a duration as written in settings: a number and a unit. `None` if it is malformed or too large.
pub(super) fn parse_duration(text: &str) -> Option<Duration> {
    let (unit, letter) = UNITS.into_iter().find(|(_, letter)| text.ends_with(*letter))?;
    let number = text.strip_suffix(letter)?;
    // `u64::from_str` also accepts a plus sign.
    let digits = number.bytes().all(|b| b.is_ascii_digit());
    digits.then(|| number.parse::<u64>().ok()?.checked_mul(unit).map(Duration::from_secs))?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_read_as_people_write_them() {
        for (seconds, text) in [
            (0, "0s"),
            (5, "5s"),
            (60, "1m"),
            (90, "90s"),
            (600, "10m"),
            (3600, "1h"),
            (86_400, "1d"),
            (2_592_000, "30d"),
        ] {
            assert_eq!(human(Duration::from_secs(seconds)), text);
        }
    }

    #[test]
    fn durations_have_a_number_and_a_unit() {
        for (text, seconds) in [("90s", 90), ("10m", 600), ("24h", 86_400), ("30d", 2_592_000), ("0s", 0)] {
            assert_eq!(parse_duration(text), Some(Duration::from_secs(seconds)), "{text}");
        }
        for text in
            ["", "s", "10", "1.5h", "-1s", "+1s", "1h30m", "10 m", "10M", "10é", "99999999999999999999d"]
        {
            assert_eq!(parse_duration(text), None, "{text}");
        }
        assert_eq!(parse_duration(&format!("{}d", u64::MAX)), None);
    }
}
