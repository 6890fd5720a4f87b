//! Headers of tokens that name another key, or ask for more than a signature.

use std::io::ErrorKind;
use std::net::{TcpListener, TcpStream};

use jsonwebtoken::Algorithm;
use serde_json::{Value, json};

use super::forge::{FOREIGN_SEED, Smith, ed25519, encode, foreign_jwk, hmac, part, parts, with, without};
use super::places::Scene;

/// Offers tokens with these headers, each under its old signature, under none, and under one that is right for it.
async fn refuse_headers(scene: &Scene, headers: impl Fn(&Value) -> Vec<(String, String)>) {
    let smith = Smith::of(&scene.app.url);
    for (name, token) in scene.each() {
        let [_, payload, signature] = parts(token);
        let claims = part(token, 1).to_string();
        for (how, header) in headers(&part(token, 0)) {
            scene.refuses(name, &format!("{how}, signed"), &smith.resign(token, &header, &claims)).await;
            let header = encode(&header);
            scene.refuses(name, &how, &format!("{header}.{payload}.{signature}")).await;
            scene.refuses(name, &format!("{how}, unsigned"), &format!("{header}.{payload}.")).await;
        }
        // The smith signs what is taken: what was refused above was refused for its header.
        let again = smith.resign(token, &part(token, 0).to_string(), &part(token, 1).to_string());
        assert_eq!(parts(&again).len(), 3);
    }
    scene.assert_untouched().await;
}

/// One member, in these other ways.
fn members(header: &Value, name: &str, values: &[Value]) -> Vec<(String, String)> {
    let short = |value: &Value| value.to_string().chars().take(60).collect::<String>();
    values
        .iter()
        .map(|value| (format!("{name} {}", short(value)), with(header, &json!({ name: value })).to_string()))
        .collect()
}

#[tokio::test]
async fn a_key_id_leads_to_a_key_of_the_ring_and_nowhere_else() {
    let scene = Scene::start().await;
    let huge = "k".repeat(6000);
    let kids = [
        "",
        " ",
        "unknown",
        "TEST",
        "Test",
        " test",
        "test ",
        "test\0",
        "test\0x",
        "\0",
        "test\r\nX-Evil: 1",
        "tes",
        "testt",
        "t\u{435}st",
        "/dev/null",
        "../../../../dev/null",
        "file:///dev/null",
        "keys/test",
        "./test",
        "test/../test",
        "C:\\NUL",
        "test' OR '1'='1",
        "' UNION SELECT 'AAAA' -- ",
        "test\"; DROP TABLE keys; --",
        "x'; SELECT pg_sleep(5) --",
        "*",
        "te?t",
        "t[e]st",
        "test*",
        "lg:*",
        "lg:a:*",
        "\r\nFLUSHALL\r\n",
        "test\r\nGET x",
        "$(id)",
        "`id`",
        "|id",
        "http://127.0.0.1/key",
        "${env:LINKGATE_KEYS}",
        "{{kid}}",
        "%74est",
        "0",
        "null",
        "__proto__",
        &huge,
    ];
    refuse_headers(&scene, |header| {
        let mut values: Vec<Value> = kids.iter().map(|kid| json!(kid)).collect();
        values.extend([
            json!(null),
            json!(0),
            json!(1.5),
            json!(true),
            json!(["test"]),
            json!([]),
            json!({}),
            json!({ "test": "test" }),
            json!({ "$ne": null }),
        ]);
        let mut all = members(header, "kid", &values);
        all.push(("no kid".to_owned(), without(header, "kid").to_string()));
        all
    })
    .await;
}

#[tokio::test]
async fn an_empty_or_known_file_behind_a_key_id_is_no_key() {
    let scene = Scene::start().await;
    for (name, token) in scene.each() {
        let claims = part(token, 1).to_string();
        for kid in [
            "/dev/null",
            "../../../../../../dev/null",
            "/proc/sys/kernel/randomize_va_space",
            "unknown",
            "",
            "*",
        ] {
            let header = with(&part(token, 0), &json!({ "alg": "HS256", "kid": kid })).to_string();
            for secret in [&b""[..], b"2\n", b"2", b"\0", &[0; 32]] {
                scene.refuses(name, kid, &hmac(Algorithm::HS256, secret, &header, &claims)).await;
            }
        }
    }
    scene.assert_untouched().await;
}

