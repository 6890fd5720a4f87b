//! The conversation with a relay (RFC 5321): connect, secure, sign on, hand over, and keep the connection.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use lettre::transport::smtp::authentication::{Credentials, DEFAULT_MECHANISMS};
use lettre::transport::smtp::client::{AsyncSmtpConnection, AsyncTokioStream};
use lettre::transport::smtp::commands::{Data, Ehlo, Mail, Noop, Quit, Rcpt, Rset};
use lettre::transport::smtp::extension::ClientId;
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout, timeout_at};

use super::Wire;
use super::step::{Cause, DATA, Failure, MAIL_FROM, RCPT_TO, RSET, io_step, step};
use super::tls::{BeforeTls, ImplicitTls, Security};
use crate::mailer::message::MailError;
use crate::mailer::pool::{Connection, Pool};
use crate::mailer::settings::{SmtpSettings, SmtpTls, is_loopback};

/// How many connections to the relay there are at most.
const MAX_CONNECTIONS: usize = 8;

/// How long an unused connection is kept. Relays close theirs after a few minutes (RFC 5321, section 4.5.3.2.7).
const MAX_IDLE: Duration = Duration::from_mins(1);

/// How long the rest of the answers may take when one has already decided.
const LAST_ANSWERS: Duration = Duration::from_millis(250);

/// How long a goodbye may take.
const QUIT_LIMIT: Duration = Duration::from_secs(1);

/// A relay and the connections to it.
pub(in crate::mailer) struct Relay {
    settings: SmtpSettings,
    security: Security,
    credentials: Option<Credentials>,
    hello: ClientId,
    limit: Duration,
    pool: Arc<Pool<Open>>,
}

/// A connection over which mails can go.
struct Open {
    smtp: AsyncSmtpConnection,
    /// Whether the relay takes commands without waiting for the answers to those before (RFC 2920).
    pipelines: bool,
    /// Whether a mail was begun and not accepted.
    unfinished: bool,
    /// Whether answers are outstanding that nobody will read, so that no further mail can go here.
    spent: bool,
}

impl Relay {
    pub(super) fn new(settings: SmtpSettings, limit: Duration) -> Result<Self, String> {
        let security = Security::new(&settings)?;
        if settings.tls == SmtpTls::None && !is_loopback(&settings.host) {
            log::warn!(
                "mails and sign-in links go to the relay unencrypted, because LINKGATE_MAIL_URL says tls=none"
            );
        }
        let credentials = settings.user.clone().map(|(user, password)| Credentials::new(user, password));
        let pool = Pool::new(MAX_CONNECTIONS, MAX_IDLE);
        Ok(Self { settings, security, credentials, hello: ClientId::default(), limit, pool })
    }

    /// Hands one mail over, once. The deadline covers the wait for a connection, too.
    pub(super) async fn send(&self, wire: &Wire) -> Result<(), MailError> {
        let deadline = Instant::now() + self.limit;
        let waiting = timeout_at(deadline, self.pool.slot()).await;
        // A slot may come free because its holder's time ran out, and then ours is over too.
        let Some(slot) = waiting.ok().flatten().filter(|_| Instant::now() < deadline) else {
            return Err(Failure { step: "waiting for a free connection", cause: Cause::Late }.into());
        };
        let resumed = self.resume(slot.reuse(), wire, deadline).await;
        let (mut open, begun) = if let Some(resumed) = resumed {
            resumed
        } else {
            // Boxed: it is large and rare, and would be a part of the state of every mail.
            let mut open = Box::pin(self.connect(deadline)).await?;
            let begun = open.begin(wire, deadline).await;
            (open, begun)
        };
        let result = open.hand_over(wire, begun, deadline).await;
        match &result {
            Ok(()) => slot.give_back(open),
            Err(failure) if failure.leaves_usable() && open.recovers(deadline).await => slot.give_back(open),
            Err(_) => {}
        }
        result.map_err(MailError::from)
    }

