//! Reads settings from variables and collects all faults.

use std::collections::BTreeMap;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use super::fault::{Complaint, Fault, Parsed};
use super::setting::{Fallback, Kind, Setting};
use super::unknown;
use crate::domain::secret_text::SecretText;

/// The largest file that is read, in bytes: it keeps `/dev/zero` out of memory.
const MAX_FILE: u64 = 64 * 1024;

/// The variables, and the faults found so far.
pub(super) struct Reader<'a> {
    settings: &'static [&'static Setting],
    vars: &'a BTreeMap<String, String>,
    faults: Vec<Fault>,
}

impl<'a> Reader<'a> {
    pub(super) fn new(settings: &'static [&'static Setting], vars: &'a BTreeMap<String, String>) -> Self {
        Self { settings, vars, faults: Vec::new() }
    }

    /// Adds the faults of unknown names.
    pub(super) fn reject_unknown(&mut self) {
        let check = |(name, value): (&String, &String)| unknown::check(self.settings, name, value);
        self.faults.extend(self.vars.iter().filter_map(check));
    }

    /// The result, or all faults in the order of the table of settings.
    pub(super) fn finish<T>(self, read: Option<T>) -> Result<T, Vec<Fault>> {
        let mut faults = self.faults;
        let row = |fault: &Fault| {
            self.settings.iter().position(|s| fault.variable == s.name || fault.variable == s.file_name())
        };
        // Unknown names come first: `None` sorts before `Some`.
        faults.sort_by_key(row);
        match read {
            Some(read) if faults.is_empty() => Ok(read),
            _ => Err(faults),
        }
    }

    pub(super) fn add(&mut self, fault: Fault) {
        self.faults.push(fault);
    }

    /// Reads a setting. `None` if it has a fault, or is not set and has no default value.
    pub(super) fn read<T>(
        &mut self,
        setting: &'static Setting,
        parse: impl FnOnce(&str) -> Parsed<T>,
    ) -> Option<T> {
        let file = self.file_of(setting);
        let variable = if file.is_some() { setting.file_name() } else { setting.name.to_owned() };
        let value = self.text(setting, file).and_then(|text| match text {
            Some(text) => printable(setting, text.expose()).and_then(|()| parse(text.expose())).map(Some),
            None => Ok(None),
        });
        value.unwrap_or_else(|complaints| {
            let fault = |complaint: Complaint| Fault::new(&variable, complaint.problem, complaint.remedy);
            self.faults.extend(complaints.into_iter().map(fault));
            None
        })
    }

    /// The text of a setting, from its file if it has one. `None` if it is not set and has no default value.
    fn text(&self, setting: &Setting, file: Option<PathBuf>) -> Parsed<Option<SecretText>> {
        let Setting { name, example, .. } = setting;
        let given = |text: &str| Ok(Some(SecretText::new(text.to_owned())));
        let complain = |problem: String, remedy: &str| Err(vec![Complaint::new(problem, remedy)]);
        match (file, self.value(name), setting.fallback) {
            (Some(_), Some(_), _) => complain(format!("and {name} are both set"), "keep one of the two"),
            (Some(path), None, _) => read_secret_file(&path).map(Some).or_else(|problem| {
                complain(problem, "name a file that linkgate can read and that contains the value")
            }),
            (None, Some(text), _) => given(if setting.secret { text } else { text.trim() }),
            (None, None, Fallback::Value(text)) => given(text),
            (None, None, Fallback::Derived(_)) => Ok(None),
            (None, None, Fallback::Required) => {
                // Quoted for a shell.
                let quote = if example.contains([' ', '<']) { "'" } else { "" };
                let remedy = format!("set it, for example {name}={quote}{example}{quote}");
                complain("is not set".to_owned(), &remedy)
            }
        }
    }

    /// The file that a secret setting comes from.
    pub(super) fn file_of(&self, setting: &Setting) -> Option<PathBuf> {
        if setting.secret { self.value(&setting.file_name()).map(PathBuf::from) } else { None }
    }

    fn value(&self, name: &str) -> Option<&'a str> {
        self.vars.get(name).map(String::as_str).filter(|value| !value.trim().is_empty())
    }
}

/// Rejects control characters, except for line breaks in lists.
fn printable(setting: &Setting, text: &str) -> Parsed<()> {
    let lines = matches!(setting.kind, Kind::List);
    if text.contains('\u{fffd}') {
        return Err(vec![Complaint::new("is not valid UTF-8", "encode it in UTF-8")]);
    }
    if text.chars().any(|c| c.is_control() && !(lines && matches!(c, '\n' | '\r' | '\t'))) {
        return Err(vec![Complaint::new("has a control character", "remove it, and any line break")]);
    }
    Ok(())
}

/// Reads the file of a secret, without the line break at its end.
///
/// # Errors
/// The fault of the file, worded to follow "the file" or the variable that names it.
pub fn read_secret_file(path: &Path) -> Result<SecretText, String> {
    let unreadable = |e: std::io::Error| match e.kind() {
        std::io::ErrorKind::NotFound => "names a file that does not exist".to_owned(),
        kind => format!("names a file that cannot be read ({kind})"),
    };
    let file = std::fs::File::open(path).map_err(unreadable)?;
    let mut bytes = zeroize::Zeroizing::new(Vec::new());
    file.take(MAX_FILE + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    if bytes.len() as u64 > MAX_FILE {
        return Err(format!("names a file of more than {} KiB", MAX_FILE / 1024));
    }
    let text = std::str::from_utf8(&bytes).map_err(|_| "names a file that is not UTF-8".to_owned())?;
    let text = text.strip_suffix('\n').map_or(text, |text| text.strip_suffix('\r').unwrap_or(text));
    if text.trim().is_empty() {
        return Err("names an empty file".to_owned());
    }
    Ok(SecretText::new(text.to_owned()))
}
