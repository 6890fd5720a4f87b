//! TLS to a relay, and the streams that lettre's connection runs over.

use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::{fmt, io};

use lettre::transport::smtp::client::AsyncTokioStream;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::mailer::settings::SmtpSettings;

/// The certificates to trust, and the name that the relay's must be for.
pub(super) struct Tls {
    connector: TlsConnector,
    name: ServerName<'static>,
}

impl Tls {
    /// Reads the certificates and prepares TLS with the process's default provider.
    pub(super) fn new(settings: &SmtpSettings) -> Result<Self, String> {
        let name = ServerName::try_from(settings.host.clone()).map_err(|e| e.to_string())?;
        let roots = match &settings.ca_pem {
            Some(pem) => roots(pem)?,
            None => webpki_roots::TLS_SERVER_ROOTS.iter().cloned().collect(),
        };
        let config = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
        Ok(Self { connector: TlsConnector::from(Arc::new(config)), name })
    }

    pub(super) async fn handshake(&self, tcp: TcpStream) -> io::Result<TlsStream<TcpStream>> {
        self.connector.connect(self.name.clone(), tcp).await
    }
}

fn roots(pem: &[u8]) -> Result<RootCertStore, String> {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(pem) {
        roots.add(certificate.map_err(|e| e.to_string())?).map_err(|e| e.to_string())?;
    }
    if roots.is_empty() { Err("the file in ?ca= holds no certificate".to_owned()) } else { Ok(roots) }
}

/// A stream under lettre's connection, which sees the conversation unencrypted.
#[derive(Debug)]
pub(super) struct RelayStream<S> {
    io: S,
    peer: SocketAddr,
    /// Read before anything from `io`.
    prefix: &'static [u8],
    byte_by_byte: bool,
}

impl<S> RelayStream<S> {
    /// A connection whose relay begins with its greeting.
    pub(super) fn new(io: S, peer: SocketAddr) -> Self {
        Self { io, peer, prefix: b"", byte_by_byte: false }
    }

    /// A connection before STARTTLS, read byte by byte: bytes that an attacker on the network appended to the plaintext
    /// reply to STARTTLS (response injection, RFC 9051 section 11.1 and CVE-2011-0411) stay in the socket and break the
    /// handshake, instead of vanishing into lettre's buffer.
    pub(super) fn before_tls(io: S, peer: SocketAddr) -> Self {
        Self { byte_by_byte: true, ..Self::new(io, peer) }
    }

    /// A connection after STARTTLS. The conversation starts over with EHLO (RFC 3207, section 4.2), but the relay does not
    /// greet again, which lettre waits for.
    pub(super) fn after_starttls(io: S, peer: SocketAddr) -> Self {
        Self { prefix: b"220 \r\n", ..Self::new(io, peer) }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for RelayStream<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if !self.prefix.is_empty() {
            let (now, later) = self.prefix.split_at(buf.remaining().min(self.prefix.len()));
            buf.put_slice(now);
            self.prefix = later;
            return Poll::Ready(Ok(()));
        }
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
