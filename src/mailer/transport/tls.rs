//! The streams that a conversation with a relay runs over: plain, before STARTTLS, and TLS from the first byte.
//!
//! All with `TCP_NODELAY`: what is written in two pieces, such as a message over TLS, would wait for the relay's delayed
//! acknowledgement of the first one under Nagle's algorithm, for 40 ms with each mail.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use lettre::transport::smtp::client::{AsyncTokioStream, Certificate, CertificateStore, TlsParameters};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::mailer::settings::{SmtpSettings, SmtpTls};

/// How to get from a TCP connection to what the settings ask for.
pub(super) enum Security {
    Plain,
    StartTls(TlsParameters),
    Implicit(TlsConnector, ServerName<'static>),
}

impl Security {
    /// Reads certificates and prepares TLS with the process's default provider.
    pub(super) fn new(settings: &SmtpSettings) -> Result<Self, String> {
        let ca_pem = settings.ca_pem.as_deref();
        if settings.tls != SmtpTls::None && CryptoProvider::get_default().is_none() {
            return Err(
                "TLS to the relay cannot be set up: the process has no rustls provider installed".to_owned()
            );
        }
        let security = match settings.tls {
            SmtpTls::None => Ok(Self::Plain),
            SmtpTls::StartTls => start_tls(&settings.host, ca_pem).map(Self::StartTls),
            SmtpTls::Implicit => implicit(&settings.host, ca_pem),
        };
        security.map_err(|e| format!("TLS to the relay cannot be set up: {e}"))
    }
}

fn start_tls(host: &str, ca_pem: Option<&[u8]>) -> Result<TlsParameters, String> {
    let mut builder = TlsParameters::builder(host.to_owned());
    if let Some(pem) = ca_pem {
        // Reads the file with our own eyes first: lettre takes one without any certificate.
        roots(pem)?;
        let authority = Certificate::from_pem(pem).map_err(|e| e.to_string())?;
        builder = builder.certificate_store(CertificateStore::None).add_root_certificate(authority);
    }
    builder.build_rustls().map_err(|e| e.to_string())
}

fn implicit(host: &str, ca_pem: Option<&[u8]>) -> Result<Security, String> {
    let name = ServerName::try_from(host.to_owned()).map_err(|e| e.to_string())?;
    let roots = match ca_pem {
        Some(pem) => roots(pem)?,
        None => webpki_roots::TLS_SERVER_ROOTS.iter().cloned().collect(),
    };
    let config = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
    Ok(Security::Implicit(TlsConnector::from(Arc::new(config)), name))
}

fn roots(pem: &[u8]) -> Result<RootCertStore, String> {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(pem) {
        roots.add(certificate.map_err(|e| e.to_string())?).map_err(|e| e.to_string())?;
    }
    if roots.is_empty() { Err("the file of ca has no certificate".to_owned()) } else { Ok(roots) }
}

/// A TCP connection that will turn to TLS by STARTTLS.
///
/// Until the TLS handshake begins it is read byte by byte. Otherwise lettre's buffer would also take in what a man in
/// the middle appended to the plain answer to STARTTLS, and would later read it as if it had come through TLS
/// (response injection, RFC 9051 section 11.1 and CVE-2011-0411). So it stays in the socket, and breaks the handshake.
#[derive(Debug)]
pub(super) struct BeforeTls {
    tcp: TcpStream,
    handshaking: bool,
}

impl BeforeTls {
    pub(super) fn new(tcp: TcpStream) -> Self {
        Self { tcp, handshaking: false }
    }
}

impl AsyncRead for BeforeTls {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.handshaking {
            return Pin::new(&mut self.tcp).poll_read(cx, buf);
        }
        let mut byte = [0];
        let mut single = ReadBuf::new(&mut byte);
        let polled = Pin::new(&mut self.tcp).poll_read(cx, &mut single);
        buf.put_slice(single.filled());
        polled
    }
}

impl AsyncWrite for BeforeTls {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        // The type of a TLS handshake record (RFC 8446, section 5.1); SMTP commands begin with a letter.
        const HANDSHAKE: u8 = 22;
        self.handshaking |= buf.first() == Some(&HANDSHAKE);
        Pin::new(&mut self.tcp).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tcp).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tcp).poll_shutdown(cx)
    }
}

impl AsyncTokioStream for BeforeTls {
    fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.tcp.peer_addr()
    }
}

/// A TCP connection with TLS from the first byte (RFC 8314): lettre wants a type that it knows the peer of.
#[derive(Debug)]
pub(super) struct ImplicitTls(pub(super) TlsStream<TcpStream>);

impl AsyncRead for ImplicitTls {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, buf)
    }
}

impl AsyncWrite for ImplicitTls {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}

impl AsyncTokioStream for ImplicitTls {
    fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.0.get_ref().0.peer_addr()
    }
}
