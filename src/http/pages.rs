//! Pages for people: templates, texts and the headers that they need. All of it is built into the binary.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::fmt::Display;

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

/// Room for a page about a link, in bytes.
const PAGE_SIZE: usize = 12 * 1024;

/// The style of pages about a link, which phones load.
const STYLE: &str = include_str!("pages/style.css");

/// That of all other pages: the same, and forms, tables and lists.
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

/// What a page may do beyond showing itself.
#[derive(Default, Clone)]
pub(crate) struct CspPolicy {
    pub(crate) scripts: Scripts,
    pub(crate) forms: Forms,
    /// Shows frames of this server.
    pub(crate) own_frames: bool,
}

/// Which scripts a page runs.
#[derive(Default, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scripts {
    #[default]
    None,
    /// The one script of link pages.
    Inline,
    /// Scripts of this server, which talk to it.
    Own,
}

/// Where a page's forms may go.
#[derive(Default, Clone, PartialEq, Eq)]
pub(crate) enum Forms {
    #[default]
    None,
    /// To this server.
    Own,
    /// To this server, which may redirect to this origin: Chromium applies `form-action` to redirects, too.
    OwnAnd(String),
}

/// See the module.
pub(crate) struct Pages {
    environment: Environment<'static>,
    app_name: Value,
    styles: [Style; 3],
    script: Value,
    script_hash: String,
    texts: BTreeMap<&'static str, Value>,
}

impl Pages {
    /// Parses all templates and texts.
    pub(crate) fn new(app_name: &str) -> Result<Self, String> {
        let mut environment = Environment::new();
        for (name, source) in TEMPLATES {
            environment.add_template(name, source).map_err(|error| format!("{name}: {error:#}"))?;
        }
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
            app_name: Value::from(app_name),
            styles: [STYLE, MORE_STYLE, DOCS_STYLE].map(Style::new),
            // Made once: a value is shared by all pages that show it. Nothing in it is to be escaped.
            script: Value::from_safe_string(SCRIPT.to_owned()),
            script_hash: source_hash(SCRIPT),
            texts,
        })
    }

    /// The page of the API.
    pub(crate) fn docs(&self) -> HttpResponse {
        self.answer(StatusCode::OK, "docs.html", Locale::En, &CspPolicy::default(), Ok::<_, Infallible>(DOCS))
    }

    /// Renders a page and answers with it.
    pub(crate) fn page(
        &self,
        status: StatusCode,
        name: &str,
        locale: Locale,
        policy: &CspPolicy,
        values: Value,
    ) -> HttpResponse {
        self.answer(status, name, locale, policy, self.render(name, locale, values))
    }

    fn answer(
        &self,
        status: StatusCode,
        name: &str,
        locale: Locale,
        policy: &CspPolicy,
        rendered: Result<impl MessageBody + 'static, impl Display>,
    ) -> HttpResponse {
        match rendered {
            Ok(html) => HttpResponse::build(status)
                .content_type("text/html; charset=utf-8")
                .insert_header((header::CONTENT_SECURITY_POLICY, self.csp(name, policy)))
                .insert_header((header::CONTENT_LANGUAGE, locale.as_str()))
                .body(html),
            Err(error) => {
                log::error!(template:% = name, reason:% = error; "a page could not be rendered");
                Problem::new(Code::Internal).error_response()
            }
        }
    }

    fn render(&self, name: &str, locale: Locale, values: Value) -> Result<Vec<u8>, minijinja::Error> {
        let common = context! {
            style => self.style_of(name).text.clone(),
            script => self.script.clone(),
            lang => locale.as_str(),
            app_name => self.app_name.clone(),
            t => self.texts.get(locale.as_str()).cloned(),
        };
        let mut page = Vec::with_capacity(PAGE_SIZE);
        self.environment
            .get_template(name)?
            .render_captured_to(context! { ..values, ..common }, &mut page)?;
        Ok(page)
    }

    /// A problem as a page, with nothing on it to press.
    pub(crate) fn problem(&self, problem: &Problem, locale: Locale) -> HttpResponse {
        self.problem_with(problem, locale, &CspPolicy::default(), context! {})
    }

    /// A problem as a page that shows more; status and headers are those of the problem document.
    pub(crate) fn problem_with(
        &self,
        problem: &Problem,
        locale: Locale,
        policy: &CspPolicy,
        values: Value,
    ) -> HttpResponse {
        let common = context! {
            code => problem.code.as_str(),
            title => problem.code.title(),
            detail => problem.detail.as_str(),
            request_id => current().request_id.as_str(),
        };
        let mut page =
            self.page(problem.status_code(), "error.html", locale, policy, context! { ..values, ..common });
        problem.mark(&mut page);
        page
    }

    fn style_of(&self, name: &str) -> &Style {
        let [small, more, docs] = &self.styles;
        match name {
            "docs.html" => docs,
            name if SMALL_PAGES.contains(&name) => small,
            _ => more,
        }
    }

    fn csp(&self, name: &str, policy: &CspPolicy) -> String {
        let style = &self.style_of(name).hash;
        let scripts = match policy.scripts {
            Scripts::None => String::new(),
            Scripts::Inline => format!("; script-src '{}'", self.script_hash),
            Scripts::Own => "; script-src 'self'; connect-src 'self'".to_owned(),
        };
        let frames = if policy.own_frames { "; frame-src 'self'" } else { "" };
        let forms = match &policy.forms {
            Forms::None => "'none'".to_owned(),
            Forms::Own => "'self'".to_owned(),
            Forms::OwnAnd(origin) => format!("'self' {origin}"),
        };
        format!(
            "default-src 'none'; style-src '{style}'; base-uri 'none'; frame-ancestors 'none'; \
             form-action {forms}{scripts}{frames}"
        )
    }
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

/// A header of its own for a frame that shows somebody else's HTML: it may show itself and open links, nothing else.
pub(crate) const FRAMED_MAIL: (HeaderName, &str) = (
    header::CONTENT_SECURITY_POLICY,
    "default-src 'none'; style-src 'unsafe-inline'; img-src data:; frame-ancestors 'self'; sandbox allow-popups allow-popups-to-escape-sandbox allow-top-navigation-by-user-activation",
);
