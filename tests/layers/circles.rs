//! Inside of a layer, too, imports form no circle.
//!
//! A module is what stands in its own file: its children are modules of their own. It *imports* the module in which an
//! item that it names is defined, however the item is reached. So these rules follow:
//!
//! - `mod child;` and `pub use child::Item;` are no imports: a parent may present its children's items, and a child that
//!   names such an item by way of the parent imports the child that defines it.
//! - If the parent also works with the item, that is an import of the child.
//! - A child that names an item of the parent's own file imports the parent. A parent whose code uses its children, and
//!   whose types the children use, is thus on a circle: the types belong in a file of their own.
//! - `use module::*` imports the module. Inline modules, tests among them, belong to their file.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use crate::source::{Import, Named, Source, is_name, sources};

/// Layers that still have circles, with the modules on them. A layer that becomes clean has to leave the list.
const NOT_YET: &[(&str, &[&str])] = &[("store", &["store::redis::cluster", "store::redis::cluster::keeper"])];

/// Which modules import which, with an item for each.
type Imports = BTreeMap<String, BTreeMap<String, String>>;

/// All modules with a file of their own, by path.
struct Tree {
    modules: BTreeMap<String, Module>,
}

#[derive(Default)]
struct Module {
    /// The names of the items that its file defines.
    defines: BTreeSet<String>,
    /// What its `use` declarations bring into scope, by name, with the whole path.
    uses: BTreeMap<String, String>,
    /// The modules whose items it takes over with `*`.
    globs: Vec<String>,
}

impl Tree {
    fn of(sources: &[Source]) -> Self {
        let mut tree = Self {
            modules: sources.iter().map(|source| (source.module.join("::"), Module::default())).collect(),
        };
        for source in sources {
            let mut module = Module::default();
            let keywords =
                ["struct", "enum", "union", "fn", "const", "static", "type", "trait", "mod", "macro_rules"];
            for pair in source.tokens.windows(3) {
                let name = if pair[1] == "!" { &pair[2] } else { &pair[1] };
                if keywords.contains(&pair[0].as_str()) && is_name(name) {
                    module.defines.insert(name.clone());
                }
            }
            for named in source.uses_and_paths().iter().filter(|named| named.import.is_some()) {
                let Some(path) = tree.absolute(named) else { continue };
                match (&named.alias, path.rsplit_once("::")) {
                    (Some(alias), _) => drop(module.uses.insert(alias.clone(), path)),
                    (None, Some((parent, "*"))) => module.globs.push(parent.to_owned()),
                    (None, Some((_, name))) => drop(module.uses.insert(name.to_owned(), path.clone())),
                    (None, None) => {}
                }
            }
            tree.modules.insert(source.module.join("::"), module);
        }
        tree
    }

    /// The path from the root of the crate, if it leads into the crate: `child::Item` begins with a child of the module.
    fn absolute(&self, named: &Named) -> Option<String> {
        if named.path[0] == "crate" {
            return Some(named.path[1..].join("::"));
        }
        let child = [&named.within[..], &named.path[..1]].concat().join("::");
        self.modules.contains_key(&child).then(|| [&named.within[..], &named.path[..]].concat().join("::"))
    }

    /// The module that defines what a path names. `hops` bounds how many re-exports are followed.
    fn definer(&self, path: &str, hops: usize) -> Option<&str> {
        let mut prefix = path;
        let (module, rest) = loop {
            if let Some((name, module)) = self.modules.get_key_value(prefix) {
                break ((name.as_str(), module), path[prefix.len()..].trim_start_matches("::"));
            }
            prefix = prefix.rsplit_once("::")?.0;
        };
        let item = rest.split("::").next().unwrap_or_default();
        if item.is_empty() || item == "*" || module.1.defines.contains(item) || hops == 0 {
            return Some(module.0);
        }
        if let Some(target) = module.1.uses.get(item) {
            return self.definer(target, hops - 1);
        }
        let through_glob = module.1.globs.iter().find_map(|glob| {
            let definer = self.definer(&format!("{glob}::{item}"), hops - 1)?;
            self.modules[definer].defines.contains(item).then_some(definer)
        });
        Some(through_glob.unwrap_or(module.0))
    }

    fn imports(&self, sources: &[Source]) -> Imports {
        let mut imports = Imports::new();
        for source in sources {
            let own = source.module.join("::");
            for named in source.uses_and_paths() {
                let Some(path) = self.absolute(&named) else { continue };
                let Some(definer) = self.definer(&path, 8).filter(|definer| *definer != own) else {
                    continue;
                };
                let name = named.alias.as_deref().or(path.rsplit("::").next()).unwrap_or_default();
                let count = source.tokens.iter().filter(|token| *token == name).count();
                // A name that stands nowhere but in its re-export is passed on and not used.
                if named.import == Some(Import::Public) && count <= 1 {
                    continue;
                }
                imports.entry(own.clone()).or_default().entry(definer.to_owned()).or_insert(path);
            }
        }
        imports
    }
}

/// The shortest way along imports from a module back to itself, without leaving its layer.
fn circle(imports: &Imports, start: &str) -> Option<Vec<String>> {
    let layer = start.split("::").next();
    let mut came_from: BTreeMap<&str, &str> = BTreeMap::new();
    let mut queue = VecDeque::from([start]);
    while let Some(module) = queue.pop_front() {
        for next in imports.get(module).into_iter().flatten().map(|(next, _)| next.as_str()) {
            if next == start {
                let mut way = vec![module];
                while let Some(before) = came_from.get(way[way.len() - 1]) {
                    way.push(before);
                }
                return Some(way.into_iter().rev().map(str::to_owned).collect());
            }
            if next.split("::").next() == layer && !came_from.contains_key(next) {
                came_from.insert(next, module);
                queue.push_back(next);
            }
        }
    }
    None
}

