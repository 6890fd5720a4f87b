//! Renders a [`LinkMail`]: subject, text and HTML.
//!
//! Pure except at start, when operators' own templates are read. Knows nothing of transports. Templates whose names end
//! with `.html` escape values for HTML; everywhere, values are single lines.

use std::collections::HashSet;
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
use crate::domain::locale::{Locale, TimeStyle};
use crate::domain::policy::Purpose;

/// The file names of templates.
const SUBJECT: &str = "subject.txt";
const PARTS: [&str; 3] = [SUBJECT, "mail.txt", "mail.html"];

/// The built-in templates. Operators' own can extend or include them by these names.
const EMBEDDED: [(&str, &str); 3] = [
    ("linkgate/subject.txt", include_str!("templates/subject.txt")),
    ("linkgate/mail.txt", include_str!("templates/mail.txt")),
    ("linkgate/mail.html", include_str!("templates/mail.html")),
];

/// The longest description of a browser in a mail, in characters.
const MAX_BROWSER: usize = 100;

/// The largest HTML part, in bytes. Mail programs cut off longer ones.
const MAX_HTML: usize = 100 * 1024;

/// Values that [`Templates::load`] tries operators' templates with.
const SAMPLE_LINK: &str = "https://linkgate.invalid/v/sample-link-token";
const SAMPLE_ADDRESS: &str = "user@example.com";
const SAMPLE_BROWSER: &str = "Firefox on Linux";

/// The templates and texts of all languages.
pub struct Templates {
    env: Environment<'static>,
    app_name: String,
    /// In the order of [`Locale::ALL`].
    languages: Vec<Language>,
}

/// The texts of one language, and the names of its templates.
struct Language {
    texts: Texts,
    /// In the order of [`PARTS`].
    templates: [String; PARTS.len()],
}

impl Templates {
    /// Loads the built-in templates, or instead of them those found in `dir`: `mail.html`, `mail.txt` and `subject.txt`,
    /// each optional, after `<locale>/mail.html` and so on for one language.
    ///
    /// Templates are in the language of Jinja. Their variables are `app_name`, `address`, `link`, `browser` (none if
    /// unknown), `requested_at`, `valid_for`, `purpose`, `lang`, and the built-in texts as `t`. Each is tried with every
    /// purpose and fails if it is broken, does not show the link or uses an unknown variable.
    ///
    /// # Errors
    /// All faults, each with file and line.
    pub fn load(app_name: &str, dir: Option<&Path>) -> Result<Self, Vec<String>> {
        let app_name = one_line(app_name);
        let mut faults = Vec::new();
        let mut env = environment().map_err(|error| vec![describe(&error, true)])?;
        let mut languages = Vec::new();
        for locale in Locale::ALL {
            let templates = PARTS.map(|part| match dir {
                Some(dir) => own_template(&mut env, dir, locale, part, &mut faults),
                None => format!("linkgate/{part}"),
            });
            let texts = Texts::load(locale).map_err(|fault| vec![fault])?;
            languages.push(Language { texts, templates });
        }
        let templates = Self { env, app_name, languages };
        if let Some(dir) = dir
            && faults.is_empty()
        {
            templates.check(dir, &mut faults);
        }
        // A template that serves several languages has its faults in each.
        let mut seen = HashSet::new();
        faults.retain(|fault| seen.insert(fault.clone()));
        if faults.is_empty() { Ok(templates) } else { Err(faults) }
    }

    /// Renders a mail with a link.
    ///
    /// # Errors
    /// The template and the line that failed, without any value. [`Templates::load`] has tried all templates, so only
    /// one that fails with certain values gets here.
    pub fn render(&self, mail: &LinkMail<'_>) -> Result<Content, String> {
        let language = self.language(mail.locale);
        let context = self.context(language, mail);
        let render = |name| self.render_part(name, &context).map_err(|e| describe(&e, false));
        let [subject, text, html] = &language.templates;
        Ok(Content {
            subject: header_line(&render(subject)?),
            text: render(text)?,
            html: Some(render(html)?),
        })
    }

