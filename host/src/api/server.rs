//! The daemon's end of the control socket: a bounded number of clients, a task each, all of which end with the server.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{Semaphore, mpsc};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::event::{Event, Events};
use super::frame::{Frame, FrameError, Hello, VERSION};
use super::link::{FrameReader, FrameWriter, LinkError};
use super::reply::Reply;
use super::request::Request;
use super::socket;
use super::upload::{Upload, Uploads};
use crate::fault::{Fault, Kind};
use crate::home::Paths;

/// Clients at once; a further one is refused.
const CLIENTS: usize = 32;

/// How long a client may take to say what it wants.
const ASK_TIME: Duration = Duration::from_secs(10);

/// How long a client may leave a frame unread before it counts as gone.
const UNREAD_TIME: Duration = Duration::from_secs(60);

/// The same once its request is to stop.
const LAST_UNREAD_TIME: Duration = Duration::from_secs(2);

/// What carries requests out.
#[async_trait]
pub trait Execute: Send + Sync {
    /// Carry out `request`, to which `uploads` may be handed over. Ends soon with [`Kind::Cancelled`] once `stop` is cancelled, but never between a commit and its answer.
    ///
    /// # Errors
    /// Whatever the request fails with.
    async fn execute(&self, request: Request, events: Events, uploads: Uploads, stop: CancellationToken) -> Result<Reply, Fault>;
}

/// The control socket, bound.
pub struct Server {
    listener: UnixListener,
    paths: Paths,
    executor: Arc<dyn Execute>,
    clients: Arc<Semaphore>,
}

impl Server {
    /// Listen at the home's control socket. The caller owns the home.
    ///
    /// # Errors
    /// [`Kind::InUse`] where another home's daemon listens at the same place, [`Kind::Storage`] otherwise.
    pub async fn bind(paths: &Paths, executor: Arc<dyn Execute>) -> Result<Self, Fault> {
        let listener = socket::bind(&paths.control_socket).await.map_err(|error| {
            let in_use = error.kind() == std::io::ErrorKind::AddrInUse;
            let kind = if in_use { Kind::InUse } else { Kind::Storage };
            Fault::new(kind, format!("listen at the control socket `{}`", paths.control_socket.display())).because(&error)
        })?;
        Ok(Self { listener, paths: paths.clone(), executor, clients: Arc::new(Semaphore::new(CLIENTS)) })
    }

    /// Serve clients until `stop`, then let every request end.
    pub async fn serve(self, stop: CancellationToken) {
        let tasks = TaskTracker::new();
        while let Some(accepted) = stop.run_until_cancelled(self.listener.accept()).await {
            match accepted {
                Ok((stream, _)) => self.welcome(stream, &tasks, &stop),
                Err(error) => {
                    // Out of file descriptors, as a rule: some come back when clients leave.
                    tracing::warn!(%error, "cannot accept a client");
                    stop.run_until_cancelled(tokio::time::sleep(Duration::from_millis(200))).await;
                }
            }
        }
        // Whoever looks for the daemon from here on finds the lock only.
        if let Err(error) = std::fs::remove_file(&self.paths.control_socket) {
            tracing::debug!(%error, "cannot remove the control socket");
        }
        drop(self.listener);
        tasks.close();
        tasks.wait().await;
    }

    fn welcome(&self, stream: UnixStream, tasks: &TaskTracker, stop: &CancellationToken) {
        if let Err(error) = socket::check_peer(&stream) {
            tracing::warn!(%error, "refused a client of another user");
            return;
        }
        let (reader, writer) = stream.into_split();
        let client = Client {
            reader: FrameReader::new(reader),
            writer: FrameWriter::new(writer),
            home: self.paths.true_name(),
            stop: stop.child_token(),
        };
        let permit = Arc::clone(&self.clients).try_acquire_owned();
        let executor = Arc::clone(&self.executor);
        tasks.spawn(async move {
            let served = match permit {
                Ok(_permit) => client.serve(&*executor).await,
                Err(_) => {
                    client
                        .refuse(
                            Fault::new(Kind::RefusedByHost, "speak to the daemon")
                                .because_words(format!("{CLIENTS} clients speak to it already")),
                        )
                        .await
                }
            };
            if let Err(error) = served {
                tracing::debug!(error = &error as &dyn std::error::Error, "a client left early");
            }
        });
    }
}

/// One client's connection.
struct Client {
    reader: FrameReader<OwnedReadHalf>,
    writer: FrameWriter<OwnedWriteHalf>,
    home: String,
    stop: CancellationToken,
}

