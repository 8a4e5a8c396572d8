//! The clients that are compared, each made ready with a home of its own.

use std::fs;
use std::os::unix::fs::chown;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail};
use harness::dovecot::{Dovecot, PASSWORD, USER};
use harness::package;

use super::measure::{self, Measured};
use super::peers;

/// Debian's user and group without rights.
pub(super) const NOBODY: (u32, u32) = (65_534, 65_534);

/// Who receives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Client {
    /// The floor: reads the same octets and keeps nothing.
    Reader,
    /// mbsync to a Maildir.
    Mbsync,
    /// getmail6 to a Maildir; on a sample, because it asks for every message by itself and waits.
    Getmail,
    /// This project, to its store.
    Store,
    /// This project, to its store and a Maildir.
    StoreAndMaildir,
}

/// A client with a server to receive from and a place to put mail.
pub(super) struct Prepared {
    pub(super) program: PathBuf,
    pub(super) arguments: Vec<String>,
    /// Where mail shall be afterwards.
    pub(super) maildir: Option<PathBuf>,
    /// Whom to run it as.
    pub(super) user: Option<(u32, u32)>,
}

impl Client {
    /// Those that receive the whole mailbox, in every round.
    pub(super) const ALL: [Self; 4] = [Self::Reader, Self::Mbsync, Self::Store, Self::StoreAndMaildir];

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Reader => "a reader that discards",
            Self::Mbsync => "mbsync, Maildir",
            Self::Getmail => "getmail6, Maildir (scaled sample)",
            Self::Store => "postrider, sealed store",
            Self::StoreAndMaildir => "postrider, sealed store, Maildir",
        }
    }

    /// Whether a second pass has nothing to do.
    pub(super) const fn keeps(self) -> bool {
        !matches!(self, Self::Reader | Self::Getmail)
    }

    pub(super) fn prepare(self, dovecot: &Dovecot, place: &Path, postrider: &Path) -> Result<Prepared> {
        let (port, ca) = (dovecot.imaps.to_string(), text(&dovecot.ca_file())?);
        let maildir = place.join("Maildir");
        match self {
            Self::Reader => Ok(Prepared {
                program: std::env::current_exe().context("find this program")?,
                arguments: vec![super::READER.to_owned(), port, ca],
                maildir: None,
                user: None,
            }),
            Self::Mbsync => {
                make_maildir(&maildir)?;
                let file = place.join("mbsyncrc");
                fs::write(&file, mbsyncrc(&port, &ca, &maildir)).context("write mbsync's configuration")?;
                let arguments = ["--config", &text(&file)?, "--quiet", "--pull", "bench"].map(str::to_owned).to_vec();
                Ok(Prepared { program: package::require("mbsync"), arguments, maildir: Some(maildir), user: None })
            }
            Self::Getmail => getmail(place, &port, &ca),
            Self::Store | Self::StoreAndMaildir => prepare_postrider(postrider, place, "imap", &port, &ca, self == Self::StoreAndMaildir),
        }
    }
}

/// This project with an account that receives by `connector`, to its store, and to the Maildir of `place` where that is wanted.
pub(super) fn prepare_postrider(
    postrider: &Path,
    place: &Path,
    connector: &str,
    port: &str,
    ca: &str,
    with_maildir: bool,
) -> Result<Prepared> {
    let (home, maildir) = (text(&place.join("home"))?, place.join("Maildir"));
    let add = ["account", "add", "bench", "--receive", connector, "--server", "localhost", "--security", "tls", "--user", USER];
    let options = ["--port", port, "--password-stdin", "--ca", ca, "--home", &home];
    feed(Command::new(postrider).args(add).args(options), PASSWORD)?;
    if with_maildir {
        let maildir = text(&maildir)?;
        feed(Command::new(postrider).args(["sink", "add", "files", "--maildir", &maildir, "--home", &home]), "")?;
    }
    let arguments = ["receive", "bench", "--home", &home].map(str::to_owned).to_vec();
    Ok(Prepared { program: postrider.to_owned(), arguments, maildir: with_maildir.then_some(maildir), user: None })
}

