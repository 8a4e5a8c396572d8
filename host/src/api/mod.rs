//! The one interface through which every command goes, in process or over the control socket.
