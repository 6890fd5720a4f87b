//! Parsers of values. No complaint contains the value.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use url::Url;

use super::fault::{Complaint, Parsed};
use super::setting::{Kind, Setting, human, parse_duration};
use crate::domain::keys::{InvalidKey, KeyringEntries};
use crate::domain::limit::{DomainList, Limit};
use crate::domain::network::TrustedProxies;
use crate::domain::policy::Purpose;
use crate::domain::public_url::{InvalidOrigin, PublicUrl, check_origin};
use crate::domain::redirect::{InvalidEntry, RedirectAllowList};
use crate::domain::secret_text::SecretText;
use crate::domain::sender::Sender;

/// The shortest API key, in characters.
pub(super) const MIN_API_KEY: usize = 8;

/// The longest application name, in characters.
pub(super) const MAX_APP_NAME: usize = 64;

/// The longest window of a limit.
const MAX_WINDOW: Duration = Duration::from_hours(24);

/// The highest count of a limit.
const MAX_COUNT: u32 = 1_000_000;

/// Where attempts and nonces are stored.
#[derive(Clone)]
pub enum StoreUrl {
    /// In this process: only for a single replica.
    Memory,
    /// In Redis, at this URL, which may contain a password.
    Redis(SecretText),
}

/// The items of a list, separated by commas or line breaks; at least one.
pub(super) fn items(text: &str) -> Parsed<Vec<String>> {
    let items = text.split([',', '\n']).map(str::trim).filter(|item| !item.is_empty()).map(str::to_owned);
    let items: Vec<String> = items.collect();
    if items.is_empty() {
        return Err(vec![Complaint::new("is a list without entries", "add one, or do not set it")]);
    }
    Ok(items)
}

/// Parses a list item by item, and complains about each invalid item by its position.
fn each<T>(text: &str, mut parse: impl FnMut(&str) -> Result<T, Complaint>) -> Parsed<Vec<T>> {
    let (mut values, mut complaints) = (Vec::new(), Vec::new());
    for (index, item) in items(text)?.iter().enumerate() {
        match parse(item) {
            Ok(value) => values.push(value),
            Err(Complaint { problem, remedy }) => {
                complaints.push(Complaint { problem: format!("entry {} {problem}", index + 1), remedy });
            }
        }
    }
    if complaints.is_empty() { Ok(values) } else { Err(complaints) }
}

fn bad_origin(error: InvalidOrigin) -> Complaint {
    let remedy = match error {
        InvalidOrigin::NotHttp => "use an origin like https://app.example.com",
        InvalidOrigin::UserInfo => "remove the part before the host",
        InvalidOrigin::NotBare => "remove everything after the host and port",
        InvalidOrigin::Insecure => "use https; plain http is for localhost, 127.0.0.1 and [::1]",
        InvalidOrigin::NotCanonical => "use lower case, without a default port or a trailing slash",
    };
    Complaint::new(error.to_string(), remedy)
}

pub(super) fn public_url(text: &str) -> Parsed<PublicUrl> {
    PublicUrl::parse(text).map_err(|error| vec![bad_origin(error)])
}

pub(super) fn origins(text: &str) -> Parsed<Vec<String>> {
    each(text, |item| check_origin(item).map(|()| item.to_owned()).map_err(bad_origin))
}

pub(super) fn address(text: &str) -> Parsed<SocketAddr> {
    text.parse().map_err(|_| {
        let remedy = "use one like 0.0.0.0:8080 or [::]:8080; names such as localhost are not supported";
        vec![Complaint::new("is not an IP address with a port", remedy)]
    })
}

#[expect(clippy::unnecessary_wraps, reason = "a parser like the others")]
pub(super) fn path(text: &str) -> Parsed<Option<PathBuf>> {
    Ok(Some(PathBuf::from(text)))
}

pub(super) fn switch(text: &str) -> Parsed<bool> {
    match text.to_ascii_lowercase().as_str() {
        "on" | "true" => Ok(true),
        "off" | "false" => Ok(false),
        _ => Err(vec![Complaint::new("is neither on nor off", "use on or off")]),
    }
}

/// Parses one of the words that `name` gives for `all`, in any case.
pub(super) fn choice<T: Copy, const N: usize>(
    all: [T; N],
    name: fn(T) -> &'static str,
) -> impl FnOnce(&str) -> Parsed<T> {
    move |text| {
        let found = all.into_iter().find(|value| name(*value).eq_ignore_ascii_case(text));
        found.ok_or_else(|| {
            let remedy = format!("use one of {}", all.map(name).join(", "));
            vec![Complaint::new("is not one of the possible values", remedy)]
        })
    }
}

/// Parses a duration within the bounds of the setting's kind.
pub(super) fn duration(setting: &'static Setting) -> impl FnOnce(&str) -> Parsed<Duration> {
    move |text| {
        let complaint = match (parse_duration(text), setting.kind) {
            (None, _) => Complaint::new("is not a duration", "use one like 90s, 10m, 24h or 30d"),
            (Some(duration), Kind::Duration(min, _)) if duration < min => {
                Complaint::new("is too short", format!("use at least {}", human(min)))
            }
            (Some(duration), Kind::Duration(_, max)) if duration > max => {
                Complaint::new("is too long", format!("use at most {}", human(max)))
            }
            (Some(duration), _) => return Ok(duration),
        };
        Err(vec![complaint])
    }
}

