//! Sockets, TLS, preambles, sign-in and HTTP. The only place that opens a socket.
//!
//! | module | what it knows |
//! |---|---|
//! | [`admission`] | which addresses a name may lead to |
//! | [`dial`] | names, addresses, TCP |
//! | [`proxy`] | SOCKS5 and HTTP CONNECT |
//! | [`tls`] | which certificates are believed, and how a refused one is explained |
//! | [`preamble`] | the line protocols up to the signed-in state, as machines without I/O |
//! | [`sasl`] | what a mechanism puts on the wire |
//! | [`line`](mod@line) | the ready connection that a connector is given |
//! | [`loopback`] | one answer from a browser on this machine |
//! | [`allow`] | what a connector may ask of HTTP |
//! | [`http`] | requests to approved origins |

pub mod admission;
pub mod allow;
pub mod dial;
pub mod fuzz;
pub mod http;
pub mod line;
pub mod loopback;
pub mod observe;
pub mod preamble;
pub mod proxy;
pub mod sasl;
pub mod tls;

mod open;
mod reach;
mod stage;
mod wire;

#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;

pub use line::Line;
pub use observe::{Observe, Stage, StageReport, Unobserved};
pub use open::open;
pub use preamble::Opening;
