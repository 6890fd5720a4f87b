//! The table of settings as text for people.

use std::fmt::Write as _;

use super::setting::{Fallback, Setting};
use super::settings::SETTINGS;

/// The settings for `--help` and the manual page.
#[must_use]
pub fn help_text() -> String {
    let mut text = String::from("Settings (environment variables; an empty one counts as not set):\n");
    for required in [true, false] {
        text.push_str(if required { "\n Required\n" } else { "\n Optional\n" });
        for setting in SETTINGS.iter().filter(|s| s.required() == required) {
            let _ = writeln!(text, "  {}={}", setting.name, setting.example);
            let _ = writeln!(text, "      {}", setting.about);
            let default = if required { String::new() } else { format!("; default: {}", setting.fallback) };
            let file = if setting.secret { "; secret, also as _FILE" } else { "" };
            let _ = writeln!(text, "      [{}{default}{file}]", setting.kind);
        }
    }
    text.push_str(
        "\nLists are separated by commas. Durations look like 90s, 10m, 24h or 30d.\n\
         A secret may be in a file: LINKGATE_KEYS_FILE=/run/secrets/keys instead of LINKGATE_KEYS.\n\
         RUST_LOG sets the log level: error, warn, info (default), debug or trace.",
    );
    text
}

/// The settings as a Markdown table, for the documentation. A test compares both.
#[must_use]
pub fn markdown_table() -> String {
    let mut text = String::from("| setting | value | default | what it does |\n|---|---|---|---|\n");
    for setting in SETTINGS {
        let secret = if setting.secret { " (secret)" } else { "" };
        let default = match setting.fallback {
            Fallback::Required => "**required**".to_owned(),
            Fallback::Value(value) => format!("`{value}`"),
            Fallback::Derived(what) => what.to_owned(),
        };
        let Setting { name, kind, about, .. } = setting;
        let example = if setting.example.starts_with('<') {
            String::new()
        } else {
            format!(". Example: `{}`", setting.example)
        };
        let _ = writeln!(text, "| `{name}`{secret} | {kind} | {default} | {about}{example} |");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_texts_name_every_setting() {
        for setting in SETTINGS {
            assert!(help_text().contains(&format!("{}={}\n", setting.name, setting.example)));
            assert!(markdown_table().contains(&format!("| `{}`", setting.name)));
            assert!(!setting.about.ends_with('.') && !setting.about.contains('|'), "{}", setting.name);
        }
    }
}
