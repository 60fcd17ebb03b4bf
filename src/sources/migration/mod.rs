//! Files of other tools, as far as services are written in them. What they mean here is for
//! [`crate::reconcile::migration`].

mod consul;
mod inventory;
mod master_file;
mod rules;

use std::io::{self, Read as _};
use std::path::Path;

pub use consul::{parse as parse_consul, read as read_consul};
pub use inventory::{parse as parse_inventory, read as read_inventory};
pub use master_file::{MasterFile, parse as parse_master_file, read as read_master_file};
pub use rules::{parse as parse_rules, read as read_rules};

use crate::model::Diagnostic;

/// The text of a file; `-` is standard input.
fn text(path: &Path) -> Result<String, Diagnostic> {
    let mut bytes = Vec::new();
    let read = if path == Path::new("-") {
        io::stdin().lock().read_to_end(&mut bytes)
    } else {
        std::fs::File::open(path).and_then(|mut file| file.read_to_end(&mut bytes))
    };
    let shown = path.to_string_lossy();
    read.map_err(|error| Diagnostic::about_file(&*shown, format!("cannot be read: {error}")))?;
    let not_text = |_| Diagnostic::about_file(&*shown, "is not UTF-8 text");
    String::from_utf8(bytes).map_err(not_text)
}

#[cfg(test)]
mod tests;
