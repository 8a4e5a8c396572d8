//! A line while it is being made: a socket, clear or under TLS, and what was read of it but not yet understood.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::BytesMut;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader, ReadBuf};
use tokio_rustls::client::TlsStream;

use super::dial::Tcp;
use super::tls::ChannelBindings;

/// rustls asks its socket for 4 KiB at a time; a buffer below it saves three calls of the kernel in four. It is held by every
/// idle session too, hence no more.
pub(super) const TLS_BUFFER_OCTETS: usize = 16 << 10;

/// What a preamble takes at once.
const PREAMBLE_READ_OCTETS: usize = 4 << 10;

/// A connection to a server.
pub(super) enum Socket {
    /// As TCP gives it.
    Clear(Tcp),
    /// Under TLS.
    Tls(Box<TlsStream<BufReader<Tcp>>>),
}

/// A socket and the octets that came ahead of their reader.
pub(super) struct Wire {
    pub(super) socket: Socket,
    pub(super) pending: BytesMut,
}

impl Wire {
    pub(super) fn new(socket: Socket) -> Self {
        Self { socket, pending: BytesMut::new() }
    }

    /// What a sign-in may be bound to; none on a clear line.
    pub(super) fn channel_bindings(&self) -> Option<ChannelBindings> {
        match &self.socket {
            Socket::Clear(_) => None,
            Socket::Tls(stream) => Some(ChannelBindings::of(stream.get_ref().1)),
        }
    }

    /// Read more into `pending`; false at the end of the stream.
    pub(super) async fn fill(&mut self) -> io::Result<bool> {
        self.pending.reserve(PREAMBLE_READ_OCTETS);
        Ok(self.socket.read_buf(&mut self.pending).await? > 0)
    }

    /// Write all of `octets` and flush them.
    pub(super) async fn send(&mut self, octets: &[u8]) -> io::Result<()> {
        self.socket.write_all(octets).await?;
        self.socket.flush().await
    }
}

impl AsyncRead for Socket {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Clear(socket) => Pin::new(socket).poll_read(cx, buf),
            Self::Tls(socket) => Pin::new(socket).poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for Socket {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, octets: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Clear(socket) => Pin::new(socket).poll_write(cx, octets),
            Self::Tls(socket) => Pin::new(socket).poll_write(cx, octets),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Clear(socket) => Pin::new(socket).poll_flush(cx),
            Self::Tls(socket) => Pin::new(socket).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Clear(socket) => Pin::new(socket).poll_shutdown(cx),
            Self::Tls(socket) => Pin::new(socket).poll_shutdown(cx),
        }
    }
}
