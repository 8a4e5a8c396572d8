//! The ready connection: secured, signed in, and from here on the connector's.

use std::fmt;
use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::Poll;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncWriteExt, ReadBuf, ReadHalf, WriteHalf};
use tokio::sync::Mutex;
use tokio::time::{Instant, timeout};

use super::stage::{for_people, late};
use super::wire::{Socket, Wire};
use crate::fault::{Fault, Kind};
use crate::limits::READ_OCTETS;
use crate::model::endpoint::Timeouts;

/// How long a peer may take to hear that the line ends.
const SHUTDOWN: Duration = Duration::from_secs(2);

/// One line to one server. Reads and writes may overlap from two tasks; dropping it closes the line.
pub struct Line {
    authority: String,
    timeouts: Timeouts,
    reader: Mutex<Reader>,
    writer: Mutex<Writer>,
    read: AtomicU64,
    written: AtomicU64,
    opened: Instant,
    /// When octets last moved, in milliseconds since the line was opened.
    moved_at: AtomicU64,
}

struct Reader {
    half: ReadHalf<Socket>,
    /// What came while the line was being made.
    pending: BytesMut,
    /// An error that came right behind octets which were given away first.
    failed: Option<io::Error>,
}

struct Writer {
    half: WriteHalf<Socket>,
    /// Whether a write is under way or was given up in the middle; nothing sensible can follow that.
    torn: bool,
}

impl Line {
    /// A line over `wire`; `timeouts` bound each wait of a read or a write.
    pub(super) fn new(wire: Wire, authority: String, timeouts: Timeouts) -> Self {
        let (reader, writer) = tokio::io::split(wire.socket);
        Self {
            authority,
            timeouts,
            reader: Mutex::new(Reader { half: reader, pending: wire.pending, failed: None }),
            writer: Mutex::new(Writer { half: writer, torn: false }),
            read: AtomicU64::new(0),
            written: AtomicU64::new(0),
            opened: Instant::now(),
            moved_at: AtomicU64::new(0),
        }
    }

    /// At least one octet and at most `max` (1 to [`READ_OCTETS`]), as much as has come; empty at the end of the stream. Without
    /// `limit` the account's read time-out holds. A time-out, and a future that is dropped, lose no octet.
    ///
    /// # Errors
    /// `Unreachable`, with code `TIMEOUT` when nothing came in time, `IDLE` when the line carried nothing in either direction for as
    /// long as the account's idle time-out, and `TRUNCATED` when TLS ended without saying so (RFC 8446 section 6.1): what came before
    /// may not be all.
    pub async fn read(&self, max: usize, limit: Option<Duration>) -> Result<Bytes, Fault> {
        let (begun, limit) = (Instant::now(), limit.unwrap_or(self.timeouts.read));
        let octets = loop {
            let patience = limit.saturating_sub(begun.elapsed()).min(self.timeouts.idle.saturating_sub(self.silence()));
            match timeout(patience, async { self.reader.lock().await.read(max.clamp(1, READ_OCTETS as usize)).await }).await {
                Ok(octets) => break octets.map_err(|error| self.lost("read from", &error))?,
                Err(_) if self.silence() >= self.timeouts.idle => return Err(self.late_read("IDLE", self.timeouts.idle)),
                Err(_) if begun.elapsed() >= limit => return Err(self.late_read("TIMEOUT", limit)),
                // Something was written meanwhile.
                Err(_) => {}
            }
        };
        self.moves(&self.read, octets.len());
        Ok(octets)
    }

    /// Write all of `octets` and flush them.
    ///
    /// # Errors
    /// `Unreachable` when the line is lost, or takes nothing for as long as the account's read time-out. After an error, or a
    /// future that was dropped in the middle, the line takes nothing more: nobody knows how much of it went out.
    pub async fn write(&self, octets: &[u8]) -> Result<(), Fault> {
        let mut writer = self.writer.lock().await;
        if std::mem::replace(&mut writer.torn, true) {
            return Err(Fault::new(Kind::Unreachable, format!("write to {}", self.authority))
                .because_words("an earlier write was given up in the middle"));
        }
        let mut left = octets;
        while !left.is_empty() {
            let taken = self.patiently(writer.half.write(left)).await?;
            if taken == 0 {
                return Err(self.lost("write to", &io::ErrorKind::WriteZero.into()));
            }
            left = left.get(taken..).unwrap_or_default();
            self.moves(&self.written, taken);
        }
        self.patiently(writer.half.flush()).await?;
        writer.torn = false;
        Ok(())
    }

