//! A real Dovecot 2.3 from the Debian packages, on loopback, in a folder of its own: as root with its usual users, or entirely as the
//! unprivileged user that runs the tests.

mod config;

use std::fs;
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal};
use tempfile::TempDir;

use crate::authority::{Authority, Identity};
use crate::corpus::Message;
use crate::imap::Imap;
use crate::maildir::Maildir;
use crate::{package, wait};

/// The user that every server has.
pub const USER: &str = "help";
/// The password of [`USER`].
pub const PASSWORD: &str = "correct horse battery";

/// The uid and gid of mail where Dovecot runs as root: it refuses 0.
const MAIL_ID: u32 = 5000;
/// How often a server is started again because a port that was free a moment ago is taken.
const ATTEMPTS: usize = 5;

/// How messages lie on the server's disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Storage {
    /// A file each; the only one that takes [`Dovecot::deliver`].
    #[default]
    Maildir,
    /// A file each, in Dovecot's own format.
    Sdbox,
    /// Many in a file.
    Mdbox,
}

/// What a server shall be like.
pub struct Setup {
    users: Vec<(String, String)>,
    storage: Storage,
    identity: Option<Identity>,
    authority: Option<Authority>,
    names: Vec<String>,
    ssl: bool,
    are_hashed: bool,
    folder: PathBuf,
    mechanisms: String,
    settings: String,
}

/// A running server; dropping it stops it.
pub struct Dovecot {
    // First: the folder goes when the processes are gone.
    process: Option<Process>,
    authority: Authority,
    /// The port of IMAP with STARTTLS.
    pub imap: u16,
    /// The port of IMAP over TLS; closed when the server has no TLS.
    pub imaps: u16,
    /// The port of POP3 with STLS.
    pub pop3: u16,
    /// The port of POP3 over TLS; closed when the server has no TLS.
    pub pop3s: u16,
    /// The port of LMTP with STARTTLS.
    pub lmtp: u16,
    /// The port of LMTP over TLS; closed when the server has no TLS.
    pub lmtps: u16,
    folder: TempDir,
}

impl Default for Setup {
    fn default() -> Self {
        Self {
            users: vec![(USER.to_owned(), PASSWORD.to_owned())],
            storage: Storage::default(),
            identity: None,
            authority: None,
            names: vec!["localhost".to_owned(), "127.0.0.1".to_owned()],
            ssl: true,
            are_hashed: false,
            folder: std::env::temp_dir(),
            mechanisms: "plain login".to_owned(),
            settings: String::new(),
        }
    }
}

impl Setup {
    /// With a further user.
    #[must_use]
    pub fn user(mut self, name: &str, password: &str) -> Self {
        self.users.push((name.to_owned(), password.to_owned()));
        self
    }

    /// With this storage format.
    #[must_use]
    pub fn storage(mut self, storage: Storage) -> Self {
        self.storage = storage;
        self
    }

    /// With a certificate for these names instead of `localhost` and `127.0.0.1`.
    #[must_use]
    pub fn names(mut self, names: &[&str]) -> Self {
        self.names = names.iter().map(|&name| name.to_owned()).collect();
        self
    }

    /// With this certificate instead of one made for it.
    #[must_use]
    pub fn identity(mut self, authority: Authority, identity: Identity) -> Self {
        (self.authority, self.identity) = (Some(authority), Some(identity));
        self
    }

    /// Without TLS: no IMAPS port, no STARTTLS.
    #[must_use]
    pub fn without_tls(mut self) -> Self {
        self.ssl = false;
        self
    }

    /// With passwords that it keeps hashed: of all mechanisms, PLAIN and LOGIN alone can let somebody in then.
    #[must_use]
    pub fn hashed_passwords(mut self) -> Self {
        self.are_hashed = true;
        self
    }

    /// With its files below `folder` instead of the system's folder for temporary files.
    #[must_use]
    pub fn folder(mut self, folder: &Path) -> Self {
        folder.clone_into(&mut self.folder);
        self
    }

    /// With these SASL mechanisms (and `apop`) instead of PLAIN and LOGIN, in Dovecot's spelling.
    #[must_use]
    pub fn mechanisms(mut self, names: &str) -> Self {
        names.clone_into(&mut self.mechanisms);
        self
    }

    /// With further lines of `dovecot.conf`.
    #[must_use]
    pub fn settings(mut self, lines: &str) -> Self {
        self.settings.push_str(lines);
        self
    }

    /// Start it, and come back when it greets on its ports.
    ///
    /// # Panics
    /// When Dovecot is not installed or does not start; its log is in the words.
    #[must_use]
    #[track_caller]
    pub fn start(self) -> Dovecot {
        let folder = tempfile::Builder::new().prefix("dovecot-").tempdir_in(&self.folder).unwrap();
        // Dovecot's own users pass through it.
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
        let names: Vec<&str> = self.names.iter().map(String::as_str).collect();
        let authority = self.authority.unwrap_or_else(|| Authority::new("Test Authority"));
        let identity = self.identity.unwrap_or_else(|| authority.identity(&names));
        let place = |name: &str| folder.path().join(name);
        fs::write(place("certificate.pem"), identity.certificate).unwrap();
        fs::write(place("key.pem"), identity.key).unwrap();
        fs::set_permissions(place("key.pem"), fs::Permissions::from_mode(0o600)).unwrap();
        fs::write(place("users"), config::users(folder.path(), &self.users, self.are_hashed)).unwrap();
        for (user, _) in &self.users {
            let home = place(&format!("home/{user}"));
            fs::create_dir_all(&home).unwrap();
            give_to_mail(&home);
        }
        for _ in 0..ATTEMPTS {
            let [imap, imaps, pop3, pop3s, lmtp, lmtps] = free_ports();
            let ports = config::Ports { imap, imaps, pop3, pop3s, lmtp, lmtps };
            let text = config::text(folder.path(), self.storage, self.ssl, ports, &self.mechanisms, &self.settings);
            fs::write(place("dovecot.conf"), text).unwrap();
            if let Some(process) = Process::start(folder.path(), imap) {
                return Dovecot { process: Some(process), authority, imap, imaps, pop3, pop3s, lmtp, lmtps, folder };
            }
        }
        panic!("found no free port for Dovecot in {ATTEMPTS} attempts");
    }
}