#[tokio::test]
async fn no_key_is_taken_from_a_token_or_fetched_for_it() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let address = listener.local_addr().unwrap();
    let scene = Scene::start().await;
    let urls = [
        format!("http://{address}/jwks.json"),
        format!("https://{address}/jwks.json"),
        format!("//{address}/jwks.json"),
        format!("{}@{address}/", scene.app.url),
    ];
    let jwk = foreign_jwk();
    for (name, token) in scene.each() {
        let (header, claims) = (part(token, 0), part(token, 1).to_string());
        let mut members = vec![
            json!({ "jwk": jwk }),
            json!({ "jwk": jwk, "kid": null }),
            json!({ "jwk": { "kty": "oct", "k": encode(FOREIGN_SEED) } }),
            json!({ "jwks": { "keys": [jwk] } }),
            json!({ "x5c": [encode(FOREIGN_SEED)] }),
            json!({ "x5t": encode([0; 20]), "x5t#S256": encode([0; 32]) }),
        ];
        for url in &urls {
            members.extend([
                json!({ "jku": url }),
                json!({ "x5u": url }),
                json!({ "jku": url, "x5u": url, "jwk": jwk }),
            ]);
            members.extend([json!({ "kid": url }), json!({ "iss": url })]);
        }
        for member in members {
            let how = member.to_string();
            for alg in ["EdDSA", "HS256"] {
                let header = with(&with(&header, &member), &json!({ "alg": alg })).to_string();
                scene.refuses(name, &how, &ed25519(FOREIGN_SEED, &header, &claims)).await;
                scene.refuses(name, &how, &hmac(Algorithm::HS256, FOREIGN_SEED, &header, &claims)).await;
            }
        }
    }
    scene.assert_untouched().await;
    let nobody = listener.accept().unwrap_err();
    assert_eq!(nobody.kind(), ErrorKind::WouldBlock, "nobody came for a key");
    // Somebody who comes is seen.
    let _visitor = TcpStream::connect(address).unwrap();
    listener.set_nonblocking(false).unwrap();
    listener.accept().unwrap();
}

#[tokio::test]
async fn no_extension_of_the_header_is_understood_and_none_is_passed_over() {
    let scene = Scene::start().await;
    let jwk = foreign_jwk();
    refuse_headers(&scene, |header| {
        let mut all = Vec::new();
        for (name, values) in [
            (
                "crit",
                vec![
                    json!([]),
                    json!(["exp"]),
                    json!(["b64"]),
                    json!(["alg"]),
                    json!(null),
                    json!("exp"),
                    json!([1]),
                    json!(["x", "x"]),
                ],
            ),
            ("b64", vec![json!(false), json!(true), json!(null)]),
            ("zip", vec![json!("DEF"), json!("GZ"), json!(""), json!(null)]),
            ("jwk", vec![jwk.clone(), json!({}), json!(null)]),
            ("jku", vec![json!("https://evil.example/jwks"), json!(""), json!(null)]),
            ("x5u", vec![json!("https://evil.example/x5u"), json!(null)]),
            ("x5c", vec![json!(["MIIB"]), json!([])]),
            ("cty", vec![json!("JWT"), json!("json")]),
            ("enc", vec![json!("A256GCM")]),
            ("epk", vec![jwk.clone()]),
            ("p2c", vec![json!(2_000_000_000)]),
            ("url", vec![json!("https://evil.example")]),
            ("nonce", vec![json!("x")]),
            ("exp", vec![json!(1)]),
            ("__proto__", vec![json!({})]),
            ("", vec![json!("")]),
            (
                "typ",
                vec![
                    json!("JWT"),
                    json!("jwt"),
                    json!(""),
                    json!(null),
                    json!(1),
                    json!([header["typ"]]),
                    json!(format!("application/{}", header["typ"].as_str().unwrap())),
                    json!(header["typ"].as_str().unwrap().to_ascii_uppercase()),
                    json!("email-proof+jwt"),
                    json!("code+jwt"),
                ],
            ),
        ] {
            all.extend(members(header, name, &values));
        }
        all.push((
            "b64 false and crit".to_owned(),
            with(header, &json!({ "b64": false, "crit": ["b64"] })).to_string(),
        ));
        all.push(("no typ".to_owned(), without(header, "typ").to_string()));
        all.push(("no alg".to_owned(), without(header, "alg").to_string()));
        all
    })
    .await;
}

