//! The paths that a source file names.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use proc_macro2::{Delimiter, TokenStream, TokenTree};

/// A source file.
pub(crate) struct Source {
    /// Its path from the root of the repository.
    pub(crate) file: String,
    pub(crate) text: String,
    /// `src/a/b.rs` is `a::b`, `src/a/mod.rs` is `a`, and `src/a/b_tests.rs` is `a::b::tests`.
    pub(crate) module: Vec<String>,
    /// Its identifiers and punctuation, `::` as one; without comments and literals.
    pub(crate) tokens: Vec<String>,
}

impl Source {
    pub(crate) fn new(file: &str, text: &str) -> Self {
        let stream: TokenStream = text.parse().unwrap_or_else(|e| panic!("{file}: {e}"));
        let mut tokens = Vec::new();
        flatten(stream, &mut tokens);
        Self { file: file.to_owned(), text: text.to_owned(), module: module_of(file), tokens }
    }

    /// All paths, with `use a::{b, c::d}` spread out, and `self` and `super` resolved.
    pub(crate) fn paths(&self) -> Vec<Vec<String>> {
        self.uses_and_paths().into_iter().map(|named| named.path).collect()
    }

    /// All paths, with what they stand in.
    pub(crate) fn uses_and_paths(&self) -> Vec<Named> {
        let tokens = &self.tokens;
        let (mut found, mut module, mut depth, mut inner) = (Vec::new(), self.module.clone(), 0, Vec::new());
        // Where the last `use` declaration ends, and whether it re-exports.
        let mut declaration = (0, None);
        for (i, token) in tokens.iter().enumerate() {
            let before = |n: usize| i.checked_sub(n).map_or("", |i| tokens[i].as_str());
            match token.as_str() {
                "{" => {
                    depth += 1;
                    // An inline module.
                    if before(2) == "mod" {
                        module.push(before(1).to_owned());
                        inner.push(depth);
                    }
                }
                "}" => {
                    if inner.last() == Some(&depth) {
                        inner.pop();
                        module.pop();
                    }
                    depth -= 1;
                }
                "use" => {
                    let end =
                        tokens[i..].iter().position(|token| token == ";").map_or(i, |length| i + length);
                    let public = matches!(before(1), "pub" | ")");
                    declaration = (end, Some(if public { Import::Public } else { Import::Private }));
                }
                token if is_name(token) => {
                    // `::redis::x` begins a path, `a::redis::x` and `<T>::redis` go on with one.
                    let goes_on = before(1) == "::"
                        && (is_name(before(2)) && before(2) != "use" || matches!(before(2), ">" | "}"));
                    let used = before(1) == "use" || (before(1) == "::" && before(2) == "use");
                    let begins = used || tokens.get(i + 1).is_some_and(|next| next == "::");
                    // `pub(in path)` says who may import, and imports nothing.
                    let visibility = before(1) == "in" && before(3) == "pub";
                    if begins && !goes_on && !visibility {
                        let mut paths = Vec::new();
                        spread(tokens, i, &[], &mut paths);
                        let import = declaration.1.filter(|_| i < declaration.0);
                        found.extend(paths.into_iter().map(|(path, alias)| Named {
                            path: resolve(path, &module),
                            within: module.clone(),
                            alias,
                            import,
                        }));
                    }
                }
                _ => {}
            }
        }
        found
    }
}

