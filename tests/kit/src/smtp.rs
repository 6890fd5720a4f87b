//! An SMTP relay on a free port that keeps the mails it receives, and misbehaves on demand.
//!
//! It runs on its own threads, so that it serves any runtime, and stops when it is dropped.

use std::collections::HashMap;
use std::io::{self, BufRead as _, BufReader, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use base64::Engine as _;
use rustls::pki_types::PrivatePkcs8KeyDer;
use rustls::{ServerConfig, ServerConnection, StreamOwned};

/// How the sink replies; may change while it runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    Accept,
    /// 550 to each recipient.
    RejectRecipient,
    /// The same, and still 354 to DATA.
    RejectRecipientButTakeData,
    /// 550 to each recipient, and hangs up.
    RejectRecipientAndHangUp,
    /// 550 to each recipient, and 421 to the next command.
    RejectRecipientAndHadEnough,
    /// 550 to each recipient, and no further reply.
    RejectRecipientAndFallSilent,
    /// Takes 1.3 s for each recipient.
    Ponder,
    /// 451 to each recipient.
    Defer,
    /// Sends nothing, not even the greeting.
    Silent,
    /// Hangs up after accepting a mail.
    HangUpAfterMail,
    /// Hangs up instead of replying to the message.
    HangUpInData,
    /// 421 to each MAIL FROM but the first of a connection.
    OneMailOnly,
}

/// The encryption that the sink offers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tls {
    None,
    /// By STARTTLS.
    AfterStart,
    Implicit,
    /// STARTTLS, with a plain-text reply appended to the reply to it, as a man in the middle would.
    Injected,
}

/// A mail that the sink accepted.
#[derive(Debug, Clone, Default)]
pub struct Received {
    pub mail_from: String,
    pub rcpt_to: Vec<String>,
    /// As sent, without dot-stuffing.
    pub message: Vec<u8>,
    pub encrypted: bool,
}

pub struct Sink {
    address: SocketAddr,
    shared: Arc<Shared>,
    /// The certificate of the sink, for `localhost` and 127.0.0.1, in PEM.
    pub ca_pem: String,
}

struct Shared {
    mode: Mutex<Mode>,
    tls: Tls,
    config: Arc<ServerConfig>,
    /// The wanted argument of AUTH PLAIN.
    auth: Option<String>,
    /// Whether it accepts a command before it has replied to the previous one.
    pipelining: AtomicBool,
    received: Mutex<Vec<Received>>,
    commands: Mutex<Vec<String>>,
    connections: AtomicUsize,
    early: AtomicUsize,
    /// By the number of the connection.
    open: Mutex<HashMap<usize, TcpStream>>,
    stopped: AtomicBool,
}

/// The state of a conversation.
#[derive(Default)]
struct State {
    encrypted: bool,
    /// How often the client has said EHLO.
    greetings: usize,
    /// Whether the last command was a recipient that it rejected.
    rejected: bool,
    signed_on: bool,
    /// The mail that is being sent.
    mail: Received,
    /// How many were sent.
    mails: usize,
}

impl Sink {
    pub fn start(mode: Mode) -> Self {
        Self::start_with(mode, Tls::None, None)
    }

    /// `user` is the name and password that it requires by AUTH PLAIN.
    pub fn start_with(mode: Mode, tls: Tls, user: Option<(&str, &str)>) -> Self {
        // Another test may have installed it.
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let names = ["localhost".to_owned(), "127.0.0.1".to_owned()];
        let certified = rcgen::generate_simple_self_signed(names).unwrap();
        let key = PrivatePkcs8KeyDer::from(certified.signing_key.serialize_der());
        let config = ServerConfig::builder()
            .with_no_client_auth()
            .with_single_cert(vec![certified.cert.der().clone()], key.into())
            .unwrap();
        let auth = user.map(|(name, password)| {
            base64::engine::general_purpose::STANDARD.encode(format!("\0{name}\0{password}"))
        });
        let shared = Arc::new(Shared {
            mode: Mutex::new(mode),
            tls,
            config: Arc::new(config),
            auth,
            pipelining: AtomicBool::new(true),
            received: Mutex::default(),
            commands: Mutex::default(),
            connections: AtomicUsize::new(0),
            early: AtomicUsize::new(0),
            open: Mutex::default(),
            stopped: AtomicBool::new(false),
        });
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let accepting = Arc::clone(&shared);
        thread::spawn(move || accepting.accept(&listener));
        Self { address, shared, ca_pem: certified.cert.pem() }
    }

