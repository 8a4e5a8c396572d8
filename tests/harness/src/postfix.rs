//! A real Postfix from the Debian package, on loopback, in a folder of its own, that signs in by a [`Dovecot`]'s users. Its master starts as
//! root only.

use std::fs;
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal};
use tempfile::TempDir;

use crate::dovecot::Dovecot;
use crate::{package, wait};

/// How often it is started again because a port that was free a moment ago is taken.
const ATTEMPTS: usize = 5;
/// Where Debian puts its daemons.
const DAEMONS: &str = "/usr/lib/postfix/sbin";
/// What Postfix keeps its queue in.
const QUEUES: &[&str] = &[
    "active", "bounce", "corrupt", "defer", "deferred", "flush", "hold", "incoming", "maildrop", "pid", "private", "public", "saved",
    "trace",
];

/// What becomes of mail for example.com. Of other domains there is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Delivery {
    /// Nothing: it takes no mail.
    None,
    /// It goes to the [`Dovecot`] by LMTP, which takes user@example.com for its user where it has `auth_username_format = %Ln`.
    Lmtp,
    /// It is thrown away.
    Discard,
}

/// The one address of example.com that is refused.
pub const REFUSED: &str = "nobody@example.com";

/// A running server; dropping it stops it.
pub struct Postfix {
    // First: the folder goes when the processes are gone.
    process: Master,
    /// The port of submission with STARTTLS; it offers to sign in under TLS only.
    pub submission: u16,
    /// The port of submission over TLS.
    pub submissions: u16,
    folder: TempDir,
}

impl Postfix {
    /// Start it with the users, and a certificate of the authority, of `dovecot`; come back when it greets. It takes no mail.
    ///
    /// # Panics
    /// When Postfix is not installed or does not start (it wants root); its log is in the words.
    #[must_use]
    #[track_caller]
    pub fn start(dovecot: &Dovecot) -> Self {
        Self::start_with(dovecot, Delivery::None)
    }

    /// As [`start`](Self::start), with mail going on as `delivery` says.
    #[must_use]
    #[track_caller]
    pub fn start_with(dovecot: &Dovecot, delivery: Delivery) -> Self {
        assert!(rustix::process::geteuid().is_root(), "Postfix starts as root only: run this test as root");
        let user = account("postfix");
        let folder = tempfile::Builder::new().prefix("postfix-").tempdir().unwrap();
        let place = |name: &str| folder.path().join(name);
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
        for name in ["etc", "data", "queue"] {
            fs::create_dir(place(name)).unwrap();
        }
        chown(place("data"), Some(user), None).unwrap();
        for queue in QUEUES {
            let queue_folder = place("queue").join(queue);
            fs::create_dir(&queue_folder).unwrap();
            // Its master keeps its own id there.
            chown(queue_folder, (*queue != "pid").then_some(user), None).unwrap();
        }
        let identity = dovecot.authority().identity(&["localhost", "127.0.0.1"]);
        fs::write(place("certificate.pem"), identity.certificate).unwrap();
        fs::write(place("key.pem"), identity.key).unwrap();
        fs::set_permissions(place("key.pem"), fs::Permissions::from_mode(0o600)).unwrap();
        fs::write(place("etc/main.cf"), main_cf(folder.path(), dovecot, delivery)).unwrap();
        for _ in 0..ATTEMPTS {
            let [submission, submissions] = std::array::from_fn(|_| {
                let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
                listener.local_addr().unwrap().port()
            });
            fs::write(place("etc/master.cf"), master_cf(submission, submissions)).unwrap();
            if let Some(process) = Master::start(folder.path(), submission) {
                return Self { process, submission, submissions, folder };
            }
        }
        panic!("Postfix does not start:\n{}", log(folder.path()));
    }

    /// What it logged.
    #[must_use]
    pub fn log(&self) -> String {
        log(self.folder.path())
    }
}

impl Drop for Postfix {
    fn drop(&mut self) {
        self.process.stop();
    }
}

/// The master process; it stops its children.
struct Master(Child);

