//! The text of `dovecot.conf` and of its users' file.

use std::fmt::Write as _;
use std::path::Path;

use super::{MAIL_ID, Storage};
use crate::package;

/// Where a server listens.
#[derive(Clone, Copy)]
pub(super) struct Ports {
    pub(super) imap: u16,
    pub(super) imaps: u16,
    pub(super) pop3: u16,
    pub(super) pop3s: u16,
    pub(super) lmtp: u16,
    pub(super) lmtps: u16,
}

/// `dovecot.conf` for a server that lives in `folder` and signs in by `mechanisms`; without `ssl` its TLS ports stay closed.
pub(super) fn text(folder: &Path, storage: Storage, ssl: bool, ports: Ports, mechanisms: &str, further: &str) -> String {
    let folder = folder.display();
    let mail = match storage {
        Storage::Maildir => "maildir:~/Maildir",
        Storage::Sdbox => "sdbox:~/sdbox",
        Storage::Mdbox => "mdbox:~/mdbox",
    };
    let Ports { imap, pop3, lmtp, .. } = ports;
    let (ssl, imaps, pop3s, lmtps) = if ssl { ("yes", ports.imaps, ports.pop3s, ports.lmtps) } else { ("no", 0, 0, 0) };
    let mut text = format!(
        "\
base_dir = {folder}/run
state_dir = {folder}/state
log_path = {folder}/log
listen = 127.0.0.1
protocols = imap pop3 lmtp
mail_location = {mail}
first_valid_uid = 1
first_valid_gid = 1
ssl = {ssl}
ssl_cert = <{folder}/certificate.pem
ssl_key = <{folder}/key.pem
disable_plaintext_auth = no
auth_mechanisms = {mechanisms}
# Tests sign in wrongly on purpose, and often.
auth_failure_delay = 0
mail_max_userip_connections = 1000
passdb {{
  driver = passwd-file
  args = username_format=%u {folder}/users
}}
userdb {{
  driver = passwd-file
  args = username_format=%u {folder}/users
}}
service imap-login {{
  inet_listener imap {{
    port = {imap}
  }}
  inet_listener imaps {{
    port = {imaps}
    ssl = yes
  }}
}}
service pop3-login {{
  inet_listener pop3 {{
    port = {pop3}
  }}
  inet_listener pop3s {{
    port = {pop3s}
    ssl = yes
  }}
}}
service lmtp {{
  inet_listener lmtp {{
    port = {lmtp}
  }}
  inet_listener lmtps {{
    port = {lmtps}
    ssl = yes
  }}
}}
service auth {{
  unix_listener auth-smtp {{
    mode = 0666
  }}
}}
service anvil {{
  unix_listener anvil-auth-penalty {{
    mode = 0
  }}
}}
"
    );
    if !rustix::process::geteuid().is_root() {
        text.push_str(&unprivileged());
    }
    let _ = writeln!(text, "{further}");
    text
}

/// A line for each user, in the format of passwd(5) with the password in clear, or hashed.
pub(super) fn users(folder: &Path, users: &[(String, String)], are_hashed: bool) -> String {
    let (uid, gid) = if rustix::process::geteuid().is_root() {
        (MAIL_ID, MAIL_ID)
    } else {
        (rustix::process::geteuid().as_raw(), rustix::process::getegid().as_raw())
    };
    let line = |(name, password): &(String, String)| {
        let password = if are_hashed { hashed(password) } else { format!("{{PLAIN}}{password}") };
        format!("{name}:{password}:{uid}:{gid}::{}/home/{name}::\n", folder.display())
    };
    users.iter().map(line).collect()
}

fn hashed(password: &str) -> String {
    let output =
        std::process::Command::new(package::require("doveadm")).args(["pw", "-s", "SHA256-CRYPT", "-p", password]).output().unwrap();
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

/// Every service as the user that runs the tests, and without `chroot`.
fn unprivileged() -> String {
    let name = |program: &str, options: &str| {
        let output = std::process::Command::new(program).arg(options).output().unwrap();
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    };
    let (user, group) = (name("id", "-un"), name("id", "-gn"));
    let mut text = format!("default_internal_user = {user}\ndefault_internal_group = {group}\ndefault_login_user = {user}\n");
    for service in ["anvil", "imap-login", "pop3-login", "stats"] {
        let _ = writeln!(text, "service {service} {{\n  chroot =\n}}");
    }
    text
}
