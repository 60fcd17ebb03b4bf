//! `[api] listen` and `[[principal]]`.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use super::tests::{KEY, zone};
use super::*;
use crate::model::{Access, ServiceKey};

const LISTEN: &str = "\n[api]\nlisten = \"127.0.0.1:8443\"\ntls_cert_file = \"server.pem\"\n\
                      tls_key_file = \"server.key\"\nclient_ca_file = \"server.pem\"\n";

/// A directory with certificates, and what the configuration in it comes to.
fn load_text(text: &str) -> (tempfile::TempDir, Result<Config, Vec<Diagnostic>>) {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("good.key"), KEY).unwrap();
    fs::set_permissions(directory.path().join("good.key"), fs::Permissions::from_mode(0o600)).unwrap();
    write_certificate(directory.path());
    fs::write(directory.path().join("other.key"), rcgen::KeyPair::generate().unwrap().serialize_pem()).unwrap();
    fs::write(directory.path().join("srvctl.toml"), zone("primary = \"h\"") + text).unwrap();
    let config = load(&directory.path().join("srvctl.toml"));
    (directory, config)
}

fn write_certificate(directory: &Path) {
    let key = rcgen::KeyPair::generate().unwrap();
    let certificate = rcgen::CertificateParams::new(vec!["srvctl.z".to_owned()]).unwrap().self_signed(&key).unwrap();
    fs::write(directory.join("server.pem"), certificate.pem()).unwrap();
    fs::write(directory.join("server.key"), key.serialize_pem()).unwrap();
    fs::set_permissions(directory.join("server.key"), fs::Permissions::from_mode(0o600)).unwrap();
}