impl Client {
    async fn serve(mut self, executor: &dyn Execute) -> Result<(), LinkError> {
        let stop = self.stop.clone();
        let Some(request) = stop.run_until_cancelled(self.ask()).await.transpose()?.flatten() else { return Ok(()) };
        let (events, queue) = Events::channel();
        let (feed, uploads) = Uploads::channel();
        let Self { mut reader, mut writer, .. } = self;
        let work = executor.execute(request, events, uploads, stop.clone());
        let ended = tokio::select! {
            ended = async { tokio::join!(work, forward(queue, &mut writer, &stop)) } => ended.0,
            never = watch(&mut reader, feed, &stop) => match never {},
        };
        send_last(&mut writer, ended, &stop).await
    }

    /// Greet the client and hear what it wants; none: it has been refused.
    async fn ask(&mut self) -> Result<Option<Request>, LinkError> {
        let Ok(first) = timeout(ASK_TIME, self.reader.next()).await else { return Ok(None) };
        let Frame::Hello(theirs) = first? else { return Err(LinkError::Closed) };
        let ours = Hello { protocol: VERSION, program: env!("CARGO_PKG_VERSION").to_owned(), home: self.home.clone() };
        let compatible = theirs.protocol == ours.protocol && theirs.home == ours.home;
        send(&mut self.writer, &Frame::Hello(ours), &self.stop).await?;
        if !compatible {
            // The client has the words for it: both greetings.
            return Ok(None);
        }
        let Ok(second) = timeout(ASK_TIME, self.reader.next()).await else { return Ok(None) };
        match second {
            Ok(Frame::Request(request)) => Ok(Some(*request)),
            Ok(_) => Err(LinkError::Closed),
            Err(LinkError::Frame(error)) => {
                let fault = Fault::new(Kind::Usage, "read the request").because(&error);
                send(&mut self.writer, &Frame::Fault(Box::new(fault)), &self.stop).await?;
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    async fn refuse(mut self, fault: Fault) -> Result<(), LinkError> {
        if self.ask().await?.is_some() {
            send(&mut self.writer, &Frame::Fault(Box::new(fault)), &self.stop).await?;
        }
        Ok(())
    }
}

/// Hand events on as they come. A client that takes none any more cancels its request.
async fn forward(mut queue: mpsc::Receiver<Event>, writer: &mut FrameWriter<OwnedWriteHalf>, stop: &CancellationToken) {
    while let Some(event) = queue.recv().await {
        let frame = match event {
            Event::Octets(octets) => Frame::Octets(octets),
            event => Frame::Event(Box::new(event)),
        };
        if send(writer, &frame, stop).await.is_err() {
            stop.cancel();
            return;
        }
    }
}

/// Hand on what the client hands over. Cancel the request when it says so, leaves, or speaks out of turn.
async fn watch(reader: &mut FrameReader<OwnedReadHalf>, feed: mpsc::Sender<Upload>, stop: &CancellationToken) -> std::convert::Infallible {
    loop {
        let upload = match reader.next().await {
            Ok(Frame::Upload(upload)) => upload,
            Ok(Frame::Octets(octets)) => Upload::Octets(octets),
            _ => break,
        };
        // A request that wants nothing has dropped the other end.
        if feed.send(upload).await.is_err() {
            break;
        }
    }
    drop(feed);
    stop.cancel();
    std::future::pending().await
}

async fn send_last(
    writer: &mut FrameWriter<OwnedWriteHalf>,
    ended: Result<Reply, Fault>,
    stop: &CancellationToken,
) -> Result<(), LinkError> {
    let frame = match ended {
        Ok(reply) => Frame::Reply(Box::new(reply)),
        Err(fault) => Frame::Fault(Box::new(fault)),
    };
    match send(writer, &frame, stop).await {
        Err(LinkError::Frame(FrameError::TooLarge(octets))) => {
            let fault = Fault::new(Kind::TooLarge, "send the answer").because_words(format!("it has {octets} octets"));
            send(writer, &Frame::Fault(Box::new(fault.with_remedy("ask for less: `--limit N`"))), stop).await
        }
        // Nothing was written yet: whoever asked hears what is wrong.
        Err(LinkError::Frame(FrameError::Payload { source, .. })) => {
            let fault = Fault::new(Kind::Bug, "send the answer").because(&source);
            send(writer, &Frame::Fault(Box::new(fault)), stop).await
        }
        sent => sent,
    }
}

async fn send(writer: &mut FrameWriter<OwnedWriteHalf>, frame: &Frame, stop: &CancellationToken) -> Result<(), LinkError> {
    let out_of_patience = async {
        // A daemon that ends does not wait for a client that reads nothing.
        let _ = timeout(UNREAD_TIME, stop.cancelled()).await;
        tokio::time::sleep(LAST_UNREAD_TIME).await;
    };
    tokio::select! {
        sent = writer.send(frame) => sent,
        () = out_of_patience => Err(LinkError::Closed),
    }
}

#[cfg(test)]
mod tests;