    /// Begins the mail on a connection from the pool. The relay may have closed it, or something on the way may have
    /// forgotten it, in which case nothing was sent and a fresh connection can take its place: `None`.
    async fn resume(
        &self,
        open: Option<Open>,
        wire: &Wire,
        deadline: Instant,
    ) -> Option<(Open, Result<(), Failure>)> {
        let mut open = open?;
        // A part of the time only, so that enough is left for the fresh connection. The answer to all commands at once may
        // come as late as that to the recipient, for which some relays ask others.
        let part = if open.pipelines { self.limit / 2 } else { self.limit / 4 };
        let begun = open.begin(wire, deadline.min(Instant::now() + part)).await;
        match begun {
            Err(failure) if open.spent || !failure.leaves_usable() => None,
            begun => Some((open, begun)),
        }
    }

    /// Connects, signs on, and asks for nothing.
    pub(super) async fn check(&self) -> Result<(), MailError> {
        let deadline = Instant::now() + self.limit;
        let mut open = self.connect(deadline).await?;
        step("NOOP", deadline, open.smtp.command(Noop)).await?;
        open.close().await;
        Ok(())
    }

    async fn connect(&self, deadline: Instant) -> Result<Open, Failure> {
        let tcp = self.connect_tcp(deadline).await?;
        let stream: Box<dyn AsyncTokioStream> = match &self.security {
            Security::Plain => Box::new(tcp),
            Security::StartTls(_) => Box::new(BeforeTls::new(tcp)),
            Security::Implicit(connector, name) => {
                let tls = io_step("TLS handshake", deadline, connector.connect(name.clone(), tcp)).await?;
                Box::new(ImplicitTls(tls))
            }
        };
        let connecting = AsyncSmtpConnection::connect_with_transport(stream, &self.hello);
        let mut connection = step("greeting", deadline, connecting).await?;
        if let Security::StartTls(parameters) = &self.security {
            if !connection.can_starttls() {
                let cause =
                    "the relay does not offer it; use smtps:// or, on a network that you trust, ?tls=none";
                return Err(Failure { step: "STARTTLS", cause: Cause::Broken(cause.to_owned()) });
            }
            step("STARTTLS", deadline, connection.starttls(parameters.clone(), &self.hello)).await?;
        }
        if let Some(credentials) = &self.credentials {
            step("AUTH", deadline, connection.auth(DEFAULT_MECHANISMS, credentials)).await?;
        }
        // Asked once more, since lettre keeps of the first answer only what it uses itself.
        let offers = step("EHLO", deadline, connection.command(Ehlo::new(self.hello.clone()))).await;
        let pipelines = match offers {
            Ok(offers) => offers.message().any(|offer| offer.eq_ignore_ascii_case("PIPELINING")),
            // There are relays that do not like to be asked twice.
            Err(failure) if failure.leaves_usable() => false,
            Err(failure) => return Err(failure),
        };
        Ok(Open { smtp: connection, pipelines, unfinished: false, spent: false })
    }

    /// Tries the addresses of the host in turn. One that does not answer may not use up the time of the others.
    async fn connect_tcp(&self, deadline: Instant) -> Result<TcpStream, Failure> {
        let host = (self.settings.host.as_str(), self.settings.port);
        let addresses = io_step("looking the relay up", deadline, tokio::net::lookup_host(host)).await?;
        let mut last =
            Failure { step: "looking the relay up", cause: Cause::Broken("no address".to_owned()) };
        for address in addresses {
            let until = deadline.min(Instant::now() + self.limit / 4);
            match io_step("connecting", until, TcpStream::connect(address)).await {
                Ok(tcp) => {
                    io_step("connecting", deadline, async { tcp.set_nodelay(true) }).await?;
                    return Ok(tcp);
                }
                Err(failure) => last = failure,
            }
        }
        Err(last)
    }
}

