//! The key's secret is in nothing that srvctl writes, however much it is told to say.

use std::fs;
use std::path::{Path, PathBuf};

use data_encoding::{BASE64, BASE64_NOPAD, BASE64URL_NOPAD, HEXLOWER, HEXUPPER};

use crate::support::{EXAMPLE, Key, Named, Settings, Workspace, free_address, run};

/// Every form in which a program might show bytes without meaning to.
fn forms(secret: &str) -> Vec<String> {
    let bytes = BASE64.decode(secret.as_bytes()).unwrap();
    let decimal = format!("{bytes:?}").trim_matches(['[', ']']).to_owned();
    let spaced: Vec<_> = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    vec![
        BASE64_NOPAD.encode(&bytes),
        BASE64URL_NOPAD.encode(&bytes),
        HEXLOWER.encode(&bytes),
        HEXUPPER.encode(&bytes),
        decimal,
        spaced.join(" "),
        bytes.escape_ascii().to_string(),
    ]
}

fn assert_hidden(secret: &str, what: &str, text: &str) {
    for form in forms(secret) {
        assert!(!text.contains(&form), "{what} shows the secret as {form}");
    }
}

const COMMANDS: [&[&str]; 9] = [
    &["check"],
    &["check", "--json"],
    &["plan"],
    &["plan", "--json"],
    &["apply", "--json"],
    &["apply"],
    &["verify", "--json"],
    &["status", "--json"],
    &["dig", "_jenkins._tcp.internal.local.", "SRV"],
];

/// Runs every command as talkative as it can be.
fn say_all(workspace: &Workspace, secret: &str) {
    for arguments in COMMANDS {
        let output = run(workspace.command(arguments).env("RUST_LOG", "trace").env("RUST_BACKTRACE", "full"), "");
        assert_hidden(secret, &format!("{arguments:?}"), &format!("{}{}", output.stdout, output.stderr));
    }
}

fn example(settings: &Settings) -> Workspace {
    let workspace = Workspace::with(settings);
    for (file, text) in EXAMPLE {
        workspace.write_service(file, text);
    }
    workspace
}

#[test]
fn commands_do_not_show_it() {
    let named = Named::start();
    let settings = Settings::for_server(&named);
    say_all(&example(&settings), &settings.key.secret);
}

#[test]
fn commands_that_fail_do_not_show_it() {
    let named = Named::start();
    let good = || Settings::for_server(&named);
    let nobody = free_address().to_string();
    for settings in [
        Settings { key: Key::random(&named.key().name), ..good() },
        Settings { key: Key::random("unknown-key"), ..good() },
        Settings { zone: "elsewhere.local".to_owned(), ..good() },
        Settings { primary: nobody, ..good() },
    ] {
        let workspace = example(&settings);
        assert_eq!(workspace.run(&["apply"]).code, 1);
        say_all(&workspace, &settings.key.secret);
    }
}

/// What stands beside the secret is wrong in some way, and the error shows the place.
#[test]
fn errors_in_the_key_file_do_not_show_it() {
    let named = Named::start();
    let settings = Settings::for_server(&named);
    let (good, secret) = (settings.key.text(), &settings.key.secret);
    for broken in [
        good.replace("secret", "secrett"),
        good.replace("hmac-sha256", "hmac-sha257"),
        good.replace("\";\n};", "\"\n};"),
        good.replace("};", ""),
        good.replacen("\";\n}", "\n}", 1),
        good.replace("secret \"", "secret \"!"),
        good.replace("key ", "keyy "),
        format!("{good}{good}"),
        secret.clone(),
    ] {
        let workspace = example(&settings);
        fs::write(workspace.path().join("zone.key"), &broken).unwrap();
        assert_eq!(workspace.run(&["check"]).code, 1, "{broken}");
        say_all(&workspace, secret);
    }
}

#[test]
fn the_daemon_does_not_write_it_anywhere() {
    let named = Named::start();
    let settings = Settings::for_server(&named);
    let workspace = example(&settings);
    let mut daemon = workspace.daemon_logging("trace");
    daemon.wait_in_sync();
    let secret = &settings.key.secret;
    let status = run(workspace.command(&["status", "--json"]).env("RUST_LOG", "trace"), "");
    assert_eq!(status.code, 0, "{status:?}");
    assert_hidden(secret, "status", &format!("{}{}", status.stdout, status.stderr));
    daemon.signal("HUP");
    fs::write(workspace.path().join("zone.key"), settings.key.text().replace("secret", "secrett")).unwrap();
    daemon.signal("HUP");
    let log = || fs::read_to_string(workspace.daemon_log()).unwrap();
    daemon.wait_for("the broken key in the log", || log().contains("the configuration cannot be used"));
    assert_eq!(daemon.stop(), 0);
    assert!(log().contains("TRACE"), "it was told to say all");
    assert!(!log().contains("inotify event"), "a log in a watched directory does not feed itself");
    let files = files(workspace.path());
    assert!(files.contains(&workspace.daemon_log()));
    for file in files.iter().filter(|file| !file.ends_with("zone.key")) {
        assert_hidden(secret, &file.display().to_string(), &String::from_utf8_lossy(&fs::read(file).unwrap()));
    }
}

fn files(directory: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        match fs::symlink_metadata(&path).unwrap().file_type() {
            kind if kind.is_dir() => files.extend(self::files(&path)),
            kind if kind.is_file() => files.push(path),
            _ => {}
        }
    }
    files
}
