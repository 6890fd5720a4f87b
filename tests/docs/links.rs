//! Links between documents of the repository: to files, directories and headings.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

/// Directories without documents of our own.
const SKIPPED: [&str; 2] = ["target", "node_modules"];

/// All Markdown files below a directory, hidden directories left out.
pub(crate) fn documents(directory: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(directory).unwrap().map(Result::unwrap) {
        let name = entry.file_name().into_string().unwrap();
        if entry.file_type().unwrap().is_dir() {
            if !name.starts_with('.') && !SKIPPED.contains(&name.as_str()) {
                documents(&entry.path(), found);
            }
        } else if Path::new(&name).extension().is_some_and(|extension| extension == "md") {
            found.push(entry.path());
        }
    }
}

/// The text without code blocks and code spans.
fn prose(text: &str) -> String {
    let mut prose = String::new();
    let mut fence: Option<&str> = None;
    for line in text.lines() {
        let marks = line.trim_start();
        let mark = ["```", "~~~"].into_iter().find(|mark| marks.starts_with(mark));
        match (fence, mark) {
            (None, Some(mark)) => fence = Some(mark),
            (Some(open), Some(mark)) if open == mark => fence = None,
            (Some(_), _) => {}
            (None, None) => {
                for (number, part) in line.split('`').enumerate() {
                    // The text of a link may be code; its brackets are outside the span.
                    prose.push_str(if number % 2 == 0 { part } else { "code" });
                }
                prose.push('\n');
            }
        }
    }
    prose
}

/// The targets of its links: `[text](target)` and `[name]: target`.
fn targets(prose: &str) -> Vec<String> {
    let inline = prose.split("](").skip(1).filter_map(|rest| rest.split_once(')').map(|(target, _)| target));
    let defined = prose.lines().filter(|line| line.starts_with('[') && !line.starts_with("[^"));
    let defined = defined.filter_map(|line| line.split_once("]: ").map(|(_, target)| target));
    // A title may follow.
    let bare = |target: &str| target.split_whitespace().next().unwrap_or_default().to_owned();
    inline.chain(defined).map(bare).collect()
}

/// The anchors of its headings as GitHub makes them: the second of one name is `name-1`.
fn anchors(text: &str) -> Vec<String> {
    let mut seen: HashMap<String, usize> = HashMap::new();
    let mut anchors = Vec::new();
    let mut fenced = false;
    for line in text.lines() {
        fenced ^= line.starts_with("```");
        let heading = line.trim_start_matches('#');
        if fenced || heading.len() == line.len() || !heading.starts_with(' ') {
            continue;
        }
        let kept = heading.trim().to_lowercase();
        let kept: String = kept.chars().filter(|c| c.is_alphanumeric() || " -_".contains(*c)).collect();
        let anchor = kept.replace(' ', "-");
        let count = seen.entry(anchor.clone()).or_default();
        anchors.push(if *count == 0 { anchor } else { format!("{anchor}-{count}") });
        *count += 1;
    }
    anchors
}

/// Why a link is broken, or `None` if its target exists.
fn fault(document: &Path, text: &str, target: &str) -> Option<String> {
    let (file, heading) = target.split_once('#').unwrap_or((target, ""));
    let led_to = if file.is_empty() {
        text.to_owned()
    } else {
        let path = document.with_file_name(file);
        if !path.exists() {
            return Some("there is no such file".to_owned());
        }
        if heading.is_empty() {
            return None;
        }
        std::fs::read_to_string(path).ok()?
    };
    let anchors = anchors(&led_to);
    let found = heading.is_empty() || anchors.iter().any(|anchor| anchor == heading);
    (!found).then(|| format!("there is no such heading among {anchors:?}"))
}

fn is_elsewhere(target: &str) -> bool {
    ["http://", "https://", "mailto:"].iter().any(|scheme| target.starts_with(scheme))
}

#[test]
fn the_links_of_all_documents_lead_somewhere() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut all = Vec::new();
    documents(root, &mut all);
    assert!(all.len() >= 5 && all.contains(&root.join("README.md")), "{all:?}");
    let (mut links, mut faults) = (0, Vec::new());
    for document in &all {
        let text = std::fs::read_to_string(document).unwrap();
        for target in targets(&prose(&text)).iter().filter(|target| !is_elsewhere(target)) {
            links += 1;
            let fault = fault(document, &text, target);
            faults.extend(fault.map(|why| format!("{}: {target}: {why}", document.display())));
        }
    }
    assert!(faults.is_empty(), "{faults:#?}");
    assert!(links > 20, "hardly any links were found: {links}");
}

#[test]
fn links_and_headings_are_found_as_github_finds_them() {
    let text = "# A `b` c!\n\n## Twice\n## Twice\nSee [`x`](#a-b-c), [y](other.md \"title\") and `[z](code)`.\n\
                ```\n# no heading\n[none](block)\n```\n[ref]: third.md\n";
    assert_eq!(anchors(text), ["a-b-c", "twice", "twice-1"]);
    assert_eq!(targets(&prose(text)), ["#a-b-c", "other.md", "third.md"]);
    let document = Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md");
    assert_eq!(fault(&document, text, "#twice-1"), None);
    assert_eq!(fault(&document, text, "LICENSE"), None);
    for wrong in ["#thrice", "NOTHING.md", "docs/architecture.md#nothing"] {
        assert!(fault(&document, text, wrong).is_some(), "{wrong}");
    }
}
