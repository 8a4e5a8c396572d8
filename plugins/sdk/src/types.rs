//! The contract's types under short names. Their documentation stands in `wit/deps/`.

pub use crate::bindings::receiver::exports::postrider::receiving::receiving::{Folder, Item, Outcome};
pub use crate::bindings::receiver::postrider::mailbox::mailbox::{Arrival, Change, Page, Part, Scope};
pub use crate::bindings::receiver::postrider::runtime::runtime::Level;
pub use crate::bindings::receiver::postrider::transport::transport::Opening;
pub use crate::bindings::receiver::postrider::types::types::{Error, Extra, Failure, Timestamp};
pub use crate::bindings::sender::exports::postrider::sending::sending::{Envelope, Recipient, Verdict};
pub use wit_bindgen::{FutureReader, StreamReader};

impl Arrival {
    /// A whole message of this id, of which nothing else is known.
    ///
    /// ```
    /// use postrider_connector::types::{Arrival, Part};
    ///
    /// let arrival = Arrival { keywords: vec!["\\Seen".to_owned()], ..Arrival::new("17") };
    /// assert_eq!((arrival.id.as_str(), arrival.part), ("17", Part::Whole));
    /// ```
    #[must_use]
    pub fn new(id: &str) -> Self {
        Self {
            id: id.to_owned(),
            stable: None,
            folders: Vec::new(),
            keywords: Vec::new(),
            thread: None,
            received: None,
            size: None,
            part: Part::Whole,
            extra: Vec::new(),
        }
    }
}
