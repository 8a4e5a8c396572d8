//! Frames over a byte stream.

use std::io;

use bytes::BytesMut;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use super::frame::{Frame, FrameError};

/// What ends a connection.
#[derive(Debug, thiserror::Error)]
pub(super) enum LinkError {
    /// The line is lost.
    #[error("the line is lost")]
    Io(#[from] io::Error),
    /// The peer does not speak frames.
    #[error("the peer does not keep to the control socket's protocol")]
    Frame(#[from] FrameError),
    /// The peer has closed it.
    #[error("the peer has closed the connection")]
    Closed,
}

/// The receiving half.
#[derive(Debug)]
pub(super) struct FrameReader<R> {
    stream: R,
    buffer: BytesMut,
}

/// The sending half.
#[derive(Debug)]
pub(super) struct FrameWriter<W> {
    stream: W,
    buffer: BytesMut,
}

impl<R: AsyncRead + Unpin> FrameReader<R> {
    /// Read from `stream`.
    pub(super) fn new(stream: R) -> Self {
        Self { stream, buffer: BytesMut::new() }
    }

    /// The next frame. Can be dropped and called again; no octet is lost.
    ///
    /// # Errors
    /// Any way in which the connection may end.
    pub(super) async fn next(&mut self) -> Result<Frame, LinkError> {
        loop {
            if let Some(frame) = Frame::decode(&mut self.buffer)? {
                return Ok(frame);
            }
            if self.stream.read_buf(&mut self.buffer).await? == 0 {
                return Err(LinkError::Closed);
            }
        }
    }
}

impl<W: AsyncWrite + Unpin> FrameWriter<W> {
    /// Write to `stream`.
    pub(super) fn new(stream: W) -> Self {
        Self { stream, buffer: BytesMut::new() }
    }

    /// Send one frame whole. Dropped in the middle, the connection is of no use any more.
    ///
    /// # Errors
    /// A frame over the limit, of which nothing is sent; or a lost line.
    pub(super) async fn send(&mut self, frame: &Frame) -> Result<(), LinkError> {
        self.buffer.clear();
        frame.encode(&mut self.buffer)?;
        self.stream.write_all(&self.buffer).await?;
        Ok(())
    }
}
