//! Listing the account's folders (RFC 9051 section 6.3.9) with their roles (RFC 6154): those of its own namespace (RFC 2342) that the operator chose.

use std::collections::{BTreeMap, BTreeSet};

use postrider_connector::machine::{Action, Actions, Input, Machine, Step};
use postrider_connector::types::{Error, Failure, Folder, Level};

use crate::command;
use crate::mailbox_name;
use crate::refusal;
use crate::response::parse::{Condition, Mailbox, Response, Status};
use crate::selection::Selection;
use crate::session::{Event, Session, Tag};
use crate::settings::Settings;

/// Namespaces of other users and shared ones that are listed.
const NAMESPACES: usize = 20;

/// Octets that the contract allows in a folder's id.
const ID_OCTETS: usize = 1024;

/// One listing of all folders that are the account's.
#[derive(Debug)]
pub struct List<'a> {
    session: &'a mut Session,
    tags: Vec<Tag>,
    selection: Selection,
    /// With how many names of each path are the personal namespace's.
    folders: Vec<(Folder, usize)>,
    ids: BTreeSet<String>,
    /// The name of each of `folders` as the server wrote it.
    names: Vec<Vec<u8>>,
    /// Ids of mailboxes by their names.
    told: BTreeMap<Vec<u8>, String>,
    /// Asked for their ids one by one.
    statuses: BTreeSet<Tag>,
    /// Something of the listing was refused or could not be read: it proves no mailbox gone.
    is_partial: bool,
}

impl<'a> List<'a> {
    /// A listing in `session`.
    #[must_use]
    pub fn new(session: &'a mut Session) -> Self {
        let Settings { include, exclude, roles, .. } = &session.settings;
        let selection = Selection::new(include, exclude, roles);
        Self {
            session,
            tags: Vec::new(),
            selection,
            folders: Vec::new(),
            ids: BTreeSet::new(),
            names: Vec::new(),
            told: BTreeMap::new(),
            statuses: BTreeSet::new(),
            is_partial: false,
        }
    }

    fn begin(&mut self, actions: &mut Actions) {
        let special_use = self.session.has_rev2("SPECIAL-USE") && self.session.has_rev2("LIST-EXTENDED");
        let ids = self.session.has("OBJECTID") && self.session.has_rev2("LIST-STATUS");
        let mut prefixes = vec![Vec::new()];
        if self.session.settings.shared_folders {
            // Courier lists them only where they are asked for.
            prefixes.extend(
                self.session.namespaces.foreign().take(NAMESPACES).filter(|name| mailbox_name::is_quotable(name)).map(<[u8]>::to_vec),
            );
        }
        self.tags = prefixes.iter().map(|prefix| self.session.send(&command::list(prefix, special_use, ids), actions)).collect();
    }

    fn add(&mut self, mailbox: &Mailbox, actions: &mut Actions) -> Result<(), Error> {
        if self.ids.len() == self.session.limits.mailboxes {
            return Err(Error::new(Failure::TooLarge, format!("there are more than {} folders", self.session.limits.mailboxes)));
        }
        let folder = folder(mailbox, self.session.utf8);
        if folder.id.is_empty() || folder.id.len() > ID_OCTETS || !mailbox_name::is_quotable(&mailbox.name) {
            actions.put(Action::Log(Level::Warn, format!("the folder `{}` is left out: its name cannot be used", folder.path.join("/"))));
        } else {
            let is_ours = self.session.settings.shared_folders || !self.session.namespaces.is_foreign(&mailbox.name);
            if self.ids.insert(folder.id.clone()) && is_ours {
                self.folders.push((folder, self.root(mailbox)));
                self.names.push(mailbox.name.clone());
            }
        }
        Ok(())
    }

    /// How many names of the mailbox's path are the personal namespace's.
    fn root(&self, mailbox: &Mailbox) -> usize {
        let Some(delimiter) = mailbox.delimiter else { return 0 };
        let fits = self.session.namespaces.personal.iter().filter(|space| mailbox.name.starts_with(&space.prefix));
        fits.map(|space| space.prefix.iter().filter(|&&octet| octet == delimiter).count()).max().unwrap_or(0)
    }

