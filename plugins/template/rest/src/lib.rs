//! A connector that asks a REST service: the conversation ([`receive`]), and the shell (in the component only). The service is invented: it lists messages in
//! pages and gives their octets; put yours there.

pub mod receive;
pub mod settings;
// The names that a component exports break a native linker.
#[cfg(target_family = "wasm")]
mod shell;
