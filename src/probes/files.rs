//! What checks read from files: certificates to trust and headers to send.

use std::fs::File;
use std::io::Read as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use hyper::header::{HeaderMap, HeaderName, HeaderValue};

/// Files that are read at once.
pub(super) const READERS: usize = 4;
/// Larger headers than that would be refused by most servers.
const MOST_BYTES: u64 = 16 * 1024;

/// Reads a file as a whole. `what` is what it should be; what is no file, a device or a pipe, is not even opened: it may
/// have no end, or hang.
///
/// # Errors
/// When it is no file, is too large, or cannot be read.
pub(super) fn read(what: &str, path: &Path, most: u64) -> Result<(Vec<u8>, u32), String> {
    let shown = path.display();
    let unreadable = |error| format!("the {what} {shown} cannot be read: {error}");
    if !std::fs::metadata(path).map_err(unreadable)?.is_file() {
        return Err(format!("the {what} {shown} is not a file"));
    }
    let file = File::open(path).map_err(unreadable)?;
    let about = file.metadata().map_err(unreadable)?;
    let mut bytes = Vec::new();
    file.take(most + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    if bytes.len() as u64 > most {
        return Err(format!("the {what} {shown} is larger than {most} bytes"));
    }
    Ok((bytes, about.permissions().mode()))
}

/// Reads a file of headers: lines of `Name: value`, empty ones and those that begin with `#` left out. What is in it is
/// secret, so no error shows any of it.
///
/// # Errors
/// When it cannot be read, everybody on this machine may read it, or a line is no header.
pub(super) fn headers(path: &Path) -> Result<HeaderMap, String> {
    let shown = path.display();
    let (bytes, mode) = read("headers file", path, MOST_BYTES)?;
    if mode & 0o007 != 0 {
        return Err(format!(
            "every user of this machine has access to the headers file {shown}: run `chmod o= {shown}`"
        ));
    }
    let text = String::from_utf8(bytes).map_err(|_| format!("the headers file {shown} is not text"))?;
    let mut headers = HeaderMap::new();
    let lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty() && !line.starts_with('#'));
    for (index, line) in lines {
        let wrong = || format!("line {} of the headers file {shown} is no header: write `Name: value`", index + 1);
        let (name, value) = line.split_once(':').ok_or_else(wrong)?;
        let name: HeaderName = name.trim().parse().map_err(|_| wrong())?;
        let mut value = HeaderValue::from_str(value.trim()).map_err(|_| wrong())?;
        value.set_sensitive(true);
        headers.append(name, value);
    }
    Ok(headers)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(text: &str, mode: u32) -> Result<HeaderMap, String> {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("x.headers");
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
        headers(&path)
    }

    #[test]
    fn headers_are_read_and_kept_secret() {
        let headers = written("# for the gate\nAuthorization: Bearer a:b\n\nX-One: 1\nX-One: 2\n", 0o600).unwrap();
        assert_eq!(headers["authorization"], "Bearer a:b");
        assert_eq!(headers.get_all("x-one").iter().count(), 2);
        assert!(!format!("{headers:?}").contains("Bearer"));
        assert!(written("Authorization: Bearer a", 0o640).is_ok());
        for (text, mode, expected) in [
            ("Authorization: SECRET", 0o604, "run `chmod o= "),
            ("SECRET", 0o600, "line 1 of the headers file"),
            ("a: b\nSE CRET: x", 0o600, "line 2 of the headers file"),
            (&"X: SECRET\n".repeat(2000), 0o600, "is larger than 16384 bytes"),
        ] {
            let error = written(text, mode).unwrap_err();
            assert!(error.contains(expected) && !error.contains("SECRET"), "{error}");
        }
        assert!(super::headers(Path::new("/nonexistent")).unwrap_err().contains("cannot be read: No such file"));
        for endless in ["/dev/zero", "/dev/null", "/proc/self/fd"] {
            assert!(super::headers(Path::new(endless)).unwrap_err().ends_with("is not a file"), "{endless}");
        }
    }
}
