//! Tests that need more than one room: real sockets, real files.

#![allow(clippy::unwrap_used, reason = "a test's helpers fail the test, as its own lines do")]

mod lookup_wire;
mod scripted;
mod walls;
