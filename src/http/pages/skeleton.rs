//! A page that is rendered once: what differs from one person to the next is a hole in it, to be filled with each answer.

use std::borrow::Cow;

use super::PAGE_SIZE;

/// What stands around a hole's number while its page is rendered: of Unicode's private use area, so that no text has
/// them and nothing escapes them.
const MARKS: [char; 2] = ['\u{f8f0}', '\u{f8f1}'];

/// What stands in a page where hole `number` is to be.
pub(super) fn mark(number: usize) -> String {
    let [open, close] = MARKS;
    format!("{open}{number}{close}")
}

/// See the module.
pub(super) struct Skeleton {
    html: String,
    /// Where in the text the holes are, and their numbers; in order.
    holes: Vec<(usize, usize)>,
}

impl Skeleton {
    /// Takes the marks out of a page that was rendered with them.
    pub(super) fn cut(rendered: &str) -> Self {
        let [open, close] = MARKS;
        let mut parts = rendered.split(open);
        let mut html = parts.next().unwrap_or_default().to_owned();
        let mut holes = Vec::new();
        for part in parts {
            let marked = part.split_once(close).and_then(|(number, rest)| Some((number.parse().ok()?, rest)));
            if let Some((number, rest)) = marked {
                holes.push((html.len(), number));
                html.push_str(rest);
            } else {
                html.push(open);
                html.push_str(part);
            }
        }
        Self { html, holes }
    }

    /// The page, with these values in its holes. Only those that it has holes for are asked for.
    pub(super) fn fill<'v>(&self, value: impl Fn(usize) -> Cow<'v, str>) -> String {
        let mut page = String::with_capacity(self.html.len().max(PAGE_SIZE));
        let mut from = 0;
        for &(at, number) in &self.holes {
            page.push_str(&self.html[from..at]);
            push_escaped(&mut page, &value(number));
            from = at;
        }
        page.push_str(&self.html[from..]);
        page
    }
}

/// Escapes a text for HTML, in quoted attributes too, as the templates do.
fn push_escaped(page: &mut String, text: &str) {
    for c in text.chars() {
        match c {
            '<' => page.push_str("&lt;"),
            '>' => page.push_str("&gt;"),
            '&' => page.push_str("&amp;"),
            '"' => page.push_str("&quot;"),
            '\'' => page.push_str("&#x27;"),
            '/' => page.push_str("&#x2f;"),
            c => page.push(c),
        }
    }
}

#[cfg(test)]
mod tests {
    use minijinja::{Environment, context};

    use super::*;

    #[test]
    fn a_filled_page_is_the_page_that_the_template_renders() {
        let nasty = "<script>alert('x')</script> & \"y\" / {{ 7 }} \u{f8f0}1\u{f8f1} \u{1f511} ü";
        let mut environment = Environment::new();
        let template = "<p title=\"{{ a }}\">{{ text|replace(\"{b}\", b) }}</p>{{ a }}\u{f8f0}x{{ b }}";
        assert!(environment.add_template("page.html", template).is_ok());
        let render = |a: &str, b: &str| {
            let page = environment.get_template("page.html");
            page.and_then(|page| page.render(context! { a, b, text => "from {b} & co" })).unwrap_or_default()
        };
        let skeleton = Skeleton::cut(&render(&mark(0), &mark(1)));
        assert_eq!(skeleton.holes.len(), 4);
        for (a, b) in [(nasty, "plain"), ("", nasty), ("plain", "")] {
            assert_eq!(skeleton.fill(|hole| [a, b][hole].into()), render(a, b));
        }
    }
}
