//! Reads settings from variables, and collects everything that is wrong with them.

use std::collections::BTreeMap;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::fault::{Fault, Parsed, Problem};
use super::settings::{Fallback, Kind, SETTINGS, Setting, human};
use super::unknown;
use crate::domain::secret_text::SecretText;

/// The largest file that can be meant, in bytes: it keeps `/dev/zero` out of memory.
const MAX_FILE: u64 = 64 * 1024;

/// The variables, and the faults found in them so far.
pub(super) struct Reader<'a> {
    vars: &'a BTreeMap<String, String>,
    faults: Vec<Fault>,
}

impl<'a> Reader<'a> {
    /// Looks at the names first: those that do not exist are faults.
    pub(super) fn new(vars: &'a BTreeMap<String, String>) -> Self {
        let faults = vars.iter().filter_map(|(name, value)| unknown::check(name, value)).collect();
        Self { vars, faults }
    }

    /// What was read, unless anything is wrong. Faults come in the order of the table of settings.
    pub(super) fn finish<T>(self, read: Option<T>) -> Result<T, Vec<Fault>> {
        let mut faults = self.faults;
        let place = |fault: &Fault| {
            SETTINGS.iter().position(|s| fault.variable == s.name || fault.variable == s.file_name())
        };
        faults.sort_by_key(|fault| place(fault).map_or((0, 0), |place| (1, place)));
        match read {
            Some(read) if faults.is_empty() => Ok(read),
            _ => Err(faults),
        }
    }

    pub(super) fn add(&mut self, fault: Fault) {
        self.faults.push(fault);
    }

    /// Reads a setting. `None` means that it is not set and has no default value, or that it has a fault.
    pub(super) fn read<T>(
        &mut self,
        setting: &'static Setting,
        parse: impl FnOnce(&str) -> Parsed<T>,
    ) -> Option<T> {
        let (variable, text) = match self.given(setting) {
            Err(fault) => {
                self.add(fault);
                return None;
            }
            Ok(Some(given)) => given,
            Ok(None) => match setting.fallback {
                Fallback::Value(text) => (setting.name.to_owned(), SecretText::new(text.to_owned())),
                Fallback::Derived(_) => return None,
                Fallback::Required => {
                    self.add(not_set(setting));
                    return None;
                }
            },
        };
        match printable(setting, text.expose()).and_then(|()| parse(text.expose())) {
            Ok(value) => Some(value),
            Err(problems) => {
                self.faults.extend(problems.into_iter().map(|problem| fault(setting, &variable, problem)));
                None
            }
        }
    }

    /// The value of a setting and the variable that it came from.
    fn given(&self, setting: &Setting) -> Result<Option<(String, SecretText)>, Fault> {
        let direct = self.value(setting.name);
        let Some(path) = self.file_of(setting) else {
            return Ok(direct.map(|text| {
                let text = if setting.secret { text } else { text.trim() };
                (setting.name.to_owned(), SecretText::new(text.to_owned()))
            }));
        };
        let variable = setting.file_name();
        if direct.is_some() {
            let problem = format!("and {} are both set", setting.name);
            return Err(Fault::new(variable, problem, "keep one of the two"));
        }
        match read_secret_file(&path) {
            Ok(text) => Ok(Some((variable, text))),
            Err(problem) => Err(Fault::new(
                variable,
                problem,
                "name a file that linkgate may read and that holds the value",
            )),
        }
    }

    /// The file that a secret setting is to come from.
    pub(super) fn file_of(&self, setting: &Setting) -> Option<PathBuf> {
        if setting.secret { self.value(&setting.file_name()).map(PathBuf::from) } else { None }
    }

