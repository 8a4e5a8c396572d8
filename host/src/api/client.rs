//! A command's end of the control socket: one connection, one request.

use std::io;
use std::time::Duration;

use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::event::{Event, Events};
use super::frame::{Frame, Hello, VERSION};
use super::link::{FrameReader, FrameWriter, LinkError};
use super::reply::Reply;
use super::request::Request;
use super::socket;
use super::upload::{Upload, Uploads};
use crate::fault::{Fault, Kind};
use crate::home::{Owner, Paths};

/// How long the daemon may take to greet.
const GREETING_TIME: Duration = Duration::from_secs(10);

/// A connection to the daemon, greeted.
#[derive(Debug)]
pub struct Client {
    reader: FrameReader<OwnedReadHalf>,
    writer: FrameWriter<OwnedWriteHalf>,
}

impl Client {
    /// Connect to the daemon that owns the home; none: it does not listen, yet or any more.
    ///
    /// # Errors
    /// [`Kind::Unsupported`] where the daemon is of another version, [`Kind::InUse`] where it is another home's, [`Kind::Forbidden`]
    /// where it is another user's, [`Kind::Unreachable`] where it does not greet.
    pub async fn connect(paths: &Paths, owner: &Owner) -> Result<Option<Self>, Fault> {
        let speak = || format!("speak to the daemon at `{}`", owner.control_socket.display());
        let stream = match socket::connect(&owner.control_socket).await {
            Ok(stream) => stream,
            Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused) => return Ok(None),
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
                return Err(Fault::new(Kind::Forbidden, speak()).because(&error));
            }
            Err(error) => return Err(Fault::new(Kind::Unreachable, speak()).because(&error)),
        };
        let (reader, writer) = stream.into_split();
        let mut client = Self { reader: FrameReader::new(reader), writer: FrameWriter::new(writer) };
        let ours = Hello { protocol: VERSION, program: env!("CARGO_PKG_VERSION").to_owned(), home: paths.true_name() };
        match timeout(GREETING_TIME, client.greet(&ours)).await {
            Ok(Ok(theirs)) => check(&ours, &theirs).map(|()| Some(client)),
            Ok(Err(error)) => Err(Fault::new(Kind::Unreachable, speak()).because(&error)),
            Err(_) => Err(Fault::new(Kind::Unreachable, speak()).because_words("it does not answer")),
        }
    }

    /// Ask for `request`; its events go to `events`, and `uploads` to it. When `stop` is cancelled, or whoever hands over goes away, the
    /// daemon is asked to stop, and its answer is still waited for.
    ///
    /// # Errors
    /// What the request failed with, or [`Kind::Unreachable`] where the daemon ended before it answered.
    pub async fn call(mut self, request: Request, events: Events, uploads: Uploads, stop: CancellationToken) -> Result<Reply, Fault> {
        self.exchange(request, events, uploads, stop).await.unwrap_or_else(|error| {
            let fault = Fault::new(Kind::Unreachable, "hear the daemon's answer").because(&error);
            Err(fault.with_remedy("see the daemon's log, and `postrider status` for what was done"))
        })
    }

    async fn greet(&mut self, ours: &Hello) -> Result<Hello, LinkError> {
        self.writer.send(&Frame::Hello(ours.clone())).await?;
        match self.reader.next().await? {
            Frame::Hello(theirs) => Ok(theirs),
            _ => Err(LinkError::Closed),
        }
    }

    async fn exchange(
        &mut self,
        request: Request,
        events: Events,
        mut uploads: Uploads,
        stop: CancellationToken,
    ) -> Result<Result<Reply, Fault>, LinkError> {
        self.writer.send(&Frame::Request(Box::new(request))).await?;
        let mut asked_to_stop = false;
        loop {
            let frame = tokio::select! {
                frame = self.reader.next() => frame?,
                upload = uploads.next() => {
                    match upload {
                        Some(Upload::Octets(octets)) => self.writer.send(&Frame::Octets(octets)).await?,
                        Some(upload) => self.writer.send(&Frame::Upload(upload)).await?,
                        None => {
                            uploads = Uploads::none();
                            stop.cancel();
                        }
                    }
                    continue;
                }
                () = stop.cancelled(), if !asked_to_stop => {
                    asked_to_stop = true;
                    self.writer.send(&Frame::Cancel).await?;
                    continue;
                }
            };
            let event = match frame {
                Frame::Event(event) => *event,
                Frame::Octets(octets) => Event::Octets(octets),
                Frame::Reply(reply) => return Ok(Ok(*reply)),
                Frame::Fault(fault) => return Ok(Err(*fault)),
                Frame::Hello(_) | Frame::Request(_) | Frame::Cancel | Frame::Upload(_) => return Err(LinkError::Closed),
            };
            if let Err(fault) = events.send(event).await {
                // Whoever asked has stopped listening: closing the connection cancels the request.
                return Ok(Err(fault));
            }
        }
    }
}

/// Whether the two can speak to each other.
fn check(ours: &Hello, theirs: &Hello) -> Result<(), Fault> {
    if theirs.protocol != ours.protocol {
        let words = format!(
            "it is postrider {} and speaks version {} of the control protocol, this is postrider {} and speaks version {}",
            theirs.program, theirs.protocol, ours.program, ours.protocol
        );
        return Err(Fault::new(Kind::Unsupported, "speak to the daemon")
            .because_words(words)
            .with_remedy("restart `postrider run` with this version of the program"));
    }
    if theirs.home != ours.home {
        return Err(Fault::new(Kind::InUse, format!("speak to the daemon of the home `{}`", ours.home))
            .because_words(format!("the daemon at its control socket is that of the home `{}`", theirs.home))
            .with_remedy("give each home its own directory: `--home DIR`"));
    }
    Ok(())
}
