//! `srvctl doctor`: every finding where its condition is real, and none where all is well.

mod servers;
mod site;

mod files;
mod healthy;
mod keys;
mod kinds;
mod limits;
mod notices;
mod others;
mod scratch;
mod updates;
mod zones;