impl Dovecot {
    /// A server with one user, [`USER`], TLS and Maildir storage.
    ///
    /// # Panics
    /// As [`Setup::start`].
    #[must_use]
    #[track_caller]
    pub fn start() -> Self {
        Setup::default().start()
    }

    /// What signed its certificate.
    #[must_use]
    pub fn authority(&self) -> &Authority {
        &self.authority
    }

    /// A file with its authority's certificate, for `--ca`.
    #[must_use]
    pub fn ca_file(&self) -> PathBuf {
        let file = self.folder.path().join("authority.pem");
        fs::write(&file, self.authority.pem()).unwrap();
        file
    }

    /// Signed in as `user`, on the clear port: on loopback that is the quickest way in.
    #[must_use]
    #[track_caller]
    pub fn sign_in(&self, user: &str, password: &str) -> Imap {
        let mut imap = Imap::connect(self.imap);
        imap.log_in(user, password);
        imap
    }

    /// The Maildir that is `folder` of `user` ("INBOX", "Archive"), owned as Dovecot wants it; made where it is not there.
    #[must_use]
    pub fn maildir(&self, user: &str, folder: &str) -> Maildir {
        let root = self.folder.path().join("home").join(user).join("Maildir");
        let maildir = Maildir::create(&if folder == "INBOX" { root.clone() } else { root.join(format!(".{folder}")) });
        give_to_mail(&root);
        for sub in ["", "tmp", "new", "cur"] {
            give_to_mail(&maildir.path().join(sub));
        }
        maildir
    }

    /// Put messages into a folder by writing its Maildir: quick, and octets that no `APPEND` would let pass.
    pub fn deliver<'m>(&self, user: &str, folder: &str, messages: impl IntoIterator<Item = &'m Message>) {
        let maildir = self.maildir(user, folder);
        for message in messages {
            give_to_mail(&maildir.deliver(message));
        }
    }

    /// Run `doveadm` on this server; gives what it prints.
    ///
    /// # Panics
    /// When it fails.
    #[track_caller]
    pub fn doveadm(&self, arguments: &[&str]) -> String {
        let config = self.folder.path().join("dovecot.conf");
        let output = Command::new(package::require("doveadm")).arg("-c").arg(config).args(arguments).output().unwrap();
        assert!(output.status.success(), "doveadm {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// Stop it as an administrator does; its files and ports stay.
    pub fn stop(&mut self) {
        self.process = None;
    }

    /// Start it again on the same ports.
    #[track_caller]
    pub fn start_again(&mut self) {
        self.stop();
        self.process = Some(Process::start(self.folder.path(), self.imap).expect("a port was taken meanwhile"));
    }

    /// Where another server asks about its users.
    #[must_use]
    pub fn auth_socket(&self) -> PathBuf {
        self.folder.path().join("run/auth-smtp")
    }

    /// What it logged.
    #[must_use]
    pub fn log(&self) -> String {
        log(self.folder.path())
    }
}

impl Drop for Dovecot {
    fn drop(&mut self) {
        self.stop();
        if std::thread::panicking() {
            let log = self.log();
            let lines: Vec<&str> = log.lines().collect();
            report(&format!("Dovecot's log, last lines:\n{}", lines[lines.len().saturating_sub(30)..].join("\n")));
        }
    }
}

/// The master process, and with it every process of that server.
struct Process(Child);

impl Process {
    /// None: a port is taken.
    #[track_caller]
    fn start(folder: &Path, imap: u16) -> Option<Self> {
        let child = Command::new(package::require("dovecot"))
            .arg("-F")
            .arg("-c")
            .arg(folder.join("dovecot.conf"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(fs::File::create(folder.join("stderr")).unwrap())
            .spawn()
            .unwrap();
        let mut process = Self(child);
        let up = wait::until("Dovecot greets on its port", wait::PATIENCE, || {
            if process.0.try_wait().unwrap().is_some() {
                return Some(false);
            }
            Imap::greets(imap).then_some(true)
        });
        if !up {
            let log = log(folder);
            assert!(log.contains("Address already in use"), "Dovecot does not start:\n{log}");
        }
        up.then_some(process)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let pid = Pid::from_child(&self.0);
        // The master stops its children and waits for them.
        let _ = rustix::process::kill_process(pid, Signal::TERM);
        let end = Instant::now() + Duration::from_secs(10);
        while Instant::now() < end {
            if matches!(self.0.try_wait(), Ok(Some(_))) {
                return;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn log(folder: &Path) -> String {
    let read = |name: &str| fs::read_to_string(folder.join(name)).unwrap_or_default();
    format!("{}{}", read("stderr"), read("log"))
}

/// Ports that were free a moment ago.
fn free_ports<const N: usize>() -> [u16; N] {
    let listeners: [TcpListener; N] = std::array::from_fn(|_| TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap());
    listeners.map(|listener| listener.local_addr().unwrap().port())
}

fn give_to_mail(path: &Path) {
    if rustix::process::geteuid().is_root() {
        chown(path, Some(MAIL_ID), Some(MAIL_ID)).unwrap();
    }
}

#[expect(clippy::print_stderr, reason = "beside the words of a test that fails")]
fn report(words: &str) {
    eprintln!("{words}");
}
