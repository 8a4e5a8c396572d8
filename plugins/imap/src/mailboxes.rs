//! Which folder a mailbox is to the host, where the server has ids of mailboxes (MAILBOXID, RFC 8474): a mailbox that was renamed stays the folder that it was,
//! with its cursor and its messages, and only its path changes. Without such ids a folder is its name.

use std::collections::{BTreeMap, BTreeSet};

use crate::mailbox_name;

/// Octets of one value of the contract's `state` that are used, of its 64 KiB.
const VALUE_OCTETS: usize = 60 << 10;

/// Values that are kept: of 20,000 mailboxes with long names.
const VALUES: usize = 32;

/// The folders of mailboxes, by the mailboxes' ids.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Mailboxes {
    folders: BTreeMap<String, String>,
    /// Folders that are called otherwise than they were when they were first seen, by id: the name as the server wants it.
    names: BTreeMap<String, Vec<u8>>,
    /// The same the other way.
    ids: BTreeMap<Vec<u8>, String>,
}

impl Mailboxes {
    /// Take in a whole listing: the name of each mailbox, and its id where the server told it. A mailbox that is not known yet is the folder of its name,
    /// unless another mailbox is that.
    pub fn listed(&mut self, mailboxes: &[(Vec<u8>, Option<String>)], utf8: bool) {
        let seen: BTreeSet<&str> = mailboxes.iter().filter_map(|(_, id)| id.as_deref()).collect();
        // A mailbox without an id is always the folder of its name.
        let mut taken: BTreeSet<String> =
            mailboxes.iter().filter(|(_, id)| id.is_none()).map(|(name, _)| mailbox_name::to_id(name, utf8)).collect();
        // A mailbox that is gone gives its folder free.
        self.folders.retain(|id, folder| seen.contains(id.as_str()) && !taken.contains(folder));
        taken.extend(self.folders.values().cloned());
        (self.names, self.ids) = Default::default();
        for (name, id) in mailboxes {
            let Some(id) = id else { continue };
            let own = mailbox_name::to_id(name, utf8);
            let folder = match self.folders.get(id) {
                Some(folder) => folder.clone(),
                None => {
                    let free =
                        std::iter::once(own.clone()).chain((1..).map(|number| format!("{own}#{number}"))).find(|id| !taken.contains(id));
                    let folder = free.unwrap_or_else(|| own.clone());
                    taken.insert(folder.clone());
                    self.folders.insert(id.clone(), folder.clone());
                    folder
                }
            };
            if folder != own {
                self.names.insert(folder.clone(), name.clone());
                self.ids.insert(name.clone(), folder);
            }
        }
    }

    /// The name of this folder, where it is not the one that its id says.
    #[must_use]
    pub fn name(&self, folder: &str) -> Option<&[u8]> {
        self.names.get(folder).map(Vec::as_slice)
    }

    /// The folder that the mailbox of this name is, where its name does not say it.
    #[must_use]
    pub fn id(&self, name: &[u8]) -> Option<&str> {
        self.ids.get(name).map(String::as_str)
    }

    /// As values of the contract's `state`: a line each mailbox, its id and its folder's. None: they are too many to be kept, and renamed folders are received anew.
    #[must_use]
    pub fn encode(&self) -> Option<Vec<Vec<u8>>> {
        let mut values: Vec<Vec<u8>> = vec![Vec::new()];
        for (id, folder) in &self.folders {
            let line = format!("{id} {folder}\n");
            if values.last().is_some_and(|value| value.len() + line.len() > VALUE_OCTETS) {
                values.push(Vec::new());
            }
            values.last_mut()?.extend(line.bytes());
        }
        (values.len() <= VALUES).then_some(values)
    }

    /// What [`encode`](Self::encode) gave; lines that are none are left out.
    #[must_use]
    pub fn decode(values: &[Vec<u8>]) -> Self {
        let lines = values.iter().filter_map(|value| std::str::from_utf8(value).ok()).flat_map(str::lines);
        let folders = lines.filter_map(|line| line.split_once(' ')).map(|(id, folder)| (id.to_owned(), folder.to_owned()));
        Self { folders: folders.collect(), ..Self::default() }
    }
}

