//! What is wrong with the configuration, and how to mend it.

use std::fmt;

/// One fault in the configuration. Repeats no value, since any variable may hold a secret by mistake.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// The variable, such as `LINKGATE_PUBLIC_URL`.
    pub variable: String,
    /// What is wrong, to be read after the variable's name: "is not set".
    pub problem: String,
    /// How to mend it, as an imperative.
    pub remedy: String,
}

impl Fault {
    /// A fault of a variable.
    pub fn new(variable: impl Into<String>, problem: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { variable: variable.into(), problem: problem.into(), remedy: remedy.into() }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}: {}", self.variable, self.problem, self.remedy)
    }
}

impl std::error::Error for Fault {}

/// What a parser of a value has to say against it; the reader adds the variable.
pub(super) struct Problem {
    pub(super) problem: String,
    /// Without one, the reader shows the setting's example.
    pub(super) remedy: Option<String>,
}

impl Problem {
    pub(super) fn new(problem: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { problem: problem.into(), remedy: Some(remedy.into()) }
    }

    pub(super) fn plain(problem: impl Into<String>) -> Self {
        Self { problem: problem.into(), remedy: None }
    }
}

/// What comes of parsing a value: all that is wrong with it, not just the first.
pub(super) type Parsed<T> = Result<T, Vec<Problem>>;
