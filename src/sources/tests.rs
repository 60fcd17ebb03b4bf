use std::fs;
use std::path::Path;
use std::time::Duration;

use super::*;
use crate::model::Name;

struct Files {
    directory: tempfile::TempDir,
    patterns: Vec<Pattern>,
}

impl Files {
    fn new(files: &[(&str, &str)]) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let patterns = vec![Pattern::new(directory.path(), "services.d/*.toml").unwrap()];
        let this = Self { directory, patterns };
        fs::create_dir(this.path("services.d")).unwrap();
        for (name, text) in files {
            this.write(name, text);
        }
        this
    }

    fn path(&self, name: &str) -> std::path::PathBuf {
        self.directory.path().join(name)
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.path("services.d").join(name), text).unwrap();
    }

    fn remove(&self, name: &str) {
        fs::remove_file(self.path("services.d").join(name)).unwrap();
    }

    fn read(&self) -> Snapshot {
        read(&self.patterns, &["internal.local".parse::<Name>().unwrap()])
    }
}

fn service(name: &str, instance: &str) -> String {
    format!("[[service]]\nname = \"{name}\"\n[[service.instance]]\nport = 1\n{instance}\n")
}

fn names(loaded: &Loaded) -> Vec<&str> {
    loaded.catalogue.as_ref().unwrap().keys().map(|key| key.name.as_str()).collect()
}

#[test]
fn reads_what_the_pattern_matches_and_nothing_else() {
    let files = Files::new(&[("b.toml", "# b"), ("a.toml", "# a"), (".a.toml", "?"), ("a.toml~", "?")]);
    fs::create_dir(files.path("services.d/d.toml")).unwrap();
    let snapshot = files.read();
    let read: Vec<_> = snapshot.files.keys().map(|path| path.file_name().unwrap().to_owned()).collect();
    assert_eq!(read, ["a.toml", "b.toml"]);
    assert!(snapshot.errors().is_empty());
}

#[test]
fn what_is_named_must_be_a_file_though_a_pattern_finds_it_too() {
    let mut files = Files::new(&[("a.toml", "# a")]);
    fs::create_dir(files.path("services.d/d.toml")).unwrap();
    let named = ["a.toml", "d.toml"].map(|file| format!("services.d/{file}"));
    let literals: Vec<_> = named.iter().map(|text| Pattern::new(files.directory.path(), text).unwrap()).collect();
    let found = files.patterns.clone();
    for patterns in [[found.clone(), literals.clone()].concat(), [literals, found].concat()] {
        files.patterns = patterns;
        let snapshot = files.read();
        assert!(snapshot.files.keys().eq(&named.each_ref().map(|file| files.path(file))));
        let errors = snapshot.errors();
        assert!(matches!(&errors[..], [error] if error.message.contains("is not a regular file")), "{errors:?}");
    }
}

#[cfg(unix)]
#[test]
fn what_cannot_be_read_is_an_error_and_not_an_absence() {
    let mut files = Files::new(&[("a.toml", "# a")]);
    std::os::unix::fs::symlink("/nonexistent", files.path("services.d/link.toml")).unwrap();
    fs::write(files.path("services.d/bytes.toml"), b"ab\xff").unwrap();
    files.patterns.push(Pattern::new(files.directory.path(), "missing.d/*.toml").unwrap());
    files.patterns.push(Pattern::new(files.directory.path(), "one.toml").unwrap());
    let shown: String = files.read().errors().iter().map(ToString::to_string).collect();
    for expected in [
        "the directory of service files cannot be read: no such file or directory",
        "missing.d",
        "the service file is not UTF-8 text: byte 2 is part of no character",
        "the service file cannot be read: no such file or directory",
        "link.toml",
        "the service file does not exist",
        "one.toml",
    ] {
        assert!(shown.contains(expected), "{expected}\n{shown}");
    }
}

#[test]
fn a_service_in_two_files_names_both_places() {
    let files = Files::new(&[("a.toml", &service("Web", "host = \"h\"")), ("b.toml", &service("web", "host = \"i\""))]);
    let errors = files.read().catalogue().unwrap_err();
    assert_eq!(errors.len(), 1);
    let shown = errors[0].to_string();
    assert!(shown.contains("service `_web._tcp.internal.local.` is defined twice; first at"), "{shown}");
    assert!(shown.contains("a.toml:1:1") && shown.contains("b.toml:1:1"), "{shown}");
    assert!(shown.contains("1 | [[service]]\n  | ^^^^^^^^^^^\n"), "{shown}");
}