fn errors(text: &str) -> String {
    let (_directory, config) = load_text(text);
    config.unwrap_err().iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

#[test]
fn reads_every_key_of_a_principal() {
    let hash = "AB".repeat(32);
    let (_directory, config) = load_text(&format!(
        "{LISTEN}\n[[principal]]\nname = \"team-a\"\ntoken_sha256 = [\"{hash}\"]\n\
         certificates = [\"Host1.example.\"]\nusers = [\"root\", 4294000000, \"4294000001\"]\nrate = 50\n\
         [[principal.grant]]\nservices = [\"jenkins\", \"ci-*\"]\nhosts = [\"*.devops.z.\"]\nzones = [\"Z\"]\n\
         [[principal.grant]]\nservices = [\"*\"]\naccess = \"read\"\n\
         [[principal]]\nname = \"operators\"\ncertificates = [\"ops.example\"]\nadmin = true\n\
         [[principal]]\nname = \"nothing\"\nusers = [1]\n"
    ));
    let config = config.unwrap();
    assert!(config.warnings.is_empty(), "{:?}", config.warnings);
    assert_eq!(config.api.listen.unwrap().address, "127.0.0.1:8443".parse().unwrap());
    let [team, operators, nothing] = &config.principals[..] else { panic!("{:?}", config.principals) };
    assert_eq!((&team.tokens[..], team.rate.unwrap().get()), (&[[0xab; 32]][..], 50));
    assert_eq!(team.certificates, ["host1.example"]);
    assert_eq!(team.users, [0, 4_294_000_000, 4_294_000_001]);
    let service = |name: &str| ServiceKey { name: name.into(), proto: "tcp".into(), zone: "z".parse().unwrap() };
    let own = &"a.devops.z".parse().unwrap();
    assert!(team.principal.may_place(&service("ci-x"), own, None) && team.principal.may(Access::Read, &service("db")));
    assert!(!team.principal.may(Access::Write, &service("db")));
    assert!(operators.principal.is_unrestricted());
    assert_eq!(operators.rate, Some(defaults::RATE));
    assert!(!nothing.principal.is_unrestricted() && !nothing.principal.may(Access::Read, &service("db")));
}

#[test]
fn what_is_wrong_with_principals_and_listening() {
    let hash = "ab".repeat(32);
    let named = |lines: &str| format!("[[principal]]\nname = \"a\"\nusers = [1]\n{lines}\n");
    let granted = |lines: &str| named(&format!("[[principal.grant]]\nservices = [\"s\"]\n{lines}"));
    let api = |lines: &str| format!("[api]\n{lines}\n");
    let files = "tls_cert_file = \"server.pem\"\ntls_key_file = \"server.key\"";
    for (text, message, help) in [
        ("[[principal]]\nusers = [1]\n".into(), "`[[principal]]` needs the key `name`", "team-a"),
        ("[[principal]]\nname = \"a\"\n".into(), "nobody can be this principal", "srvctl token"),
        ("[[principal]]\nname = \"a b\"\nusers = [1]\n".into(), "the name of a principal has 1 to 64", ""),
        (named("") + &named("").replace("[1]", "[2]"), "the principal `a` is there twice; first at", "keep one"),
        (named("") + &named("").replace("\"a\"", "\"b\""), "the user `1` belongs to a principal already", ""),
        (named(&format!("token_sha256 = [\"{hash}\", \"{hash}\"]")), "this token belongs to a principal already", ""),
        (named("token_sha256 = []"), "`token_sha256` is empty", ""),
        (named("user = [1]"), "unknown key `user` in `[[principal]]`", "did you mean `users`?"),
        (named("certificates = [\"h.example\"]"), "no client certificate is believed", "client_ca_file"),
        (LISTEN.to_owned() + &named("certificates = [\"*.example\"]"), "no pattern is taken here", ""),
        (named("rate = 0"), "`rate` must be from 1 to 1000000, not 0", ""),
        (named("users = [true]").replacen("users = [1]\n", "", 1), "a list of strings or integers", ""),
        (named("").replace("[1]", "[\"no such user\"]"), "this machine has no user `no such user`", "its number"),
        (granted("hosts = [\"*\"]").replace("users", "admin = true\nusers"), "the grants have no effect", "`admin`"),
        (granted(""), "who may change services needs the key `hosts`", "access = \"read\""),
        (granted("hosts = [\"h\"]"), "the host `h` has to be written in full", "h.internal.local"),
        (granted("hosts = [\"*\"]\nzones = [\"y\"]"), "`y` is not a managed zone", "the managed zones are `z`"),
        (granted("access = \"rw\""), "`access` must be \"read\" or \"write\", not \"rw\"", ""),
        (granted("hosts = [\"*\"]").replace("\"s\"", "\"_s._tcp\""), "`_s._tcp` is not a service's name", "`ci-*`"),
        (granted("hosts = [\"*\"]\nhost = 1"), "unknown key `host` in `[[principal.grant]]`", "`hosts`"),
        (api("listen = \"127.0.0.1:8443\""), "needs the key `tls_cert_file`", "server.pem"),
        (api(&format!("listen = \"localhost:8443\"\n{files}")), "is not an address to listen on", ""),
        (api(files), "this has no effect without `listen`", "0.0.0.0:8443"),
        (LISTEN.replace("server.key", "other.key"), "other.key: the key does not belong to the certificate", ""),
        (LISTEN.replace("server.key", "good.key"), "good.key holds no private key", ""),
        (LISTEN.replace("server.key", "none"), "none cannot be read: No such file", ""),
        (LISTEN.replacen("server.pem", "good.key", 1), "good.key holds no certificate", ""),
        (LISTEN.replace("client_ca_file = \"server.pem\"", "client_ca_file = \"none\""), "none cannot be read", ""),
    ] {
        let errors = errors(&text);
        let said = errors.contains(message) && errors.contains(help) && errors.contains("srvctl.toml:");
        assert!(said, "{text}\nshould say: {message}\n{errors}");
    }
}

#[test]
fn a_token_instead_of_its_hash_is_not_shown() {
    let errors = errors("[[principal]]\nname = \"a\"\ntoken_sha256 = [\"c2VjcmV0LXRva2Vu\"]\n");
    assert!(errors.contains("64 hexadecimal digits") && !errors.contains("c2VjcmV0LXRva2Vu"), "{errors}");
}

#[test]
fn renewed_files_are_another_configuration_and_open_keys_a_warning() {
    let (directory, config) = load_text(LISTEN);
    let path = directory.path().join("srvctl.toml");
    assert_eq!(load(&path).unwrap(), config.clone().unwrap());
    write_certificate(directory.path());
    assert_ne!(load(&path).unwrap(), config.unwrap());
    fs::set_permissions(directory.path().join("server.key"), fs::Permissions::from_mode(0o644)).unwrap();
    let warnings = load(&path).unwrap().warnings;
    assert!(warnings.iter().any(|warning| warning.contains("server.key: run `chmod o=")), "{warnings:?}");
}

#[test]
fn a_key_is_in_no_debug_output() {
    let (directory, config) = load_text(LISTEN);
    let key = fs::read_to_string(directory.path().join("server.key")).unwrap();
    let line = key.lines().nth(1).unwrap();
    let bytes = data_encoding::BASE64.decode(line.as_bytes()).unwrap();
    let shown = format!("{:?}", config.unwrap());
    assert!(!shown.contains(line) && !shown.contains(format!("{bytes:?}").trim_matches(['[', ']'])), "{shown}");
}
