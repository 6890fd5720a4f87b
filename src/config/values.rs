//! The forms of single values. What is wrong is said without repeating the value.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::time::Duration;

use url::Url;

use super::StoreUrl;
use super::fault::{Parsed, Problem};
use super::reader::parse_duration;
use crate::domain::keys::{InvalidKey, KeyringEntries};
use crate::domain::limit::{DomainList, Limit};
use crate::domain::network::TrustedProxies;
use crate::domain::policy::Purpose;
use crate::domain::public_url::{InvalidOrigin, PublicUrl, check_origin};
use crate::domain::redirect::RedirectAllowList;
use crate::domain::secret_text::SecretText;
use crate::domain::sender::Sender;

/// The shortest API key, in characters.
const MIN_API_KEY: usize = 8;

/// The longest application name, in characters.
const MAX_APP_NAME: usize = 64;

/// The items of a list, separated by commas or new lines.
pub(super) fn items(text: &str) -> Vec<String> {
    text.split([',', '\n']).map(str::trim).filter(|item| !item.is_empty()).map(str::to_owned).collect()
}

/// Reads a list item by item; all items with faults are told, by their position.
fn each<T>(text: &str, mut parse: impl FnMut(&str) -> Result<T, Problem>) -> Parsed<Vec<T>> {
    let (mut values, mut problems) = (Vec::new(), Vec::new());
    for (index, item) in items(text).iter().enumerate() {
        match parse(item) {
            Ok(value) => values.push(value),
            Err(Problem { problem, remedy }) => {
                problems.push(Problem { problem: format!("entry {} {problem}", index + 1), remedy });
            }
        }
    }
    if values.is_empty() && problems.is_empty() {
        problems.push(Problem::plain("is a list without entries"));
    }
    if problems.is_empty() { Ok(values) } else { Err(problems) }
}

fn origin_problem(error: InvalidOrigin) -> Problem {
    let remedy = match error {
        InvalidOrigin::NotHttp => "write an origin like https://app.example.com",
        InvalidOrigin::UserInfo => "remove what stands before the host",
        InvalidOrigin::NotBare => "remove everything after the host and port",
        InvalidOrigin::Insecure => "use https; plain http is for localhost, 127.0.0.1 and [::1]",
        InvalidOrigin::NotCanonical => "write it in lower case, without a default port or a slash at the end",
    };
    Problem::new(error.to_string(), remedy)
}

pub(super) fn public_url(text: &str) -> Parsed<PublicUrl> {
    PublicUrl::parse(text).map_err(|error| vec![origin_problem(error)])
}

pub(super) fn origins(text: &str) -> Parsed<Vec<String>> {
    each(text, |item| check_origin(item).map(|()| item.to_owned()).map_err(origin_problem))
}

pub(super) fn address(text: &str) -> Parsed<SocketAddr> {
    text.parse().map_err(|_| {
        let remedy = "write one like 0.0.0.0:8080 or [::]:8080; names such as localhost do not work here";
        vec![Problem::new("is not an IP address with a port", remedy)]
    })
}

pub(super) fn store(text: &str) -> Parsed<StoreUrl> {
    const REMEDY: &str = "write redis://[user:password@]host[:port][/database], rediss:// for TLS, \
         redis+sentinel://host,…/master, redis+cluster://host,… or memory://";
    if text == "memory://" {
        return Ok(StoreUrl::Memory);
    }
    let scheme = text.split_once("://").map_or("", |(scheme, _)| scheme);
    match scheme {
        "redis" | "rediss" => {}
        // Lists of hosts are no URLs: the store reads them, and `app` has it look at them before the start.
        "redis+cluster" | "redis+sentinel" | "rediss+cluster" | "rediss+sentinel" => {
            return Ok(StoreUrl::Redis(SecretText::new(text.to_owned())));
        }
        _ => return Err(vec![Problem::new("is not the URL of a store", REMEDY)]),
    }
    let url = Url::parse(text).map_err(|_| vec![Problem::new("is not a valid URL", REMEDY)])?;
    if url.host_str().is_none_or(str::is_empty) {
        return Err(vec![Problem::new("has no host", REMEDY)]);
    }
    let database = url.path().trim_start_matches('/');
    let is_database = database.is_empty() || database.parse::<u16>().is_ok();
    if !is_database || url.fragment().is_some() {
        return Err(vec![Problem::new("has more after the host than the number of a database", REMEDY)]);
    }
    Ok(StoreUrl::Redis(SecretText::new(text.to_owned())))
}