impl Prepared {
    /// Receive; afterwards the Maildir has `count` messages.
    pub(super) fn run(&self, count: u64) -> Result<Measured> {
        let mut command = Command::new(&self.program);
        if let Some((user, group)) = self.user {
            command.uid(user).gid(group);
        }
        let took = measure::run(command.args(&self.arguments))?;
        if let Some(maildir) = &self.maildir {
            let files = harness::maildir::Maildir::at(maildir).files().len() as u64;
            if files != count {
                bail!("{} messages in {}, not {count}", files, maildir.display());
            }
        }
        Ok(took)
    }
}

fn mbsyncrc(port: &str, ca: &str, maildir: &Path) -> String {
    let maildir = maildir.display();
    format!(
        "\
FSync no
IMAPStore far
Host localhost
Port {port}
User {USER}
Pass \"{PASSWORD}\"
SSLType IMAPS
SystemCertificates no
CertificateFile {ca}
Timeout 120

MaildirStore near
Inbox {maildir}

Channel bench
Far :far:INBOX
Near :near:INBOX
Sync Pull
SyncState *
"
    )
}

/// getmail refuses to run as root: then it is `nobody`, who has a folder with all that it needs.
fn getmail(place: &Path, port: &str, ca: &str) -> Result<Prepared> {
    let program = peers::debian("getmail6", "getmail")?;
    let (maildir, authority) = (place.join("Maildir"), place.join("ca.pem"));
    make_maildir(&maildir)?;
    fs::copy(ca, &authority).context("copy the authority")?;
    let folder = super::imap::SAMPLE_FOLDER;
    let file = place.join("getmailrc");
    let text_of_file = format!(
        "\
[retriever]
type = SimpleIMAPSSLRetriever
server = localhost
port = {port}
username = {USER}
password = {PASSWORD}
mailboxes = (\"{folder}\",)
ca_certs = {}
[destination]
type = Maildir
path = {}/
[options]
verbose = 0
delivered_to = false
received = false
",
        authority.display(),
        maildir.display()
    );
    fs::write(&file, text_of_file).context("write getmail's configuration")?;
    let user = rustix::process::geteuid().is_root().then_some(NOBODY);
    if let Some(user) = user {
        for path in [place, &maildir, &maildir.join("tmp"), &maildir.join("new"), &maildir.join("cur"), &file, &authority] {
            give(path, user)?;
        }
    }
    let arguments = ["--getmaildir".to_owned(), text(place)?, "--rcfile".to_owned(), text(&file)?, "--quiet".to_owned()].into();
    Ok(Prepared { program, arguments, maildir: Some(maildir), user })
}

/// Let `path` be another user's.
pub(super) fn give(path: &Path, (user, group): (u32, u32)) -> Result<()> {
    chown(path, Some(user), Some(group)).with_context(|| format!("give {} away", path.display()))
}

pub(super) fn make_maildir(maildir: &Path) -> Result<()> {
    for sub in ["tmp", "new", "cur"] {
        fs::create_dir_all(maildir.join(sub)).context("make a Maildir")?;
    }
    Ok(())
}

/// Run a command that gets `input` and must succeed.
pub(super) fn feed(command: &mut Command, input: &str) -> Result<()> {
    use std::io::Write as _;
    let words = crate::project::words(command);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::null()).spawn().with_context(|| format!("start `{words}`"))?;
    if let Some(mut stdin) = child.stdin.take() {
        stdin.write_all(input.as_bytes()).with_context(|| format!("write to `{words}`"))?;
    }
    let status = child.wait().with_context(|| format!("wait for `{words}`"))?;
    if !status.success() {
        bail!("`{words}` ended with {status}");
    }
    Ok(())
}

pub(super) fn text(path: &Path) -> Result<String> {
    path.to_str().map(str::to_owned).with_context(|| format!("{} is not UTF-8", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mbsync_receives_and_is_measured() {
        let dovecot = Dovecot::start();
        let messages: Vec<_> = super::super::imap::messages(60).collect();
        dovecot.deliver(USER, "INBOX", &messages);
        let place = tempfile::tempdir().unwrap();
        let prepared = Client::Mbsync.prepare(&dovecot, place.path(), Path::new("unused")).unwrap();
        let took = prepared.run(60).unwrap();
        assert!(took.rss_octets > 1_000_000, "{took:?}");
        prepared.run(60).unwrap();
        assert!(prepared.run(61).is_err(), "a message too few is seen");
    }
}