/// Every circle once, as a list of its modules, by layer.
fn circles(imports: &Imports) -> BTreeMap<String, BTreeSet<Vec<String>>> {
    let mut found: BTreeMap<String, BTreeSet<Vec<String>>> = BTreeMap::new();
    for start in imports.keys() {
        if let Some(mut circle) = circle(imports, start) {
            let least = circle.iter().enumerate().min_by_key(|(_, module)| *module).map_or(0, |(at, _)| at);
            circle.rotate_left(least);
            let layer = start.split("::").next().unwrap_or_default();
            found.entry(layer.to_owned()).or_default().insert(circle);
        }
    }
    found
}

/// A circle, a line for each of its imports.
fn told(imports: &Imports, circle: &[String]) -> String {
    let arrow = |(at, module): (usize, &String)| {
        let next = &circle[(at + 1) % circle.len()];
        format!("  {module} imports {next} ({})\n", imports[module][next])
    };
    circle.iter().enumerate().map(arrow).collect()
}

fn circles_of(sources: &[Source]) -> (Imports, BTreeMap<String, BTreeSet<Vec<String>>>) {
    let imports = Tree::of(sources).imports(sources);
    let circles = circles(&imports);
    (imports, circles)
}

#[test]
fn inside_a_layer_imports_form_no_circle() {
    let (imports, circles) = circles_of(&sources());
    let mut new = Vec::new();
    for (layer, circles) in &circles {
        let known =
            NOT_YET.iter().find(|(listed, _)| listed == layer).map_or(&[][..], |(_, modules)| modules);
        let is_known = |circle: &&Vec<String>| circle.iter().all(|module| known.contains(&&**module));
        new.extend(circles.iter().filter(|circle| !is_known(circle)).map(|circle| told(&imports, circle)));
    }
    assert!(new.is_empty(), "{} circles of imports:\n{}", new.len(), new.join("\n"));
    for (layer, modules) in NOT_YET {
        for module in *modules {
            let on_one =
                circles.get(*layer).into_iter().flatten().any(|circle| circle.iter().any(|on| on == module));
            assert!(on_one, "{module} is on no circle any more: take it off the list");
        }
    }
}

#[test]
fn a_circle_is_found_however_it_is_closed_and_a_facade_is_none() {
    let circles = |files: &[(&str, &str)]| {
        let sources: Vec<Source> = files.iter().map(|(file, text)| Source::new(file, text)).collect();
        circles_of(&sources).1.len()
    };
    for files in [
        // Siblings; by a function's path; by a glob; in tests; by way of a third.
        &[("src/a/b.rs", "use super::c::C; pub struct B;"), ("src/a/c.rs", "use super::b::B; pub struct C;")]
            [..],
        &[("src/a/b.rs", "fn f() { super::c::g() }"), ("src/a/c.rs", "fn g() { crate::a::b::f() }")],
        &[("src/a/b.rs", "use super::c::*; fn f() {}"), ("src/a/c.rs", "mod tests { use super::super::b; }")],
        &[("src/a/b.rs", "use super::c;"), ("src/a/c.rs", "use super::d;"), ("src/a/d.rs", "use super::b;")],
        // The child takes a type of the parent, which works with the child.
        &[
            ("src/a/mod.rs", "mod b; pub struct A; fn f() { b::g() }"),
            ("src/a/b.rs", "use super::A; pub fn g() {}"),
        ],
        // The parent works with what it re-exports.
        &[
            ("src/a/mod.rs", "mod b; pub use b::B; pub struct A(B);"),
            ("src/a/b.rs", "use super::A; pub struct B;"),
        ],
        // Two children by way of their parent.
        &[
            ("src/a/mod.rs", "mod b; mod c; pub use b::B; pub use c::C;"),
            ("src/a/b.rs", "use super::C; pub struct B;"),
            ("src/a/c.rs", "use crate::a::B; pub struct C;"),
        ],
    ] {
        assert_eq!(circles(files), 1, "{files:?}");
    }
    for files in [
        // The parent shows what its children have, and they know each other in one direction.
        &[
            ("src/a/mod.rs", "mod b; mod c; pub use b::B; pub use self::c::*;"),
            ("src/a/b.rs", "use super::C; pub struct B; mod tests { use super::B; use super::super::C; }"),
            ("src/a/c.rs", "pub struct C;"),
        ][..],
        // The children know the parent, which only declares them; or it uses them, and they do not know it.
        &[("src/a/mod.rs", "mod b; pub struct A;"), ("src/a/b.rs", "use super::A;")],
        &[("src/a/mod.rs", "mod b; fn f() { b::g() }"), ("src/a/b.rs", "pub fn g() {} // super::f")],
        &[("src/a/mod.rs", "mod b; fn f() { b::g() }"), ("src/a/b.rs", "pub(in crate::a) fn g() {}")],
        // Tests in a file of their own.
        &[("src/a/b.rs", "mod tests; pub struct B;"), ("src/a/b_tests.rs", "use super::*;")],
    ] {
        assert_eq!(circles(files), 0, "{files:?}");
    }
}