/// The most values that [`Mailboxes::encode`] gives.
#[must_use]
pub const fn most_values() -> usize {
    VALUES
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn listing(mailboxes: &[(&str, &str)]) -> Vec<(Vec<u8>, Option<String>)> {
        mailboxes.iter().map(|(name, id)| (name.as_bytes().to_vec(), (!id.is_empty()).then(|| (*id).to_owned()))).collect()
    }

    fn folder(mailboxes: &Mailboxes, name: &str) -> String {
        mailboxes.id(name.as_bytes()).map_or_else(|| mailbox_name::to_id(name.as_bytes(), false), str::to_owned)
    }

    #[test]
    fn a_renamed_mailbox_stays_its_folder_and_leaves_its_name_to_others() {
        let mut mailboxes = Mailboxes::default();
        mailboxes.listed(&listing(&[("INBOX", "F1"), ("Old", "F2")]), false);
        assert_eq!((folder(&mailboxes, "Old"), mailboxes.name("Old")), ("Old".into(), None));
        let mut mailboxes = Mailboxes::decode(&mailboxes.encode().unwrap());
        mailboxes.listed(&listing(&[("INBOX", "F1"), ("New", "F2"), ("Old", "F3"), ("Old#1", "")]), false);
        assert_eq!(folder(&mailboxes, "New"), "Old");
        assert_eq!(mailboxes.name("Old"), Some(b"New".as_slice()));
        assert_eq!(folder(&mailboxes, "Old"), "Old#2", "the id of a mailbox that has none is its own");
        assert_eq!(mailboxes.name("Old#2"), Some(b"Old".as_slice()));
        // Renamed back: its name says it again.
        mailboxes.listed(&listing(&[("INBOX", "F1"), ("Old", "F2")]), false);
        assert_eq!((folder(&mailboxes, "Old"), mailboxes.name("Old")), ("Old".into(), None));
        assert_eq!(mailboxes.folders.len(), 2, "what is gone is forgotten");
    }

    #[test]
    fn two_that_change_their_names_change_nothing_else() {
        let mut mailboxes = Mailboxes::default();
        mailboxes.listed(&listing(&[("a", "F1"), ("b", "F2")]), false);
        mailboxes.listed(&listing(&[("b", "F1"), ("a", "F2")]), false);
        assert_eq!((folder(&mailboxes, "b"), folder(&mailboxes, "a")), ("a".into(), "b".into()));
    }

    proptest! {
        #[test]
        fn no_two_mailboxes_are_one_folder(turns in proptest::collection::vec(proptest::collection::btree_map("[ab]{1,2}(#1)?", "F?[0-4]", 0..6), 1..6)) {
            let mut mailboxes = Mailboxes::default();
            for turn in turns {
                let mut ids = BTreeSet::new();
                // Two mailboxes of one id are a server's fault.
                let listed: Vec<(Vec<u8>, Option<String>)> = turn
                    .into_iter()
                    .map(|(name, id)| (name.into_bytes(), Some(id).filter(|id| id.starts_with('F') && ids.insert(id.clone()))))
                    .collect();
                mailboxes.listed(&listed, false);
                mailboxes = {
                    let mut again = Mailboxes::decode(&mailboxes.encode().unwrap());
                    again.listed(&listed, false);
                    prop_assert_eq!(&again, &mailboxes, "listed twice");
                    again
                };
                let folders: Vec<String> = listed.iter().map(|(name, _)| folder(&mailboxes, std::str::from_utf8(name).unwrap())).collect();
                prop_assert_eq!(folders.iter().collect::<BTreeSet<_>>().len(), folders.len(), "{:?}", folders);
                for ((name, _), folder) in listed.iter().zip(&folders) {
                    let found = mailboxes.name(folder).map_or_else(|| mailbox_name::from_id(folder, false).unwrap(), <[u8]>::to_vec);
                    prop_assert_eq!(&found, name);
                }
            }
        }
    }
}
