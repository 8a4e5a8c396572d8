//! The one interface through which every command goes: a [`Request`], [`Event`]s while it is carried out, and a [`Reply`] or a
//! [`Fault`](crate::fault::Fault). The same code runs in the command's own process or in the daemon, behind the control socket.

mod client;
mod event;
mod frame;
mod link;
mod reply;
mod request;
mod secret_field;
mod server;
pub mod service;
mod socket;
mod upload;

pub use client::Client;
pub use event::{Event, Events};
pub use reply::*;
pub use request::*;
pub use server::{Execute, Server};
pub use upload::{Upload, Uploads};
