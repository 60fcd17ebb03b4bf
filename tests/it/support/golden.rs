//! Output that is kept in files.

use std::path::Path;
use std::{env, fs};

/// Compares with the file of that name under tests/golden; `SRVCTL_UPDATE_GOLDEN=1` writes it instead.
pub(crate) fn assert_golden(file: &str, actual: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(file);
    if env::var_os("SRVCTL_UPDATE_GOLDEN").is_some() {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, actual).unwrap();
        return;
    }
    let expected = fs::read_to_string(&path)
        .unwrap_or_else(|error| panic!("{}: {error}; SRVCTL_UPDATE_GOLDEN=1 writes it:\n{actual}", path.display()));
    assert_eq!(actual, expected, "{} (SRVCTL_UPDATE_GOLDEN=1 renews it)", path.display());
}