/// A path, as it is named somewhere.
pub(crate) struct Named {
    pub(crate) path: Vec<String>,
    /// The module in which it is named, inline ones included.
    pub(crate) within: Vec<String>,
    /// In `use path as alias`.
    pub(crate) alias: Option<String>,
    /// The kind of `use` declaration, when it stands in one.
    pub(crate) import: Option<Import>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Import {
    Private,
    /// A re-export, however far.
    Public,
}

pub(crate) fn is_name(token: &str) -> bool {
    token.starts_with(|c: char| c.is_alphabetic() || c == '_')
}

fn flatten(stream: TokenStream, out: &mut Vec<String>) {
    let mut colon = false;
    for tree in stream {
        let first = std::mem::replace(&mut colon, false);
        match tree {
            TokenTree::Group(group) => {
                let (open, close) = match group.delimiter() {
                    Delimiter::Parenthesis => ("(", ")"),
                    Delimiter::Brace => ("{", "}"),
                    Delimiter::Bracket => ("[", "]"),
                    Delimiter::None => ("", ""),
                };
                out.push(open.to_owned());
                flatten(group.stream(), out);
                out.push(close.to_owned());
            }
            TokenTree::Ident(ident) => out.push(ident.to_string()),
            TokenTree::Punct(punct) if first && punct.as_char() == ':' => {
                out.pop();
                out.push("::".to_owned());
            }
            TokenTree::Punct(punct) => {
                colon = punct.as_char() == ':';
                out.push(punct.to_string());
            }
            TokenTree::Literal(_) => out.push("\"\"".to_owned()),
        }
    }
}

/// Reads the path or group at `i` and all that hangs on it, with its alias; returns where it ends.
fn spread(
    tokens: &[String],
    mut i: usize,
    prefix: &[String],
    found: &mut Vec<(Vec<String>, Option<String>)>,
) -> usize {
    let mut path = prefix.to_vec();
    while let Some(token) = tokens.get(i) {
        if token == "{" {
            i += 1;
            while tokens.get(i).is_some_and(|token| token != "}") {
                i = if tokens[i] == "," { i + 1 } else { spread(tokens, i, &path, found).max(i + 1) };
            }
            return i + 1;
        }
        path.push(token.clone());
        if tokens.get(i + 1).is_none_or(|next| next != "::") {
            break;
        }
        i += 2;
    }
    let alias = tokens.get(i + 1).filter(|next| *next == "as").and_then(|_| tokens.get(i + 2)).cloned();
    let end = if alias.is_some() { i + 3 } else { i + 1 };
    found.push((path, alias));
    end
}

fn resolve(path: Vec<String>, module: &[String]) -> Vec<String> {
    let supers = path.iter().take_while(|name| *name == "super").count();
    let (kept, skipped) = match path.first().map(String::as_str) {
        Some("linkgate") => (0, 1),
        Some("super") => (module.len().saturating_sub(supers), supers),
        Some("self") => (module.len(), 1),
        _ => return path,
    };
    let start = ["crate".to_owned()].into_iter().chain(module[..kept].iter().cloned());
    start.chain(path.into_iter().skip(skipped)).collect()
}

fn module_of(file: &str) -> Vec<String> {
    let inner = file.trim_start_matches("src/").trim_end_matches(".rs").trim_end_matches("/mod");
    let inner =
        inner.strip_suffix("_tests").map_or_else(|| inner.to_owned(), |tested| format!("{tested}/tests"));
    if matches!(&*inner, "lib" | "main") { Vec::new() } else { inner.split('/').map(str::to_owned).collect() }
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

/// All source files.
pub(crate) fn sources() -> Vec<Source> {
    let mut found = Vec::new();
    let mut folders: Vec<PathBuf> = vec![root().join("src")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap_or_else(|e| panic!("{e}")).flatten() {
            let path = entry.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let name = path.strip_prefix(root()).unwrap_or(&path).to_string_lossy().replace('\\', "/");
                found.push(Source::new(&name, &read(&path)));
            }
        }
    }
    found.sort_by(|a, b| a.file.cmp(&b.file));
    found
}

/// The crates of the manifest, as they are named in code.
pub(crate) fn crates() -> BTreeSet<String> {
    let manifest = read(&root().join("Cargo.toml"));
    let sections = manifest.split("\n[").filter(|section| {
        section.split(']').next().is_some_and(|name| name.trim_start_matches('[').ends_with("dependencies"))
    });
    let names = sections.flat_map(str::lines).filter_map(|line| line.split_once(" = ")).map(|(name, _)| name);
    names.map(|name| name.replace('-', "_")).chain(["std", "core", "alloc"].map(str::to_owned)).collect()
}
