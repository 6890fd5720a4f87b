//! The Markdown of descriptions as HTML.

use std::collections::BTreeMap;

use pulldown_cmark::{Event, LinkType, Parser, Tag, TagEnd, html::push_html};

/// Renders Markdown, HTML in it as text. Returns its headings, too, each with the id that it has: `about-` and its words.
pub(crate) fn markdown(text: &str, links: &BTreeMap<String, String>) -> (String, Vec<(String, String)>) {
    let mut headings = Vec::new();
    let mut events = Vec::new();
    let mut parser = Parser::new(text);
    while let Some(event) = parser.next() {
        match event {
            Event::Start(Tag::Heading { level, classes, attrs, .. }) => {
                let inside: Vec<_> = parser
                    .by_ref()
                    .take_while(|event| !matches!(event, Event::End(TagEnd::Heading(_))))
                    .collect();
                let words: String = inside
                    .iter()
                    .filter_map(|event| match event {
                        Event::Text(text) | Event::Code(text) => Some(&**text),
                        _ => None,
                    })
                    .collect();
                let id = format!("about-{}", words.to_lowercase().replace(' ', "-"));
                events.push(Event::Start(Tag::Heading {
                    level,
                    id: Some(id.clone().into()),
                    classes,
                    attrs,
                }));
                events.extend(inside);
                events.push(Event::End(TagEnd::Heading(level)));
                headings.push((id, words));
            }
            Event::Code(code) => match links.get(&*code) {
                Some(target) => events.extend([
                    Event::Start(Tag::Link {
                        link_type: LinkType::Inline,
                        dest_url: target.clone().into(),
                        title: "".into(),
                        id: "".into(),
                    }),
                    Event::Code(code),
                    Event::End(TagEnd::Link),
                ]),
                None => events.push(Event::Code(code)),
            },
            Event::Html(html) | Event::InlineHtml(html) => events.push(Event::Text(html)),
            event => events.push(event),
        }
    }
    let mut rendered = String::new();
    push_html(&mut rendered, events.into_iter());
    (rendered, headings)
}
