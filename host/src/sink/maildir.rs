//! A Maildir (<https://cr.yp.to/proto/maildir.html>): written in `tmp`, synced, renamed into `new`, the directory synced. The base
//! name comes from the event id, so that a repeat is found in `tmp`, `new` or `cur` and not delivered twice.

use std::collections::HashSet;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use async_trait::async_trait;
use bytes::Bytes;
use tokio::sync::mpsc;

use super::letter::{EventId, Letter, Round, Sink};
use super::line_endings::Rewriter;
use crate::clock::Timestamp;
use crate::fault::{Fault, Kind};
use crate::model::sink::LineEndings;

/// Pieces on their way to the writing thread; with pieces of 64 KiB, 1 MiB a round.
const PIECES_IN_FLIGHT: usize = 16;

/// Threads that sync the files of a batch: file systems with a journal commit them together.
const SYNCING_THREADS: usize = 4;

/// One Maildir.
#[derive(Debug, Clone)]
pub struct Maildir {
    dir: PathBuf,
    line_endings: LineEndings,
}

/// What goes wrong here: what was tried, and the system's reason.
#[derive(Debug, thiserror::Error)]
#[error("{operation} `{}`", path.display())]
struct MaildirError {
    operation: &'static str,
    path: PathBuf,
    source: io::Error,
}

impl Maildir {
    /// The Maildir at `dir`, which is made where it is not there (mode 0700).
    ///
    /// # Errors
    /// `Storage` where it cannot be made, or where `dir` is something else.
    pub fn make(dir: &Path, line_endings: LineEndings) -> Result<Self, Fault> {
        let maildir = Self { dir: dir.to_owned(), line_endings };
        maildir.make_directories().map_err(|error| maildir.fault(&error))?;
        Ok(maildir)
    }

    /// The Maildir at `dir`. It is not made anew: where it is gone, its file system may only not be mounted, and mail that is put
    /// below the mount point is mail that nobody finds.
    ///
    /// # Errors
    /// `Storage` where it is not there.
    pub fn open(dir: &Path, line_endings: LineEndings) -> Result<Self, Fault> {
        let maildir = Self { dir: dir.to_owned(), line_endings };
        maildir.look_for_directories().map_err(|error| maildir.fault(&error))?;
        Ok(maildir)
    }

    fn look_for_directories(&self) -> Result<(), MaildirError> {
        for part in ["tmp", "new", "cur"] {
            let path = self.dir.join(part);
            let found =
                fs::metadata(&path).and_then(|metadata| if metadata.is_dir() { Ok(()) } else { Err(io::ErrorKind::NotADirectory.into()) });
            found.map_err(|source| MaildirError { operation: "find the directory", path, source })?;
        }
        Ok(())
    }

    fn make_directories(&self) -> Result<(), MaildirError> {
        for part in ["tmp", "new", "cur"] {
            let path = self.dir.join(part);
            DirBuilder::new().recursive(true).mode(0o700).create(&path).map_err(|source| MaildirError {
                operation: "make the directory",
                path: path.clone(),
                source,
            })?;
        }
        sync_directory(&self.dir)?;
        // The entry of the Maildir itself is its parent's.
        self.dir.parent().filter(|parent| !parent.as_os_str().is_empty()).map_or(Ok(()), sync_directory)
    }

    /// Base names of all that is there. `new` before `cur`: a reader moves files that way and never back.
    fn base_names(&self) -> Result<HashSet<String>, MaildirError> {
        let mut names = HashSet::new();
        for part in ["new", "cur"] {
            let path = self.dir.join(part);
            let failed = |source| MaildirError { operation: "list", path: path.clone(), source };
            for entry in fs::read_dir(&path).map_err(failed)? {
                let name = entry.map_err(failed)?.file_name();
                let name = name.to_string_lossy();
                names.insert(name.split(':').next().unwrap_or_default().to_owned());
            }
        }
        Ok(names)
    }

    fn fault(&self, error: &MaildirError) -> Fault {
        let fault = Fault::new(Kind::Storage, format!("deliver to the Maildir {}", self.dir.display())).because(error);
        match error.source.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
                fault.with_remedy("make room on the disk; delivery goes on where it stopped")
            }
            io::ErrorKind::PermissionDenied => fault.with_remedy("make the directory writable for the user that runs postrider"),
            io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => fault.with_remedy(
                "mount the file system that holds the Maildir, or make its directories `tmp`, `new` and `cur` again; delivery goes on by itself",
            ),
            io::ErrorKind::ReadOnlyFilesystem => fault.with_remedy("mount the file system writable, or point the sink elsewhere"),
            _ => fault,
        }
    }
}

#[async_trait]
impl Sink for Maildir {
    async fn round(&self) -> Result<Box<dyn Round>, Fault> {
        let maildir = self.clone();
        let round = tokio::task::spawn_blocking(move || {
            // Somebody may have taken the directories away since.
            maildir
                .look_for_directories()
                .and_then(|()| maildir.base_names())
                .map_err(|error| maildir.fault(&error))
                .map(|present| (maildir, present))
        });
        let (maildir, present) = round.await.map_err(|error| lost_thread(&error))??;
        Ok(Box::new(MaildirRound { maildir, present }))
    }
}

