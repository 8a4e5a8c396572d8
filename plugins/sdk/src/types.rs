//! The contract's types under short names. Their documentation stands in `wit/deps/`.

pub use crate::bindings::receiver::exports::postrider::receiving::receiving::{Folder, Item, Outcome};
pub use crate::bindings::receiver::postrider::mailbox::mailbox::{Arrival, Change, Page, Part, Scope};
pub use crate::bindings::receiver::postrider::runtime::runtime::Level;
pub use crate::bindings::receiver::postrider::transport::transport::Opening;
pub use crate::bindings::receiver::postrider::types::types::{Error, Extra, Failure, Timestamp};
pub use wit_bindgen::{FutureReader, StreamReader};