pub(super) fn store(text: &str) -> Parsed<StoreUrl> {
    const REMEDY: &str = "use redis://[user:password@]host[:port][/database], rediss:// for TLS, \
         redis+sentinel://host,…/master, redis+cluster://host,… or memory://";
    let complaint = |problem: &str| Err(vec![Complaint::new(problem, REMEDY)]);
    if text == "memory://" {
        return Ok(StoreUrl::Memory);
    }
    let redis = StoreUrl::Redis(SecretText::new(text.to_owned()));
    match text.split_once("://").map_or("", |(scheme, _)| scheme) {
        "redis" | "rediss" => {}
        // A list of hosts is not a URL: `app` has the store parse it before the start.
        "redis+cluster" | "redis+sentinel" | "rediss+cluster" | "rediss+sentinel" => return Ok(redis),
        _ => return complaint("is not the URL of a store"),
    }
    let Ok(url) = Url::parse(text) else { return complaint("is not a valid URL") };
    if url.host_str().is_none_or(str::is_empty) {
        return complaint("has no host");
    }
    let database = url.path().trim_start_matches('/');
    let is_database = database.is_empty() || database.parse::<u16>().is_ok();
    if !is_database || url.fragment().is_some() {
        return complaint("has more than a database number after the host");
    }
    Ok(redis)
}

pub(super) fn mail_url(text: &str) -> Parsed<SecretText> {
    match text.split_once("://").map_or("", |(scheme, _)| scheme) {
        "smtp" | "smtps" | "file" | "mailbox" => Ok(SecretText::new(text.to_owned())),
        _ => Err(vec![Complaint::new(
            "is not the URL of a mail relay",
            "use smtp://[user:password@]host[:port], smtps:// or file:///directory",
        )]),
    }
}

pub(super) fn keys(text: &str) -> Parsed<KeyringEntries> {
    let complaint = |error: InvalidKey| Complaint::new(error.to_string(), error.remedy());
    KeyringEntries::parse(text).map_err(|errors| errors.into_iter().map(complaint).collect())
}

pub(super) fn api_keys(text: &str) -> Parsed<Vec<SecretText>> {
    let mut seen = BTreeSet::new();
    each(text, |item| {
        if item.len() < MIN_API_KEY || !item.bytes().all(|b| b.is_ascii_graphic()) {
            let problem = format!("is not at least {MIN_API_KEY} visible ASCII characters");
            return Err(Complaint::new(problem, "make one with `openssl rand -hex 24`"));
        }
        if !seen.insert(item.to_owned()) {
            return Err(Complaint::new("repeats an earlier one", "remove it"));
        }
        Ok(SecretText::new(item.to_owned()))
    })
}

pub(super) fn purposes(text: &str) -> Parsed<Vec<Purpose>> {
    let mut purposes = each(text, |item| {
        let found = Purpose::ALL.into_iter().find(|purpose| purpose.as_str() == item);
        found.ok_or_else(|| {
            Complaint::new("is not a purpose", format!("use some of {}", Purpose::WORDS.join(", ")))
        })
    })?;
    purposes.sort_by_key(|purpose| purpose.as_str());
    purposes.dedup();
    Ok(purposes)
}

pub(super) fn redirect_urls(text: &str) -> Parsed<RedirectAllowList> {
    RedirectAllowList::parse(&items(text)?).map_err(|errors| {
        let complaint = |error: InvalidEntry| {
            Complaint::new(format!("entry {} cannot be allowed", error.position), error.remedy)
        };
        errors.into_iter().map(complaint).collect()
    })
}

pub(super) fn proxies(text: &str) -> Parsed<TrustedProxies> {
    TrustedProxies::parse(&items(text)?).map_err(|positions| {
        let remedy = "use blocks like 10.0.0.0/8 or addresses like fd00::1";
        let problem = |position| format!("entry {position} is neither a CIDR block nor an IP address");
        positions.into_iter().map(|position| Complaint::new(problem(position), remedy)).collect()
    })
}

pub(super) fn sender(text: &str) -> Parsed<Sender> {
    Sender::parse(text).map_err(|error| {
        vec![Complaint::new(error.to_string(), "use one like Example <no-reply@example.com>")]
    })
}

pub(super) fn app_name(text: &str) -> Parsed<String> {
    if text.chars().count() > MAX_APP_NAME {
        return Err(vec![Complaint::new(format!("has more than {MAX_APP_NAME} characters"), "shorten it")]);
    }
    Ok(text.to_owned())
}

pub(super) fn limits(text: &str) -> Parsed<Vec<Limit>> {
    if text.eq_ignore_ascii_case("off") {
        return Ok(Vec::new());
    }
    each(text, |item| {
        let limit = item.split_once('/').and_then(|(count, window)| {
            let limit = Limit { count: count.parse().ok()?, window: parse_duration(window)? };
            let fits = (1..=MAX_COUNT).contains(&limit.count)
                && (Duration::from_secs(1)..=MAX_WINDOW).contains(&limit.window);
            fits.then_some(limit)
        });
        limit.ok_or_else(|| {
            let most = human(MAX_WINDOW);
            let remedy =
                format!("use a count from 1 to {MAX_COUNT} and a duration up to {most}, like 5/15m, or off");
            Complaint::new("is not a count per duration", remedy)
        })
    })
}

/// `None` for `off`.
pub(super) fn per_minute(text: &str) -> Parsed<Option<u32>> {
    if text.eq_ignore_ascii_case("off") {
        return Ok(None);
    }
    let count = text.parse().ok().filter(|count| (1..=MAX_COUNT).contains(count));
    let problem = format!("is not a number from 1 to {MAX_COUNT}");
    count.map(Some).ok_or_else(|| vec![Complaint::new(problem, "use one like 600, or off")])
}

pub(super) fn domains(text: &str) -> Parsed<DomainList> {
    let mut list = DomainList::default();
    each(text, |item| {
        let remedy = "use domains like example.com, or *.example.com for every domain below it";
        list.add(item).map_err(|_| Complaint::new("is not an email domain", remedy))
    })?;
    Ok(list)
}
