//! The table of settings as text for people.

use std::fmt::Write as _;

use super::setting::Setting;
use super::settings::SETTINGS;

/// The settings for `--help` and the manual page.
#[must_use]
pub fn help_text() -> String {
    let mut text = String::from("Settings (environment variables; an empty one counts as not set):\n");
    for required in [true, false] {
        text.push_str(if required { "\n Required\n" } else { "\n Optional\n" });
        for setting in SETTINGS.iter().filter(|s| s.required() == required) {
            let Setting { name, kind, fallback, secret, about, example } = setting;
            let default = if required { String::new() } else { format!("; default: {fallback}") };
            let file = if *secret { "; secret, also as _FILE" } else { "" };
            let _ = writeln!(text, "  {name}={example}\n      {about}\n      [{kind}{default}{file}]");
        }
    }
    text.push_str(
        "\nLists are separated by commas. Durations look like 90s, 10m, 24h or 30d.\n\
         A secret may be in a file: LINKGATE_KEYS_FILE=/run/secrets/keys instead of LINKGATE_KEYS.\n\
         RUST_LOG sets the log level: error, warn, info (default), debug or trace.",
    );
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_help_names_every_setting() {
        for setting in SETTINGS {
            assert!(help_text().contains(&format!("{}={}\n", setting.name, setting.example)));
            assert!(!setting.about.ends_with('.') && !setting.about.contains('|'), "{}", setting.name);
        }
    }
}