    /// The URL with the TLS that it offers, on the name `localhost`.
    pub fn url(&self) -> String {
        let port = self.address.port();
        match self.shared.tls {
            Tls::None => format!("smtp://localhost:{port}"),
            Tls::AfterStart | Tls::Injected => format!("smtp://localhost:{port}?tls=required"),
            Tls::Implicit => format!("smtps://localhost:{port}"),
        }
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Turns pipelining on (the default) or off. Without it, the sink rejects commands that arrive together, and a
    /// second EHLO.
    pub fn set_pipelining(&self, pipelining: bool) {
        self.shared.pipelining.store(pipelining, Ordering::SeqCst);
    }

    pub fn set_mode(&self, mode: Mode) {
        *self.shared.mode.lock().unwrap() = mode;
    }

    /// The accepted mails, oldest first.
    pub fn received(&self) -> Vec<Received> {
        self.shared.received.lock().unwrap().clone()
    }

    pub fn received_count(&self) -> usize {
        self.shared.received.lock().unwrap().len()
    }

    /// The commands of all connections, without their messages.
    pub fn commands(&self) -> Vec<String> {
        self.shared.commands.lock().unwrap().clone()
    }

    /// How many commands came before the reply to the previous one.
    pub fn early_commands(&self) -> usize {
        self.shared.early.load(Ordering::SeqCst)
    }

    pub fn connections(&self) -> usize {
        self.shared.connections.load(Ordering::SeqCst)
    }

    /// Cuts all open connections.
    pub fn cut_connections(&self) {
        for (_, open) in self.shared.open.lock().unwrap().drain() {
            // It may be closed already.
            let _ = open.shutdown(Shutdown::Both);
        }
    }

    /// Cuts all open connections and refuses new ones.
    pub fn stop(&self) {
        if !self.shared.stopped.swap(true, Ordering::SeqCst) {
            let _ = TcpStream::connect(self.address);
            self.cut_connections();
        }
    }
}

impl Drop for Sink {
    fn drop(&mut self) {
        self.stop();
    }
}

impl Shared {
    fn accept(self: Arc<Self>, listener: &TcpListener) {
        for stream in listener.incoming() {
            if self.stopped.load(Ordering::SeqCst) {
                return;
            }
            let Ok(stream) = stream else { continue };
            let number = self.connections.fetch_add(1, Ordering::SeqCst);
            self.open.lock().unwrap().insert(number, stream.try_clone().unwrap());
            let shared = Arc::clone(&self);
            thread::spawn(move || {
                // A client may hang up.
                drop(shared.serve(stream));
                if let Some(open) = shared.open.lock().unwrap().remove(&number) {
                    drop(open.shutdown(Shutdown::Both));
                }
            });
        }
    }

    fn serve(&self, stream: TcpStream) -> io::Result<()> {
        stream.set_nodelay(true)?;
        let tls = |stream| {
            let connection = ServerConnection::new(Arc::clone(&self.config)).map_err(io::Error::other)?;
            Ok::<_, io::Error>(StreamOwned::new(connection, stream))
        };
        if self.tls == Tls::Implicit {
            self.converse(tls(stream)?, true, true)?;
        } else if let Some(stream) = self.converse(stream, false, true)? {
            self.converse(tls(stream)?, true, false)?;
        }
        Ok(())
    }

    fn mode(&self) -> Mode {
        *self.mode.lock().unwrap()
    }

    /// One conversation. Gives the stream back when the client has said STARTTLS.
    fn converse<S: Read + Write>(&self, stream: S, encrypted: bool, greet: bool) -> io::Result<Option<S>> {
        let mut stream = BufReader::new(stream);
        if greet && self.mode() != Mode::Silent {
            stream.get_mut().write_all(b"220 sink ESMTP\r\n")?;
        }
        let mut state = State { encrypted, signed_on: self.auth.is_none(), ..State::default() };
        let (mut line, mut answers) = (String::new(), String::new());
        loop {
            line.clear();
            if stream.read_line(&mut line)? == 0 {
                return Ok(None);
            }
            let command = line.trim_end_matches(['\r', '\n']);
            self.commands.lock().unwrap().push(command.to_owned());
            let verb = command.split([' ', ':']).next().unwrap_or_default();
            let mode = self.mode();
            let early = !stream.buffer().is_empty();
            self.early.fetch_add(early.into(), Ordering::SeqCst);
            let unwanted = state.mail.rcpt_to.is_empty() && mode != Mode::RejectRecipientButTakeData;
            let rejected = std::mem::replace(&mut state.rejected, false);
            let answer = match verb {
                _ if mode == Mode::Silent => continue,
                _ if rejected && mode == Mode::RejectRecipientAndFallSilent => {
                    state.rejected = true;
                    continue;
                }
                _ if rejected && mode == Mode::RejectRecipientAndHadEnough => {
                    "421 4.7.0 too many errors".to_owned()
                }
                _ if early && !self.pipelining.load(Ordering::SeqCst) => "500 one by one".to_owned(),
                "DATA" if unwanted => "503 5.5.1 no recipients".to_owned(),
                "STARTTLS" => {
                    let injected =
                        if self.tls == Tls::Injected { "250-sink\r\n250 AUTH PLAIN\r\n" } else { "" };
                    write!(stream.get_mut(), "220 go ahead\r\n{injected}")?;
                    return Ok(Some(stream.into_inner()));
                }
                "DATA" => {
                    answers.push_str("354 go ahead\r\n");
                    stream.get_mut().write_all(std::mem::take(&mut answers).as_bytes())?;
                    let message = read_message(&mut stream)?;
                    if mode == Mode::HangUpInData {
                        return Ok(None);
                    }
                    if state.mail.rcpt_to.is_empty() {
                        stream.get_mut().write_all(b"554 5.5.1 no valid recipients\r\n")?;
                        continue;
                    }
                    state.mails += 1;
                    let mail = Received { message, encrypted, ..std::mem::take(&mut state.mail) };
                    self.received.lock().unwrap().push(mail);
                    "250 accepted".to_owned()
                }
                _ => self.answer(&mut state, verb, command, mode),
            };
            answers.push_str(&answer);
            answers.push_str("\r\n");
            state.rejected = answer.starts_with("550");
            let over = verb == "QUIT"
                || answer.starts_with("421")
                || (verb == "DATA" && mode == Mode::HangUpAfterMail)
                || (state.rejected && mode == Mode::RejectRecipientAndHangUp);
            // As relays do: one packet of replies for one packet of commands.
            let silent = state.rejected && mode == Mode::RejectRecipientAndFallSilent;
            if over || silent || stream.buffer().is_empty() {
                stream.get_mut().write_all(std::mem::take(&mut answers).as_bytes())?;
                stream.get_mut().flush()?;
            }
            if over {
                return Ok(None);
            }
        }
    }

