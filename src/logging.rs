//! The log: one event per line on stderr, as text for people or as JSON for machines.
//!
//! This module ensures that an event stays on its line. Callers ensure that no token, code, email address or full IP
//! address is logged.

use std::borrow::Cow;
use std::fmt::{Display, Write as _};
use std::io::{self, Write};

use env_logger::fmt::Formatter;
use log::kv::{Error, Key, Value, VisitSource};
use log::{LevelFilter, Metadata, Record};
use serde::Serializer as _;
use serde::ser::SerializeMap as _;

use crate::domain::words::words;

/// Crates whose messages below `info` contain addresses, tokens or commands, with their siblings (`actix_web` for
/// `actix`).
const CAPPED: [&str; 6] = ["lettre", "redis", "actix", "rustls", "h2", "mio"];

/// Logs an error for each client that does not speak HTTP: anybody could fill the log and raise alarms.
const MALFORMED_REQUESTS: &str = "actix_http::h1::dispatcher";

words! {
    /// The format of the log.
    pub enum LogFormat {
        /// Lines for people.
        Text = "text",
        /// One JSON object per line.
        Json = "json",
    }
}

/// Starts logging at the level of `RUST_LOG` (by default `info`, and `warn` for the HTTP server). A second call does
/// nothing.
pub fn init(format: LogFormat) {
    let env = env_logger::Env::default().default_filter_or("info,actix_server=warn");
    let write = move |out: &mut Formatter, record: &Record<'_>| {
        let time = out.timestamp_millis();
        match format {
            _ if !is_allowed(record.metadata()) => Ok(()),
            LogFormat::Text => write_text(out, &time, record),
            LogFormat::Json => write_json(out, &time, record),
        }
    };
    // Fails only if another logger was set before.
    let _ = env_logger::Builder::from_env(env).format(write).try_init();
}

/// Caps [`CAPPED`] crates at `info` whatever the filter is. Directives cannot do that: `redis::aio=trace` overrides one
/// for `redis`.
fn is_allowed(metadata: &Metadata<'_>) -> bool {
    let target = metadata.target();
    let family = target.split([':', '_']).next().unwrap_or_default();
    target != MALFORMED_REQUESTS && (metadata.level() <= LevelFilter::Info || !CAPPED.contains(&family))
}

/// Writes `<time> LEVEL target: message key=value`.
///
/// # Errors
/// If writing to `out` fails.
pub fn write_text(out: &mut impl Write, time: &impl Display, record: &Record<'_>) -> io::Result<()> {
    let mut line = String::with_capacity(256);
    let (target, message) = (escaped(record.target()), record.args().to_string());
    // Writing to a `String` cannot fail.
    let _ = write!(line, "{time} {:<5} {target}: {}", record.level(), escaped(&message));
    for (key, value) in fields(record) {
        let (key, text) = (escaped(key.as_str()), value.to_string());
        let text = escaped(&text);
        let _ = if text.is_empty() || text.contains([' ', '"', '=']) {
            write!(line, " {key}=\"{}\"", text.replace('"', "\\\""))
        } else {
            write!(line, " {key}={text}")
        };
    }
    line.push('\n');
    out.write_all(line.as_bytes())
}

/// Writes a JSON object: `ts`, `level`, `target`, `message`, then the key-values in their order.
///
/// # Errors
/// If writing to `out` fails.
pub fn write_json(out: &mut impl Write, time: &impl Display, record: &Record<'_>) -> io::Result<()> {
    let mut line = Vec::with_capacity(384);
    let mut json = serde_json::Serializer::new(&mut line);
    let mut object = json.serialize_map(None)?;
    object.serialize_entry("ts", &format_args!("{time}"))?;
    object.serialize_entry("level", &record.level().as_str().to_ascii_lowercase())?;
    object.serialize_entry("target", record.target())?;
    object.serialize_entry("message", record.args())?;
    let mut names = ["ts", "level", "target", "message"].map(str::to_owned).to_vec();
    for (key, value) in fields(record) {
        // JSON parsers keep only one of two equal names, and differ in which.
        let mut name = key.as_str().to_owned();
        while names.contains(&name) {
            name.push('_');
        }
        // JSON cannot represent every value.
        let value = serde_json::to_value(&value).unwrap_or_else(|_| value.to_string().into());
        object.serialize_entry(&name, &value)?;
        names.push(name);
    }
    object.end()?;
    line.push(b'\n');
    out.write_all(&line)
}

