use std::collections::BTreeSet;

use chrono::Utc;

use super::*;

const LINK: &str = "https://example.com/v/abc.def-_ghi";

struct Case {
    app_name: String,
    browser: Option<String>,
    link: String,
}

impl Default for Case {
    fn default() -> Self {
        let browser = Some("Firefox on Linux".to_owned());
        Self { app_name: "Example App".to_owned(), browser, link: LINK.to_owned() }
    }
}

impl Case {
    fn render(&self, purpose: Purpose, locale: Locale) -> (String, String, String) {
        self.render_with(
            &Templates::load(&self.app_name, None).expect("the built-in templates"),
            purpose,
            locale,
        )
    }

    fn render_with(
        &self,
        templates: &Templates,
        purpose: Purpose,
        locale: Locale,
    ) -> (String, String, String) {
        let to = EmailAddress::parse("a&'b@example.org").expect("an address");
        let mail = LinkMail {
            to: &to,
            link: &self.link,
            purpose,
            locale,
            browser: self.browser.as_deref(),
            requested_at: DateTime::<Utc>::from_timestamp(1_794_000_180, 0).expect("a time"),
            valid_for: Duration::from_mins(10),
        };
        let content = templates.render(&mail).expect("a mail");
        (content.subject, content.text, content.html.expect("an HTML part"))
    }
}

fn everything() -> impl Iterator<Item = (Purpose, Locale)> {
    Purpose::ALL.into_iter().flat_map(|p| Locale::ALL.map(|l| (p, l)))
}

#[test]
fn the_text_part_reads_as_meant() {
    let (subject, text, _) = Case::default().render(Purpose::SignIn, Locale::En);
    assert_eq!(subject, "Sign in to Example App");
    assert_eq!(
        text,
        "Sign in to Example App\n\n\
         Someone asked to sign in to Example App with this email address. If it was you, open this link:\n\n\
         https://example.com/v/abc.def-_ghi\n\n\
         The link works once, for 10 minutes.\n\n\
         Email address: a&'b@example.org\n\
         Browser: Firefox on Linux\n\
         Asked for: 6 November 2026 at 21:23 UTC\n\n\
         This wasn’t you? Ignore this mail: nobody gets in without this link. \
         Or open the link and press “This wasn’t me”.\n\n\
         -- \n\
         This mail was sent automatically because someone entered your address at Example App."
    );
    let (subject, text, _) = Case::default().render(Purpose::SignUp, Locale::De);
    assert_eq!(subject, "Registrierung bei Example App abschließen");
    for part in
        ["Der Link gilt einmal und 10 Minuten lang.", "Angefordert: 6. November 2026, 21:23 Uhr (UTC)"]
    {
        assert!(text.contains(part), "{text}");
    }
}

#[test]
fn every_mail_has_all_that_its_reader_needs_in_both_parts() {
    let mut subjects = BTreeSet::new();
    for (purpose, locale) in everything() {
        let (subject, text, html) = Case::default().render(purpose, locale);
        let texts = Texts::load(locale).expect("texts");
        let time = locale.time(DateTime::from_timestamp(1_794_000_180, 0).expect("a time"), TimeStyle::Long);
        for part in ["Example App", LINK, "Firefox on Linux", &time, &texts.duration(Duration::from_mins(10))]
        {
            assert!(text.contains(part) && html.contains(&in_ascii(part)), "{purpose:?} {locale:?}: {part}");
        }
        assert!(text.contains("a&'b@example.org") && html.contains("a&amp;&#x27;b@example.org"));
        let not_you = texts.get("not_you_title");
        assert!(text.contains(not_you) && html.contains(&in_ascii(not_you)));
        let button = in_ascii(texts.get(&format!("{}.button", purpose.as_str())));
        // Then no relay has to encode it.
        assert!(html.is_ascii() && html.lines().all(|line| line.len() + 640 - LINK.len() <= 998));
        assert!(html.contains(&format!(">{button}</a>")), "{button}");
        assert_eq!(text.lines().filter(|line| *line == LINK).count(), 1);
        assert!(html.contains(&format!("<html lang=\"{}\"", locale.as_str())));
        assert!(!html.contains("<img") && !html.contains("url(") && !html.contains("<script"));
        assert!(html.len() < 12 * 1024, "{}", html.len());
        assert!(subjects.insert(subject));
    }
}

#[test]
fn tables_are_for_layout_and_say_so() {
    let (_, _, html) = Case::default().render(Purpose::SignIn, Locale::En);
    assert_eq!(html.matches("<table").count(), html.matches("<table role=\"presentation\"").count());
    assert_eq!(html.matches("<table").count(), html.matches("</table>").count());
}

#[test]
fn without_a_browser_there_is_no_line_for_it() {
    for browser in [None, Some(String::new()), Some("\u{0}".to_owned())] {
        let (_, text, html) = Case { browser, ..Case::default() }.render(Purpose::SignIn, Locale::En);
        assert!(!text.contains("Browser:") && !html.contains("Browser:"));
    }
}

