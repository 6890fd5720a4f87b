//! Pages for people: templates, texts and the headers that they need. All of it is built into the binary.

use std::collections::BTreeMap;

use actix_web::body::MessageBody;
use actix_web::http::StatusCode;
use actix_web::http::header::{self, HeaderName};
use actix_web::{HttpResponse, ResponseError as _};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use minijinja::value::Serde;
use minijinja::{Environment, Value, context};

use crate::domain::locale::Locale;
use crate::http::context::current;
use crate::http::response::codes::Code;
use crate::http::response::problem::Problem;

/// Room for a page about a link, in bytes: a page that grows while it is rendered is copied ten times.
const PAGE_SIZE: usize = 12 * 1024;

/// The style of pages about a link, which phones load.
const STYLE: &str = include_str!("pages/style.css");

/// The style of all other pages but the API's: the same, and forms, tables and lists.
const MORE_STYLE: &str = concat!(include_str!("pages/style.css"), include_str!("pages/more.css"));

/// The page of the API, which build/ renders, and its style.
const DOCS: &str = include_str!(concat!(env!("OUT_DIR"), "/docs.html"));
const DOCS_STYLE: &str = include_str!(concat!(env!("OUT_DIR"), "/docs.css"));

/// The pages about a link.
const SMALL_PAGES: [&str; 4] = ["link.html", "code.html", "done.html", "error.html"];

const SCRIPT: &str = include_str!("pages/page.js");

const TEMPLATES: &[(&str, &str)] = &[
    ("layout.html", include_str!("pages/layout.html")),
    ("parts.html", include_str!("pages/parts.html")),
    ("link.html", include_str!("pages/link.html")),
    ("code.html", include_str!("pages/code.html")),
    ("done.html", include_str!("pages/done.html")),
    ("error.html", include_str!("pages/error.html")),
    ("problem.html", include_str!("pages/problem.html")),
    ("problems.html", include_str!("pages/problems.html")),
    ("demo.html", include_str!("dev/demo.html")),
    ("mailbox.html", include_str!("dev/mailbox.html")),
    ("mail.html", include_str!("dev/mail.html")),
];

/// The policy of a page without forms: CSP directives beside those of every page.
pub(crate) const NO_FORMS: &str = "form-action 'none'";

/// The policy of a page whose forms lead to this server.
pub(crate) const OWN_FORMS: &str = "form-action 'self'";

/// See the module.
pub(crate) struct Pages {
    environment: Environment<'static>,
    small_style: Style,
    style: Style,
    docs_style: Style,
    texts: BTreeMap<&'static str, Value>,
    /// The CSP directive that allows the script of link pages, to be appended to a policy.
    pub(crate) script_policy: String,
}

impl Pages {
    /// Parses all templates and texts.
    pub(crate) fn new(app_name: &str) -> Result<Self, String> {
        let mut environment = Environment::new();
        for (name, source) in TEMPLATES {
            environment.add_template(name, source).map_err(|error| format!("{name}: {error:#}"))?;
        }
        environment.add_global("app_name", app_name);
        environment.add_global("script", Value::from_safe_string(SCRIPT.to_owned()));
        let mut texts = BTreeMap::new();
        for (locale, source) in [
            (Locale::En, include_str!("pages/locales/en.json")),
            (Locale::De, include_str!("pages/locales/de.json")),
        ] {
            let map: BTreeMap<String, String> =
                serde_json::from_str(source).map_err(|error| format!("{}.json: {error}", locale.as_str()))?;
            texts.insert(locale.as_str(), Value::from(Serde(map)));
        }
        Ok(Self {
            environment,
            small_style: Style::new(STYLE),
            style: Style::new(MORE_STYLE),
            docs_style: Style::new(DOCS_STYLE),
            texts,
            script_policy: format!("; script-src '{}'", source_hash(SCRIPT)),
        })
    }

    /// The page of the API.
    pub(crate) fn docs(&self) -> HttpResponse {
        html(StatusCode::OK, Locale::En, &self.docs_style, NO_FORMS, DOCS)
    }

    /// A page for developers.
    pub(crate) fn english(&self, name: &str, policy: &str, values: Value) -> HttpResponse {
        self.page(StatusCode::OK, name, Locale::En, policy, values)
    }

    /// Renders a page and answers with it.
    pub(crate) fn page(
        &self,
        status: StatusCode,
        name: &str,
        locale: Locale,
        policy: &str,
        values: Value,
    ) -> HttpResponse {
        let style = if SMALL_PAGES.contains(&name) { &self.small_style } else { &self.style };
        let common = context! {
            style => style.text.clone(),
            lang => locale.as_str(),
            t => self.texts.get(locale.as_str()).cloned(),
        };
        let mut page = Vec::with_capacity(PAGE_SIZE);
        let rendered = self.environment.get_template(name).and_then(|template| {
            template.render_captured_to(context! { ..values, ..common }, &mut page).map(drop)
        });
        match rendered {
            Ok(()) => html(status, locale, style, policy, page),
            Err(error) => {
                log::error!(template:% = name, reason:% = error; "a page could not be rendered");
                Problem::new(Code::Internal).error_response()
            }
        }
    }

    /// A problem as a page, with nothing on it to press.
    pub(crate) fn problem(&self, problem: &Problem, locale: Locale) -> HttpResponse {
        self.problem_with(problem, locale, NO_FORMS, context! {})
    }

    /// A problem as a page that shows more; status and headers are those of the problem document.
    pub(crate) fn problem_with(
        &self,
        problem: &Problem,
        locale: Locale,
        policy: &str,
        values: Value,
    ) -> HttpResponse {
        let common = context! {
            code => problem.code.row().name,
            title => problem.code.row().title,
            detail => problem.detail.as_str(),
            request_id => current().request_id.as_str(),
        };
        let mut page =
            self.page(problem.status_code(), "error.html", locale, policy, context! { ..values, ..common });
        problem.mark(&mut page);
        page
    }
}

fn html(
    status: StatusCode,
    locale: Locale,
    style: &Style,
    policy: &str,
    page: impl MessageBody + 'static,
) -> HttpResponse {
    let style = &style.hash;
    let policy =
        format!("default-src 'none'; style-src '{style}'; {policy}; base-uri 'none'; frame-ancestors 'none'");
    HttpResponse::build(status)
        .content_type("text/html; charset=utf-8")
        .insert_header((header::CONTENT_SECURITY_POLICY, policy))
        .insert_header((header::CONTENT_LANGUAGE, locale.as_str()))
        .body(page)
}

/// A style sheet, as pages show it and as their policy names it.
struct Style {
    text: Value,
    hash: String,
}

impl Style {
    fn new(text: &str) -> Self {
        Self { text: Value::from_safe_string(text.to_owned()), hash: source_hash(text) }
    }
}

/// A CSP source that allows exactly this text (CSP level 3, section 2.3.1).
fn source_hash(text: &str) -> String {
    format!("sha256-{}", STANDARD.encode(crate::token::sha256(text.as_bytes())))
}

/// The API document.
pub(crate) const API_YAML: &str = include_str!("../../docs/openapi.yaml");

/// The policy of a frame with untrusted HTML: it may show itself and open links, nothing else.
pub(crate) const FRAMED_MAIL: (HeaderName, &str) = (
    header::CONTENT_SECURITY_POLICY,
    "default-src 'none'; style-src 'unsafe-inline'; img-src data:; frame-ancestors 'self'; sandbox allow-popups allow-popups-to-escape-sandbox allow-top-navigation-by-user-activation",
);
