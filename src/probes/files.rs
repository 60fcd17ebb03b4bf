//! What checks read from files: certificates to trust and headers to send. Kept for a while, so that a thousand checks of
//! a service are not a thousand readers.

use std::collections::HashMap;
use std::hash::Hash;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use hyper::header::{HeaderMap, HeaderName, HeaderValue};
use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;
use tokio::time::Instant;

use super::outcome::Stop;

/// How old what was read may be: a file that has changed counts after so long.
const FRESH: Duration = Duration::from_secs(30);
/// Files that are read at once.
const MAKERS: usize = 4;
/// Larger headers than that would be refused by most servers.
const MOST_BYTES: u64 = 16 * 1024;

/// What was made of files, by what it was made for.
#[derive(Debug)]
pub(super) struct Kept<K, V> {
    made: Mutex<HashMap<K, (Instant, Arc<V>)>>,
    makers: Semaphore,
}

impl<K, V> Default for Kept<K, V> {
    fn default() -> Self {
        Self { made: Mutex::default(), makers: Semaphore::new(MAKERS) }
    }
}

impl<K: Hash + Eq + Clone + Send + 'static, V: Send + Sync + 'static> Kept<K, V> {
    /// What was made lately, or is made now, on a thread of its own: a file system may hang.
    ///
    /// # Errors
    /// What `make` says. That is our trouble and not the instance's.
    pub(super) async fn get(
        &self,
        key: &K,
        make: impl FnOnce(&K) -> Result<V, String> + Send + 'static,
    ) -> Result<Arc<V>, Stop> {
        if let Some(value) = self.fresh(key) {
            return Ok(value);
        }
        let _permit = self.makers.acquire().await.expect("it is never closed");
        // The one before us may have made the same.
        if let Some(value) = self.fresh(key) {
            return Ok(value);
        }
        let owned = key.clone();
        let made = spawn_blocking(move || make(&owned)).await;
        let made = made.map_err(|error| Stop::ours(format!("a file was not read: {error}")))?;
        let value = Arc::new(made.map_err(Stop::ours)?);
        let mut kept = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        // What nobody has asked for since belongs to checks that are no more.
        kept.retain(|_, (since, _)| since.elapsed() < FRESH);
        kept.insert(key.clone(), (Instant::now(), Arc::clone(&value)));
        Ok(value)
    }

    fn fresh(&self, key: &K) -> Option<Arc<V>> {
        let made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        made.get(key).filter(|(since, _)| since.elapsed() < FRESH).map(|(_, value)| Arc::clone(value))
    }
}

/// Reads a file of headers: lines of `Name: value`, empty ones and those that begin with `#` left out. What is in it is
/// secret, so no error shows any of it.
///
/// # Errors
/// When it cannot be read, everybody on this machine may read it, or a line is no header.
pub(super) fn headers(path: &Path) -> Result<HeaderMap, String> {
    let shown = path.display();
    let unreadable = |error| format!("the headers file {shown} cannot be read: {error}");
    let about = std::fs::metadata(path).map_err(unreadable)?;
    if is_open_to_all(&about) {
        return Err(format!(
            "every user of this machine has access to the headers file {shown}: run `chmod o= {shown}`"
        ));
    }
    if about.len() > MOST_BYTES {
        return Err(format!("the headers file {shown} is larger than {MOST_BYTES} bytes"));
    }
    let text = std::fs::read_to_string(path).map_err(unreadable)?;
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

fn is_open_to_all(about: &std::fs::Metadata) -> bool {
    use std::os::unix::fs::PermissionsExt as _;

    about.permissions().mode() & 0o007 != 0
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

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
    }
}
