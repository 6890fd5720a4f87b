//! The labels of the metrics, and the buckets of their histograms.

use std::borrow::Cow;
use std::fmt;

use prometheus_client::encoding::{EncodeLabel as _, EncodeLabelSet, LabelSetEncoder};
use prometheus_client::metrics::exemplar::HistogramWithExemplars;
use prometheus_client::metrics::histogram::Histogram;

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub(super) struct HttpLabels {
    pub(super) route: Cow<'static, str>,
    pub(super) method: &'static str,
    pub(super) status: u16,
}

/// The longest request id, in bytes. Exemplars truncate longer ones.
pub const LONGEST_REQUEST_ID: usize = 64;

/// The label of an exemplar: the `request_id` of a log line.
///
/// Stored inline: exemplars are replaced on every request, often by another thread, and freeing a `String` across threads
/// contends in the allocator.
#[derive(Clone, Debug, Hash, PartialEq, Eq)]
pub(super) struct RequestLabel {
    text: [u8; LONGEST_REQUEST_ID],
    length: usize,
}

impl RequestLabel {
    pub(super) fn new(request_id: &str) -> Self {
        let known = &request_id[..request_id.floor_char_boundary(LONGEST_REQUEST_ID)];
        let mut text = [0; LONGEST_REQUEST_ID];
        text[..known.len()].copy_from_slice(known.as_bytes());
        Self { text, length: known.len() }
    }
}

impl EncodeLabelSet for RequestLabel {
    fn encode(&self, encoder: &mut LabelSetEncoder<'_>) -> fmt::Result {
        let text = std::str::from_utf8(&self.text[..self.length]).unwrap_or_default();
        ("request_id", text).encode(encoder.encode_label())
    }
}

/// A histogram with one request as exemplar per bucket.
pub(super) type Traced = HistogramWithExemplars<RequestLabel>;

/// Buckets from an immediate click to the longest link.
pub(super) fn human_seconds() -> Histogram {
    Histogram::new([2.0, 5.0, 10.0, 20.0, 30.0, 60.0, 120.0, 300.0, 600.0, 900.0, 3600.0])
}

/// Buckets from a local relay to the timeout of a mail.
pub(super) fn mail_seconds() -> Histogram {
    Histogram::new([0.01, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0])
}

/// Buckets from a local Redis to the timeout of one operation.
pub(super) fn store_seconds() -> Histogram {
    Histogram::new([0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 2.5])
}

/// Buckets from a plain poll to a long poll.
pub(super) fn http_seconds() -> Traced {
    let bounds = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 30.0];
    HistogramWithExemplars::new(bounds.into_iter())
}
