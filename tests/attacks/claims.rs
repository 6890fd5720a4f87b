//! Claims that are missing, of the wrong type, at the edges or twice, in tokens whose signature is right: as if a signer
//! were careless, or a key had leaked to one who knows no better.

use chrono::TimeDelta;
use serde_json::{Value, json};

use super::forge::{Smith, part, with, without};
use super::places::Scene;
use test_kit::app::{Answer, TestApp, answer};
use test_kit::requests::{SECRET, plain_with, with_key};

/// Claims that may be left out: what is asked for is less then.
const OPTIONAL: [(&str, &[&str]); 5] = [
    ("link", &["cfp", "net", "ua", "ru", "xd", "tk", "sub"]),
    ("attempt", &["cfp", "net", "ua", "ru", "xd", "tk", "sub"]),
    ("ticket", &[]),
    ("renewal", &["xdev"]),
    ("session", &[]),
];

fn may_miss(name: &str, claim: &str) -> bool {
    OPTIONAL.iter().any(|(typ, optional)| *typ == name && optional.contains(&claim))
}

/// Values of every JSON type but that of `good`.
fn wrong_types(good: &Value) -> Vec<Value> {
    let mut all =
        vec![json!(null), json!([]), json!({}), json!([good]), json!({ "value": good }), json!([good, good])];
    if !good.is_boolean() {
        all.extend([json!(true), json!(false)]);
    }
    if !good.is_number() {
        all.extend([json!(0), json!(1), json!(-1), json!(1.5), json!(1e300)]);
    }
    if !good.is_string() {
        all.extend([json!(""), json!("x"), json!(good.to_string())]);
    }
    all
}

#[tokio::test]
async fn a_good_token_that_the_smith_signs_again_is_good() {
    let scene = Scene::start().await;
    let smith = Smith::of(&scene.app.url);
    let again = |token: &str| smith.with_claims(token, &part(token, 1).to_string());
    let mut tokens = scene.tokens;
    for token in [
        &mut tokens.link,
        &mut tokens.attempt.token,
        &mut tokens.ticket,
        &mut tokens.renewal,
        &mut tokens.session,
    ] {
        // Members in another order: another token, and as good.
        *token = again(token);
    }
    super::places::use_up(&scene.app, &tokens).await;
}

#[tokio::test]
async fn no_claim_may_be_missing_or_of_another_json_type() {
    let scene = Scene::start().await;
    let smith = Smith::of(&scene.app.url);
    for (name, token) in scene.each() {
        let claims = part(token, 1);
        for (claim, good) in claims.as_object().unwrap() {
            if !may_miss(name, claim) {
                let fewer = without(&claims, claim).to_string();
                scene.refuses(name, &format!("no {claim}"), &smith.with_claims(token, &fewer)).await;
            }
            for wrong in wrong_types(good) {
                // Applications that are the only ones meant may be named in an array (RFC 7519, section 4.1.3).
                if claim == "aud" && wrong.as_array().is_some_and(|list| list.contains(good)) {
                    continue;
                }
                let how = format!("{claim} is {wrong}");
                let other = with(&claims, &json!({ claim: wrong })).to_string();
                scene.refuses(name, &how, &smith.with_claims(token, &other)).await;
            }
        }
    }
    scene.assert_untouched().await;
}

#[tokio::test]
async fn no_claim_stands_twice_and_none_is_unknown() {
    let scene = Scene::start().await;
    let smith = Smith::of(&scene.app.url);
    for (name, token) in scene.each() {
        let claims = part(token, 1);
        let text = claims.to_string();
        let (front, back) = (&text[..text.len() - 1], &text[1..]);
        for (claim, good) in claims.as_object().unwrap() {
            let escaped = format!("\\u{:04x}{}", claim.as_bytes()[0], &claim[1..]);
            for (how, twice) in [
                ("the same again", format!("{front},\"{claim}\":{good}}}")),
                ("another before", format!("{{\"{claim}\":null,{back}")),
                ("another after", format!("{front},\"{claim}\":null}}")),
                ("once escaped", format!("{front},\"{escaped}\":{good}}}")),
            ] {
                scene
                    .refuses(name, &format!("{claim} twice, {how}"), &smith.with_claims(token, &twice))
                    .await;
            }
        }
        for (unknown, value) in [
            ("nbf", json!(0)),
            ("nbf", json!(4_000_000_000_u64)),
            ("nbf", json!("0")),
            ("nbf", json!(null)),
            ("admin", json!(true)),
            ("scope", json!("all")),
            ("cnf", json!({})),
            ("__proto__", json!({ "email_verified": true })),
            ("Exp", json!(4_000_000_000_u64)),
            ("exp ", json!(4_000_000_000_u64)),
            ("", json!(0)),
        ] {
            let more = with(&claims, &json!({ unknown: value })).to_string();
            scene.refuses(name, &format!("{unknown:?} {value}"), &smith.with_claims(token, &more)).await;
        }
        let values: Vec<&Value> = claims.as_object().unwrap().values().collect();
        for (how, other) in [
            ("an array", json!(values).to_string()),
            ("a string", json!(text).to_string()),
            ("in an array", json!([claims]).to_string()),
            ("nothing", String::new()),
            ("two objects", format!("{text}{text}")),
            ("trailing bytes", format!("{text}x")),
            ("space before", format!(" {text}")),
            ("a byte order mark", format!("\u{feff}{text}")),
        ] {
            scene.refuses(name, &format!("claims are {how}"), &smith.with_claims(token, &other)).await;
        }
    }
    scene.assert_untouched().await;
}