    fn value(&self, name: &str) -> Option<&'a str> {
        self.vars.get(name).map(String::as_str).filter(|value| !value.trim().is_empty())
    }

    /// Reads `on` or `off`.
    pub(super) fn switch(&mut self, setting: &'static Setting) -> bool {
        let parse = |text: &str| match text.to_ascii_lowercase().as_str() {
            "on" | "true" => Ok(true),
            "off" | "false" => Ok(false),
            _ => Err(vec![Problem::new("is neither on nor off", "write on or off")]),
        };
        self.read(setting, parse).unwrap_or_default()
    }

    /// Reads one of the words of the setting's kind; `name` gives the word of each of `all`.
    pub(super) fn choice<T: Copy + Default>(
        &mut self,
        setting: &'static Setting,
        all: &[T],
        name: fn(T) -> &'static str,
    ) -> T {
        let parse = |text: &str| {
            let found = all.iter().find(|value| name(**value).eq_ignore_ascii_case(text));
            found.copied().ok_or_else(|| {
                vec![Problem::new("is not one of its values", format!("write one of {}", setting.kind))]
            })
        };
        self.read(setting, parse).unwrap_or_default()
    }

    /// Reads a duration within the bounds of the setting's kind.
    pub(super) fn duration(&mut self, setting: &'static Setting) -> Duration {
        let parse = |text: &str| {
            let Some(duration) = parse_duration(text) else {
                return Err(vec![Problem::new("is not a duration", "write one like 90s, 10m, 24h or 30d")]);
            };
            match setting.kind {
                Kind::Duration { min, .. } if duration < min => {
                    Err(vec![Problem::new("is too short", format!("write at least {}", human(min)))])
                }
                Kind::Duration { max, .. } if duration > max => {
                    Err(vec![Problem::new("is too long", format!("write at most {}", human(max)))])
                }
                _ => Ok(duration),
            }
        };
        self.read(setting, parse).unwrap_or_default()
    }
}

fn not_set(setting: &Setting) -> Fault {
    let remedy = match setting.name {
        "LINKGATE_KEYS" => {
            "set it to what `linkgate keys new` prints, or LINKGATE_KEYS_FILE to a file with it".to_owned()
        }
        name => format!("set it, for example {name}={}", quoted(setting.example)),
    };
    Fault::new(setting.name, "is not set", remedy)
}

/// For pasting into a shell.
fn quoted(example: &str) -> String {
    if example.contains([' ', '<']) { format!("'{example}'") } else { example.to_owned() }
}

fn fault(setting: &Setting, variable: &str, problem: Problem) -> Fault {
    let remedy = problem.remedy.unwrap_or_else(|| format!("write it like {}", quoted(setting.example)));
    Fault::new(variable, problem.problem, remedy)
}

/// No value has control characters, but lists may be written in lines.
fn printable(setting: &Setting, text: &str) -> Parsed<()> {
    let lines = setting.kind == Kind::List;
    if text.contains('\u{fffd}') {
        return Err(vec![Problem::new("is not valid UTF-8", "write it in UTF-8")]);
    }
    if text.chars().any(|c| c.is_control() && !(lines && matches!(c, '\n' | '\r' | '\t'))) {
        return Err(vec![Problem::new("has a control character", "remove it, and any line break")]);
    }
    Ok(())
}

/// Reads the file of a secret, without the line break at its end.
///
/// # Errors
/// What is wrong with the file, in words that fit after "the file" or a variable that names it.
pub fn read_secret_file(path: &Path) -> Result<SecretText, String> {
    let unreadable = |e: std::io::Error| match e.kind() {
        std::io::ErrorKind::NotFound => "names a file that does not exist".to_owned(),
        kind => format!("names a file that cannot be read ({kind})"),
    };
    let file = std::fs::File::open(path).map_err(unreadable)?;
    let mut bytes = zeroize::Zeroizing::new(Vec::new());
    file.take(MAX_FILE + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    if bytes.len() as u64 > MAX_FILE {
        return Err("names a file of more than 64 KiB".to_owned());
    }
    let text = std::str::from_utf8(&bytes).map_err(|_| "names a file that is not UTF-8".to_owned())?;
    let text = text.strip_suffix('\n').map_or(text, |text| text.strip_suffix('\r').unwrap_or(text));
    if text.trim().is_empty() {
        return Err("names an empty file".to_owned());
    }
    Ok(SecretText::new(text.to_owned()))
}

pub(super) fn parse_duration(text: &str) -> Option<Duration> {
    let unit = match text.as_bytes().last()? {
        b's' => 1,
        b'm' => 60,
        b'h' => 60 * 60,
        b'd' => 24 * 60 * 60,
        _ => return None,
    };
    let number = &text[..text.len() - 1];
    if number.is_empty() || !number.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    number.parse::<u64>().ok()?.checked_mul(unit).map(Duration::from_secs)
}

#[cfg(test)]
mod tests {
    use super::*;

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