#[test]
fn no_value_breaks_out_of_its_place() {
    let evil = "<b onclick=\"x\">{{ link }}{app_name}\r\nBcc: x@example.net\u{202e}' &amp;";
    let plain = "<b onclick=\"x\">{{ link }}{app_name} Bcc: x@example.net' &amp;";
    let escaped = "&lt;b onclick=&quot;x&quot;&gt;{{ link }}{app_name} Bcc: x@example.net&#x27; &amp;amp;";
    for (purpose, locale) in everything() {
        let case = Case { app_name: evil.to_owned(), browser: Some(evil.to_owned()), ..Case::default() };
        let (subject, text, html) = case.render(purpose, locale);
        assert!(subject.contains(plain) && !subject.contains(['\r', '\n']), "{subject}");
        let texts = Texts::load(locale).expect("texts");
        assert!(text.contains(&format!("{}: {plain}\n", texts.get("browser"))), "{text}");
        assert!(html.contains(escaped) && !html.contains("<b "), "{html}");
        assert!(!text.lines().any(|line| line.starts_with("Bcc")));
    }
}

#[test]
fn an_invalid_link_stays_inside_its_attribute_and_its_line() {
    let case = Case { link: "https://x/\"><script>\r\nBcc: y".to_owned(), ..Case::default() };
    let (_, text, html) = case.render(Purpose::SignIn, Locale::En);
    assert!(!html.contains("<script>") && html.contains("&quot;&gt;&lt;script&gt;"));
    assert!(text.lines().any(|line| line == "https://x/\"><script>Bcc:y"));
}

#[test]
fn a_long_browser_is_cut() {
    let case = Case { browser: Some("ü".repeat(10_000)), ..Case::default() };
    let (_, text, _) = case.render(Purpose::SignIn, Locale::En);
    assert_eq!(text.matches('ü').count(), MAX_BROWSER);
}

/// A directory with these files.
fn directory(files: &[(&str, &str)]) -> tempfile::TempDir {
    let directory = tempfile::tempdir().expect("a directory");
    for (name, source) in files {
        let path = directory.path().join(name);
        std::fs::create_dir_all(path.parent().expect("a parent")).expect("a directory");
        std::fs::write(path, source).expect("a file");
    }
    directory
}

fn load(files: &[(&str, &str)]) -> Result<Templates, Vec<String>> {
    Templates::load("Example <App>", Some(directory(files).path()))
}

#[test]
fn operators_bring_their_own_templates_one_by_one_and_by_language() {
    let templates = load(&[
        ("mail.txt", "{{ app_name }} {{ link }} {{ valid_for }} {{ purpose }}"),
        ("de/mail.html", "<p>{{ app_name }} {{ lang }}</p><a href=\"{{ link }}\">{{ t.button }}</a>"),
        ("subject.txt", "{{ t.subject }}\n\n for {{ address }}\n"),
    ])
    .unwrap_or_else(|faults| panic!("{faults:?}"));
    let case = Case::default();
    let (subject, text, html) = case.render_with(&templates, Purpose::SignIn, Locale::De);
    assert_eq!(subject, "Bei Example <App> anmelden for a&'b@example.org");
    assert_eq!(text, format!("Example <App> {LINK} 10 Minuten sign_in"));
    assert_eq!(html, format!("<p>Example &lt;App&gt; de</p><a href=\"{LINK}\">Anmelden</a>"));
    let (_, _, html) = case.render_with(&templates, Purpose::SignIn, Locale::En);
    assert!(html.contains("<!doctype html>"), "English has the built-in template");
}

#[test]
fn an_own_template_may_replace_a_block_of_a_built_in_one() {
    let own = "{% extends \"linkgate/mail.html\" %}{% block header %}<b>LOGO</b>{% endblock %}";
    let templates = load(&[("mail.html", own)]).unwrap_or_else(|faults| panic!("{faults:?}"));
    let (_, _, html) = Case::default().render_with(&templates, Purpose::SignIn, Locale::En);
    assert!(html.contains("<b>LOGO</b>") && html.contains(LINK));
}

#[test]
fn a_broken_template_is_named_with_file_and_line() {
    for (name, source, wanted) in [
        ("mail.html", "<p>\n{{ link }\n", "mail.html:2: syntax error"),
        ("de/mail.txt", "{{ link }}\n\n{{ nonsense }}", "de/mail.txt:3: undefined value"),
        ("mail.txt", "{{ link }}{{ t.nonsense }}", "mail.txt:1: undefined value"),
        ("mail.html", "{{ link }}{% include 'other.html' %}", "mail.html:1: template not found"),
        ("mail.html", "{{ link }}{{ browser.name.x }}", "mail.html:1: undefined value"),
        ("mail.txt", "no such thing", "mail.txt: does not show {{ link }}"),
        ("subject.txt", " \n ", "subject.txt: is empty"),
        ("mail.htm", "", "has none of subject.txt, mail.txt and mail.html"),
    ] {
        let faults = load(&[(name, source)]).err().unwrap_or_else(|| panic!("{source}"));
        assert!(faults.iter().any(|fault| fault.contains(wanted)), "{wanted}: {faults:?}");
    }
    let faults = load(&[("mail.html", "{{"), ("mail.txt", "{{")]).err().unwrap_or_default();
    assert_eq!(faults.len(), 2, "all faults at once: {faults:?}");
}

#[test]
fn a_test_mail_is_plain_text() {
    let templates = Templates::load("Example <App>", None).expect("the built-in templates");
    let content = templates.render_test(Locale::De);
    assert_eq!(content.subject, "Example <App>: E-Mail-Versand funktioniert");
    assert!(content.text.contains("E-Mail-Einstellungen von Example <App>") && content.html.is_none());
}
