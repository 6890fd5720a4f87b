//! The command line: arguments and exit codes.
//!
//! Exit codes: 0 for success, 1 for a failure at run time, 2 for invalid arguments or an invalid configuration.

use std::fmt::Write as _;
use std::future::Future;
use std::io::{self, Write as _};
use std::process::ExitCode;

use clap::{CommandFactory as _, Parser, Subcommand};
use clap_complete::Shell;
use clap_mangen::roff::{Roff, roman};
use linkgate::app::{self, AppError};
use linkgate::clock::{Clock as _, SystemClock};
use linkgate::config::{self, Config, Fault};
use linkgate::domain::email::EmailAddress;
use linkgate::domain::keys::{MAX_KID, is_kid};
use linkgate::{healthcheck, logging, token};

/// We often free on one thread what another allocated; glibc serialises that, mimalloc does not.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const EXAMPLES: &str = "\
Try it without any settings:
  linkgate dev

Run it in production:
  export LINKGATE_PUBLIC_URL=https://login.example.com
  export LINKGATE_KEYS=\"$(linkgate keys new)\"      # keep it: a new key ends all sessions
  export LINKGATE_STORE_URL=redis://localhost:6379
  export LINKGATE_MAIL_URL=smtp://user:password@smtp.example.com:587
  export LINKGATE_MAIL_FROM='Example <no-reply@example.com>'
  export LINKGATE_ALLOWED_ORIGINS=https://app.example.com
  export LINKGATE_REDIRECT_URLS=https://app.example.com/signed-in
  linkgate check-config && linkgate mail test you@example.com && linkgate serve

All settings: linkgate serve --help
Exit codes: 0 success, 1 failure at run time, 2 invalid arguments or configuration";

const KEYS_EXAMPLES: &str = "\
The command prints the key on standard output, for LINKGATE_KEYS or for the file that
LINKGATE_KEYS_FILE names. The key is a secret.

To rotate keys without signing anybody out, put the new key first and keep the old one
until all sessions that it signed have ended (LINKGATE_SESSION_MAX_AGE):
  linkgate keys new | cat - keys > keys.next && mv keys.next keys";

/// Signs people in by email link
///
/// An application starts an attempt; linkgate mails a link; the browser that waits learns
/// the result, even if the link is opened on another device. All settings are environment
/// variables.
#[derive(Parser)]
#[command(verbatim_doc_comment, version, arg_required_else_help = true, after_help = EXAMPLES)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Serve with the settings of the environment
    #[command(after_long_help = config::help_text())]
    Serve,
    /// Try it on this machine: a demo, a mailbox, no settings needed
    ///
    /// Listens on 127.0.0.1:8080, stores everything in memory and sends no mail: the demo
    /// application is at /, its mails are at /dev/mailbox, the API is at /docs. Respects all
    /// settings of `linkgate serve` that are set.
    #[command(verbatim_doc_comment)]
    Dev,
    /// Check the settings of the environment and report all faults
    ///
    /// Exits with 0 if `linkgate serve` would start and with 2 if not. Prints no secret.
    #[command(after_long_help = config::help_text())]
    CheckConfig,
    /// Manage keys
    #[command(subcommand)]
    Keys(KeysCommand),
    /// Test the mail relay
    #[command(subcommand)]
    Mail(MailCommand),
    /// Check whether linkgate on this machine is ready
    ///
    /// Requests /readyz at `LINKGATE_OPS_ADDR`. Exits with 0 if linkgate is ready and with 1 if not.
    Healthcheck {
        #[arg(long, help = format!("Retry for up to {} seconds", healthcheck::WAIT.as_secs()))]
        wait: bool,
    },
    /// Print a completion script
    ///
    /// For example: `linkgate completions bash > /etc/bash_completion.d/linkgate`
    Completions {
        /// The shell of the script
        shell: Shell,
    },
    /// Print the manual page
    ///
    /// For example: `linkgate man > /usr/local/share/man/man1/linkgate.1`
    Man,
}

#[derive(Subcommand)]
enum KeysCommand {
    /// Print a fresh key
    #[command(after_help = KEYS_EXAMPLES)]
    New {
        #[arg(long, value_parser = parse_kid, help = format!("The key's id: {} [default: the date and four digits]", kid_form()))]
        kid: Option<String>,
    },
}

#[derive(Subcommand)]
enum MailCommand {
    /// Send a mail through the relay of `LINKGATE_MAIL_URL`
    Test {
        /// The recipient
        #[arg(value_parser = EmailAddress::parse)]
        address: EmailAddress,
    },
}

fn parse_kid(text: &str) -> Result<String, String> {
    if is_kid(text) { Ok(text.to_owned()) } else { Err(format!("not {}", kid_form())) }
}

fn kid_form() -> String {
    format!("1 to {MAX_KID} of A-Z a-z 0-9 . _ -")
}

/// Why the process exits with a code other than 0.
enum Failure {
    Configuration(Vec<Fault>),
    Running(String),
}

