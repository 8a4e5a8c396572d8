//! Entry points for fuzzing (`tests/fuzz`).
