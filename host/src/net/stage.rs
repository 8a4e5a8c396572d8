//! One stage of the way in: bounded by the account's time-out, timed, traced and reported.

use std::future::Future;
use std::time::Duration;

use tokio::time::{Instant, timeout};

use super::observe::{Observe, Stage, StageReport};
use crate::fault::{Fault, Kind};

/// Who is told, and how long a stage may take.
#[derive(Clone, Copy)]
pub(super) struct Stages<'a> {
    observer: &'a dyn Observe,
    limit: Duration,
}

impl<'a> Stages<'a> {
    pub(super) fn new(observer: &'a dyn Observe, limit: Duration) -> Self {
        Self { observer, limit }
    }

    /// Run `work` as `stage`. It gives its result together with a finding for people; when it takes too long, the fault is
    /// `late` with the code `TIMEOUT`.
    pub(super) async fn run<T>(
        &self,
        stage: Stage,
        late: impl FnOnce() -> Fault + Send,
        work: impl Future<Output = Result<(T, String), Fault>> + Send,
    ) -> Result<T, Fault> {
        let begun = Instant::now();
        let result = match timeout(self.limit, work).await {
            Ok(result) => result,
            Err(_) => Err(late().with_code("TIMEOUT").because_words(format!("no answer within {}", for_people(self.limit)))),
        };
        let (value, outcome) = match result {
            Ok((value, finding)) => (Ok(value), Ok(finding)),
            Err(fault) => (Err(fault.clone()), Err(fault)),
        };
        let report = StageReport { stage, took: begun.elapsed(), outcome };
        match &report.outcome {
            Ok(finding) => tracing::debug!(%stage, took = ?report.took, finding, "Stage over"),
            Err(fault) => tracing::debug!(%stage, took = ?report.took, kind = ?fault.kind, operation = fault.operation, "Stage failed"),
        }
        self.observer.stage(report);
        value
    }
}

/// "5 s" or "250 ms".
pub(super) fn for_people(duration: Duration) -> String {
    let millis = duration.as_millis();
    if millis >= 1000 && millis.is_multiple_of(1000) { format!("{} s", millis / 1000) } else { format!("{millis} ms") }
}

/// A time-out as a fault of `operation`.
pub(super) fn late(operation: impl Into<String>) -> Fault {
    Fault::new(Kind::Unreachable, operation)
}
