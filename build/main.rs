//! Renders `/docs`: `docs/openapi.yaml` through the template `src/http/pages/docs.html`, into `OUT_DIR/docs.html`, and the
//! page's style into `OUT_DIR/docs.css`. A malformed document fails the build with a message that names the place.

mod curl;
mod markdown;
mod node;
mod operation;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::{env, fs};

use minijinja::value::Serde;
use minijinja::{Environment, Value, context};
use serde_yaml_ng::Value as Yaml;

use self::markdown::markdown;
use self::node::{Node, Result};
use self::operation::{Operation, operations};

const DOCUMENT: &str = "docs/openapi.yaml";
const TEMPLATE: &str = "src/http/pages/docs.html";
const STYLES: [&str; 2] = ["src/http/pages/style.css", "src/http/pages/docs.css"];

/// The server of curl examples if the document names only a path.
const SERVER: &str = "https://signin.example.com";

fn main() {
    for file in [DOCUMENT, TEMPLATE].into_iter().chain(STYLES) {
        println!("cargo::rerun-if-changed={file}");
    }
    if let Err(reason) = write_page() {
        println!("cargo::error={reason}");
    }
}

fn write_page() -> Result<()> {
    let directory = env::var("OUT_DIR").map_err(|error| format!("OUT_DIR: {error}"))?;
    let write = |name: &str, text: &str| {
        fs::write(Path::new(&directory).join(name), text).map_err(|error| format!("{name}: {error}"))
    };
    let style = STYLES.map(read).into_iter().collect::<Result<String>>()?;
    let document =
        serde_yaml_ng::from_str(&read(DOCUMENT)?).map_err(|error| format!("{DOCUMENT}: {error}"))?;
    let page = render(&document, &style).map_err(|reason| format!("{DOCUMENT}: {reason}"))?;
    write("docs.css", &style)?;
    write("docs.html", &page)
}

fn read(file: &str) -> Result<String> {
    fs::read_to_string(file).map_err(|error| format!("{file}: {error}"))
}

fn render(document: &Yaml, style: &str) -> Result<String> {
    let root = Node { document, value: document, place: String::new() };
    let operations = operations(&root)?;
    let links = Arc::new(links(&root, &operations)?);
    let server = match root.need("servers")?.items()?.first() {
        Some(server) => server.need("url")?.text()?,
        None => "/",
    };
    let mut environment = Environment::new();
    let source = read(TEMPLATE)?;
    environment.add_template("docs.html", &source).map_err(|error| format!("{error:#}"))?;
    environment.add_filter("markdown", move |text: &str| Value::from_safe_string(markdown(text, &links).0));
    environment.add_filter("json", |value: Value| serde_json::to_string_pretty(&value).unwrap_or_default());
    environment.add_filter("variable", curl::variable);
    let values = context! {
        api => Serde(document),
        about => markdown(root.need("info")?.need("description")?.text()?, &BTreeMap::new()).1,
        operations => Serde(operations),
        server => if server.starts_with('/') { SERVER } else { server },
        style => Value::from_safe_string(style.to_owned()),
    };
    let template = environment.get_template("docs.html").map_err(|error| format!("{error:#}"))?;
    template.render(values).map_err(|error| format!("{error:#}"))
}

/// Where code in prose leads: problem codes, operations, schemas and security schemes.
fn links(root: &Node<'_>, operations: &[Operation<'_>]) -> Result<BTreeMap<String, String>> {
    let components = root.need("components")?;
    let schemas = components.need("schemas")?;
    let mut links = BTreeMap::new();
    for code in schemas.need("ProblemCode")?.need("enum")?.items()? {
        links.insert(code.text()?.to_owned(), format!("/problems/{}", code.text()?));
    }
    for (name, _) in schemas.entries()? {
        links.insert(name.to_owned(), format!("#schema-{name}"));
    }
    for (name, _) in components.need("securitySchemes")?.entries()? {
        links.insert(name.to_owned(), format!("#scheme-{name}"));
    }
    for Operation { id, method, path, .. } in operations {
        links.insert(format!("{method} {path}"), format!("#{id}"));
    }
    Ok(links)
}
