//! Reloads the key file when it changes, so that keys change without a restart.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use crate::clock::Clock;
use crate::config::read_secret_file;
use crate::domain::keys::{KeyringEntries, PUBLISHED_BEFORE_SIGNING};
use crate::domain::secret_text::SecretText;
use crate::domain::time::saturating_add;
use crate::metrics::{KeyringReload, Metrics};
use crate::token::Tokens;

/// How often the key file is read.
const POLL_INTERVAL: Duration = Duration::from_secs(2);

/// Reloads the ring whenever the file's content changes: by a write, a rename, or a mounted Secret that swaps a symbolic
/// link. An invalid file keeps the old ring and logs an error. `seen` is the content of the current ring.
pub(super) async fn follow(
    file: PathBuf,
    mut seen: Option<SecretText>,
    tokens: Arc<Tokens>,
    metrics: Arc<Metrics>,
    clock: Arc<dyn Clock>,
) {
    // Reading may block on a remote file system, and this thread serves requests.
    let read = async || {
        let file = file.clone();
        tokio::task::spawn_blocking(move || read_secret_file(&file).ok()).await.ok().flatten()
    };
    let mut promotion = None;
    let mut tick = tokio::time::interval(POLL_INTERVAL);
    loop {
        tick.tick().await;
        if promotion.is_some_and(|due| clock.now() >= due) {
            promotion = None;
            tokens.promote();
            metrics.keyring(&tokens.key_ids());
            metrics.keyring_reload(KeyringReload::Promoted, clock.now());
            log::info!("the first key of the ring now signs");
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
                promotion = waiting.then(|| saturating_add(clock.now(), PUBLISHED_BEFORE_SIGNING));
                metrics.keyring(&tokens.key_ids());
                metrics.keyring_reload(KeyringReload::Loaded, clock.now());
                let signs = if waiting { "once verifiers know it" } else { "now" };
                log::info!("the key file changed: its keys are in use, and the first one signs {signs}");
            }
            Err(reason) => {
                metrics.keyring_reload(KeyringReload::Refused, clock.now());
                log::error!(reason:% = reason; "the key file changed and is invalid: the old keys stay in use");
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