#[tokio::test]
async fn a_header_says_each_thing_once_and_is_an_object() {
    let scene = Scene::start().await;
    refuse_headers(&scene, |header| {
        let text = header.to_string();
        let (inside, alg) = (&text[1..], &header["alg"]);
        let mut all = vec![
            ("alg twice, none first".to_owned(), format!("{{\"alg\":\"none\",{inside}")),
            ("alg twice, none last".to_owned(), format!("{},\"alg\":\"none\"}}", &text[..text.len() - 1])),
            ("alg twice, the same".to_owned(), format!("{{\"alg\":{alg},{inside}")),
            ("alg twice, once escaped".to_owned(), format!("{{\"\\u0061lg\":\"none\",{inside}")),
            ("kid twice".to_owned(), format!("{{\"kid\":\"other\",{inside}")),
            ("typ twice".to_owned(), format!("{{\"typ\":\"JWT\",{inside}")),
            ("an array".to_owned(), json!([header["alg"], header["typ"], header["kid"]]).to_string()),
            ("an array of it".to_owned(), json!([header]).to_string()),
            ("a string of it".to_owned(), json!(text).to_string()),
            ("two of it".to_owned(), format!("{text}{text}")),
            ("a comment".to_owned(), format!("/**/{text}")),
            ("a byte order mark".to_owned(), format!("\u{feff}{text}")),
            ("a NUL after it".to_owned(), format!("{text}\0")),
            ("deep".to_owned(), format!("{{\"x\":{}", "[".repeat(5000))),
        ];
        for other in ["null", "true", "0", "\"\"", "{}", "[]", "", "{", "}"] {
            all.push((format!("{other:?} for a header"), other.to_owned()));
        }
        all
    })
    .await;
}

#[tokio::test]
async fn a_token_in_five_parts_is_none() {
    let scene = Scene::start().await;
    for (name, token) in scene.each() {
        let [header, claims, signature] = parts(token);
        let kid = &part(token, 0)["kid"];
        for (alg, enc) in [
            ("dir", "A256GCM"),
            ("A256KW", "A128CBC-HS256"),
            ("RSA-OAEP", "A256GCM"),
            ("PBES2-HS256+A128KW", "A128GCM"),
        ] {
            let wrapping = json!({ "alg": alg, "enc": enc, "kid": kid, "typ": part(token, 0)["typ"], "p2c": 2_000_000_000, "p2s": "AA" });
            let jwe = encode(wrapping.to_string());
            for forged in [
                format!("{jwe}..AAAAAAAAAAAAAAAA.{claims}.AAAAAAAAAAAAAAAAAAAAAA"),
                format!("{jwe}.AA.AAAAAAAAAAAAAAAA.{}.AAAAAAAAAAAAAAAAAAAAAA", encode(token)),
                format!("{jwe}.{header}.{claims}.{signature}.AAAA"),
                format!("{jwe}...."),
            ] {
                scene.refuses(name, &format!("JWE {alg}"), &forged).await;
            }
        }
        scene
            .refuses(name, "a JWS within", &{
                let nested = with(&part(token, 0), &json!({ "cty": "JWT" })).to_string();
                Smith::of(&scene.app.url).resign(token, &nested, token)
            })
            .await;
    }
    scene.assert_untouched().await;
}