#[tokio::test]
async fn issuer_and_audience_are_ours_to_the_letter() {
    let scene = Scene::start().await;
    let smith = Smith::of(&scene.app.url);
    let (url, token) = (&scene.app.url, &scene.tokens.session);
    let claims = part(token, 1);
    let others = [
        format!("{url}/"),
        url.replace("http", "https"),
        url.to_ascii_uppercase(),
        format!("{url}.evil.example"),
        format!("{url}@evil.example"),
        url[..url.len() - 1].to_owned(),
        format!(" {url}"),
        format!("{url}\0"),
        "http://127.0.0.1".to_owned(),
        "https://evil.example".to_owned(),
        "*".to_owned(),
    ];
    for other in &others {
        let iss = with(&claims, &json!({ "iss": other })).to_string();
        scene.refuses("session", &format!("iss {other:?}"), &smith.with_claims(token, &iss)).await;
        for aud in [json!(other), json!([other]), json!([other, other]), json!({ other: url })] {
            let how = format!("aud {aud}");
            let aud = with(&claims, &json!({ "aud": aud })).to_string();
            scene.refuses("session", &how, &smith.with_claims(token, &aud)).await;
        }
    }
    for (claim, value) in [
        ("email_verified", json!(false)),
        ("email", json!("Victim@Example.com")),
        ("email", json!("victim@example.com\r\nBcc: x@evil.example")),
        ("amr", json!(["pwd"])),
        ("amr", json!(["email_link", "pwd"])),
        ("sid", json!("sess_*")),
        ("sub", json!("a b")),
        ("jti", json!("x")),
        ("auth_time", json!(i64::MAX)),
    ] {
        let how = format!("{claim} {value}");
        let other = with(&claims, &json!({ claim: value })).to_string();
        scene.refuses("session", &how, &smith.with_claims(token, &other)).await;
    }
    scene.assert_untouched().await;
}

#[tokio::test]
async fn ids_and_sealed_addresses_of_other_tokens_do_not_fit() {
    let scene = Scene::start().await;
    let smith = Smith::of(&scene.app.url);
    let of = |name: &str| part(scene.tokens.each().iter().find(|(typ, _)| *typ == name).unwrap().1, 1);
    // An address is sealed for the id of its own token, whoever signs.
    for (name, claim, from) in [
        ("link", "em", "attempt"),
        ("link", "em", "ticket"),
        ("link", "jti", "ticket"),
        ("attempt", "em", "link"),
        ("attempt", "aid", "ticket"),
        ("ticket", "em", "link"),
        ("ticket", "jti", "link"),
        ("renewal", "em", "attempt"),
        ("renewal", "sid", "ticket"),
    ] {
        let token = scene.tokens.each().into_iter().find(|(typ, _)| *typ == name).unwrap().1;
        let other = with(&of(name), &json!({ claim: of(from)[claim] })).to_string();
        scene.refuses(name, &format!("{claim} of a {from}"), &smith.with_claims(token, &other)).await;
    }
    for (name, token) in scene.each() {
        let claims = part(token, 1);
        for claim in ["jti", "aid", "em", "cfp", "sid", "net"] {
            let Some(good) = claims.get(claim).and_then(Value::as_str) else { continue };
            let zeros = "A".repeat(good.len());
            let mut bad = vec![
                "x".to_owned(),
                good[1..].to_owned(),
                format!("{good}A"),
                format!("{good}="),
                format!(" {good}"),
                format!("{good}\0"),
                format!("{}*", &good[1..]),
                format!("{}+", &good[1..]),
                "A".repeat(4000),
            ];
            // Ids of zeros are ids, but not those that the address was sealed for.
            if claim == "em" || (claim == "jti" && name != "session") || (claim, name) == ("aid", "attempt") {
                bad.push(zeros);
            }
            for value in bad {
                let other = with(&claims, &json!({ claim: value })).to_string();
                scene.refuses(name, &format!("{claim} {value:?}"), &smith.with_claims(token, &other)).await;
            }
        }
    }
    scene.assert_untouched().await;
}

