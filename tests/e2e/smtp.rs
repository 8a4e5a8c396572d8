//! Sending: real servers take it and give it back, scripted ones do what real ones do not, and processes die (P9).

mod accounts;
mod hostile;
mod kill;
mod scene;
mod sending;
