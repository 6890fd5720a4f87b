//! Sends mails to a relay over SMTP (RFC 5321), on connections that are kept for the next mail.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use lettre::address::Envelope;
use lettre::transport::smtp::authentication::{Credentials, DEFAULT_MECHANISMS};
use lettre::transport::smtp::client::{AsyncSmtpConnection, AsyncTokioStream};
use lettre::transport::smtp::commands::{Data, Ehlo, Mail, Quit, Rcpt, Rset, Starttls};
use lettre::transport::smtp::extension::ClientId;
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout};

use super::pool::{Connection, Pool};
use super::step::{Cause, Step, StepError};
use super::tls::{RelayStream, Tls};
use crate::mailer::message::MailError;
use crate::mailer::settings::{SmtpSettings, SmtpTls, is_loopback};

/// The most connections to the relay at any time.
const MAX_CONNECTIONS: usize = 8;

/// How long an idle connection is kept. Relays close theirs after some minutes (RFC 5321, section 4.5.3.2.7).
const MAX_IDLE: Duration = Duration::from_mins(1);

/// How long the replies may take that are still due when an earlier one has refused the mail.
const LAST_REPLIES: Duration = Duration::from_millis(250);

/// How long the relay may take to answer RSET after a refused mail, and QUIT.
const COURTESY: Duration = Duration::from_secs(1);

/// A relay and the connections to it.
pub(in crate::mailer) struct Relay {
    settings: SmtpSettings,
    /// `None` for an unencrypted connection.
    tls: Option<Tls>,
    credentials: Option<Credentials>,
    hello: ClientId,
    limit: Duration,
    pool: Arc<Pool<Session>>,
}

/// A connection that is ready for a mail.
struct Session {
    smtp: AsyncSmtpConnection,
    /// Whether the relay takes commands before it has answered earlier ones (PIPELINING, RFC 2920).
    pipelining: bool,
}

impl Relay {
    pub(super) fn new(settings: SmtpSettings, limit: Duration) -> Result<Self, String> {
        let tls = (settings.tls != SmtpTls::None).then(|| Tls::new(&settings)).transpose();
        let tls = tls.map_err(|e| format!("TLS to the relay cannot be set up: {e}"))?;
        if tls.is_none() && !is_loopback(&settings.host) {
            log::warn!(
                "mails and sign-in links go to the relay unencrypted, because LINKGATE_MAIL_URL says tls=none"
            );
        }
        let credentials = settings.user.clone().map(|(user, password)| Credentials::new(user, password));
        let pool = Pool::new(MAX_CONNECTIONS, MAX_IDLE);
        Ok(Self { settings, tls, credentials, hello: ClientId::default(), limit, pool })
    }

    /// Sends a message within the limit, which includes the wait for a connection. It goes to the first recipient of the
    /// envelope, and comes without the dots of transparency (RFC 5321, section 4.5.2).
    pub(super) async fn send(&self, envelope: &Envelope, message: &[u8]) -> Result<(), MailError> {
        let deadline = Instant::now() + self.limit;
        let _slot = self.pool.slot(deadline).await.ok_or_else(|| Step::WAIT.failed(Cause::TimedOut))?;
        let (mut session, result) = self.deliver(envelope, message, deadline).await?;
        let reusable = match &result {
            Ok(()) => true,
            Err(error) => error.is_refusal() && session.recover(error.step).await,
        };
        if reusable {
            self.pool.give_back(session);
        }
        Ok(result?)
    }

    /// Sends a mail over a pooled session or, without one, over a fresh one. The relay may have closed the pooled one, or
    /// a firewall may have forgotten it: if the first command gets no answer, nothing was sent and a fresh one takes over.
    async fn deliver(
        &self,
        envelope: &Envelope,
        message: &[u8],
        deadline: Instant,
    ) -> Result<(Session, Result<(), StepError>), StepError> {
        if let Some(mut session) = self.pool.reuse() {
            // Half of the time stays for the fresh connection. Not more: with pipelining, the first reply comes with
            // that to the recipient, for which some relays ask others.
            let first = deadline.min(Instant::now() + self.limit / 2);
            let result = session.send(envelope, message, first, deadline).await;
            let is_stale = |error: &StepError| error.step == Step::MAIL_FROM && !error.is_refusal();
            if !result.as_ref().is_err_and(is_stale) {
                return Ok((session, result));
            }
        }
        // Boxed: its large state would be a part of that of every mail.
        let mut session = Box::pin(self.connect(deadline)).await?;
        let result = session.send(envelope, message, deadline, deadline).await;
        Ok((session, result))
    }

    async fn connect(&self, deadline: Instant) -> Result<Session, StepError> {
        let (tcp, peer) = self.connect_tcp(deadline).await?;
        let stream: Box<dyn AsyncTokioStream> = match &self.tls {
            None => Box::new(tcp),
            Some(tls) if self.settings.tls == SmtpTls::StartTls => {
                let tcp = self.start_tls(tcp, peer, deadline).await?;
                let encrypted = Step::START_TLS.run(deadline, tls.handshake(tcp)).await?;
                Box::new(RelayStream::after_starttls(encrypted, peer))
            }
            Some(tls) => {
                let encrypted = Step::HANDSHAKE.run(deadline, tls.handshake(tcp)).await?;
                Box::new(RelayStream::new(encrypted, peer))
            }
        };
        let mut smtp = self.greet(stream, deadline).await?;
        if let Some(credentials) = &self.credentials {
            Step::AUTH.run(deadline, smtp.auth(DEFAULT_MECHANISMS, credentials)).await?;
        }
        // A second EHLO, since lettre drops PIPELINING from the reply to its own. Some relays refuse it.
        let pipelining = match Step::EHLO.run(deadline, smtp.command(Ehlo::new(self.hello.clone()))).await {
            Ok(reply) => reply.message().any(|line| line.eq_ignore_ascii_case("PIPELINING")),
            Err(error) if error.is_refusal() => false,
            Err(error) => return Err(error),
        };
        Ok(Session { smtp, pipelining })
    }

