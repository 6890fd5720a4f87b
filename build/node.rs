//! Access to the document that knows where it is.

use serde_yaml_ng::Value as Yaml;

/// The error is a reason for the person who edits the document, with the place.
pub(crate) type Result<T> = std::result::Result<T, String>;

/// A value of the document and its place, such as `paths./v1/attempts.post`.
#[derive(Clone)]
pub(crate) struct Node<'d> {
    pub(crate) document: &'d Yaml,
    pub(crate) value: &'d Yaml,
    pub(crate) place: String,
}

impl<'d> Node<'d> {
    pub(crate) fn fail<T>(&self, reason: &str) -> Result<T> {
        Err(format!("{}: {reason}", self.place))
    }

    fn at(&self, key: &str, value: &'d Yaml) -> Self {
        let place = if self.place.is_empty() { key.to_owned() } else { format!("{}.{key}", self.place) };
        Self { document: self.document, value, place }
    }

    /// Follows a `$ref` within the document.
    fn resolved(self) -> Result<Self> {
        let Some(reference) = self.value.get("$ref").and_then(Yaml::as_str) else { return Ok(self) };
        let path = reference.strip_prefix("#/").unwrap_or_default();
        let target = path.split('/').try_fold(self.document, |value, key| value.get(key));
        match target {
            Some(value) => Self { document: self.document, value, place: path.replace('/', ".") }.resolved(),
            None => self.fail(&format!("`{reference}` refers to nothing")),
        }
    }

    pub(crate) fn get(&self, key: &str) -> Result<Option<Self>> {
        self.value.get(key).map(|value| self.at(key, value).resolved()).transpose()
    }

    pub(crate) fn need(&self, key: &str) -> Result<Self> {
        self.get(key)?.map_or_else(|| self.fail(&format!("`{key}` is missing")), Ok)
    }

    pub(crate) fn text(&self) -> Result<&'d str> {
        self.value.as_str().map_or_else(|| self.fail("must be a string"), Ok)
    }

    pub(crate) fn entries(&self) -> Result<Vec<(&'d str, Self)>> {
        let Some(map) = self.value.as_mapping() else { return self.fail("must be a mapping") };
        let entry = |(key, value): (&'d Yaml, &'d Yaml)| match key.as_str() {
            Some(key) => Ok((key, self.at(key, value).resolved()?)),
            None => self.fail("has a key that is not a string"),
        };
        map.iter().map(entry).collect()
    }

    pub(crate) fn items(&self) -> Result<Vec<Self>> {
        let Some(items) = self.value.as_sequence() else { return self.fail("must be a list") };
        items.iter().enumerate().map(|(index, item)| self.at(&index.to_string(), item).resolved()).collect()
    }

    /// The entries under `key`, none if it is missing.
    pub(crate) fn entries_of(&self, key: &str) -> Result<Vec<(&'d str, Self)>> {
        self.get(key)?.map_or_else(|| Ok(Vec::new()), |node| node.entries())
    }

    pub(crate) fn items_of(&self, key: &str) -> Result<Vec<Self>> {
        self.get(key)?.map_or_else(|| Ok(Vec::new()), |node| node.items())
    }
}
