//! Sockets, TLS, preambles, sign-in and HTTP. The only place that opens a socket.
