//! Running connectors: their files, their approval, their sandbox. The only place that names wasmtime.

pub mod audit;
pub mod manifest;
pub mod seam;
pub mod section;
pub mod settings;
