//! Faults of the configuration, each with its remedy.

/// One fault in the configuration. Contains no value, since any variable may hold a secret by mistake.
#[derive(thiserror::Error, Debug, Clone, PartialEq, Eq)]
#[error("{variable} {problem}: {remedy}")]
pub struct Fault {
    /// The variable, such as `LINKGATE_PUBLIC_URL`.
    pub variable: String,
    /// The fault, worded to follow the variable's name: "is not set".
    pub problem: String,
    /// How to fix it, as an imperative.
    pub remedy: String,
}

impl Fault {
    /// A fault of a variable.
    pub fn new(variable: impl Into<String>, problem: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { variable: variable.into(), problem: problem.into(), remedy: remedy.into() }
    }
}

/// A parser's complaint about a value; the reader adds the variable.
pub(super) struct Complaint {
    pub(super) problem: String,
    pub(super) remedy: String,
}

impl Complaint {
    pub(super) fn new(problem: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { problem: problem.into(), remedy: remedy.into() }
    }
}

/// The result of parsing a value: on failure all complaints, not just the first.
pub(super) type Parsed<T> = Result<T, Vec<Complaint>>;