/// What the server says to a token where its type belongs, without using it up.
async fn read_with(app: &TestApp, id: &str, name: &str, token: &str) -> Answer {
    let script = app.script(SECRET);
    let request = match name {
        "link" => script.get(&format!("/v/{token}")),
        "attempt" => script.get(&format!("/v1/attempts/{id}")).bearer_auth(token),
        "ticket" => with_key(script.post("/v1/tickets/redeem")).json(&json!({ "ticket": token })),
        "renewal" => script.post("/v1/session/token").json(&json!({ "renewal_token": token })),
        _ => {
            // A redirect URL that is not listed: whoever is let in hears of that, and nothing is started.
            let body = json!({ "purpose": "verify_email", "redirect_url": "https://evil.example" });
            script.post("/v1/attempts").bearer_auth(token).json(&plain_with(&body))
        }
    };
    answer(request).await
}

fn let_in(answer: &Answer) -> bool {
    matches!(answer.status.as_u16(), 200 | 422)
}

#[tokio::test]
async fn the_times_of_a_token_are_seconds_and_its_end_is_the_end() {
    let scene = Scene::start().await;
    let smith = Smith::of(&scene.app.url);
    let (app, id) = (&scene.app, &scene.tokens.attempt.id);
    let now = app.clock_now().timestamp();
    for (name, token) in scene.each() {
        let claims = without(&without(&part(token, 1), "exp"), "iat").to_string();
        let with_times = |iat: &str, exp: &str| {
            let claims = format!("{},\"iat\":{iat},\"exp\":{exp}}}", &claims[..claims.len() - 1]);
            smith.with_claims(token, &claims)
        };
        let iat = (now - 60).to_string();
        for exp in [
            now.to_string(),
            (now - 1).to_string(),
            (now - 59).to_string(),
            (now - 61).to_string(),
            format!("{}.0", now + 100),
            format!("{}.5", now + 100),
            format!("\"{}\"", now + 100),
            "0".to_owned(),
            "-0".to_owned(),
            "-1".to_owned(),
            i64::MIN.to_string(),
            i64::MAX.to_string(),
            "9223372036854775808".to_owned(),
            "1e300".to_owned(),
            "-1e300".to_owned(),
            "1e10".to_owned(),
            "NaN".to_owned(),
            "Infinity".to_owned(),
            "null".to_owned(),
            "8210266876800".to_owned(),
            format!("+{}", now + 100),
            format!("0{}", now + 100),
        ] {
            let answer = read_with(app, id, name, &with_times(&iat, &exp)).await;
            assert!(!let_in(&answer), "{name}, exp {exp}: {}", answer.raw);
        }
        for iat in [
            (now + 2).to_string(),
            "1e300".to_owned(),
            i64::MAX.to_string(),
            i64::MIN.to_string(),
            "\"0\"".to_owned(),
            "1.5".to_owned(),
            "null".to_owned(),
            "-1e300".to_owned(),
        ] {
            let answer = read_with(app, id, name, &with_times(&iat, &(now + 1).to_string())).await;
            assert!(!let_in(&answer), "{name}, iat {iat}: {}", answer.raw);
        }
        // One second is one second.
        let last = with_times(&iat, &(now + 1).to_string());
        let answer = read_with(app, id, name, &last).await;
        assert!(let_in(&answer), "{name}, exp now + 1: {}", answer.raw);
    }
    let last = |token: &str| {
        smith.with_claims(token, &with(&part(token, 1), &json!({ "exp": now + 1 })).to_string())
    };
    let ending: Vec<(&str, String)> =
        scene.each().filter(|(name, _)| *name != "ticket").map(|(name, token)| (name, last(token))).collect();
    app.advance(TimeDelta::seconds(1));
    for (name, token) in ending {
        let answer = read_with(app, id, name, &token).await;
        assert!(!let_in(&answer), "{name}, at its end: {}", answer.raw);
    }
}