pub(super) fn mail_url(text: &str) -> Parsed<SecretText> {
    match text.split_once("://").map_or("", |(scheme, _)| scheme) {
        "smtp" | "smtps" | "file" | "mailbox" => Ok(SecretText::new(text.to_owned())),
        _ => Err(vec![Problem::new(
            "is not the URL of a mail relay",
            "write smtp://[user:password@]host[:port], smtps:// or file:///directory",
        )]),
    }
}

pub(super) fn keys(text: &str) -> Parsed<KeyringEntries> {
    let problem = |error: InvalidKey| Problem::new(error.to_string(), error.remedy());
    KeyringEntries::parse(text).map_err(|errors| errors.into_iter().map(problem).collect())
}

pub(super) fn api_keys(text: &str) -> Parsed<Vec<SecretText>> {
    let mut seen = BTreeSet::new();
    each(text, |item| {
        if item.len() < MIN_API_KEY || !item.bytes().all(|b| b.is_ascii_graphic()) {
            let problem = "is not at least 8 visible ASCII characters";
            return Err(Problem::new(problem, "make one with `openssl rand -hex 24`"));
        }
        if !seen.insert(item.to_owned()) {
            return Err(Problem::new("repeats an earlier one", "remove it"));
        }
        Ok(SecretText::new(item.to_owned()))
    })
}

pub(super) fn audience(text: &str) -> Parsed<Vec<String>> {
    each(text, |item| Ok(item.to_owned()))
}

pub(super) fn purposes(text: &str) -> Parsed<Vec<Purpose>> {
    let mut purposes = each(text, |item| {
        let found = Purpose::ALL.into_iter().find(|purpose| purpose.as_str() == item);
        found.ok_or_else(|| Problem::new("is not a purpose", "write sign_in, sign_up or verify_email"))
    })?;
    purposes.sort_by_key(|purpose| purpose.as_str());
    purposes.dedup();
    Ok(purposes)
}

pub(super) fn redirect_urls(text: &str) -> Parsed<RedirectAllowList> {
    each(text, |item| {
        RedirectAllowList::parse(&[item.to_owned()]).map_err(|errors| {
            let remedies: Vec<String> = errors.into_iter().map(|error| error.remedy).collect();
            Problem::new("cannot be allowed", remedies.join("; "))
        })
    })?;
    // Each entry passed by itself, so all of them do.
    RedirectAllowList::parse(&items(text)).map_err(|_| vec![Problem::plain("cannot be allowed")])
}

pub(super) fn proxies(text: &str) -> Parsed<TrustedProxies> {
    each(text, |item| {
        let remedy = "write blocks like 10.0.0.0/8 or addresses like fd00::1";
        TrustedProxies::parse(&[item.to_owned()])
            .map_err(|_| Problem::new("is neither a CIDR block nor an IP address", remedy))
    })?;
    TrustedProxies::parse(&items(text)).map_err(|_| vec![Problem::plain("cannot be read")])
}

pub(super) fn sender(text: &str) -> Parsed<Sender> {
    Sender::parse(text).map_err(|error| vec![Problem::plain(error.to_string())])
}

pub(super) fn app_name(text: &str) -> Parsed<String> {
    if text.chars().count() > MAX_APP_NAME {
        return Err(vec![Problem::new("has more than 64 characters", "shorten it")]);
    }
    Ok(text.to_owned())
}

/// The longest window of a limit.
const MAX_WINDOW: Duration = Duration::from_hours(24);

/// The most that a limit may count.
const MAX_COUNT: u32 = 1_000_000;

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
        let remedy = "write a number from 1 and a duration up to 24h, like 5/15m, or off";
        limit.ok_or_else(|| Problem::new("is not so many in such a time", remedy))
    })
}

pub(super) fn per_minute(text: &str) -> Parsed<Vec<Limit>> {
    if text.eq_ignore_ascii_case("off") {
        return Ok(Vec::new());
    }
    match text.parse() {
        Ok(count @ 1..=MAX_COUNT) => Ok(vec![Limit { count, window: Duration::from_mins(1) }]),
        _ => Err(vec![Problem::new("is not a number from 1 to 1000000", "write one like 600, or off")]),
    }
}

pub(super) fn domains(text: &str) -> Parsed<DomainList> {
    let mut list = DomainList::default();
    each(text, |item| {
        let remedy = "write domains like example.com, or *.example.com for all that lies below it";
        list.add(item).map_err(|_| Problem::new("is not a domain that email addresses can have", remedy))
    })?;
    Ok(list)
}
