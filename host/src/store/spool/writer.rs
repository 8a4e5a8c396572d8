//! The thread that writes gathered frames out.

use std::collections::BTreeMap;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::sync::{Arc, mpsc};
use std::thread::JoinHandle;

use tokio::sync::Semaphore;

use super::segment::Segments;
use crate::store::error::Error;
use crate::store::failpoint::{Failpoint, at};

/// What the thread is asked to do, in this order.
pub(super) enum Order {
    /// Make the file of a segment.
    Make { segment: u64 },
    /// Write octets.
    Write { segment: u64, offset: u64, octets: Vec<u8> },
    /// Tell what was written since the last report.
    Report { reply: mpsc::SyncSender<Written> },
}

/// What was written since the last report.
#[derive(Default)]
pub(super) struct Written {
    /// The files, with their numbers.
    pub(super) files: Vec<(u64, Arc<File>)>,
    /// One of them is new in the folder.
    pub(super) has_new: bool,
    /// Something could not be written.
    pub(super) failure: Option<Error>,
}

/// Start the thread. It ends when the sender of its orders is gone.
pub(super) fn start(
    segments: Arc<Segments>,
    epoch: u32,
    budget: Arc<Semaphore>,
    orders: mpsc::Receiver<Order>,
) -> Result<JoinHandle<()>, Error> {
    let path = segments.folder().to_owned();
    std::thread::Builder::new()
        .name("spool".to_owned())
        .spawn(move || write_out(&segments, epoch, &budget, &orders))
        .map_err(Error::io("start the writer of", &path))
}

fn write_out(segments: &Segments, epoch: u32, budget: &Semaphore, orders: &mpsc::Receiver<Order>) {
    let mut dirty: BTreeMap<u64, Arc<File>> = BTreeMap::new();
    let mut has_new = false;
    let mut failure = None;
    // Nothing is written to segments up to here any more: what is still on its way to them was given up with the failure.
    let mut given_up = 0;
    while let Ok(order) = orders.recv() {
        match order {
            Order::Make { segment } => match segments.make(segment, epoch) {
                Ok(file) => {
                    dirty.insert(segment, file);
                    has_new = true;
                }
                Err(error) => {
                    failure = Some(error);
                    given_up = segment;
                }
            },
            Order::Write { segment, offset, octets } => {
                // Behind a failure there is nothing to save: the report gives up all of it.
                if failure.is_none() && segment > given_up {
                    let written = segments.file_to_write(segment).and_then(|file| {
                        let write = || file.write_all_at(&octets, offset);
                        at(Failpoint::SegmentWrite, write).map_err(Error::io("write to the segment", &segments.path_of(segment)))?;
                        dirty.insert(segment, file);
                        Ok(())
                    });
                    if let Err(error) = written {
                        failure = Some(error);
                        given_up = segment;
                    }
                }
                budget.add_permits(octets.len());
            }
            Order::Report { reply } => {
                let files = std::mem::take(&mut dirty).into_iter().collect();
                let written = Written { files, has_new: std::mem::take(&mut has_new), failure: failure.take() };
                // Who asked and did not wait has given up the commit.
                let _ = reply.send(written);
            }
        }
    }
}
