//! Where stored mail goes on to. A sink gets at-least-once delivery: a repeat carries the same event id, and a sink that can look
//! back recognises it.

pub mod letter;
pub mod line_endings;
pub mod maildir;

use std::sync::Arc;

use crate::fault::Fault;
use crate::model::sink::Target;

/// Make what `target` needs, where it is not there. Touches the disk: for blocking threads.
///
/// # Errors
/// Whatever stands in the way of delivering there.
pub fn make(target: &Target) -> Result<(), Fault> {
    match target {
        Target::Maildir { directory, line_endings } => maildir::Maildir::make(directory, *line_endings).map(drop),
    }
}

/// The sink behind `target`, ready to deliver to. Touches the disk: for blocking threads.
///
/// # Errors
/// Whatever stands in the way of delivering there.
pub fn open(target: &Target) -> Result<Arc<dyn letter::Sink>, Fault> {
    match target {
        Target::Maildir { directory, line_endings } => Ok(Arc::new(maildir::Maildir::open(directory, *line_endings)?)),
    }
}