    /// Ask for the mailboxes' ids one by one, where the listing did not bring them.
    fn ask_ids(&mut self, actions: &mut Actions) {
        if !self.session.has("OBJECTID") || self.session.has_rev2("LIST-STATUS") || !self.statuses.is_empty() {
            return;
        }
        let selectable = self.folders.iter().zip(&self.names).filter(|((folder, _), _)| folder.selectable);
        self.statuses = selectable.map(|(_, name)| self.session.send(&command::mailbox_id(name), actions)).collect();
    }

    /// The folders that the mailboxes are. Where not all could be heard of, nothing is concluded from it.
    fn recognise_mailboxes(&mut self) {
        if !self.session.has("OBJECTID") {
            return;
        }
        let mailboxes: Vec<(Vec<u8>, Option<String>)> = self.names.drain(..).map(|name| (name.clone(), self.told.remove(&name))).collect();
        if !self.is_partial {
            self.session.mailboxes.listed(&mailboxes, self.session.utf8);
        }
        for ((folder, _), (name, _)) in self.folders.iter_mut().zip(&mailboxes) {
            folder.id = self.session.id(name);
        }
    }

    fn ended(&mut self, status: &Status, is_first: bool, actions: &mut Actions) -> Result<(), Error> {
        if status.condition != Condition::Ok {
            let error = refusal::error(status).at("list the folders");
            if is_first {
                return Err(error);
            }
            self.is_partial = true;
            actions.put(Action::Log(Level::Warn, format!("shared folders are not listed: {}", error.message)));
        }
        Ok(())
    }
}

impl Machine for List<'_> {
    type Output = Vec<Folder>;

    fn step(&mut self, input: Input, actions: &mut Actions) -> Result<Step<Vec<Folder>>, Error> {
        match input {
            Input::Start => self.begin(actions),
            Input::Octets(octets) => self.session.feed(octets),
            Input::End => return Err(self.session.ended()),
            Input::Lost(error) => return Err(error),
            Input::Timer | Input::TimeUp | Input::Wanted | Input::Answer(..) => {}
        }
        while let Some(event) = self.session.next_event()? {
            match event {
                Event::Untagged(Response::List(mailbox)) => self.add(&mailbox, actions)?,
                Event::Untagged(Response::Status(name, _, Some(id))) if self.told.len() < self.session.limits.mailboxes => {
                    self.told.insert(name, id);
                }
                Event::Lost(shown) => {
                    self.is_partial = true;
                    actions.put(Action::Log(Level::Warn, format!("a folder cannot be read: {shown}")));
                }
                // A mailbox that refuses is the folder of its name.
                Event::Reply(tag, _) if self.statuses.contains(&tag) => {}
                Event::Reply(tag, status) => self.ended(&status, self.tags.first() == Some(&tag), actions)?,
                Event::Untagged(_) | Event::Body(..) | Event::Piece(_) | Event::BodyEnd => {}
            }
        }
        if self.session.outstanding() == 0 {
            self.ask_ids(actions);
        }
        if self.session.outstanding() > 0 {
            return Ok(Step::Read);
        }
        self.recognise_mailboxes();
        let chosen = self.selection.choose(std::mem::take(&mut self.folders));
        let left_out = self.ids.len().saturating_sub(chosen.len());
        if left_out > 0 {
            actions.put(Action::Log(Level::Info, format!("{left_out} folders are left out by the account's settings")));
        }
        Ok(Step::Done(chosen))
    }
}

/// The folder that a mailbox is to the host.
#[must_use]
pub fn folder(mailbox: &Mailbox, utf8: bool) -> Folder {
    let has = |name: &str| mailbox.attributes.iter().any(|attribute| attribute.eq_ignore_ascii_case(name));
    let is_inbox = mailbox.name.eq_ignore_ascii_case(b"INBOX");
    let role = if is_inbox { Some("inbox".to_owned()) } else { mailbox.attributes.iter().find_map(|attribute| role(attribute)) };
    Folder {
        id: mailbox_name::to_id(&mailbox.name, utf8),
        path: mailbox_name::path(&mailbox.name, mailbox.delimiter, utf8),
        role,
        selectable: !has("\\Noselect") && !has("\\NonExistent"),
        extra: Vec::new(),
    }
}

fn role(attribute: &str) -> Option<String> {
    const ROLES: [&str; 8] = ["all", "archive", "drafts", "flagged", "junk", "sent", "trash", "important"];
    let name = attribute.strip_prefix('\\')?.to_ascii_lowercase();
    ROLES.contains(&name.as_str()).then_some(name)
}