#[test]
fn two_services_may_not_fight_over_the_addresses_of_a_host() {
    let with = |addresses: &str| format!("host = \"h\"\naddresses = [{addresses}]");
    let other = "\"10.0.0.2\", \"10.0.0.1\"";
    let same = "\"10.0.0.1\", \"10.0.0.2\"";
    let files = Files::new(&[
        ("a.toml", &service("a", &with(same))),
        ("b.toml", &service("b", &with(other))),
        ("c.toml", &service("c", "host = \"h\"")),
    ]);
    assert_eq!(files.read().catalogue().unwrap().len(), 3);
    files.write("b.toml", &service("b", &with("\"10.0.0.9\"")));
    let shown = files.read().catalogue().unwrap_err()[0].to_string();
    assert!(shown.contains("host `h.internal.local.` has the addresses 10.0.0.9 here"), "{shown}");
    assert!(shown.contains("and 10.0.0.1, 10.0.0.2 at ") && shown.contains("a.toml:3:1"), "{shown}");
}

#[test]
fn nothing_is_in_force_before_everything_was_good_once() {
    let files = Files::new(&[("a.toml", &service("a", "host = \"h\"")), ("b.toml", "[[")]);
    let mut keeper = KeepLastGood::default();
    for _ in 0..2 {
        let loaded = keeper.take(files.read());
        assert!(loaded.catalogue.is_none() && !loaded.errors.is_empty());
    }
    files.write("b.toml", &service("b", "host = \"h\""));
    let loaded = keeper.take(files.read());
    assert_eq!((names(&loaded), loaded.errors.len()), (vec!["a", "b"], 0));
}

#[test]
fn a_broken_file_keeps_its_last_good_version_and_the_others_move_on() {
    let files = Files::new(&[("a.toml", &service("a", "host = \"h\"")), ("b.toml", &service("b", "host = \"h\""))]);
    let mut keeper = KeepLastGood::default();
    keeper.take(files.read());
    files.write("a.toml", "");
    files.write("b.toml", &service("b2", "host = \"h\""));
    let loaded = keeper.take(files.read());
    assert_eq!((names(&loaded), loaded.errors.len()), (vec!["a", "b2"], 1));
    files.write("a.toml", &service("a2", "host = \"h\""));
    let loaded = keeper.take(files.read());
    assert_eq!((names(&loaded), loaded.errors.len()), (vec!["a2", "b2"], 0));
}

#[test]
fn a_removed_file_is_gone_and_a_removed_directory_is_not() {
    let files = Files::new(&[("a.toml", &service("a", "host = \"h\"")), ("b.toml", &service("b", "host = \"h\""))]);
    let mut keeper = KeepLastGood::default();
    keeper.take(files.read());
    files.remove("b.toml");
    assert_eq!(names(&keeper.take(files.read())), ["a"]);
    fs::rename(files.path("services.d"), files.path("away")).unwrap();
    let loaded = keeper.take(files.read());
    assert_eq!((names(&loaded), loaded.errors.len()), (vec!["a"], 1));
    fs::rename(files.path("away"), files.path("services.d")).unwrap();
    files.remove("a.toml");
    let loaded = keeper.take(files.read());
    assert_eq!((names(&loaded), loaded.errors.len()), (vec![], 0));
}

#[test]
fn a_file_renamed_and_broken_at_once_removes_nothing() {
    let files = Files::new(&[("a.toml", &service("a", "host = \"h\""))]);
    let mut keeper = KeepLastGood::default();
    keeper.take(files.read());
    files.remove("a.toml");
    files.write("b.toml", "name = ");
    for _ in 0..2 {
        let loaded = keeper.take(files.read());
        assert_eq!((names(&loaded), loaded.errors.len()), (vec!["a"], 1));
    }
    files.write("b.toml", &service("b", "host = \"h\""));
    assert_eq!(names(&keeper.take(files.read())), ["b"]);
}