    /// Waits for the greeting and says EHLO.
    async fn greet(
        &self,
        stream: Box<dyn AsyncTokioStream>,
        deadline: Instant,
    ) -> Result<AsyncSmtpConnection, StepError> {
        let greeting = AsyncSmtpConnection::connect_with_transport(stream, &self.hello);
        Step::GREETING.run(deadline, greeting).await
    }

    /// Makes the relay wait for a TLS handshake. lettre's own STARTTLS would put its TLS above our stream; a second handle
    /// of the socket does without, and what lettre has read in plaintext is dropped with its connection.
    async fn start_tls(
        &self,
        tcp: TcpStream,
        peer: SocketAddr,
        deadline: Instant,
    ) -> Result<TcpStream, StepError> {
        let failed = |error| Step::START_TLS.failed(error);
        let tcp = tcp.into_std().map_err(failed)?;
        let plain = tcp.try_clone().and_then(TcpStream::from_std).map_err(failed)?;
        let mut smtp = self.greet(Box::new(RelayStream::before_tls(plain, peer)), deadline).await?;
        if !smtp.can_starttls() {
            let remedy =
                "the relay does not offer it; use smtps:// or, on a network that you trust, ?tls=none";
            return Err(Step::START_TLS.failed(Cause::Broken(remedy.to_owned())));
        }
        Step::START_TLS.run(deadline, smtp.command(Starttls)).await?;
        TcpStream::from_std(tcp).map_err(failed)
    }

    /// Tries the addresses of the host in turn, each for a quarter of the limit, so that one that does not answer leaves
    /// time for the others.
    async fn connect_tcp(&self, deadline: Instant) -> Result<(TcpStream, SocketAddr), StepError> {
        let host = (self.settings.host.as_str(), self.settings.port);
        let addresses = Step::RESOLVE.run(deadline, tokio::net::lookup_host(host)).await?;
        let mut last = Step::RESOLVE.failed(Cause::Broken("no address".to_owned()));
        for address in addresses {
            let until = deadline.min(Instant::now() + self.limit / 4);
            let connecting = async {
                let tcp = TcpStream::connect(address).await?;
                tcp.set_nodelay(true)?;
                io::Result::Ok(tcp)
            };
            match Step::CONNECT.run(until, connecting).await {
                Ok(tcp) => return Ok((tcp, address)),
                Err(error) => last = error,
            }
        }
        Err(last)
    }
}

impl Session {
    /// Sends one mail. The reply to the first command must come by `first`, which may be earlier than `deadline`.
    ///
    /// lettre's own `send` does not tell a refused recipient from other refusals, and drops the connection after each.
    async fn send(
        &mut self,
        envelope: &Envelope,
        message: &[u8],
        first: Instant,
        deadline: Instant,
    ) -> Result<(), StepError> {
        let from = Mail::new(envelope.from().cloned(), vec![]);
        let to = Rcpt::new(envelope.to()[0].clone(), vec![]);
        let smtp = &mut self.smtp;
        if self.pipelining {
            Step::MAIL_FROM.run(first, smtp.command(format!("{from}{to}{Data}"))).await?;
            Step::RCPT_TO.run(deadline, smtp.read_response()).await?;
            Step::DATA.run(deadline, smtp.read_response()).await?;
        } else {
            Step::MAIL_FROM.run(first, smtp.command(from)).await?;
            Step::RCPT_TO.run(deadline, smtp.command(to)).await?;
            Step::DATA.run(deadline, smtp.command(Data)).await?;
        }
        Step::MESSAGE.run(deadline, smtp.message(message)).await?;
        Ok(())
    }

    /// Makes the session ready for the next mail after a step was refused; `false` if that fails. Nothing that the relay
    /// does in here changes the outcome of the mail: relays like to hang up after a rejection.
    async fn recover(&mut self, refused: Step) -> bool {
        let until = Instant::now() + LAST_REPLIES;
        let due: &[Step] = match refused {
            Step::MAIL_FROM if self.pipelining => &[Step::RCPT_TO, Step::DATA],
            Step::RCPT_TO if self.pipelining => &[Step::DATA],
            _ => &[],
        };
        for &step in due {
            match step.run(until, self.smtp.read_response()).await {
                // The relay waits for a message and would take commands for one.
                Ok(_) if step == Step::DATA => return false,
                Ok(_) => {}
                Err(error) if error.is_refusal() => {}
                Err(_) => return false,
            }
        }
        Step::RSET.run(Instant::now() + COURTESY, self.smtp.command(Rset)).await.is_ok()
    }
}

impl Connection for Session {
    async fn close(mut self) {
        // The connection ends whatever the relay answers.
        let _ = timeout(COURTESY, self.smtp.command(Quit)).await;
    }
}
