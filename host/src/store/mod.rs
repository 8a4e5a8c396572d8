//! The sealed store. The only place that names sled.
