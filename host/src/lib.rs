//! Postrider: a native host for mail connectors.
//!
//! The host owns sockets, TLS, credentials and the encrypted store. What knows a provider is a *connector*: a sandboxed
//! WebAssembly component that implements the contract in `wit/` and is loaded at run time.
//!
//! The map, from the ground up; a module imports only from above its own line (ARCHITECTURE.md has the table, a test holds it):
//!
//! | module | what it knows |
//! |---|---|
//! | [`model`], [`fault`], [`limits`], [`secret`], [`clock`] | plain data |
//! | [`home`] | where everything lies, and who owns it |
//! | [`net`] | sockets, TLS, the preambles of the line protocols, sign-in, HTTP |
//! | [`oauth`] | access tokens: grants, renewal, who signed in |
//! | [`store`] | sealed records and spool segments, the committer, keys |
//! | [`connector`] | component files, approval, the sandbox, the contract's interfaces |
//! | [`sink`] | where stored mail goes on to |
//! | [`account`] | accounts as operators manage them |
//! | [`flow`] | the journeys of mail, and when they run |
//! | [`api`] | every command as a request, in process or over the control socket |
//! | [`cli`] | the command line |

pub mod account;
pub mod api;
pub mod cli;
pub mod clock;
pub mod connector;
pub mod fault;
pub mod flow;
pub mod home;
pub mod limits;
pub mod model;
pub mod net;
pub mod oauth;
pub mod secret;
pub mod sink;
pub mod store;

#[cfg(test)]
mod layers;
