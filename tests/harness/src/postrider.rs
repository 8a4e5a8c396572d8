//! The built `postrider`, run from outside as a person or an administrator's script runs it, with a home of its own.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal};
use serde_json::Value;
use tempfile::TempDir;

use crate::wait;

/// The variable that names another binary to test.
pub const BINARY: &str = "POSTRIDER_BIN";
/// A command that takes longer than this hangs.
const HANGS_AFTER: Duration = Duration::from_secs(300);

/// A home, and the program that works in it.
pub struct Postrider {
    folder: TempDir,
    binary: PathBuf,
}

/// What a command left behind.
#[derive(Debug)]
pub struct Outcome {
    /// The command line, without the program.
    pub command: String,
    /// The exit code; none: ended by a signal.
    pub code: Option<i32>,
    /// Data.
    pub stdout: Vec<u8>,
    /// Words.
    pub stderr: String,
}

/// A command that is under way; dropping it kills it.
pub struct Running {
    command: String,
    child: Child,
    output: TempDir,
}

impl Postrider {
    /// With a new, empty home.
    ///
    /// # Panics
    /// When the binary is not built.
    #[must_use]
    #[track_caller]
    pub fn new() -> Self {
        Self::below(&std::env::temp_dir())
    }

    /// With a new, empty home below `folder`.
    #[must_use]
    #[track_caller]
    pub fn below(folder: &Path) -> Self {
        let folder = tempfile::Builder::new().prefix("postrider-").tempdir_in(folder).unwrap();
        Self { folder, binary: binary() }
    }

    /// With another binary.
    #[must_use]
    pub fn with_binary(mut self, binary: &Path) -> Self {
        binary.clone_into(&mut self.binary);
        self
    }

    /// The folder given as `--home`.
    #[must_use]
    pub fn home(&self) -> PathBuf {
        self.folder.path().join("home")
    }

    /// The program that is run.
    #[must_use]
    pub fn binary(&self) -> &Path {
        &self.binary
    }

    /// A path beside the home, for what a test makes there.
    #[must_use]
    pub fn beside(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The command with `--home` and an environment in which nothing of the user's can be seen.
    #[must_use]
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.binary);
        command.args(arguments).arg("--home").arg(self.home()).env("HOME", self.folder.path());
        for (name, _) in std::env::vars_os() {
            let name = name.to_string_lossy().into_owned();
            if name.starts_with("XDG_") || name.starts_with("POSTRIDER_") || name == "RUST_LOG" {
                command.env_remove(name);
            }
        }
        command.env("XDG_RUNTIME_DIR", self.folder.path()).env("NO_COLOR", "1");
        command
    }

    /// Run a command to its end.
    #[track_caller]
    pub fn run(&self, arguments: &[&str]) -> Outcome {
        self.run_with_input(arguments, b"")
    }

    /// Run a command to its end with `input` on stdin.
    #[track_caller]
    pub fn run_with_input(&self, arguments: &[&str], input: &[u8]) -> Outcome {
        self.spawn_with_input(arguments, input).wait()
    }

    /// Run a command that must succeed.
    #[track_caller]
    pub fn succeed(&self, arguments: &[&str]) -> Outcome {
        self.run(arguments).succeeded()
    }

    /// Run a command with `--json` that must succeed; gives its data, the lines of it where there are several.
    #[track_caller]
    pub fn json(&self, arguments: &[&str]) -> Value {
        let arguments: Vec<&str> = arguments.iter().copied().chain(["--json"]).collect();
        self.succeed(&arguments).json()
    }

    /// Begin a command.
    #[must_use]
    #[track_caller]
    pub fn spawn(&self, arguments: &[&str]) -> Running {
        self.spawn_with_input(arguments, b"")
    }

    /// Begin a command with `input` on stdin.
    #[must_use]
    #[track_caller]
    pub fn spawn_with_input(&self, arguments: &[&str], input: &[u8]) -> Running {
        // Into files: a pipe that nobody reads would hold the program up.
        let output = tempfile::tempdir().unwrap();
        let create = |name: &str| fs::File::create(output.path().join(name)).unwrap();
        let mut command = self.command(arguments);
        command.stdin(Stdio::piped()).stdout(create("stdout")).stderr(create("stderr"));
        let mut child = command.spawn().unwrap_or_else(|error| panic!("{}: {error}", self.binary.display()));
        let mut stdin = child.stdin.take().unwrap();
        let input = input.to_vec();
        thread::spawn(move || {
            let _ = stdin.write_all(&input);
        });
        Running { command: arguments.join(" "), child, output }
    }

    /// Whether some spelling of `secret` stands in a file of the home.
    #[must_use]
    pub fn files_with(&self, secret: &[u8]) -> Vec<PathBuf> {
        let mut found = Vec::new();
        let mut folders = vec![self.folder.path().to_owned()];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
                if entry.file_type().unwrap().is_dir() {
                    folders.push(entry.path());
                } else if entry.file_type().unwrap().is_file() {
                    let octets = fs::read(entry.path()).unwrap();
                    if octets.windows(secret.len()).any(|window| window == secret) {
                        found.push(entry.path());
                    }
                }
            }
        }
        found
    }
}

