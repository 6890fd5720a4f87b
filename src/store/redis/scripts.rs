//! The Lua scripts, one per step, each behind the prelude that they share. Each touches one key.

use std::sync::LazyLock;

/// A script, and the name under which the server keeps it once it has seen it.
pub(super) struct Script {
    /// Its text.
    pub(super) code: &'static str,
    /// The SHA-1 of the text, in hexadecimal.
    pub(super) hash: String,
    /// Whether running it again, when the answer was lost, changes nothing and gives the same answer.
    pub(super) repeatable: bool,
}

impl Script {
    fn new(code: &'static str, again: Again) -> Self {
        let repeatable = matches!(again, Again::Same);
        Self { code, hash: redis::Script::new(code).get_hash().to_owned(), repeatable }
    }
}

/// What comes of running a script again that has run.
#[derive(Clone, Copy)]
enum Again {
    /// The same answer, and no further change.
    Same,
    /// A refusal, or a further change.
    Other,
}

macro_rules! scripts {
    ($($name:ident = $file:literal, $again:ident;)*) => {
        $(pub(super) static $name: LazyLock<Script> = LazyLock::new(|| {
            Script::new(concat!(include_str!("../scripts/prelude.lua"), include_str!(concat!("../scripts/", $file))), Again::$again)
        });)*
    };
}

scripts! {
    CREATE = "create.lua", Same;
    MAIL_ACCEPTED = "mail_accepted.lua", Same;
    DISCARD = "discard.lua", Same;
    READ = "read.lua", Same;
    SETTLE = "settle.lua", Same;
    SHOW_CODE = "show_code.lua", Same;
    // A wrong code costs a try each time.
    ENTER_CODE = "enter_code.lua", Other;
    ENTER_RIGHT_CODE = "enter_code.lua", Same;
    CANCEL = "cancel.lua", Same;
    // Refused as too soon.
    REPLACE_LINK = "replace_link.lua", Other;
    // Refused as superseded.
    RESTORE_LINK = "restore_link.lua", Other;
    // Refused as over.
    REJECT_MAIL = "reject_mail.lua", Other;
    PUT_TICKET = "put_ticket.lua", Same;
    // Refused: it is consumed.
    CONSUME_TICKET = "consume_ticket.lua", Other;
}
