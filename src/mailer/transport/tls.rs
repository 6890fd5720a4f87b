//! How a connection to a relay is encrypted: not at all, by STARTTLS, or from the first byte.

use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::{fmt, io};

use lettre::transport::smtp::client::{AsyncTokioStream, Certificate, CertificateStore, TlsParameters};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_rustls::TlsConnector;

use crate::mailer::settings::{SmtpSettings, SmtpTls};

/// How to encrypt a connection as the settings ask.
pub(super) enum Security {
    Plain,
    StartTls(TlsParameters),
    Implicit(TlsConnector, ServerName<'static>),
}

impl Security {
    /// Reads the certificates and prepares TLS with the process's default provider.
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
        // Fails for a file without certificates, which lettre accepts.
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
    if roots.is_empty() { Err("the file in ?ca= holds no certificate".to_owned()) } else { Ok(roots) }
}

/// A connection to a relay, as lettre wants it: with its peer's address.
///
/// Before STARTTLS it is read byte by byte. Otherwise lettre's buffer would take in bytes that an attacker on the
/// network appended to the plaintext reply to STARTTLS, and read them later as if they had come through TLS (response
/// injection, RFC 9051 section 11.1 and CVE-2011-0411). Read byte by byte, they stay in the socket and break the handshake.
#[derive(Debug)]
pub(super) struct RelayStream<S> {
    io: S,
    peer: SocketAddr,
    byte_by_byte: bool,
}

impl<S> RelayStream<S> {
    /// A plain connection that STARTTLS will encrypt.
    pub(super) fn before_tls(io: S, peer: SocketAddr) -> Self {
        Self { io, peer, byte_by_byte: true }
    }

    /// A connection that is encrypted already.
    pub(super) fn encrypted(io: S, peer: SocketAddr) -> Self {
        Self { io, peer, byte_by_byte: false }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for RelayStream<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if !self.byte_by_byte {
            return Pin::new(&mut self.io).poll_read(cx, buf);
        }
        let mut byte = [0];
        let mut single = ReadBuf::new(&mut byte);
        let polled = Pin::new(&mut self.io).poll_read(cx, &mut single);
        buf.put_slice(single.filled());
        polled
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for RelayStream<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        // The type of a TLS handshake record (RFC 8446, section 5.1). SMTP commands begin with a letter.
        const HANDSHAKE: u8 = 22;
        self.byte_by_byte &= buf.first() != Some(&HANDSHAKE);
        Pin::new(&mut self.io).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}

impl<S: AsyncRead + AsyncWrite + fmt::Debug + Send + Sync + Unpin> AsyncTokioStream for RelayStream<S> {
    fn peer_addr(&self) -> io::Result<SocketAddr> {
        Ok(self.peer)
    }
}
