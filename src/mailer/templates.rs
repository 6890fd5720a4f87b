//! Turns a [`LinkMail`] into words: subject, text and HTML.
//!
//! Pure but for the start, when people's own templates are read. Knows nothing of transports. Values are escaped in
//! HTML by the templates' file name, and are single lines everywhere.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::io::ErrorKind;
use std::path::Path;
use std::time::Duration;

use chrono::DateTime;
use minijinja::value::Value;
use minijinja::{AutoEscape, Environment, Error, HtmlEscape, UndefinedBehavior, context, escape_formatter};

use super::message::{Content, LinkMail};
use super::texts::{Texts, fill, one_line};
use crate::domain::email::EmailAddress;
use crate::domain::locale::Locale;
use crate::domain::policy::Purpose;

/// The templates that there are, by file name.
const SUBJECT: &str = "subject.txt";
const TEXT: &str = "mail.txt";
const HTML: &str = "mail.html";

/// The templates of this crate. People's own can extend or include them by these names.
const EMBEDDED: [(&str, &str); 3] = [
    ("linkgate/subject.txt", include_str!("templates/subject.txt")),
    ("linkgate/mail.txt", include_str!("templates/mail.txt")),
    ("linkgate/mail.html", include_str!("templates/mail.html")),
];

/// The longest description of a browser that is shown, in characters.
const MAX_BROWSER: usize = 100;

/// The largest HTML part, in bytes: programs cut off what is longer.
const MAX_HTML: usize = 100 * 1024;

/// What [`Templates::load`] tries people's templates with.
const SAMPLE_LINK: &str = "https://linkgate.invalid/v/sample-link-token";

/// The templates and texts of all languages, ready to render.
pub struct Templates {
    env: Environment<'static>,
    app_name: String,
    /// In the order of [`Locale::ALL`].
    languages: [Language; Locale::ALL.len()],
}

