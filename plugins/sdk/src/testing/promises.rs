//! What holds for every play, whatever the connector speaks: no cursor covers a message that was not handed over, what came whole before an end is made
//! durable all the same, and nothing is deleted on a server before it is durable here.

use super::world::{Checkpoint, World};

/// Whether a cursor says that a message of this id need not be fetched any more.
pub(super) type Covers = fn(cursor: &[u8], id: &str) -> bool;

/// No checkpoint of `world` covers a message of `whole` (how it ends when nothing goes wrong) that had not been handed over.
pub(super) fn check_cursors(covers: Option<Covers>, world: &World, whole: &World) {
    let Some(covers) = covers else { return };
    for checkpoint in &world.checkpoints {
        for (folder, generation, id) in whole.messages.keys() {
            let is_here = *folder == checkpoint.folder && *generation == checkpoint.generation;
            assert!(
                !is_here || !covers(&checkpoint.cursor, id) || checkpoint.had.contains(id),
                "the cursor {:?} covers message {id}, which was not handed over",
                checkpoint.cursor
            );
        }
    }
}

/// What was handed over before the end is made durable all the same: the last checkpoint was asked for after it.
pub(super) fn check_kept(covers: Option<Covers>, before: &World, after: &World) {
    if covers.is_none() {
        return;
    }
    for key @ (folder, generation, id) in after.messages.keys().filter(|key| !before.messages.contains_key(*key)) {
        let had =
            |checkpoint: &Checkpoint| checkpoint.folder == *folder && checkpoint.generation == *generation && checkpoint.had.contains(id);
        assert!(after.checkpoints.iter().any(had), "{key:?} came whole before the line was lost, and no checkpoint followed");
    }
}

/// The message `id`, which is deleted on the server now, is durable: it was there before the play, or one of the first `answered` checkpoints had it.
pub(super) fn check_durable(was_there: &[String], world: &World, answered: usize, id: &str) {
    let is_durable =
        was_there.iter().any(|there| there == id) || world.checkpoints.iter().take(answered).any(|checkpoint| checkpoint.had.contains(id));
    assert!(is_durable, "message {id} is deleted on the server before a checkpoint that has it was answered");
}

/// The ids of all messages of a host.
pub(super) fn ids(world: &World) -> Vec<String> {
    world.messages.keys().map(|(_, _, id)| id.clone()).collect()
}
