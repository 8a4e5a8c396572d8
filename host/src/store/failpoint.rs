//! Every step of the store that changes what is on disk, by name. Tests end the process before or after each of them, or have it
//! fail; a test reads the sources and finds a step that has no name.
//!
//! Outside this package's own unit tests (`cfg(test)`) a failpoint is nothing but its step: the program, its end-to-end tests and
//! every release are built without the code that arms them.

/// The steps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Failpoint {
    /// A folder is made.
    FolderMake,
    /// The entries of a folder are synced.
    FolderSync,
    /// A draft of a small file is written, synced, and renamed over the file.
    DraftWrite,
    DraftSync,
    DraftRename,
    /// The key file's draft is made, written, given the key file's name, and removed.
    KeyMake,
    KeyWrite,
    KeyLink,
    KeyDraftRemove,
    /// A segment is made, gets its header, is written to, is synced.
    SegmentMake,
    SegmentHeader,
    SegmentWrite,
    SegmentSync,
    /// A segment that an earlier process left is synced when opening.
    SegmentResync,
    /// A segment that nothing points to is removed.
    SegmentRemove,
    /// A snapshot that is not whole is removed before the tree is opened.
    SnapshotRemove,
    /// Settings of a tree whose making was cut off are removed.
    SettingsRemove,
    /// The tree is opened, and with it recovered.
    TreeOpen,
    /// A batch is put into the tree.
    TreeApply,
    /// The tree's log is written out.
    TreeFlush,
    /// The tree's data file is synced.
    TreeSync,
    /// What an earlier process left of the tree is synced when opening.
    TreeResync,
    /// The watermark's file is opened.
    WatermarkOpen,
    /// A slot is written, and synced.
    WatermarkWrite,
    WatermarkSync,
    /// The watermark rises in memory, and who waits is answered.
    Acknowledge,
}

/// Take a step that changes what is on disk.
#[cfg(not(test))]
#[inline(always)]
pub(super) fn at<T, E>(_: Failpoint, step: impl FnOnce() -> Result<T, E>) -> Result<T, E> {
    step()
}

/// Note that the caller's thread waits here: for the disk, or for somebody who does. A test holds that no thread of the run-time is one.
#[cfg(not(test))]
#[inline(always)]
pub(super) const fn waits() {}

#[cfg(test)]
pub(super) use armed::{at, waits};

/// What tests arm, and count.
#[cfg(test)]
pub(super) mod armed {
    use std::cell::Cell;
    use std::io;
    use std::sync::OnceLock;
    use std::sync::atomic::{AtomicU64, Ordering};

    use super::Failpoint;

    /// Names the failpoint of this process: `SegmentSync before kill 3` at its third passing; `after`, and `fail`, likewise.
    pub(in crate::store) const VARIABLE: &str = "POSTRIDER_TEST_FAILPOINT";

    const POINTS: usize = Failpoint::ALL.len();
    static PASSED: [AtomicU64; POINTS] = [const { AtomicU64::new(0) }; POINTS];

    thread_local! {
        static WAITED: Cell<u64> = const { Cell::new(0) };
    }

    struct Armed {
        point: String,
        is_before: bool,
        kills: bool,
        passing: u64,
    }

    impl Failpoint {
        /// In the order of their declaration; the match below does not compile without a new one.
        pub(in crate::store) const ALL: [Self; 26] = [
            Self::FolderMake,
            Self::FolderSync,
            Self::DraftWrite,
            Self::DraftSync,
            Self::DraftRename,
            Self::KeyMake,
            Self::KeyWrite,
            Self::KeyLink,
            Self::KeyDraftRemove,
            Self::SegmentMake,
            Self::SegmentHeader,
            Self::SegmentWrite,
            Self::SegmentSync,
            Self::SegmentResync,
            Self::SegmentRemove,
            Self::SnapshotRemove,
            Self::SettingsRemove,
            Self::TreeOpen,
            Self::TreeApply,
            Self::TreeFlush,
            Self::TreeSync,
            Self::TreeResync,
            Self::WatermarkOpen,
            Self::WatermarkWrite,
            Self::WatermarkSync,
            Self::Acknowledge,
        ];

        /// How often this process passed it.
        pub(in crate::store) fn passed(self) -> u64 {
            PASSED.get(self as usize).map_or(0, |passed| passed.load(Ordering::Relaxed))
        }
    }

    /// Note that this thread waits.
    pub(in crate::store) fn waits() {
        WAITED.set(WAITED.get() + 1);
    }

    /// How often this thread has waited.
    pub(in crate::store) fn waited() -> u64 {
        WAITED.get()
    }

    /// Take a step that changes what is on disk.
    pub(in crate::store) fn at<T, E: From<io::Error>>(point: Failpoint, step: impl FnOnce() -> Result<T, E>) -> Result<T, E> {
        waits();
        let passing = PASSED[point as usize].fetch_add(1, Ordering::Relaxed) + 1;
        strike(point, passing, true)?;
        let result = step()?;
        strike(point, passing, false)?;
        Ok(result)
    }

    fn strike(point: Failpoint, passing: u64, is_before: bool) -> io::Result<()> {
        static ARMED: OnceLock<Option<Armed>> = OnceLock::new();
        let Some(armed) = ARMED.get_or_init(armed) else { return Ok(()) };
        if armed.point != format!("{point:?}") || (armed.is_before, armed.passing) != (is_before, passing) {
            return Ok(());
        }
        if armed.kills {
            rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::KILL).unwrap();
            // Until the signal arrives.
            loop {
                std::thread::park();
            }
        }
        Err(io::Error::other("a failpoint was armed here"))
    }

    fn armed() -> Option<Armed> {
        let words = std::env::var(VARIABLE).ok()?;
        let words: Vec<_> = words.split(' ').collect();
        let [point, moment, deed, passing] = words[..] else { panic!("{VARIABLE} is `{words:?}`") };
        Some(Armed { point: point.to_owned(), is_before: moment == "before", kills: deed == "kill", passing: passing.parse().unwrap() })
    }

    #[test]
    fn the_list_is_whole() {
        for (at, point) in Failpoint::ALL.into_iter().enumerate() {
            assert_eq!(point as usize, at);
        }
        assert_eq!(Failpoint::Acknowledge as usize + 1, POINTS, "the last one declared");
    }
}