    /// Go on in DEFLATE both ways (RFC 4978).
    ///
    /// # Errors
    /// `Unsupported`: this host does not compress yet.
    pub fn compress(&self) -> Result<(), Fault> {
        Err(Fault::new(Kind::Unsupported, format!("compress the line to {}", self.authority))
            .because_words("this host cannot compress lines"))
    }

    /// Say that nothing more follows: TLS's close_notify and TCP's FIN. Dropping the line afterwards closes it.
    pub async fn shutdown(&self) {
        let ended = timeout(SHUTDOWN, async { self.writer.lock().await.half.shutdown().await }).await;
        tracing::trace!(authority = self.authority, ?ended, "Line shut down");
    }

    /// Octets read and written since the line was handed over.
    #[must_use]
    pub fn moved(&self) -> (u64, u64) {
        (self.read.load(Ordering::Relaxed), self.written.load(Ordering::Relaxed))
    }

    async fn patiently<T>(&self, write: impl Future<Output = io::Result<T>>) -> Result<T, Fault> {
        match timeout(self.timeouts.read, write).await {
            Ok(written) => written.map_err(|error| self.lost("write to", &error)),
            Err(_) => Err(late(format!("write to {}", self.authority))
                .with_code("TIMEOUT")
                .because_words(format!("the server took nothing for {}", for_people(self.timeouts.read)))),
        }
    }

    fn late_read(&self, code: &str, waited: Duration) -> Fault {
        let words = match code {
            "IDLE" => format!("the line carried nothing for {}", for_people(waited)),
            _ => format!("nothing came within {}", for_people(waited)),
        };
        late(format!("read from {}", self.authority)).with_code(code).because_words(words)
    }

    /// Count octets that moved, in either direction.
    fn moves(&self, counter: &AtomicU64, octets: usize) {
        counter.fetch_add(octets as u64, Ordering::Relaxed);
        self.moved_at.store(millis(self.opened.elapsed()), Ordering::Relaxed);
    }

    /// How long the line has carried nothing.
    fn silence(&self) -> Duration {
        self.opened.elapsed().saturating_sub(Duration::from_millis(self.moved_at.load(Ordering::Relaxed)))
    }

    fn lost(&self, doing: &str, error: &io::Error) -> Fault {
        let fault = Fault::new(Kind::Unreachable, format!("{doing} {}", self.authority));
        if error.kind() == io::ErrorKind::UnexpectedEof {
            fault.with_code("TRUNCATED").because_words("the line was cut without the end that TLS demands; what came may not be all")
        } else {
            fault.because(error)
        }
    }
}

impl Reader {
    /// Cancellation-safe: what was read is given away in the same poll.
    async fn read(&mut self, max: usize) -> io::Result<Bytes> {
        if !self.pending.is_empty() {
            return Ok(self.pending.split_to(self.pending.len().min(max)).freeze());
        }
        if let Some(error) = self.failed.take() {
            return Err(error);
        }
        poll_fn(|cx| {
            // Allocated in the poll: a line that waits holds no buffer.
            let mut octets = BytesMut::zeroed(max);
            let mut taken = ReadBuf::new(&mut octets);
            // TLS gives a record at a time; taking all that is there saves the component a call a record.
            while taken.remaining() > 0 {
                let before = taken.filled().len();
                match Pin::new(&mut self.half).poll_read(cx, &mut taken) {
                    Poll::Ready(Ok(())) if taken.filled().len() == before => break,
                    Poll::Ready(Ok(())) => {}
                    Poll::Ready(Err(error)) if before == 0 => return Poll::Ready(Err(error)),
                    Poll::Ready(Err(error)) => {
                        self.failed = Some(error);
                        break;
                    }
                    Poll::Pending if before == 0 => return Poll::Pending,
                    Poll::Pending => break,
                }
            }
            let length = taken.filled().len();
            octets.truncate(length);
            // A few octets do not keep a whole buffer alive.
            Poll::Ready(Ok(if length < max / 4 { Bytes::copy_from_slice(&octets) } else { octets.freeze() }))
        })
        .await
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

impl fmt::Debug for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Line").field("authority", &self.authority).field("moved", &self.moved()).finish_non_exhaustive()
    }
}
