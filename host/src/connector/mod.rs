//! Running connectors: their files, their approval, their sandbox. The only place that names wasmtime.

pub mod manifest;
pub mod seam;
pub mod settings;
