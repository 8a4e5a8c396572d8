//! An IMAP server over TLS that has libgsasl decide who signs in, by `gsasl` of the Debian package: an end of SCRAM and of channel binding
//! (RFC 5802, RFC 9266) that shares nothing with the host's. And the same library as a client.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Output, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

use data_encoding::BASE64;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};

use crate::authority::Authority;
use crate::imap::Stream;
use crate::{package, wait};

/// Whose password is [`PASSWORD`].
pub const USER: &str = "help";
/// The one password.
pub const PASSWORD: &str = "correct horse battery";

/// What a server shall be like.
#[derive(Debug, Clone, Copy)]
pub struct Setup {
    /// Clear until STARTTLS, instead of TLS at once.
    pub starttls: bool,
    /// The mechanisms that it lists.
    pub mechanisms: &'static [&'static str],
    /// It binds to another TLS session than the client's, as behind somebody who opened TLS in the middle.
    pub is_elsewhere: bool,
}

/// A running server; dropping it ends its lines.
pub struct Gsasl {
    /// Where it listens on loopback.
    pub port: u16,
    authority: Authority,
    shared: Arc<Shared>,
}

struct Shared {
    setup: Setup,
    config: Arc<ServerConfig>,
    stopped: AtomicBool,
    open: Mutex<Vec<TcpStream>>,
    sign_ins: Mutex<Vec<String>>,
}

impl Gsasl {
    /// Start it, with a certificate for `localhost`.
    ///
    /// # Panics
    /// When `gsasl` is not installed.
    #[must_use]
    #[track_caller]
    pub fn start(setup: Setup) -> Self {
        let _ = package::require("gsasl");
        let authority = Authority::new("Test Authority");
        let identity = authority.identity(&["localhost"]);
        let chain = vec![CertificateDer::from_pem_slice(identity.certificate.as_bytes()).unwrap()];
        let key = PrivateKeyDer::from_pem_slice(identity.key.as_bytes()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
        let config = Arc::new(builder.with_no_client_auth().with_single_cert(chain, key).unwrap());
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let shared =
            Arc::new(Shared { setup, config, stopped: AtomicBool::new(false), open: Mutex::default(), sign_ins: Mutex::default() });
        let serving = Arc::clone(&shared);
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                // `drop` connects once more so that this is seen.
                if serving.stopped.load(Ordering::SeqCst) {
                    return;
                }
                serving.open.lock().unwrap().push(stream.try_clone().unwrap());
                let shared = Arc::clone(&serving);
                thread::spawn(move || {
                    let end = stream.try_clone().unwrap();
                    serve(&shared, stream);
                    let _ = end.shutdown(Shutdown::Both);
                });
            }
        });
        Self { port, authority, shared }
    }

    /// The mechanisms by which somebody signed in, in turn.
    #[must_use]
    pub fn sign_ins(&self) -> Vec<String> {
        self.shared.sign_ins.lock().unwrap().clone()
    }

    /// A file in `folder` with its authority's certificate.
    #[must_use]
    pub fn ca_file(&self, folder: &Path) -> std::path::PathBuf {
        let file = folder.join("authority.pem");
        std::fs::write(&file, self.authority.pem()).unwrap();
        file
    }

    /// Sign in to it by libgsasl's own client, after STARTTLS.
    #[must_use]
    pub fn sign_in_by_its_client(&self, mechanism: &str, ca_file: &Path) -> Output {
        let server = format!("localhost:{}", self.port);
        let mut command = Command::new(package::require("gsasl"));
        command.args(["--client", "--imap", "--starttls", "--connect", &server, "--x509-ca-file"]).arg(ca_file);
        command.args(["-m", mechanism, "-a", USER, "-p", PASSWORD]).stdin(Stdio::null());
        let mut client = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        wait::until("the client ends", wait::PATIENCE, || client.try_wait().unwrap());
        client.wait_with_output().unwrap()
    }
}

impl Drop for Gsasl {
    fn drop(&mut self) {
        self.shared.stopped.store(true, Ordering::SeqCst);
        for stream in self.shared.open.lock().unwrap().drain(..) {
            let _ = stream.shutdown(Shutdown::Both);
        }
        let _ = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port));
    }
}

/// A client's line, and what a sign-in over it is bound to.
struct Line {
    stream: BufReader<Box<dyn Stream>>,
    exporter: [u8; 32],
}

