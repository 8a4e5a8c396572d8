//! A connector that speaks a line protocol, on three floors: the grammar (the SDK's readers), the conversation ([`receive`]), and the shell
//! (in the component only). What it speaks is the core of POP3 (RFC 1939), so that there is something to receive; put your protocol there.

pub mod receive;
pub mod settings;
// The names that a component exports break a native linker.
#[cfg(target_family = "wasm")]
mod shell;