    fn answer(&self, state: &mut State, verb: &str, command: &str, mode: Mode) -> String {
        let pipelining = self.pipelining.load(Ordering::SeqCst);
        let path = || command.split(['<', '>']).nth(1).unwrap_or_default().to_owned();
        match (verb, mode) {
            ("EHLO", _) if state.greetings > 0 && !pipelining => "503 5.5.1 duplicate EHLO".to_owned(),
            ("EHLO", _) => {
                state.greetings += 1;
                self.extensions(state.encrypted)
            }
            ("AUTH", _) => {
                let wanted = self.auth.as_ref().map(|auth| format!("AUTH PLAIN {auth}"));
                state.signed_on = wanted.is_some_and(|wanted| command == wanted);
                if state.signed_on { "235 welcome".to_owned() } else { "535 5.7.8 wrong password".to_owned() }
            }
            ("MAIL", _) if !state.signed_on => "530 5.7.0 sign on first".to_owned(),
            ("MAIL", Mode::OneMailOnly) if state.mails > 0 => "421 4.7.0 enough".to_owned(),
            ("MAIL", _) => {
                state.mail = Received { mail_from: path(), ..Received::default() };
                "250 ok".to_owned()
            }
            ("RCPT", _) if state.mail.mail_from.is_empty() => "503 5.5.1 MAIL first".to_owned(),
            (
                "RCPT",
                Mode::RejectRecipient
                | Mode::RejectRecipientButTakeData
                | Mode::RejectRecipientAndHangUp
                | Mode::RejectRecipientAndHadEnough
                | Mode::RejectRecipientAndFallSilent,
            ) => {
                format!("550 5.1.1 <{}> is unknown", path())
            }
            ("RCPT", Mode::Ponder) => {
                thread::sleep(Duration::from_millis(1300));
                state.mail.rcpt_to.push(path());
                "250 ok".to_owned()
            }
            ("RCPT", Mode::Defer) => format!("451 4.7.1 <{}> is greylisted", path()),
            ("RCPT", _) => {
                state.mail.rcpt_to.push(path());
                "250 ok".to_owned()
            }
            ("QUIT", _) => "221 bye".to_owned(),
            _ => "250 ok".to_owned(),
        }
    }

    fn extensions(&self, encrypted: bool) -> String {
        let start_tls = matches!(self.tls, Tls::AfterStart | Tls::Injected) && !encrypted;
        let pipelining = self.pipelining.load(Ordering::SeqCst);
        let lines = [
            (true, "sink"),
            (start_tls, "STARTTLS"),
            (self.auth.is_some(), "AUTH PLAIN LOGIN"),
            (pipelining, "PIPELINING"),
        ];
        let offered: String =
            lines.into_iter().filter(|(is, _)| *is).flat_map(|(_, line)| ["250-", line, "\r\n"]).collect();
        offered + "250 8BITMIME"
    }
}

fn read_message(stream: &mut impl io::BufRead) -> io::Result<Vec<u8>> {
    let mut message = Vec::new();
    loop {
        let mut line = Vec::new();
        if stream.read_until(b'\n', &mut line)? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        match line.as_slice() {
            b".\r\n" => return Ok(message),
            [b'.', rest @ ..] => message.extend_from_slice(rest),
            line => message.extend_from_slice(line),
        }
    }
}
