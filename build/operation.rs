//! The operations of the document, in the form that the template shows.

use std::collections::BTreeSet;

use serde::Serialize;
use serde_yaml_ng::Value as Yaml;

use super::curl::{curl, plain};
use super::node::{Node, Result};

const METHODS: [&str; 8] = ["get", "head", "post", "put", "patch", "delete", "options", "trace"];

/// An operation with all references followed but those to schemas, which the page links to.
#[derive(Serialize)]
pub(crate) struct Operation<'d> {
    pub(crate) id: &'d str,
    pub(crate) method: String,
    pub(crate) path: &'d str,
    pub(crate) tag: &'d str,
    pub(crate) summary: &'d str,
    pub(crate) description: &'d str,
    /// Each entry is a set of security schemes that are enough together; an empty set: no credentials needed.
    pub(crate) security: Vec<Vec<&'d str>>,
    pub(crate) parameters: Vec<&'d Yaml>,
    pub(crate) body: Vec<Content<'d>>,
    pub(crate) responses: Vec<Response<'d>>,
    pub(crate) curl: String,
}

#[derive(Serialize)]
pub(crate) struct Response<'d> {
    pub(crate) status: &'d str,
    /// Below 400: the page shows the body and its examples.
    success: bool,
    pub(crate) description: &'d str,
    pub(crate) headers: Vec<(&'d str, &'d Yaml)>,
    pub(crate) contents: Vec<Content<'d>>,
}

/// A body of one media type.
#[derive(Serialize)]
pub(crate) struct Content<'d> {
    pub(crate) media_type: &'d str,
    /// As it stands, perhaps a reference.
    pub(crate) schema: &'d Yaml,
    /// The schema that it refers to.
    pub(crate) resolved: &'d Yaml,
    /// Title and text.
    pub(crate) examples: Vec<(&'d str, String)>,
}

pub(crate) fn operations<'d>(root: &Node<'d>) -> Result<Vec<Operation<'d>>> {
    let mut found = Vec::new();
    let mut ids = BTreeSet::new();
    for (path, item) in root.need("paths")?.entries()? {
        for (method, node) in item.entries()?.into_iter().filter(|(key, _)| METHODS.contains(key)) {
            let operation = operation(root, path, method, &item, &node)?;
            if !ids.insert(operation.id) {
                return node.fail(&format!("operationId `{}` is not unique", operation.id));
            }
            found.push(operation);
        }
    }
    Ok(found)
}

fn operation<'d>(
    root: &Node<'d>,
    path: &'d str,
    method: &str,
    item: &Node<'d>,
    node: &Node<'d>,
) -> Result<Operation<'d>> {
    let tags = root.need("tags")?.items()?;
    let tag = match node.need("tags")?.items()?.first() {
        Some(tag) => tag.text()?,
        None => return node.fail("`tags` is empty"),
    };
    if !tags.iter().any(|known| known.value["name"] == tag) {
        return node.fail(&format!("tag `{tag}` is not in `tags` of the document"));
    }
    let alternatives = node.need("security")?.items()?;
    let security: Vec<Vec<&str>> = alternatives
        .iter()
        .map(|set| Ok(set.entries()?.into_iter().map(|(scheme, _)| scheme).collect()))
        .collect::<Result<_>>()?;
    let parameters = [item.items_of("parameters")?, node.items_of("parameters")?].concat();
    let body = match node.get("requestBody")? {
        Some(body) => contents(&body)?,
        None => Vec::new(),
    };
    let mut responses = Vec::new();
    for (status, response) in node.need("responses")?.entries()? {
        responses.push(Response {
            status,
            success: status < "400",
            description: response.need("description")?.text()?,
            headers: response
                .entries_of("headers")?
                .into_iter()
                .map(|(name, node)| (name, node.value))
                .collect(),
            contents: contents(&response)?,
        });
    }
    let mut operation = Operation {
        id: node.need("operationId")?.text()?,
        method: method.to_ascii_uppercase(),
        path,
        tag,
        summary: node.need("summary")?.text()?,
        description: node.need("description")?.text()?,
        security,
        parameters: parameters.iter().map(|parameter| parameter.value).collect(),
        body,
        responses,
        curl: String::new(),
    };
    operation.curl = curl(root, &operation, &parameters)?;
    Ok(operation)
}

fn contents<'d>(node: &Node<'d>) -> Result<Vec<Content<'d>>> {
    let mut contents = Vec::new();
    for (media_type, content) in node.entries_of("content")? {
        let mut examples = Vec::new();
        for (name, example) in content.entries_of("examples")? {
            let title = example.get("summary")?.map_or(Ok(name), |summary| summary.text())?;
            examples.push((title, example_text(&example.need("value")?, media_type)?));
        }
        contents.push(Content {
            media_type,
            schema: &content.value["schema"],
            resolved: content.need("schema")?.value,
            examples,
        });
    }
    Ok(contents)
}

fn example_text(value: &Node<'_>, media_type: &str) -> Result<String> {
    if let Some(text) = value.value.as_str() {
        return Ok(text.to_owned());
    }
    if media_type.contains("yaml") {
        return serde_yaml_ng::to_string(value.value).or_else(|error| value.fail(&error.to_string()));
    }
    if media_type == "application/x-www-form-urlencoded" {
        let fields =
            value.entries()?.into_iter().map(|(name, field)| Ok(format!("{name}={}", plain(&field)?)));
        return fields.collect::<Result<Vec<_>>>().map(|fields| fields.join("&"));
    }
    serde_json::to_string_pretty(value.value).or_else(|error| value.fail(&error.to_string()))
}