struct MaildirRound {
    maildir: Maildir,
    present: HashSet<String>,
}

/// What the writing thread is told.
enum Order {
    Begin(String),
    Piece(Bytes),
    /// The message is complete; without this before the next order, it is dropped.
    End,
}

#[async_trait]
impl Round for MaildirRound {
    async fn deliver(&mut self, letters: Vec<Letter>) -> Result<(), Fault> {
        let (orders, todo) = mpsc::channel(PIECES_IN_FLIGHT);
        let writer = Writer { maildir: self.maildir.clone(), written: Vec::new() };
        let writing = tokio::task::spawn_blocking(move || writer.run(todo));
        let mut bases = Vec::new();
        let read = async {
            for mut letter in letters {
                let base = base_name(letter.event, letter.summary.received.unwrap_or(letter.summary.stored));
                if self.present.contains(&base) {
                    continue;
                }
                // A closed channel means that the writer failed; its own error says why.
                if orders.send(Order::Begin(base.clone())).await.is_err() {
                    return Ok(());
                }
                while let Some(piece) = letter.octets.next().await? {
                    if orders.send(Order::Piece(piece)).await.is_err() {
                        return Ok(());
                    }
                }
                if orders.send(Order::End).await.is_err() {
                    return Ok(());
                }
                bases.push(base);
            }
            Ok(())
        }
        .await;
        drop(orders);
        let written = writing.await.map_err(|error| lost_thread(&error))?;
        written.map_err(|error| self.maildir.fault(&error))?;
        self.present.extend(bases);
        read
    }
}

struct Writer {
    maildir: Maildir,
    written: Vec<(String, File)>,
}

impl Writer {
    fn run(mut self, mut todo: mpsc::Receiver<Order>) -> Result<(), MaildirError> {
        let mut open: Option<(String, File, Rewriter)> = None;
        while let Some(order) = todo.blocking_recv() {
            match order {
                Order::Begin(base) => {
                    let path = self.path("tmp", &base);
                    // A file of this name in `tmp` is what a crash left of the same event: written anew.
                    let file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&path);
                    let file = file.map_err(|source| MaildirError { operation: "create", path, source })?;
                    open = Some((base, file, Rewriter::new(self.maildir.line_endings)));
                }
                Order::Piece(piece) => {
                    let Some((base, file, rewriter)) = &mut open else { continue };
                    let written = file.write_all(&rewriter.piece(&piece));
                    written.map_err(|source| MaildirError { operation: "write", path: self.path("tmp", base), source })?;
                }
                Order::End => {
                    let Some((base, mut file, rewriter)) = open.take() else { continue };
                    let written = file.write_all(rewriter.end());
                    written.map_err(|source| MaildirError { operation: "write", path: self.path("tmp", &base), source })?;
                    self.written.push((base, file));
                }
            }
        }
        if let Some((base, ..)) = open {
            // Its octets could not be read to the end: whoever reads them says why. Half a message must not stay.
            let path = self.path("tmp", &base);
            fs::remove_file(&path).map_err(|source| MaildirError { operation: "remove", path, source })?;
        }
        self.sync_and_rename()
    }

    fn sync_and_rename(self) -> Result<(), MaildirError> {
        if self.written.is_empty() {
            return Ok(());
        }
        let share = self.written.len().div_ceil(SYNCING_THREADS);
        std::thread::scope(|scope| {
            let threads: Vec<_> = self.written.chunks(share).map(|share| scope.spawn(|| self.sync(share))).collect();
            threads.into_iter().try_for_each(|thread| thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
        })?;
        for (base, _) in &self.written {
            let from = self.path("tmp", base);
            fs::rename(&from, self.path("new", base)).map_err(|source| MaildirError { operation: "move to `new`", path: from, source })?;
        }
        sync_directory(&self.maildir.dir.join("new"))
    }

    fn sync(&self, share: &[(String, File)]) -> Result<(), MaildirError> {
        share.iter().try_for_each(|(base, file)| {
            file.sync_all().map_err(|source| MaildirError { operation: "sync", path: self.path("tmp", base), source })
        })
    }

    fn path(&self, part: &str, base: &str) -> PathBuf {
        self.maildir.dir.join(part).join(base)
    }
}

/// "SECONDS.EVENT.postrider": readers sort by the first part, the second makes it unique, the third takes the host name's place.
fn base_name(event: EventId, received: Timestamp) -> String {
    format!("{}.{event}.postrider", received.0 / 1000)
}

fn sync_directory(path: &Path) -> Result<(), MaildirError> {
    File::open(path).and_then(|dir| dir.sync_all()).map_err(|source| MaildirError {
        operation: "sync the directory",
        path: path.to_owned(),
        source,
    })
}

