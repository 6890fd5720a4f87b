//! The curl command of an operation.

use super::node::{Node, Result};
use super::operation::Operation;

/// A curl command for bash. The server and all credentials are shell variables.
pub(crate) fn curl(root: &Node<'_>, operation: &Operation<'_>, parameters: &[Node<'_>]) -> Result<String> {
    let mut path = operation.path.to_owned();
    let mut query = Vec::new();
    let mut options = Vec::new();
    for parameter in parameters {
        let name = parameter.need("name")?.text()?;
        let required = parameter.value["required"] == true;
        match parameter.need("in")?.text()? {
            "path" => path = path.replace(&format!("{{{name}}}"), &plain(&parameter.need("example")?)?),
            "query" => query.push(format!("{name}={}", plain(&parameter.need("example")?)?)),
            "header" if required => {
                options.push(format!(
                    "-H {}",
                    quoted(&format!("{name}: {}", parameter.need("example")?.text()?))
                ));
            }
            _ => {}
        }
    }
    // Scripts use a client secret, a token or a key before cookies.
    let schemes = root.need("components")?.need("securitySchemes")?;
    let is_cookie = |scheme: &&str| schemes.value[*scheme]["in"] == "cookie";
    let for_scripts = operation.security.iter().find(|set| !set.is_empty() && !set.iter().any(is_cookie));
    for scheme in for_scripts.or(operation.security.first()).into_iter().flatten() {
        options.push(credential(&schemes.need(scheme)?, scheme)?);
    }
    let json = operation.body.iter().find(|content| content.media_type == "application/json");
    let answers = || {
        operation
            .responses
            .iter()
            .filter(|response| response.status.starts_with('2'))
            .flat_map(|response| &response.contents)
    };
    let answers_with = |media_type: &str| answers().any(|content| content.media_type == media_type);
    match json {
        Some(content) => match content.examples.first() {
            Some((_, text)) => options.push(format!("--json {}", quoted(text))),
            None => return Err(format!("{}: the body has no example", operation.id)),
        },
        None if answers_with("application/json") && answers_with("text/html") => {
            options.push("-H 'Accept: application/json'".to_owned());
        }
        None => {}
    }
    let method = match operation.method.as_str() {
        "GET" if answers_with("text/event-stream") => "-N ".to_owned(),
        "HEAD" => "--head ".to_owned(),
        "GET" => String::new(),
        "POST" if json.is_some() => String::new(),
        method => format!("-X {method} "),
    };
    let query = if query.is_empty() { String::new() } else { format!("?{}", query.join("&")) };
    let start = format!("curl -sS {method}\"$LINKGATE{path}{query}\"");
    Ok([vec![start], options].concat().join(" \\\n  "))
}

/// The option that sends this credential from a variable.
fn credential(scheme: &Node<'_>, key: &str) -> Result<String> {
    let variable = variable(key);
    let place = scheme.get("in")?.map(|place| place.text()).transpose()?;
    match (scheme.need("type")?.text()?, place) {
        ("http", _) if scheme.need("scheme")?.text()? == "bearer" => {
            Ok(format!("-H \"Authorization: Bearer ${variable}\""))
        }
        ("apiKey", Some("header")) => Ok(format!("-H \"{}: ${variable}\"", scheme.need("name")?.text()?)),
        ("apiKey", Some("cookie")) => Ok(format!("-b \"{}=${variable}\"", scheme.need("name")?.text()?)),
        _ => scheme.fail("is of a kind that this script has no curl option for"),
    }
}

/// `attemptToken` as the shell variable `ATTEMPT_TOKEN`.
pub(crate) fn variable(name: &str) -> String {
    let mut variable = String::new();
    for letter in name.chars() {
        if letter.is_ascii_uppercase() {
            variable.push('_');
        }
        variable.push(letter.to_ascii_uppercase());
    }
    variable
}

/// A value that may stand in a URL or form as it is.
pub(crate) fn plain(node: &Node<'_>) -> Result<String> {
    let text = node
        .value
        .as_str()
        .map_or_else(|| node.value.as_i64().map(|number| number.to_string()), |text| Some(text.to_owned()));
    let is_plain =
        |text: &String| text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte));
    text.filter(is_plain)
        .map_or_else(|| node.fail("has to be percent-encoded in a URL, which this script does not do"), Ok)
}

/// Quoted for bash.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}
