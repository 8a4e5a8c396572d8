//! Wall time, CPU time and memory of one process.

use std::fs;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use rustix::process::{Pid, WaitId, WaitIdOptions, waitid};

/// Clock ticks a second in `/proc/PID/stat`; Linux has shown 100 to programs on every machine for decades.
const TICKS: u64 = 100;

/// What one run took.
#[derive(Debug, Clone, Copy)]
pub(super) struct Measured {
    /// From start to end.
    pub(super) wall: Duration,
    /// User and system time.
    pub(super) cpu: Duration,
    /// The most memory it had.
    pub(super) rss_octets: u64,
}

impl Measured {
    /// What it would take for so many times the work.
    pub(super) fn scaled(self, times: f64) -> Self {
        Self { wall: self.wall.mul_f64(times), cpu: self.cpu.mul_f64(times), ..self }
    }
}

/// Run `command` to its end, which must be a success.
pub(super) fn run(command: &mut Command) -> Result<Measured> {
    let words = crate::project::words(command);
    let begin = Instant::now();
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::null()).spawn().with_context(|| format!("start `{words}`"))?;
    let mut rss_octets = 0;
    // NOWAIT: the kernel keeps what the process took until it is reaped.
    let options = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT | WaitIdOptions::NOHANG;
    while waitid(WaitId::Pid(Pid::from_child(&child)), options).context("wait for it")?.is_none() {
        rss_octets = rss_octets.max(peak(&child).unwrap_or(0));
        thread::sleep(Duration::from_millis(2));
    }
    let wall = begin.elapsed();
    let cpu = cpu(&child).context("read /proc/PID/stat")?;
    let status = child.wait().context("wait for it")?;
    if !status.success() {
        bail!("`{words}` ended with {status}");
    }
    Ok(Measured { wall, cpu, rss_octets })
}

/// The run with the median wall time.
pub(super) fn median(runs: &[Measured]) -> Measured {
    let mut runs = runs.to_vec();
    runs.sort_by_key(|run| run.wall);
    runs.get(runs.len() / 2).copied().unwrap_or(Measured { wall: Duration::ZERO, cpu: Duration::ZERO, rss_octets: 0 })
}

fn peak(child: &Child) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{}/status", child.id())).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.split_whitespace().next()?.parse::<u64>().ok().map(|kib| kib * 1024)
}

/// proc(5): fields 14 and 15 of `stat`, counted after the name in brackets, which may contain anything.
fn cpu(child: &Child) -> Option<Duration> {
    let stat = fs::read_to_string(format!("/proc/{}/stat", child.id())).ok()?;
    let (_, rest) = stat.rsplit_once(')')?;
    let mut fields = rest.split_whitespace().skip(11).map(str::parse::<u64>);
    let ticks = fields.next()?.ok()? + fields.next()?.ok()?;
    Some(Duration::from_millis(ticks * 1000 / TICKS))
}