fn lost_thread(error: &tokio::task::JoinError) -> Fault {
    Fault::new(Kind::Bug, "write to a Maildir").because(error)
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use super::*;
    use crate::model::message::{Content, Summary};
    use crate::model::name::{AccountId, MessageId};
    use crate::sink::letter::{EventKind, Octets};

    struct Pieces(VecDeque<Result<Bytes, Fault>>);

    #[async_trait]
    impl Octets for Pieces {
        async fn next(&mut self) -> Result<Option<Bytes>, Fault> {
            self.0.pop_front().transpose()
        }
    }

    fn letter(number: u8, pieces: Vec<Result<Bytes, Fault>>) -> Letter {
        let message = MessageId([number; 16]);
        let summary = Summary {
            message,
            account: AccountId(1),
            sequence: u64::from(number),
            stored: Timestamp(5_000),
            received: Some(Timestamp(1_700_000_000_000)),
            locations: Vec::new(),
            content: Content::Whole { size: 0 },
            thread: None,
            subject: None,
            from: Vec::new(),
            to: Vec::new(),
            date: None,
            rfc5322_message_id: None,
        };
        Letter { event: EventId { message, kind: EventKind::Received }, summary, octets: Box::new(Pieces(pieces.into())) }
    }

    fn whole(number: u8) -> Letter {
        letter(number, vec![Ok(Bytes::from_static(b"Subject: x\r")), Ok(Bytes::from_static(b"\n\r\nbody\r\n"))])
    }

    fn files(dir: &Path, part: &str) -> Vec<PathBuf> {
        let mut files: Vec<_> = fs::read_dir(dir.join(part)).unwrap().map(|entry| entry.unwrap().path()).collect();
        files.sort();
        files
    }

    #[tokio::test]
    async fn messages_land_in_new_with_their_line_endings() {
        for (line_endings, expected) in
            [(LineEndings::Lf, &b"Subject: x\n\nbody\n"[..]), (LineEndings::Crlf, b"Subject: x\r\n\r\nbody\r\n")]
        {
            let dir = tempfile::tempdir().unwrap();
            let path = dir.path().join("deep/Mail");
            let maildir = Maildir::make(&path, line_endings).unwrap();
            maildir.round().await.unwrap().deliver(vec![whole(1), whole(2)]).await.unwrap();
            let new = files(&path, "new");
            assert_eq!(new.len(), 2);
            assert_eq!(fs::read(&new[0]).unwrap(), expected);
            assert!(files(&path, "tmp").is_empty());
        }
    }

    #[tokio::test]
    async fn a_repeat_is_recognised_wherever_a_reader_moved_it() {
        let dir = tempfile::tempdir().unwrap();
        let maildir = Maildir::make(dir.path(), LineEndings::Lf).unwrap();
        maildir.round().await.unwrap().deliver(vec![whole(1), whole(2)]).await.unwrap();
        let read = &files(dir.path(), "new")[0];
        let name = format!("{}:2,S", read.file_name().unwrap().to_str().unwrap());
        fs::rename(read, dir.path().join("cur").join(name)).unwrap();
        // What a crash left behind of the third.
        fs::write(dir.path().join("tmp").join(base_name(whole(3).event, Timestamp(1_700_000_000_000))), "half").unwrap();
        maildir.round().await.unwrap().deliver(vec![whole(1), whole(2), whole(3)]).await.unwrap();
        assert_eq!((files(dir.path(), "new").len(), files(dir.path(), "cur").len(), files(dir.path(), "tmp").len()), (2, 1, 0));
    }

    #[tokio::test]
    async fn half_a_message_never_shows() {
        let dir = tempfile::tempdir().unwrap();
        let maildir = Maildir::make(dir.path(), LineEndings::Lf).unwrap();
        let torn = Fault::new(Kind::Damaged, "read the body");
        let letters = vec![whole(1), letter(2, vec![Ok(Bytes::from_static(b"half")), Err(torn.clone())]), whole(3)];
        assert_eq!(maildir.round().await.unwrap().deliver(letters).await.unwrap_err(), torn);
        assert_eq!((files(dir.path(), "new").len(), files(dir.path(), "tmp").len()), (1, 0));
    }

    #[tokio::test]
    async fn a_file_in_the_way_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("file");
        fs::write(&path, "").unwrap();
        let fault = Maildir::make(&path, LineEndings::Lf).unwrap_err();
        assert_eq!(fault.kind, Kind::Storage);
        assert!(fault.to_string().contains("file"));
    }

    #[tokio::test]
    async fn a_maildir_that_is_gone_is_not_made_anew() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("Mail");
        let maildir = Maildir::make(&path, LineEndings::Lf).unwrap();
        fs::remove_dir_all(&path).unwrap();
        for fault in [Maildir::open(&path, LineEndings::Lf).unwrap_err(), maildir.round().await.err().unwrap()] {
            assert_eq!(fault.kind, Kind::Storage);
            assert!(fault.remedy.unwrap().contains("mount"));
        }
        assert!(!path.exists());
    }
}