/// None: the client is gone.
fn serve(shared: &Shared, mut socket: TcpStream) -> Option<()> {
    if shared.setup.starttls {
        socket.write_all(b"* OK [CAPABILITY IMAP4rev1 STARTTLS LOGINDISABLED] ready\r\n").ok()?;
        loop {
            let (tag, command) = clear_command(&mut socket)?;
            match command.to_ascii_uppercase().as_str() {
                "STARTTLS" => {
                    socket.write_all(format!("{tag} OK go\r\n").as_bytes()).ok()?;
                    break;
                }
                "CAPABILITY" => {
                    let answer = format!("* CAPABILITY IMAP4rev1 STARTTLS LOGINDISABLED\r\n{tag} OK done\r\n");
                    socket.write_all(answer.as_bytes()).ok()?;
                }
                _ => socket.write_all(format!("{tag} BAD under TLS\r\n").as_bytes()).ok()?,
            }
        }
    }
    let mut line = secure(shared, socket)?;
    if !shared.setup.starttls {
        line.say("* OK ready")?;
    }
    loop {
        let command = line.hear()?;
        let (tag, command) = command.split_once(' ')?;
        let (word, rest) = command.split_once(' ').unwrap_or((command, ""));
        match word.to_ascii_uppercase().as_str() {
            "CAPABILITY" => {
                let offered: Vec<_> = shared.setup.mechanisms.iter().map(|name| format!("AUTH={name}")).collect();
                line.say(&format!("* CAPABILITY IMAP4rev1 {}", offered.join(" ")))?;
                line.say(&format!("{tag} OK done"))?;
            }
            "AUTHENTICATE" if authenticate(&mut line, rest)? => {
                shared.sign_ins.lock().unwrap().push(rest.to_owned());
                line.say(&format!("{tag} OK in"))?;
            }
            "AUTHENTICATE" => line.say(&format!("{tag} NO [AUTHENTICATIONFAILED] no"))?,
            "LOGOUT" => {
                line.say("* BYE")?;
                // Whoever says it waits for the end of the line.
                return line.say(&format!("{tag} OK"));
            }
            _ => line.say(&format!("{tag} OK done"))?,
        }
    }
}

/// A command without a buffer behind it, so that nothing of TLS is taken.
fn clear_command(socket: &mut TcpStream) -> Option<(String, String)> {
    let (mut octets, mut octet) = (Vec::new(), [0]);
    while !octets.ends_with(b"\n") {
        socket.read_exact(&mut octet).ok()?;
        octets.extend(octet);
    }
    let line = String::from_utf8(octets).ok()?;
    let (tag, command) = line.trim_end().split_once(' ')?;
    Some((tag.to_owned(), command.to_owned()))
}

fn secure(shared: &Shared, mut socket: TcpStream) -> Option<Line> {
    let mut session = ServerConnection::new(Arc::clone(&shared.config)).unwrap();
    while session.is_handshaking() {
        session.complete_io(&mut socket).ok()?;
    }
    let mut exporter = session.export_keying_material([0; 32], b"EXPORTER-Channel-Binding", Some(&[])).ok()?;
    if shared.setup.is_elsewhere {
        exporter[0] ^= 1;
    }
    Some(Line { stream: BufReader::new(Box::new(StreamOwned::new(session, socket))), exporter })
}

/// Have libgsasl go through one sign-in; whether it is content.
fn authenticate(line: &mut Line, mechanism: &str) -> Option<bool> {
    let mut library = Library::start(mechanism);
    line.say("+ ")?;
    let first = line.hear()?;
    // It asks for the binding behind the first message.
    let binding = mechanism.ends_with("-PLUS").then(|| BASE64.encode(&line.exporter));
    let Some(challenge) = library.answer(&first, binding.as_deref()) else { return Some(false) };
    line.say(&format!("+ {challenge}"))?;
    let last = line.hear()?;
    let Some(proof) = library.answer(&last, None) else { return Some(false) };
    line.say(&format!("+ {proof}"))?;
    line.hear()?;
    Some(true)
}

impl Line {
    fn say(&mut self, words: &str) -> Option<()> {
        let stream = self.stream.get_mut();
        stream.write_all(format!("{words}\r\n").as_bytes()).and_then(|()| stream.flush()).ok()
    }

    fn hear(&mut self) -> Option<String> {
        let mut words = String::new();
        self.stream.read_line(&mut words).ok().filter(|count| *count > 0)?;
        Some(words.trim_end().to_owned())
    }
}

/// One sign-in in `gsasl --server`.
struct Library {
    process: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Library {
    fn start(mechanism: &str) -> Self {
        let mut command = Command::new(package::require("gsasl"));
        command.args(["--server", "--quiet", "-m", mechanism, "-p", PASSWORD]);
        let mut process = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let (input, output) = (process.stdin.take().unwrap(), BufReader::new(process.stdout.take().unwrap()));
        Self { process, input, output }
    }

    /// What it answers to `response`; none: it refuses. A `binding` is given when it asks.
    fn answer(&mut self, response: &str, binding: Option<&str>) -> Option<String> {
        let given = format!("{response}\n{}", binding.map(|binding| format!("{binding}\n")).unwrap_or_default());
        self.input.write_all(given.as_bytes()).ok()?;
        loop {
            let mut line = String::new();
            self.output.read_line(&mut line).ok().filter(|count| *count > 0)?;
            // Its question for the binding stands before the answer, in the same line.
            let answer = line.trim_end().rsplit(": ").next().unwrap_or_default();
            if BASE64.decode(answer.as_bytes()).is_ok_and(|message| message.starts_with(b"r=") || message.starts_with(b"v=")) {
                return Some(answer.to_owned());
            }
        }
    }
}

impl Drop for Library {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
