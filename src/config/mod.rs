//! The configuration: all settings from outside, read once and typed.
//!
//! Pure over a map of variables, apart from reading the files that `*_FILE` variables name. All faults are reported
//! together, each with its variable and remedy and none with a value. `app` checks the rest, which needs other modules:
//! templates and the details of URLs.

mod checks;
mod dev;
mod fault;
mod help;
mod reader;
mod setting;
mod settings;
#[cfg(test)]
mod tests;
mod unknown;
mod values;

pub use checks::{environment, ops_addr};
pub use fault::Fault;
pub use help::help_text;
pub use reader::read_secret_file;
pub use setting::{FILE_SUFFIX, Fallback, Kind, PREFIX, Setting};
pub use settings::{Config, SETTINGS};
pub use values::StoreUrl;
