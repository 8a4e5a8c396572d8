//! What the server shows of many messages at once, gathered: flags, and which UIDs there are.

use postrider_connector::types::Change;

use crate::cursor::digest;
use crate::response::parse::Response;
use crate::session::{Event, Tag};
use crate::uid_set::UidSet;

#[derive(Debug)]
pub(super) struct FollowFlags {
    pub(super) tag: Tag,
    /// Only of these.
    pub(super) within: UidSet,
    /// Tell the changes; false: only add up the digests.
    pub(super) tells: bool,
    pub(super) changes: Vec<Change>,
    pub(super) listing: UidSet,
    pub(super) digest: u64,
    /// All messages are shown, not only the changed ones.
    pub(super) is_full: bool,
}

#[derive(Debug)]
pub(super) struct Listing {
    pub(super) tag: Tag,
    pub(super) uids: UidSet,
    pub(super) by_search: bool,
    pub(super) lost: bool,
}

/// What QRESYNC tells when a folder is opened: changes and vanished messages since the cursor.
#[derive(Debug)]
pub(super) struct Resync {
    pub(super) follow: FollowFlags,
    pub(super) vanished: UidSet,
    /// Something of it could not be read or was too much: it is no proof of anything.
    pub(super) is_broken: bool,
}

impl Resync {
    pub(super) fn new(tag: Tag, next: u32) -> Self {
        let follow = FollowFlags::new(tag, UidSet::range(1, next.saturating_sub(1)), true, false);
        Self { follow, vanished: UidSet::default(), is_broken: false }
    }

    /// `most`: changes and ranges that are kept, because before the end nothing can be told.
    pub(super) fn event(&mut self, event: Event, folder: &str, most: usize) {
        match event {
            Event::Untagged(Response::Vanished(true, uids)) => self.vanished.extend(uids),
            Event::Lost(_) => self.is_broken = true,
            event => self.follow.event(&event, folder),
        }
        if self.vanished.ranges() > most || self.follow.changes.len() > most {
            (self.is_broken, self.vanished, self.follow.changes) = (true, UidSet::default(), Vec::new());
        }
    }
}

impl FollowFlags {
    pub(super) fn new(tag: Tag, within: UidSet, tells: bool, is_full: bool) -> Self {
        Self { tag, within, tells, changes: Vec::new(), listing: UidSet::default(), digest: 0, is_full }
    }

    pub(super) fn event(&mut self, event: &Event, folder: &str) {
        match event {
            Event::Untagged(Response::Fetch(_, fetch)) => {
                if let (Some(uid), Some(flags)) = (fetch.uid.filter(|&uid| self.within.contains(uid)), &fetch.flags)
                    && !self.listing.contains(uid)
                {
                    self.listing.insert(uid);
                    self.digest = self.digest.wrapping_add(digest(uid, flags));
                    if self.tells {
                        self.changes.push(Change { id: uid.to_string(), folders: vec![folder.to_owned()], keywords: flags.clone() });
                    }
                }
            }
            // It may have been a message: then this is no listing of all.
            Event::Lost(_) => self.is_full = false,
            _ => {}
        }
    }
}

impl Listing {
    pub(super) fn event(&mut self, event: Event) {
        match event {
            Event::Untagged(Response::Esearch(_, Some(uids))) => self.uids = uids,
            Event::Untagged(Response::Search(uids)) => self.uids = uids.into_iter().collect(),
            Event::Untagged(Response::Fetch(_, fetch)) if !self.by_search => {
                if let Some(uid) = fetch.uid {
                    self.uids.insert(uid);
                }
            }
            Event::Lost(_) => self.lost = true,
            _ => {}
        }
    }
}
