//! Follows the key file, so that keys change without a restart.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use chrono::TimeDelta;

use crate::clock::Clock;
use crate::config::read_secret_file;
use crate::domain::keys::KeyringEntries;
use crate::domain::secret_text::SecretText;
use crate::metrics::Metrics;
use crate::token::Tokens;

/// How often the key file is looked at.
const KEYS_LOOKED_AT_EVERY: Duration = Duration::from_secs(2);

/// How long a new key is published before it signs: verifiers keep the key set for its `max-age` of 5 minutes, and a
/// mounted file reaches all replicas within two more (a kubelet looks every 60 to 90 s).
const PUBLISHED_BEFORE_SIGNING: TimeDelta = TimeDelta::minutes(7);

/// Reads the key file again whenever its content changes, however that came about: a write, a rename, a mounted
/// Secret that swaps a symbolic link. A bad one keeps the old ring, loudly. `seen` is what the present ring came from.
pub(super) async fn follow(
    file: PathBuf,
    mut seen: Option<SecretText>,
    tokens: Arc<Tokens>,
    metrics: Arc<Metrics>,
    clock: Arc<dyn Clock>,
) {
    // Reading may hang with the file system, and this thread has others to serve.
    let read = async || {
        let file = file.clone();
        tokio::task::spawn_blocking(move || read_secret_file(&file).ok()).await.ok().flatten()
    };
    let mut promotion = None;
    let mut tick = tokio::time::interval(KEYS_LOOKED_AT_EVERY);
    loop {
        tick.tick().await;
        if promotion.is_some_and(|due| clock.now() >= due) {
            promotion = None;
            tokens.promote();
            metrics.keyring(&tokens.key_ids());
            metrics.keyring_reload("promoted", clock.now());
            log::info!("the first key of the ring signs from now on");
        }
        let present = read().await;
        if present.as_ref().map(SecretText::expose) == seen.as_ref().map(SecretText::expose) {
            continue;
        }
        match present
            .as_ref()
            .map_or(Err("the file cannot be read".to_owned()), |text| replace_ring(&tokens, text))
        {
            Ok(waiting) => {
                promotion = waiting.then(|| clock.now() + PUBLISHED_BEFORE_SIGNING);
                metrics.keyring(&tokens.key_ids());
                metrics.keyring_reload("loaded", clock.now());
                let signs = if waiting { "when its public half is known everywhere" } else { "now" };
                log::info!("the key file has changed: its keys are in use, and the first one signs {signs}");
            }
            Err(reason) => {
                metrics.keyring_reload("refused", clock.now());
                log::error!(reason:% = reason; "the key file has changed and cannot be used: the old keys stay in use");
            }
        }
        seen = present;
    }
}

fn replace_ring(tokens: &Tokens, text: &SecretText) -> Result<bool, String> {
    let entries = KeyringEntries::parse(text.expose())
        .map_err(|faults| faults.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))?;
    tokens.replace_ring(&entries).map_err(|error| error.to_string())
}