fn main() -> ExitCode {
    // Before any use of TLS: if several dependencies enable a provider, rustls chooses none. This is the first install,
    // so it cannot fail.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    match run(Cli::parse().command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failure::Configuration(faults)) => {
            eprint!("{}", report(&faults));
            ExitCode::from(2)
        }
        Err(Failure::Running(reason)) => {
            eprintln!("linkgate: {reason}");
            ExitCode::FAILURE
        }
    }
}

fn run(command: Command) -> Result<(), Failure> {
    match command {
        Command::Serve => block_on(app::serve(started(Config::from_env())?)),
        Command::Dev => {
            let fresh_key = token::fresh_key_text("dev");
            block_on(app::dev(started(Config::dev(&config::environment(), &fresh_key))?))
        }
        Command::CheckConfig => {
            let config = checked(Config::from_env())?;
            let warnings = config.warnings().into_iter().map(|warning| format!("warning: {warning}\n"));
            let lines = std::iter::once("configuration is valid\n".to_owned()).chain(warnings);
            print(lines.collect::<String>().as_bytes())
        }
        Command::Keys(KeysCommand::New { kid }) => {
            print(format!("{}\n", token::fresh_key_text(&kid.unwrap_or_else(default_kid))).as_bytes())
        }
        Command::Mail(MailCommand::Test { address }) => {
            block_on(app::mail_test(started(Config::from_env())?, address))
        }
        Command::Healthcheck { wait } => {
            let ops_addr = config::ops_addr(&config::environment()).map_err(Failure::Configuration)?;
            healthcheck::run(ops_addr, wait).map_err(Failure::Running)
        }
        Command::Completions { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Cli::command(), "linkgate", &mut script);
            print(&script)
        }
        Command::Man => print(&manual().map_err(|error| Failure::Running(error.to_string()))?),
    }
}

/// The manual page: one for all commands, so that there is only one file to install.
fn manual() -> io::Result<Vec<u8>> {
    let mut command = Cli::command().disable_help_subcommand(true);
    command.build();
    let mut page = Vec::new();
    let man = clap_mangen::Man::new(command.clone());
    man.render_title(&mut page)?;
    man.render_name_section(&mut page)?;
    man.render_synopsis_section(&mut page)?;
    man.render_description_section(&mut page)?;
    let sections = [
        ("COMMANDS", commands(&command)),
        ("EXAMPLES", EXAMPLES.to_owned()),
        ("ENVIRONMENT", config::help_text()),
    ];
    for (heading, text) in sections {
        let mut roff = Roff::new();
        // `nf` turns filling off: the texts have their line breaks.
        roff.control("SH", [heading]).control("nf", []);
        roff.text(text.lines().map(|line| roman(format!("{line}\n"))).collect::<Vec<_>>()).control("fi", []);
        roff.to_writer(&mut page)?;
    }
    Ok(page)
}

/// Usage and description of each command without subcommands.
fn commands(parent: &clap::Command) -> String {
    let mut text = String::new();
    for command in parent.get_subcommands() {
        if command.has_subcommands() {
            text.push_str(&commands(command));
            continue;
        }
        let usage = command.clone().render_usage().to_string();
        text.push_str(usage.trim_start_matches("Usage: "));
        let about = command.get_long_about().or_else(|| command.get_about());
        for line in about.map(ToString::to_string).unwrap_or_default().lines() {
            let _ = write!(text, "\n    {line}");
        }
        text.push_str("\n\n");
    }
    text
}

/// The configuration, if it is valid as far as can be checked without network.
fn checked(read: Result<Config, Vec<Fault>>) -> Result<Config, Failure> {
    let config = read.map_err(Failure::Configuration)?;
    app::check(&config).map_err(Failure::Configuration)?;
    Ok(config)
}

/// [`checked`]; then starts logging and logs the configuration's warnings.
fn started(read: Result<Config, Vec<Fault>>) -> Result<Config, Failure> {
    let config = checked(read)?;
    logging::init(config.log_format);
    for warning in config.warnings() {
        log::warn!("{warning}");
    }
    Ok(config)
}

fn block_on(work: impl Future<Output = Result<(), AppError>>) -> Result<(), Failure> {
    actix_web::rt::System::new().block_on(work).map_err(|error| Failure::Running(error.to_string()))
}

/// The date and four random digits, so that two keys of one day have different ids.
fn default_kid() -> String {
    let digits = uuid::Uuid::now_v7().simple().to_string();
    format!("k{}-{}", SystemClock.now().format("%y%m%d"), &digits[digits.len() - 4..])
}

fn report(faults: &[Fault]) -> String {
    let count = faults.len();
    let plural = if count == 1 { "fault" } else { "faults" };
    let mut text = format!("linkgate: {count} {plural} in the configuration\n");
    for Fault { variable, problem, remedy } in faults {
        let _ = writeln!(text, "  {variable} {problem}\n      -> {remedy}");
    }
    text.push_str("All settings: linkgate serve --help\n");
    text
}

/// Prints to standard output. A reader that stops early, such as `head`, is not a failure.
fn print(bytes: &[u8]) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    match out.write_all(bytes).and_then(|()| out.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(Failure::Running(error.to_string())),
        _ => Ok(()),
    }
}