impl Default for Postrider {
    fn default() -> Self {
        Self::new()
    }
}

impl Outcome {
    /// # Panics
    /// When the command failed; its words are in the panic.
    #[track_caller]
    pub fn succeeded(self) -> Self {
        assert!(self.code == Some(0), "`{}` ended with {:?}:\n{}{}", self.command, self.code, self.stderr, self.text());
        self
    }

    /// Data as text.
    #[must_use]
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.stdout).into_owned()
    }

    /// Data as JSON: one value, or a list of the lines where each is one.
    #[must_use]
    #[track_caller]
    pub fn json(&self) -> Value {
        let text = self.text();
        if let Ok(value) = serde_json::from_str(&text) {
            return value;
        }
        let lines = text.lines().map(serde_json::from_str).collect::<Result<Vec<Value>, _>>();
        Value::Array(lines.unwrap_or_else(|error| panic!("`{}` printed no JSON ({error}):\n{text}", self.command)))
    }
}

impl Running {
    /// Its process id.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Whether it is still under way.
    pub fn is_running(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    /// What it has said on stderr so far.
    #[must_use]
    pub fn words(&self) -> String {
        String::from_utf8_lossy(&fs::read(self.output.path().join("stderr")).unwrap_or_default()).into_owned()
    }

    /// Send it a signal.
    pub fn signal(&self, signal: Signal) {
        rustix::process::kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    /// End it as a power cut does: no destructor, no flush.
    pub fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Wait for its end.
    ///
    /// # Panics
    /// When it hangs; it is killed then.
    #[must_use]
    #[track_caller]
    pub fn wait(mut self) -> Outcome {
        let end = Instant::now() + HANGS_AFTER;
        let status = loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                break status;
            }
            if Instant::now() > end {
                self.kill();
                panic!("`{}` hangs; it said:\n{}", self.command, self.words());
            }
            thread::sleep(Duration::from_millis(2));
        };
        Outcome {
            command: self.command.clone(),
            code: status.code(),
            stdout: fs::read(self.output.path().join("stdout")).unwrap(),
            stderr: self.words(),
        }
    }

    /// Wait until it said `words` on stderr.
    #[track_caller]
    pub fn wait_for(&mut self, words: &str) {
        wait::until(&format!("`{}` says {words:?}", self.command), wait::PATIENCE, || {
            let said = self.words();
            assert!(self.is_running() || said.contains(words), "`{}` ended; it said:\n{said}", self.command);
            said.contains(words).then_some(())
        });
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.kill();
    }
}

/// The binary under test: what [`BINARY`] names, or the one beside this test's own in the target folder.
fn binary() -> PathBuf {
    let beside = || {
        let test = std::env::current_exe().unwrap();
        test.ancestors().skip(1).map(|folder| folder.join("postrider")).find(|file| file.is_file())
    };
    std::env::var_os(BINARY)
        .map(PathBuf::from)
        .or_else(beside)
        .unwrap_or_else(|| panic!("`postrider` is not built: run `cargo xtask test`, or set {BINARY}"))
}
