//! Times as the API writes them.

use chrono::{DateTime, SecondsFormat, Utc};
use serde::{Serialize, Serializer};

/// A time in UTC (RFC 3339). As chrono writes it, but in one piece: its own serialisation escapes each character by itself.
pub(crate) struct Time(pub(crate) DateTime<Utc>);

impl Serialize for Time {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0.to_rfc3339_opts(SecondsFormat::AutoSi, true))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_written_as_chrono_writes_it() {
        for (seconds, nanos) in [(0, 0), (1_800_000_000, 0), (1_800_000_000, 120_000_000), (-1, 1)] {
            let time = DateTime::from_timestamp(seconds, nanos).unwrap_or_default();
            assert_eq!(serde_json::to_value(Time(time)).ok(), serde_json::to_value(time).ok());
        }
    }
}