impl Master {
    /// None: it ended, as when a port is taken.
    fn start(folder: &Path, port: u16) -> Option<Self> {
        let _ = package::require("postfix");
        let child = Command::new(Path::new(DAEMONS).join("master"))
            .arg("-c")
            .arg(folder.join("etc"))
            .args(["-d", "-s"])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(fs::File::create(folder.join("stderr")).unwrap())
            // When it is stopped it ends its process group, and that is not to be ours.
            .process_group(0)
            .spawn()
            .unwrap();
        let mut master = Self(child);
        let up = wait::until("Postfix greets on its port", wait::PATIENCE, || {
            if master.0.try_wait().unwrap().is_some() {
                return Some(false);
            }
            TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_ok().then_some(true)
        });
        up.then_some(master)
    }

    fn stop(&mut self) {
        if matches!(self.0.try_wait(), Ok(Some(_))) {
            return;
        }
        let _ = rustix::process::kill_process(Pid::from_child(&self.0), Signal::TERM);
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

fn main_cf(folder: &Path, dovecot: &Dovecot, delivery: Delivery) -> String {
    let (folder, auth_socket) = (folder.display(), dovecot.auth_socket());
    let auth_socket = auth_socket.display();
    let goes_on = match delivery {
        Delivery::None => String::new(),
        Delivery::Lmtp => format!("virtual_transport = lmtp:inet:127.0.0.1:{}\n", dovecot.lmtp),
        Delivery::Discard => "virtual_transport = discard:\n".to_owned(),
    };
    format!(
        "\
compatibility_level = 3.6
queue_directory = {folder}/queue
data_directory = {folder}/data
command_directory = /usr/sbin
daemon_directory = {DAEMONS}
mail_owner = postfix
setgid_group = postdrop
myhostname = mail.example.com
mydestination =
local_recipient_maps =
alias_maps =
alias_database =
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
mynetworks_style = host
maillog_file = {folder}/log
maillog_file_prefixes = {folder}
smtpd_tls_cert_file = {folder}/certificate.pem
smtpd_tls_key_file = {folder}/key.pem
smtpd_tls_security_level = may
smtpd_tls_auth_only = yes
smtpd_sasl_auth_enable = yes
smtpd_sasl_type = dovecot
smtpd_sasl_path = {auth_socket}
smtpd_sasl_security_options = noanonymous
# Beside AUTH PLAIN also AUTH=PLAIN, for clients from before RFC 4954.
broken_sasl_auth_clients = yes
virtual_mailbox_domains = example.com
smtpd_relay_restrictions = permit_sasl_authenticated, reject
smtpd_recipient_restrictions = check_recipient_access inline:{{ {{ {REFUSED} = REJECT nobody is not here }} }}, reject_unauth_destination
smtpd_client_connection_count_limit = 0
message_size_limit = 200000000
# Messages are to come out as they went in.
local_header_rewrite_clients =
message_drop_headers =
# Undeliverable mail is no business of these tests.
bounce_queue_lifetime = 0
notify_classes =
{goes_on}"
    )
}

/// Only what a submission needs, without chroot.
fn master_cf(submission: u16, submissions: u16) -> String {
    format!(
        "\
127.0.0.1:{submission} inet n - n - - smtpd
127.0.0.1:{submissions} inet n - n - - smtpd
  -o smtpd_tls_wrappermode=yes
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
lmtp unix - - n - - lmtp
discard unix - - n - - discard
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
error unix - - n - - error
retry unix - - n - - error
anvil unix - - n - 1 anvil
tlsmgr unix - - n 1000? 1 tlsmgr
rewrite unix - - n - - trivial-rewrite
proxymap unix - - n - - proxymap
postlog unix-dgram n - n - 1 postlogd
"
    )
}

/// The id of a user of this system.
fn account(name: &str) -> u32 {
    let _ = package::require("postfix");
    let output = Command::new("id").args(["-u", name]).output().unwrap();
    String::from_utf8(output.stdout).unwrap().trim().parse().expect("the package makes this user")
}

fn log(folder: &Path) -> String {
    let read = |name: &str| fs::read_to_string(folder.join(name)).unwrap_or_default();
    format!("{}{}", read("stderr"), read("log"))
}