    /// Renders the mail of `linkgate mail test`.
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
        let slots = [("app_name", self.app_name.as_str()), ("valid_for", &valid_for)];
        let browser =
            mail.browser.map(|browser| one_line(browser).chars().take(MAX_BROWSER).collect::<String>());
        // Control characters and spaces would end the link where a mail program looks for it in the text.
        let link: String = mail.link.chars().filter(|c| !c.is_control() && !c.is_whitespace()).collect();
        context! {
            t => Value::from_pairs(language.texts.phrases(mail.purpose.as_str(), &slots)),
            app_name => self.app_name.as_str(),
            address => mail.to.as_str(),
            link => link,
            browser => browser.filter(|b| !b.is_empty()),
            requested_at => mail.locale.time(mail.requested_at, TimeStyle::Long),
            valid_for => valid_for,
            purpose => mail.purpose.as_str(),
            lang => mail.locale.as_str(),
        }
    }

    /// Renders operators' own templates for every language and purpose, with and without a browser.
    fn check(&self, dir: &Path, faults: &mut Vec<String>) {
        let is_own = |name: &&String| !name.starts_with("linkgate/");
        if !self.languages.iter().flat_map(|language| &language.templates).any(|name| is_own(&name)) {
            let names = Locale::En.list(&PARTS);
            faults.push(format!("{}: has none of {names}", dir.display()));
        }
        let to = match EmailAddress::parse(SAMPLE_ADDRESS) {
            Ok(to) => to,
            Err(error) => return faults.push(format!("{SAMPLE_ADDRESS}: {error}")),
        };
        let cases = Locale::ALL.into_iter().flat_map(|locale| Purpose::ALL.map(|purpose| (locale, purpose)));
        for ((locale, purpose), browser) in
            cases.flat_map(|case| [(case, None), (case, Some(SAMPLE_BROWSER))])
        {
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
            let own = language.templates.iter().filter(is_own);
            faults.extend(own.filter_map(|name| self.check_part(name, &context).err()));
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

fn environment() -> Result<Environment<'static>, Error> {
    let mut env = Environment::new();
    env.set_formatter(|out, state, value| match value.as_str() {
        Some(text) if !value.is_safe() && matches!(state.auto_escape(), AutoEscape::Html) => {
            // Slashes are escaped, too: right, but it hides the link from readers of the source.
            let escaped = HtmlEscape(text).to_string().replace("&#x2f;", "/");
            out.write_str(&in_ascii(&escaped)).map_err(Error::from)
        }
        _ => escape_formatter(out, state, value),
    });
    env.set_undefined_behavior(UndefinedBehavior::Strict);
    // In debug mode, errors carry the values.
    env.set_debug(false);
    for (name, source) in EMBEDDED {
        env.add_template(name, source)?;
    }
    Ok(env)
}

/// Writes characters beyond ASCII as character references: encoding the part as quoted-printable took two fifths of the
/// instructions of a mail.
fn in_ascii(html: &str) -> String {
    let mut ascii = String::with_capacity(html.len() * 2);
    for c in html.chars() {
        // Writing to a `String` cannot fail.
        let _ = if c.is_ascii() { ascii.write_char(c) } else { write!(ascii, "&#{};", u32::from(c)) };
    }
    ascii
}

/// Adds the operator's template for this part in this language if there is one, and returns the name of the one to use.
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
                    faults.push(describe(&error, true));
                }
                return name;
            }
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => faults.push(format!("{name}: {error}")),
        }
    }
    format!("linkgate/{part}")
}

/// One line for a header. The start of an encoded word (RFC 2047) is broken up: lettre does not encode it, and mail
/// programs would decode it.
fn header_line(text: &str) -> String {
    one_line(text).replace("=?", "= ?")
}

/// File and line of an error. Its detail may quote values, and is only for errors with sample values.
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