#[test]
fn contradicting_files_leave_everything_as_it_was() {
    let files = Files::new(&[("a.toml", &service("a", "host = \"h\""))]);
    let mut keeper = KeepLastGood::default();
    keeper.take(files.read());
    files.write("b.toml", &format!("{}{}", service("a", "host = \"i\""), service("c", "host = \"i\"")));
    let loaded = keeper.take(files.read());
    assert_eq!((names(&loaded), loaded.errors.len()), (vec!["a"], 1));
}

#[test]
fn malformed_patterns_are_refused() {
    for (text, expected) in [("", "is empty"), ("[a", "is not a pattern of files"), ("a***", "is not a pattern")] {
        let error = Pattern::new(Path::new("/etc"), text).unwrap_err();
        assert!(error.contains(expected), "{error}");
    }
}

/// Waits for the state and not for the event: a system may report one change as several.
async fn until_seen(watcher: &mut Watcher, files: &Files, wanted: &[&str]) {
    let is_seen = |files: &Files| {
        let catalogue = files.read().catalogue();
        catalogue.is_ok_and(|seen| seen.keys().map(|key| key.name.as_str()).eq(wanted.iter().copied()))
    };
    let wait = async {
        watcher.watch();
        while !is_seen(files) {
            watcher.changed().await;
            watcher.watch();
        }
    };
    tokio::time::timeout(Duration::from_secs(20), wait).await.unwrap();
}

async fn is_quiet(watcher: &mut Watcher) -> bool {
    tokio::time::timeout(Duration::from_millis(500), watcher.changed()).await.is_err()
}

#[tokio::test]
async fn sees_files_written_renamed_and_removed() {
    let files = Files::new(&[]);
    let mut watcher = Watcher::new(&files.patterns).unwrap();
    files.write("a.toml", &service("a", "host = \"h\""));
    watcher.changed().await;
    until_seen(&mut watcher, &files, &["a"]).await;
    files.write(".b.tmp", &service("b", "host = \"h\""));
    fs::rename(files.path("services.d/.b.tmp"), files.path("services.d/b.toml")).unwrap();
    watcher.changed().await;
    until_seen(&mut watcher, &files, &["a", "b"]).await;
    files.remove("a.toml");
    watcher.changed().await;
    until_seen(&mut watcher, &files, &["b"]).await;
}

#[tokio::test]
async fn reading_and_other_files_wake_nobody() {
    let files = Files::new(&[("a.toml", "# a")]);
    let mut watcher = Watcher::new(&files.patterns).unwrap();
    watcher.watch();
    files.read();
    files.write("notes.txt", "x");
    fs::write(files.path("above.txt"), "x").unwrap();
    assert!(is_quiet(&mut watcher).await);
}

#[tokio::test]
async fn a_dropped_wait_loses_no_change() {
    let files = Files::new(&[]);
    let mut watcher = Watcher::new(&files.patterns).unwrap();
    // Dropped while it waits for the end of what is being written.
    let file = fs::File::create(files.path("services.d/a.toml")).unwrap();
    tokio::time::timeout(Duration::from_millis(100), watcher.changed()).await.unwrap_err();
    drop(file);
    assert!(!is_quiet(&mut watcher).await);
}

#[tokio::test]
async fn survives_its_directory_being_made_anew() {
    let files = Files::new(&[]);
    let mut watcher = Watcher::new(&files.patterns).unwrap();
    fs::remove_dir_all(files.path("services.d")).unwrap();
    watcher.changed().await;
    watcher.watch();
    fs::create_dir(files.path("services.d")).unwrap();
    watcher.changed().await;
    files.write("a.toml", &service("a", "host = \"h\""));
    until_seen(&mut watcher, &files, &["a"]).await;
    files.write("a.toml", &service("b", "host = \"h\""));
    until_seen(&mut watcher, &files, &["b"]).await;
}

#[cfg(unix)]
#[test]
fn a_pipe_among_the_files_is_an_error_and_not_waited_for() {
    let files = Files::new(&[("a.toml", "# a")]);
    let made = std::process::Command::new("mkfifo").arg(files.path("services.d/p.toml")).status();
    assert!(made.unwrap().success());
    let errors = files.read().errors();
    assert!(matches!(&errors[..], [error] if error.message.contains("is not a regular file")), "{errors:?}");
}
