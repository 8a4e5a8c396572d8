//! Listing the folders (RFC 9051 section 6.3.9) with their roles (RFC 6154).

use postrider_connector::machine::{Action, Actions, Input, Machine, Step};
use postrider_connector::types::{Error, Failure, Folder, Level};

use crate::command;
use crate::mailbox_name;
use crate::refusal;
use crate::response::parse::{Condition, Mailbox, Response};
use crate::session::{Event, Session, Tag};

/// Octets that the contract allows in a folder's id.
const ID_OCTETS: usize = 1024;

/// One listing of all folders.
#[derive(Debug)]
pub struct List<'a> {
    session: &'a mut Session,
    tag: Option<Tag>,
    folders: Vec<Folder>,
}

impl<'a> List<'a> {
    /// A listing in `session`.
    pub const fn new(session: &'a mut Session) -> Self {
        Self { session, tag: None, folders: Vec::new() }
    }

    fn add(&mut self, mailbox: &Mailbox, actions: &mut Actions) -> Result<(), Error> {
        if self.folders.len() == self.session.limits.mailboxes {
            return Err(Error::new(Failure::TooLarge, format!("there are more than {} folders", self.session.limits.mailboxes)));
        }
        let folder = folder(mailbox, self.session.has("UTF8=ONLY"));
        if folder.id.is_empty() || folder.id.len() > ID_OCTETS || !mailbox_name::is_quotable(&mailbox.name) {
            actions.put(Action::Log(Level::Warn, format!("the folder `{}` is left out: its name cannot be used", folder.path.join("/"))));
        } else if !self.folders.iter().any(|other| other.id == folder.id) {
            self.folders.push(folder);
        }
        Ok(())
    }
}

impl Machine for List<'_> {
    type Output = Vec<Folder>;

    fn step(&mut self, input: Input, actions: &mut Actions) -> Result<Step<Vec<Folder>>, Error> {
        match input {
            Input::Start => {
                let special_use = self.session.has_rev2("SPECIAL-USE") && self.session.has_rev2("LIST-EXTENDED");
                self.tag = Some(self.session.send(&command::list(special_use), actions));
            }
            Input::Octets(octets) => self.session.feed(octets),
            Input::End => return Err(self.session.ended()),
            Input::Lost(error) => return Err(error),
            Input::Timer | Input::TimeUp | Input::Wanted | Input::Answer(..) => {}
        }
        while let Some(event) = self.session.next_event()? {
            match event {
                Event::Untagged(Response::List(mailbox)) => self.add(&mailbox, actions)?,
                Event::Lost(shown) => actions.put(Action::Log(Level::Warn, format!("a folder cannot be read: {shown}"))),
                Event::Reply(tag, status) if Some(tag) == self.tag => {
                    if status.condition != Condition::Ok {
                        return Err(refusal::error(&status).at("list the folders"));
                    }
                    return Ok(Step::Done(std::mem::take(&mut self.folders)));
                }
                Event::Reply(..) | Event::Untagged(_) | Event::Body(..) | Event::Piece(_) | Event::BodyEnd => {}
            }
        }
        Ok(Step::Read)
    }
}

/// The folder that a mailbox is to the host.
#[must_use]
pub fn folder(mailbox: &Mailbox, utf8: bool) -> Folder {
    let has = |name: &str| mailbox.attributes.iter().any(|attribute| attribute.eq_ignore_ascii_case(name));
    let is_inbox = mailbox.name.eq_ignore_ascii_case(b"INBOX");
    let role = if is_inbox { Some("inbox".to_owned()) } else { mailbox.attributes.iter().find_map(|attribute| role(attribute)) };
    Folder {
        id: mailbox_name::to_id(&mailbox.name),
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
