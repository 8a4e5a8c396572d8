//! A server that does what a test tells it, line by line: greets, lies, dribbles, cuts, floods; and remembers what it heard.

mod mailbox;
mod maildrop;
mod outbox;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

pub use mailbox::{Held, Mailbox, Shared, Trick};
pub use maildrop::{Entry, Kept, Maildrop, SharedMaildrop, stuffed};
pub use outbox::{Mail, Outbox, SharedOutbox};

/// A listening server; dropping it ends its lines.
pub struct Scripted {
    /// Where it listens on loopback.
    pub port: u16,
    heard: Arc<Mutex<Vec<String>>>,
    open: Arc<Mutex<Vec<TcpStream>>>,
    stopped: Arc<AtomicBool>,
}

/// One connection, as the script sees it.
pub struct Line {
    /// The number of the connection, from 0.
    pub number: usize,
    stream: BufReader<TcpStream>,
    heard: Arc<Mutex<Vec<String>>>,
}

/// A command that a client sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Command {
    /// Its tag.
    pub tag: String,
    /// Everything after the tag.
    pub text: String,
}

impl Scripted {
    /// Play `script` on every connection, each on a thread of its own.
    #[must_use]
    pub fn start(script: impl Fn(&mut Line) + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let (heard, open, stopped) = (Arc::default(), Arc::<Mutex<Vec<TcpStream>>>::default(), Arc::new(AtomicBool::new(false)));
        let server = Self { port, heard: Arc::clone(&heard), open: Arc::clone(&open), stopped: Arc::clone(&stopped) };
        let (script, numbers) = (Arc::new(script), AtomicUsize::new(0));
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                if stopped.load(Ordering::SeqCst) {
                    return;
                }
                let _ = stream.set_nodelay(true);
                open.lock().unwrap().push(stream.try_clone().unwrap());
                let (script, heard) = (Arc::clone(&script), Arc::clone(&heard));
                let number = numbers.fetch_add(1, Ordering::SeqCst);
                thread::spawn(move || {
                    let mut line = Line { number, stream: BufReader::new(stream), heard };
                    script(&mut line);
                    line.cut();
                });
            }
        });
        server
    }

    /// Every line that clients wrote, over all connections, in the order of arrival.
    #[must_use]
    pub fn heard(&self) -> Vec<String> {
        self.heard.lock().unwrap().clone()
    }
}

impl Drop for Scripted {
    fn drop(&mut self) {
        self.stopped.store(true, Ordering::SeqCst);
        for stream in self.open.lock().unwrap().drain(..) {
            let _ = stream.shutdown(Shutdown::Both);
        }
        let _ = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port));
    }
}

impl Line {
    /// Write octets; false: the client is gone.
    pub fn write(&mut self, octets: &[u8]) -> bool {
        let stream = self.stream.get_mut();
        stream.write_all(octets).and_then(|()| stream.flush()).is_ok()
    }

    /// Write octets one at a time, each in a segment of its own.
    pub fn dribble(&mut self, octets: &[u8]) -> bool {
        octets.iter().all(|octet| {
            thread::yield_now();
            self.write(std::slice::from_ref(octet))
        })
    }

    /// Write `octets` again and again until the client is gone or `times` is reached; gives how often it could.
    pub fn flood(&mut self, octets: &[u8], times: usize) -> usize {
        (0..times).take_while(|_| self.write(octets)).count()
    }

    /// The next line of the client, with its line end; none: it hung up.
    pub fn read_line(&mut self) -> Option<String> {
        let mut octets = Vec::new();
        self.stream.read_until(b'\n', &mut octets).ok().filter(|&count| count > 0)?;
        let line = String::from_utf8_lossy(&octets).into_owned();
        self.heard.lock().unwrap().push(line.trim_end().to_owned());
        Some(line)
    }

    /// The next line as octets, with its line end, which is not remembered; none: the client hung up.
    pub fn read_octets(&mut self) -> Option<Vec<u8>> {
        let mut octets = Vec::new();
        self.stream.read_until(b'\n', &mut octets).ok().filter(|&count| count > 0 && octets.ends_with(b"\n"))?;
        Some(octets)
    }

    /// Exactly so many octets, which are not remembered; none: the client hung up.
    pub fn read_exactly(&mut self, count: usize) -> Option<Vec<u8>> {
        let mut octets = vec![0; count];
        self.stream.read_exact(&mut octets).ok()?;
        Some(octets)
    }

    /// Whether the client has sent more than was read; `patiently`: as soon as it has, or when a minute is over.
    pub fn has_next(&mut self, patiently: bool) -> bool {
        if !self.stream.buffer().is_empty() {
            return true;
        }
        let limit = if patiently { crate::wait::PATIENCE } else { Duration::from_millis(50) };
        let stream = self.stream.get_ref();
        stream.set_read_timeout(Some(limit)).unwrap();
        let found = stream.peek(&mut [0]).is_ok_and(|count| count > 0);
        stream.set_read_timeout(None).unwrap();
        found
    }

    /// The next command of the client; none: it hung up.
    pub fn command(&mut self) -> Option<Command> {
        let line = self.read_line()?;
        let (tag, text) = line.trim_end().split_once(' ').unwrap_or((line.trim_end(), ""));
        Some(Command { tag: tag.to_owned(), text: text.to_owned() })
    }

    /// End the connection at once, in both directions.
    pub fn cut(&mut self) {
        let _ = self.stream.get_ref().shutdown(Shutdown::Both);
    }
}