fn fields<'r>(record: &'r Record<'_>) -> Vec<(Key<'r>, Value<'r>)> {
    #[derive(Default)]
    struct Fields<'r>(Vec<(Key<'r>, Value<'r>)>);

    impl<'r> VisitSource<'r> for Fields<'r> {
        fn visit_pair(&mut self, key: Key<'r>, value: Value<'r>) -> Result<(), Error> {
            self.0.push((key, value));
            Ok(())
        }
    }

    let mut fields = Fields::default();
    // `Fields` never fails; a source that fails has delivered its fields so far.
    let _ = record.key_values().visit(&mut fields);
    fields.0
}

/// Escapes characters that would end the line or change how the rest of it looks: control characters, line and paragraph
/// separators, and bidirectional overrides.
fn escaped(text: &str) -> Cow<'_, str> {
    if text.bytes().all(|byte| matches!(byte, b' '..=b'~')) {
        return Cow::Borrowed(text);
    }
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        let unfit = c.is_control()
            || matches!(c, '\u{2028}' | '\u{2029}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
        if unfit { escaped.extend(c.escape_default()) } else { escaped.push(c) }
    }
    Cow::Owned(escaped)
}

#[cfg(test)]
mod tests {
    use log::Level;
    use serde_json::Value as Json;

    use super::*;

    const TIME: &str = "2026-01-02T03:04:05.678Z";

    type Fields<'a> = &'a [(&'a str, Value<'a>)];

    fn text(message: &str, fields: Fields<'_>) -> String {
        written(message, fields, |out, record| write_text(out, &TIME, record))
    }

    fn json(message: &str, fields: Fields<'_>) -> String {
        written(message, fields, |out, record| write_json(out, &TIME, record))
    }

    fn written(
        message: &str,
        fields: Fields<'_>,
        write: impl Fn(&mut Vec<u8>, &Record<'_>) -> io::Result<()>,
    ) -> String {
        let mut out = Vec::new();
        let mut builder = Record::builder();
        builder.level(Level::Info).target("linkgate::app").key_values(&fields);
        let result = write(&mut out, &builder.args(format_args!("{message}")).build());
        assert!(result.is_ok());
        String::from_utf8_lossy(&out).into_owned()
    }

    #[test]
    fn a_text_line_reads_without_its_fields() {
        let fields =
            [("port", Value::from(8080)), ("why", Value::from("it is = \"so\"")), ("none", Value::from(""))];
        assert_eq!(
            text("listening", &fields),
            format!("{TIME} INFO  linkgate::app: listening port=8080 why=\"it is = \\\"so\\\"\" none=\"\"\n")
        );
    }

    #[test]
    fn an_event_stays_on_its_line() {
        let nasty = "a\r\nb\u{1b}[31m\u{85}\u{2028}\u{202e}c";
        for line in [text(nasty, &[("k", Value::from(nasty))]), json(nasty, &[("k", Value::from(nasty))])] {
            assert_eq!(line.matches(['\r', '\n', '\u{1b}']).count(), 1, "{line:?}");
            assert!(line.ends_with('\n'));
        }
        assert!(text(nasty, &[]).is_ascii());
    }

    #[test]
    fn a_json_line_has_each_name_once_and_values_of_their_types() {
        let fields = [
            ("message", Value::from("other")),
            ("message", Value::from("third")),
            ("ts", Value::from(7)),
            ("ratio", Value::from(0.5)),
            ("big", Value::from(u128::MAX)),
            ("ok", Value::from(true)),
        ];
        let line = json("he said \"hi\"", &fields);
        assert!(line.starts_with(&format!("{{\"ts\":\"{TIME}\",\"level\":\"info\",\"target\":")), "{line}");
        let parsed: Json = serde_json::from_str(&line).unwrap_or_default();
        assert_eq!(parsed["message"], "he said \"hi\"");
        assert_eq!((&parsed["message_"], &parsed["message__"]), (&Json::from("other"), &Json::from("third")));
        assert_eq!((&parsed["ts_"], &parsed["ratio"], &parsed["ok"]), (&7.into(), &0.5.into(), &true.into()));
        assert_eq!(parsed["big"].to_string().trim_matches('"'), u128::MAX.to_string());
        assert_eq!(parsed.as_object().map(serde_json::Map::len), Some(10));
    }

    #[test]
    fn noisy_crates_never_log_below_info() {
        let enabled =
            |target: &str, level| is_allowed(&Metadata::builder().target(target).level(level).build());
        for target in
            ["lettre::transport", "redis::aio", "actix_web::middleware", "actix_http", "rustls", "h2", "mio"]
        {
            assert!(!enabled(target, Level::Debug) && !enabled(target, Level::Trace), "{target}");
            assert!(enabled(target, Level::Info), "{target}");
        }
        assert!(!enabled(MALFORMED_REQUESTS, Level::Error));
        for target in ["linkgate::store", "linkgate", "rediscovery", "h2o"] {
            assert!(enabled(target, Level::Trace), "{target}");
        }
    }
}
