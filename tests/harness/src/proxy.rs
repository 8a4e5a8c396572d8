//! Real proxies from the Debian packages, on loopback: microsocks for SOCKS5, tinyproxy for HTTP CONNECT.

use std::fs;
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;

use crate::{package, wait};

/// Who signs in to a proxy with a password.
pub const USER: &str = "gate";
/// The password of [`USER`].
pub const PASSWORD: &str = "horse-staple-77";

/// How often a proxy is started again because a port that was free a moment ago is taken.
const ATTEMPTS: usize = 5;

/// Which proxy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// microsocks: SOCKS5.
    Socks5,
    /// tinyproxy: HTTP CONNECT.
    Http,
}

/// A running proxy; dropping it stops it.
pub struct Proxy {
    process: Child,
    /// Where it listens on loopback.
    pub port: u16,
    _folder: TempDir,
}

impl Proxy {
    /// Start one, which wants [`USER`] and [`PASSWORD`] or lets everybody through.
    ///
    /// # Panics
    /// When it is not installed, or does not listen.
    #[must_use]
    #[track_caller]
    pub fn start(kind: Kind, wants_password: bool) -> Self {
        let folder = tempfile::tempdir().unwrap();
        for _ in 0..ATTEMPTS {
            let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port();
            let mut command = match kind {
                Kind::Socks5 => microsocks(port, wants_password),
                Kind::Http => tinyproxy(folder.path(), port, wants_password),
            };
            let log = fs::File::create(folder.path().join("log")).unwrap();
            let mut process = command.stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log).spawn().unwrap();
            let up = wait::until("the proxy listens", wait::PATIENCE, || match process.try_wait().unwrap() {
                Some(_) => Some(false),
                None => TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_ok().then_some(true),
            });
            if up {
                return Self { process, port, _folder: folder };
            }
        }
        panic!("{kind:?} does not start:\n{}", fs::read_to_string(folder.path().join("log")).unwrap());
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn microsocks(port: u16, wants_password: bool) -> Command {
    let mut command = Command::new(package::require("microsocks"));
    command.args(["-i", "127.0.0.1", "-p", &port.to_string()]);
    if wants_password {
        command.args(["-u", USER, "-P", PASSWORD]);
    }
    command
}

fn tinyproxy(folder: &Path, port: u16, wants_password: bool) -> Command {
    let sign_in = if wants_password { format!("BasicAuth {USER} {PASSWORD}\n") } else { String::new() };
    let settings = format!("Port {port}\nListen 127.0.0.1\nTimeout 600\nMaxClients 20\n{sign_in}");
    let file = folder.join("tinyproxy.conf");
    fs::write(&file, settings).unwrap();
    let mut command = Command::new(package::require("tinyproxy"));
    command.arg("-d").arg("-c").arg(file);
    command
}
