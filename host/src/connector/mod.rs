//! Running connectors: their files, their approval, their sandbox. The only place that names wasmtime.

pub mod approval;
pub mod audit;
mod folder;
pub mod inspection;
pub mod manifest;
pub mod pack;
pub mod registry;
pub mod seam;
pub mod section;
pub mod settings;
