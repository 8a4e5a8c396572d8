//! What a connector may ask of HTTP.
