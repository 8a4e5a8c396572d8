//! Where stored mail goes on to.
