//! The use cases. They know the store, the mailer and the tokens by their interfaces, and nothing of HTTP.

mod attempts;
mod caller;
mod decide;
mod error;
mod issuer;
mod limits;
mod links;
mod mailbox;
mod operators;
mod pace;
mod parts;
mod reissue;
mod replace;
mod services;
mod sessions;
mod settings;
mod start;
mod waiters;

pub use attempts::{AttemptView, Attempts, Redeemed};
pub use caller::Caller;
pub use decide::{Confirmed, Decision};
pub use error::FlowError;
pub use links::{LinkPage, Links, OpenedLink};
pub use mailbox::DevMailbox;
pub use operators::{AttemptReport, Operators};
pub use reissue::Reissued;
pub use services::Services;
pub use sessions::{OpenerSession, SessionGrant, Sessions};
pub use settings::{ATTEMPT_GRACE, DENIED_FOR, RESEND_INTERVAL, Settings, TICKET_TTL};
pub use start::{Authority, BackEndOptions, StartRequest, Started};
pub use waiters::Waiters;
