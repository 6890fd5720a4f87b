//! The page that a link opens: rendered when the first of its shape is shown, and filled with what is personal each time.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, PoisonError, RwLock};

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use chrono::{DateTime, Utc};
use minijinja::value::Serde;
use minijinja::{Value, context};
use serde::Serialize;

use super::skeleton::{Skeleton, mark};
use super::{Pages, Powers, human_browser, human_time};
use crate::domain::locale::Locale;
use crate::domain::policy::{Confirm, Purpose};

/// The template.
const NAME: &str = "link.html";

/// What decides how a page looks, as the template knows it. There are some hundred shapes.
#[derive(Clone, PartialEq, Eq, Hash, Serialize)]
pub(in crate::http) struct LinkShape {
    pub(in crate::http) confirm: Confirm,
    pub(in crate::http) purpose: Purpose,
    pub(in crate::http) sign_in_here: bool,
    pub(in crate::http) ticket: bool,
}

/// What a page says of one link.
pub(in crate::http) struct LinkFacts<'l> {
    pub(in crate::http) confirmation: &'l str,
    pub(in crate::http) email_address: &'l str,
    pub(in crate::http) requested_at: DateTime<Utc>,
    pub(in crate::http) requested_from: Option<&'l str>,
    pub(in crate::http) continue_url: Option<&'l str>,
}

/// The facts as the template knows them.
const FACTS: [&str; 5] = ["confirmation", "email_address", "requested_at", "requested_from", "continue_url"];

impl LinkFacts<'_> {
    /// Whether there is such a fact.
    fn has(&self, name: &str) -> bool {
        match name {
            "requested_from" => self.requested_from.is_some(),
            "continue_url" => self.continue_url.is_some(),
            _ => true,
        }
    }

    fn say(&self, name: &str, locale: Locale) -> Cow<'_, str> {
        match name {
            "confirmation" => self.confirmation.into(),
            "email_address" => self.email_address.into(),
            "requested_at" => human_time(self.requested_at, locale).into(),
            "requested_from" => {
                self.requested_from.map(|from| human_browser(from, locale)).unwrap_or_default().into()
            }
            _ => self.continue_url.unwrap_or_default().into(),
        }
    }
}

/// Which page: of this shape, in this language, with these of the [`FACTS`].
type Key = (LinkShape, Locale, [bool; FACTS.len()]);

/// The pages that were rendered.
#[derive(Default)]
pub(super) struct Skeletons(RwLock<HashMap<Key, Arc<Skeleton>>>);

impl Pages {
    /// The page of a link.
    pub(in crate::http) fn link(
        &self,
        shape: LinkShape,
        locale: Locale,
        powers: &Powers,
        facts: &LinkFacts<'_>,
    ) -> HttpResponse {
        let page = self.skeleton(shape, locale, facts);
        let page = page.map(|page| page.fill(|fact| facts.say(FACTS[fact], locale)).into_bytes());
        self.answer(StatusCode::OK, NAME, locale, powers, page)
    }

    fn skeleton(
        &self,
        shape: LinkShape,
        locale: Locale,
        facts: &LinkFacts<'_>,
    ) -> Result<Arc<Skeleton>, minijinja::Error> {
        let key: Key = (shape, locale, FACTS.map(|name| facts.has(name)));
        // Nobody panics with the lock in hand, and what is in it would be sound if somebody did.
        let known = self.links.0.read().unwrap_or_else(PoisonError::into_inner).get(&key).cloned();
        if let Some(skeleton) = known {
            return Ok(skeleton);
        }
        let there = FACTS.iter().enumerate().filter(|(_, name)| facts.has(name));
        let marks: BTreeMap<&str, String> = there.map(|(number, name)| (*name, mark(number))).collect();
        let values = context! { ..Value::from(Serde(&key.0)), ..Value::from(Serde(marks)) };
        let rendered = self.render(NAME, locale, values)?;
        let skeleton = Arc::new(Skeleton::cut(&String::from_utf8_lossy(&rendered)));
        self.links.0.write().unwrap_or_else(PoisonError::into_inner).insert(key, skeleton.clone());
        Ok(skeleton)
    }
}
