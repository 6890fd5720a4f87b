//! Keys that change under load: no request fails, and a broken file changes nothing.

use std::os::unix::fs::symlink;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use serde_json::json;

use crate::draining::stream;
use crate::people::{Ledger, NEAR, client, start_request};
use test_kit::app::answer;
use test_kit::fleet::{Fleet, KEY};

const NEXT: &str = "next:YWJjZGVmZ2hpamtsbW5vcHFyc3R1dnd4eXowMTIzNDU";

/// Mounts a file as Kubernetes mounts a Secret: through a symbolic link to a directory that is swapped as a whole.
fn mount(directory: &Path, version: &str, keys: &str) {
    let data = directory.join(format!("..{version}"));
    std::fs::create_dir(&data).unwrap();
    std::fs::write(data.join("keys"), keys).unwrap();
    symlink(&data, directory.join("..data_tmp")).unwrap();
    std::fs::rename(directory.join("..data_tmp"), directory.join("..data")).unwrap();
}

/// The key ids that each replica publishes.
async fn published(fleet: &Fleet) -> Vec<Vec<String>> {
    let mut all = Vec::new();
    for replica in &fleet.replicas {
        let jwks = answer(client(&replica.url(), NEAR).get("/.well-known/jwks.json")).await;
        let keys = jwks.expect(200).body["keys"].as_array().unwrap().clone();
        all.push(keys.iter().map(|key| key["kid"].as_str().unwrap().to_owned()).collect());
    }
    all
}

async fn until_published(fleet: &Fleet, wanted: &[&str]) {
    let begun = Instant::now();
    while published(fleet)
        .await
        .iter()
        .any(|kids| wanted.iter().any(|kid| !kids.contains(&(*kid).to_owned())))
    {
        assert!(begun.elapsed() < Duration::from_secs(20), "never published: {wanted:?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    println!("{wanted:?} published by all after {:?}", begun.elapsed());
}

async fn until_logged(fleet: &Fleet, text: &str, times: usize) {
    let begun = Instant::now();
    while fleet.replicas.iter().any(|replica| replica.log().matches(text).count() < times) {
        assert!(begun.elapsed() < Duration::from_secs(20), "never logged: {text}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn new_keys_under_load_fail_no_request_and_a_broken_file_changes_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("keys");
    mount(directory.path(), "v1", KEY);
    symlink("..data/keys", &file).unwrap();
    let fleet = Fleet::with(
        2,
        &[("LINKGATE_KEYS_FILE", file.to_str().unwrap()), ("RUST_LOG", "warn,linkgate::app=info")],
    )
    .await;
    let (stop, count, ledger) =
        (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)), Arc::new(Ledger::default()));
    let lanes: Vec<_> = (0..4)
        .map(|lane| tokio::spawn(stream(fleet.url(), lane, stop.clone(), count.clone(), ledger.clone())))
        .collect();

    // As the documentation says for several replicas: append the key first, and move it to the top once all have it.
    mount(directory.path(), "v2", &format!("{KEY},{NEXT}"));
    until_published(&fleet, &["test", "next"]).await;
    mount(directory.path(), "v3", &format!("{NEXT},{KEY}"));
    until_logged(&fleet, "its keys are in use", 2).await;

    mount(directory.path(), "v4", "next:tooshort");
    until_logged(&fleet, "the old keys stay in use", 1).await;
    std::fs::remove_file(directory.path().join("..data")).unwrap();
    until_logged(&fleet, "the old keys stay in use", 2).await;
    assert!(published(&fleet).await.iter().all(|kids| kids.len() == 2));
    for replica in &fleet.replicas {
        assert!(!replica.log().contains("tooshort") && replica.log().contains("ERROR"), "{}", replica.log());
    }

    // A plain file, which is overwritten later.
    std::fs::remove_file(&file).unwrap();
    std::fs::write(&file, format!("{NEXT},{KEY}\n")).unwrap();
    until_logged(&fleet, "its keys are in use", 3).await;
    let third = KEY.replace("test:", "third:").replace("MDEy", "MTEy");
    std::fs::write(&file, format!("{NEXT},{KEY},{third}\n")).unwrap();
    until_published(&fleet, &["test", "next", "third"]).await;

    // An unknown key is on top at once: it is published, and the old one keeps signing.
    let fourth = KEY.replace("test:", "fourth:").replace("MDEy", "NDEy");
    std::fs::write(&file, format!("{fourth},{NEXT},{KEY}\n")).unwrap();
    until_published(&fleet, &["test", "next", "fourth"]).await;
    let person = client(&fleet.url(), NEAR);
    let begun = answer(start_request(&person, "late@example.com", &json!({}))).await;
    let header = jsonwebtoken::decode_header(begun.expect(201).text("attempt_token")).unwrap();
    assert_eq!(header.kid.as_deref(), Some("next"));

    stop.store(true, Ordering::Relaxed);
    for lane in lanes {
        lane.await.unwrap();
    }
    let ends = ledger.audit();
    println!(
        "{} requests while the keys changed, none failed; attempts: {ends:?}",
        count.load(Ordering::Relaxed)
    );
    assert!(ends.len() == 1 && ends["verified"] > 20, "{ends:?}");
}