/// One language: its texts, and which template serves each part.
struct Language {
    texts: Texts,
    /// What templates know as `t`, by purpose in the order of [`Purpose::ALL`]; `t.valid` comes with each mail.
    phrases: [Vec<(&'static str, Value)>; Purpose::ALL.len()],
    subject: String,
    text: String,
    html: String,
}

impl Templates {
    /// The templates of this crate, and in their place those that are found in `dir`: `mail.html`, `mail.txt` and
    /// `subject.txt`, each optional, and `<locale>/mail.html` and so on before them.
    ///
    /// Templates are in the language of Jinja and know `app_name`, `address`, `link`, `browser` (or none),
    /// `requested_at`, `valid_for`, `purpose`, `lang`, and the texts of this crate as `t`. Each is tried with every
    /// purpose; one that is broken, does not show the link or asks for a value that does not exist is a fault.
    ///
    /// # Errors
    /// All faults, each with file and line.
    pub fn load(app_name: &str, dir: Option<&Path>) -> Result<Self, Vec<String>> {
        let app_name = one_line(app_name);
        let mut faults = Vec::new();
        let mut env = environment();
        let languages = Locale::ALL.map(|locale| {
            let mut find = |part| match dir {
                Some(dir) => own_template(&mut env, dir, locale, part, &mut faults),
                None => format!("linkgate/{part}"),
            };
            let (subject, text, html) = (find(SUBJECT), find(TEXT), find(HTML));
            let texts = Texts::of(locale);
            let phrases = Purpose::ALL.map(|purpose| phrases(&texts, purpose, &app_name));
            Language { texts, phrases, subject, text, html }
        });
        let templates = Self { env, app_name, languages };
        if let Some(dir) = dir
            && faults.is_empty()
        {
            templates.check(dir, &mut faults);
        }
        if faults.is_empty() { Ok(templates) } else { Err(faults) }
    }

    /// The words of a mail with a link.
    ///
    /// # Errors
    /// The template and the line that failed, without any value. [`Templates::load`] has tried all templates, so this
    /// takes one whose faults hang on the values.
    pub fn render(&self, mail: &LinkMail<'_>) -> Result<Content, String> {
        let language = self.language(mail.locale);
        let context = self.context(language, mail);
        let render = |name| self.render_part(name, &context).map_err(|e| describe(&e, false));
        Ok(Content {
            subject: header_line(&render(&language.subject)?),
            text: render(&language.text)?,
            html: Some(render(&language.html)?),
        })
    }

    /// The words of a mail that says that mail works.
    #[must_use]
    pub fn render_test(&self, locale: Locale) -> Content {
        let texts = &self.language(locale).texts;
        let words = |key| fill(texts.get(key), &[("app_name", &self.app_name)]);
        Content { subject: header_line(&words("test.subject")), text: words("test.text") + "\n", html: None }
    }

    fn language(&self, locale: Locale) -> &Language {
        &self.languages[locale as usize]
    }

    fn render_part(&self, name: &str, context: &Value) -> Result<String, Error> {
        self.env.get_template(name)?.render(context.clone())
    }

    fn context(&self, language: &Language, mail: &LinkMail<'_>) -> Value {
        let valid_for = language.texts.duration(mail.valid_for);
        let valid = fill(language.texts.get("valid"), &[("valid_for", &valid_for)]);
        let phrases = language.phrases[mail.purpose as usize].iter().cloned();
        let browser =
            mail.browser.map(|browser| one_line(browser).chars().take(MAX_BROWSER).collect::<String>());
        context! {
            t => Value::from_pairs(phrases.chain([("valid", Value::from(valid))])),
            app_name => self.app_name.as_str(),
            address => mail.to.as_str(),
            link => link_value(mail.link),
            browser => browser.filter(|b| !b.is_empty()),
            requested_at => language.texts.time(mail.requested_at),
            valid_for => valid_for,
            purpose => mail.purpose.as_str(),
            lang => mail.locale.as_str(),
        }
    }

    /// Renders people's own templates with sample values, every purpose with and without a browser.
    fn check(&self, dir: &Path, faults: &mut Vec<String>) {
        let is_own = |name: &str| !name.starts_with("linkgate/");
        let own: BTreeSet<_> = self
            .languages
            .iter()
            .flat_map(|l| [l.subject.as_str(), l.text.as_str(), l.html.as_str()])
            .filter(|name| is_own(name))
            .collect();
        if own.is_empty() {
            faults.push(format!("{}: has none of {SUBJECT}, {TEXT} and {HTML}", dir.display()));
        }
        let to = EmailAddress::parse("user@example.com").expect("a valid address");
        for (locale, browser) in
            Locale::ALL.into_iter().flat_map(|l| [(l, None), (l, Some("Firefox on Linux"))])
        {
            for purpose in Purpose::ALL {
                let mail = LinkMail {
                    to: &to,
                    link: SAMPLE_LINK,
                    purpose,
                    locale,
                    browser,
                    requested_at: DateTime::UNIX_EPOCH,
                    valid_for: Duration::from_mins(10),
                };
                let language = self.language(locale);
                let context = self.context(language, &mail);
                for name in [&language.subject, &language.text, &language.html] {
                    if is_own(name)
                        && let Err(fault) = self.check_part(name, &context)
                    {
                        add_fault(faults, fault);
                    }
                }
            }
        }
    }

    fn check_part(&self, name: &str, context: &Value) -> Result<(), String> {
        let rendered = self.render_part(name, context).map_err(|e| describe(&e, true))?;
        if name.ends_with(SUBJECT) {
            return if one_line(&rendered).is_empty() { Err(format!("{name}: is empty")) } else { Ok(()) };
        }
        if !rendered.contains(SAMPLE_LINK) {
            return Err(format!("{name}: does not show {{{{ link }}}}"));
        }
        if rendered.len() > MAX_HTML {
            return Err(format!("{name}: gives over {MAX_HTML} bytes, which mail programs cut off"));
        }
        Ok(())
    }
}

fn environment() -> Environment<'static> {
    let mut env = Environment::new();
    env.set_auto_escape_callback(|name| {
        if Path::new(name).extension().is_some_and(|e| e == "html") {
            AutoEscape::Html
        } else {
            AutoEscape::None
        }
    });
    env.set_formatter(|out, state, value| match value.as_str() {
        Some(text)
            if !text.is_ascii() && !value.is_safe() && matches!(state.auto_escape(), AutoEscape::Html) =>
        {
            out.write_str(&in_ascii(&HtmlEscape(text).to_string())).map_err(Error::from)
        }
        _ => escape_formatter(out, state, value),
    });
    env.set_undefined_behavior(UndefinedBehavior::Strict);
    // With it, errors would carry the values along.
    env.set_debug(false);
    for (name, source) in EMBEDDED {
        env.add_template(name, source).expect("a file of this crate, held valid by a test");
    }
    env
}

/// HTML with character references for what is not ASCII: mails in ASCII need no encoding on their way.
fn in_ascii(html: &str) -> String {
    let mut ascii = String::with_capacity(html.len() * 2);
    for c in html.chars() {
        if c.is_ascii() {
            ascii.push(c);
        } else {
            // A `String` takes all.
            let _ = write!(ascii, "&#{};", u32::from(c));
        }
    }
    ascii
}

/// The texts of a purpose, all but the one that names the duration.
fn phrases(texts: &Texts, purpose: Purpose, app_name: &str) -> Vec<(&'static str, Value)> {
    let words = |key: &str| Value::from(fill(texts.get(key), &[("app_name", app_name)]));
    let of_purpose = ["subject", "heading", "intro", "button", "not_you"]
        .map(|key| (key, words(&format!("{}.{key}", purpose.as_str()))));
    let common =
        ["paste", "address", "browser", "time", "not_you_title", "footer"].map(|key| (key, words(key)));
    of_purpose.into_iter().chain(common).collect()
}

/// Adds the template that people have for this part in this language, and returns the name of the one to use.
fn own_template(
    env: &mut Environment<'static>,
    dir: &Path,
    locale: Locale,
    part: &str,
    faults: &mut Vec<String>,
) -> String {
    for path in [dir.join(locale.as_str()).join(part), dir.join(part)] {
        let name = path.display().to_string();
        match std::fs::read_to_string(&path) {
            Ok(source) => {
                if let Err(error) = env.add_template_owned(name.clone(), source) {
                    add_fault(faults, describe(&error, true));
                }
                return name;
            }
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => add_fault(faults, format!("{name}: {error}")),
        }
    }
    format!("linkgate/{part}")
}

/// The link as a value. HTML escaping would turn its slashes into entities, which is right but hides the link from
/// whoever looks for it in the source; a link of harmless characters stays as it is.
fn link_value(link: &str) -> Value {
    let harmless = |b: u8| b.is_ascii_alphanumeric() || b"-._~:/?#[]@!$()*+,;=%".contains(&b);
    if link.bytes().all(harmless) {
        Value::from_safe_string(link.to_owned())
    } else {
        Value::from(link.chars().filter(|c| !c.is_control() && !c.is_whitespace()).collect::<String>())
    }
}

/// One line for a header. What would open an encoded word (RFC 2047) is broken up: lettre leaves it as it is, and mail
/// programs would decode it.
fn header_line(text: &str) -> String {
    one_line(text).replace("=?", "= ?")
}

/// A template may serve several languages, and its faults show with each.
fn add_fault(faults: &mut Vec<String>, fault: String) {
    if !faults.contains(&fault) {
        faults.push(fault);
    }
}

/// File and line of an error. The detail may quote values: it is for the sample values only.
fn describe(error: &Error, with_detail: bool) -> String {
    let name = error.name().unwrap_or("template");
    let place = error.line().map_or_else(|| name.to_owned(), |line| format!("{name}:{line}"));
    match error.detail().filter(|_| with_detail) {
        Some(detail) => format!("{place}: {}: {detail}", error.kind()),
        None => format!("{place}: {}", error.kind()),
    }
}

#[cfg(test)]
#[path = "templates_tests.rs"]
mod tests;
