//! A component that breaks every rule on request: `settings` names the behaviour. Built for `wasm32-wasip2` only; natively this
//! crate is empty.

#[cfg(target_family = "wasm")]
mod behaviour;
#[cfg(target_family = "wasm")]
mod bindings;
#[cfg(target_family = "wasm")]
mod misbehave;
#[cfg(target_family = "wasm")]
mod session;