impl Open {
    /// Begins a mail: with all commands up to DATA where the relay takes them at once, else with the first.
    async fn begin(&mut self, wire: &Wire, deadline: Instant) -> Result<(), Failure> {
        let (from, to) = envelope(wire);
        let resets = std::mem::replace(&mut self.unfinished, true);
        if !self.pipelines {
            return step(MAIL_FROM, deadline, self.smtp.command(from)).await.map(drop);
        }
        let first = if resets { RSET } else { MAIL_FROM };
        let at_once = AtOnce { resets, from: &from, to: &to };
        let mut answer = step(first, deadline, self.smtp.command(at_once)).await;
        if resets {
            self.spent = answer.is_err();
            answer?;
            answer = step(MAIL_FROM, deadline, self.smtp.read_response()).await;
        }
        answer.map(drop)
    }

    /// Whether another mail can begin after one that was not completed. That one is ended with the commands of the next
    /// where they go at once, so that nobody waits for it, and else now.
    async fn recovers(&mut self, deadline: Instant) -> bool {
        if self.pipelines {
            return !self.spent;
        }
        step(RSET, deadline, self.smtp.command(Rset)).await.is_ok()
    }

    /// Goes on with a mail whose first command was answered so.
    async fn hand_over(
        &mut self,
        wire: &Wire,
        begun: Result<(), Failure>,
        deadline: Instant,
    ) -> Result<(), Failure> {
        if self.pipelines {
            self.rest_of_envelope(wire, begun, deadline).await?;
        } else {
            begun?;
            for to in envelope(wire).1 {
                step(RCPT_TO, deadline, self.smtp.command(to)).await?;
            }
            step(DATA, deadline, self.smtp.command(Data)).await?;
        }
        step("the message", deadline, self.smtp.command(transparent(&wire.message))).await?;
        self.unfinished = false;
        Ok(())
    }

    /// Reads the answers that are under way, so that the next mail finds none of this one's. The first negative one
    /// decides, whatever becomes of the connection after it: relays like to hang up on whom they have refused.
    async fn rest_of_envelope(
        &mut self,
        wire: &Wire,
        begun: Result<(), Failure>,
        deadline: Instant,
    ) -> Result<(), Failure> {
        let mut decided = begun;
        let recipients = wire.envelope.to().iter().map(|_| RCPT_TO);
        for what in recipients.chain([DATA]) {
            let deadline = match &decided {
                Ok(()) => deadline,
                Err(failure) if failure.leaves_usable() => deadline.min(Instant::now() + LAST_ANSWERS),
                Err(_) => break,
            };
            let answer = step(what, deadline, self.smtp.read_response()).await.map(drop);
            self.spent = match &answer {
                // A refused relay that waits for a message all the same.
                Ok(()) => what == DATA && decided.is_err(),
                Err(failure) => !failure.leaves_usable(),
            };
            decided = decided.and(answer);
            if self.spent {
                break;
            }
        }
        decided
    }
}

fn envelope(wire: &Wire) -> (Mail, Vec<Rcpt>) {
    let to = wire.envelope.to().iter().map(|to| Rcpt::new(to.clone(), vec![]));
    (Mail::new(wire.envelope.from().cloned(), vec![]), to.collect())
}

/// The commands of a mail up to DATA, after one that ends an unfinished mail.
struct AtOnce<'a> {
    resets: bool,
    from: &'a Mail,
    to: &'a [Rcpt],
}

impl fmt::Display for AtOnce<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.resets {
            write!(f, "{Rset}")?;
        }
        write!(f, "{}", self.from)?;
        for to in self.to {
            write!(f, "{to}")?;
        }
        write!(f, "{Data}")
    }
}

/// A message with its end, and a dot before each line that begins with one (RFC 5321, section 4.5.2). lettre does the
/// same, byte by byte and in two packets.
fn transparent(message: &str) -> String {
    let mut text = String::with_capacity(message.len() + 64);
    for line in message.split_inclusive('\n') {
        if line.starts_with('.') {
            text.push('.');
        }
        text.push_str(line);
    }
    text + "\r\n.\r\n"
}

impl Connection for Open {
    async fn close(mut self) {
        // Nobody needs the answer.
        let _ = timeout(QUIT_LIMIT, self.smtp.command(Quit)).await;
    }
}
