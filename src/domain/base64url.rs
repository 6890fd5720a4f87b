//! Bytes as canonical base64url without padding, the text of ids and hashes in tokens, cookies and the store.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::de::Error as _;
use serde::{Deserialize as _, Deserializer, Serializer};

/// The text does not have the expected form.
#[derive(thiserror::Error, Debug, Clone, Copy, PartialEq, Eq)]
#[error("the text does not have the expected form")]
pub struct Malformed;

pub(crate) fn encode(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// Reads the result of [`encode`]; `T` decides how many bytes there must be.
pub(crate) fn decode<T: TryFrom<Vec<u8>>>(text: &str) -> Result<T, Malformed> {
    let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| Malformed)?;
    bytes.try_into().map_err(|_| Malformed)
}

/// For `#[serde(with)]`.
pub(crate) fn serialize<T: AsRef<[u8]>, S: Serializer>(bytes: &T, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&encode(bytes))
}

/// For `#[serde(with)]`.
pub(crate) fn deserialize<'de, T: TryFrom<Vec<u8>>, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<T, D::Error> {
    decode(&String::deserialize(deserializer)?).map_err(D::Error::custom)
}
