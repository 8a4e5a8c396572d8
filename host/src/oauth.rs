//! OAuth 2.0: tokens that renew themselves and never enter a component. On the `oauth2` crate, over the host's own HTTP.
//!
//! | file | what it knows |
//! |---|---|
//! | `party` | whose tokens: an account's settings with what lies in the vault for them |
//! | `server` | the authorization server: every request to it, bounded, and what its answers mean |
//! | `refusal` | its error codes, as data: kind, cause, remedy |
//! | `scope` | what is asked for, and never more |
//! | `assertion` | signed assertions (RFC 7523) |
//! | `grant` | from a grant to tokens, without a person |
//! | `code`, `callback`, `device` | with a person: authorization code with PKCE, device code |
//! | `identity` | who signed in |
//! | `metadata` | what a server says of itself (RFC 8414, RFC 9728) |
//! | `import` | tokens from elsewhere, and a command that prints one |
//! | `record` | the sealed record of an account's tokens |
//! | `token` | renewed once for all who ask, durable before it is used |

mod answer;
mod assertion;
pub mod callback;
pub mod code;
pub mod device;
mod grant;
pub mod identity;
pub mod import;
pub mod metadata;
mod party;
mod record;
mod refusal;
pub mod scope;
mod server;
pub mod token;

pub use answer::Granted;
pub use grant::service_account_key;
pub use party::Party;
pub use record::{Access, Failure, Record};
pub use token::{Tokens, Vault};
