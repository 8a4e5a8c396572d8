//! POP3 from outside: every octet as on the wire, once, and nothing deleted before it is durable (P1, P2, P6).

mod calls;
mod deletion;
mod hostile;
mod kill;
mod quirks;
mod reception;
mod scene;
