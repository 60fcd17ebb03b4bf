use super::*;

const SECRET: &str = "c2VjcmV0LXNlY3JldC1zZWNyZXQtc2VjcmV0LTEyMzQ=";

fn parse(text: &str) -> Result<TsigKey, Vec<Diagnostic>> {
    TsigKey::parse(&"test.key".into(), text, Sha1::Refused)
}

/// All messages, places and helps, as a person sees them.
fn shown(text: &str) -> String {
    parse(text).unwrap_err().iter().map(ToString::to_string).collect()
}

#[test]
fn reads_what_tsig_keygen_writes() {
    let key =
        parse(&format!("key \"srvctl-key\" {{\n\talgorithm hmac-sha256;\n\tsecret \"{SECRET}\";\n}};\n")).unwrap();
    assert_eq!(key.name().to_string(), "srvctl-key.");
    assert_eq!(key.algorithm(), Algorithm::HmacSha256);
    assert_eq!(key.secret(), b"secret-secret-secret-secret-1234");
}

#[test]
fn reads_every_spelling_of_bind() {
    for (text, algorithm) in [
        ("key k{algorithm hmac-sha384;secret SECRET;};", Algorithm::HmacSha384),
        ("# a\n// b\n/* c\n key */ KEY k. { secret SECRET; algorithm \"HMAC-SHA512\"; }; # d", Algorithm::HmacSha512),
        ("key /**/ k { algorithm hmac-sha256.; secret 'SECRET'; };", Algorithm::HmacSha256),
    ] {
        let text = text.replace("'SECRET'", "\"SECRET\"").replace("SECRET", SECRET);
        let key = parse(&text).unwrap();
        assert_eq!((key.name().to_string().as_str(), key.algorithm()), ("k.", algorithm), "{text}");
    }
}

#[test]
fn says_what_is_wrong_and_where() {
    for (text, expected) in [
        ("", "there is no key in this file"),
        ("# only a comment", "there is no key in this file"),
        ("key k { algorithm hmac-md5; secret \"SECRET\"; };", "hmac-md5 is refused: it must not be used"),
        ("key k { algorithm hmac-sha1; secret \"SECRET\"; };", "hmac-sha1 is refused: it is not recommended"),
        ("key k { algorithm hmac-sha224; secret \"SECRET\"; };", "hmac-sha224 is refused"),
        ("key k { algorithm hmac-sha1; secret \"SECRET\"; };", "tsig-keygen -a hmac-sha256 NAME"),
        ("key k { algorithm hmac-sha1; secret \"SECRET\"; };", "test.key:1:19"),
        ("key k { algorithm SECRET; secret hmac-sha256; };", "this is not an algorithm that srvctl signs with"),
        ("key k {\n  algorithm hmac-sha256;\n  secret \"SECRET!\"; };", "the secret is not base64 (not shown here)"),
        ("key k {\n  algorithm hmac-sha256;\n  secret \"SECRET!\"; };", "test.key:3:11"),
        ("key k { algorithm hmac-sha256; secret \"\"; };", "the secret is empty"),
        ("key k { algorithm hmac-sha256; };", "the key has no `secret`"),
        ("key k { secret \"SECRET\"; };", "the key has no `algorithm`"),
        ("key k { algorithm hmac-sha256; secret SECRET; secret SECRET; };", "this is said twice"),
        ("key k { algorithm hmac-sha256; secret SECRET; }; key l { };", "this is a second key"),
        ("key k { algorithm hmac-sha256; secret SECRET; }; include x;", "more in this file than one key"),
        ("key k { algorithm hmac-sha256; secret SECRET }; ", "`;` is missing before this"),
        ("key k { algorithm hmac-sha256; secret SECRET; }", "the file ends in the middle of a key"),
        ("key k algorithm hmac-sha256; secret SECRET; };", "`{` is missing before this"),
        ("key k { algorithm hmac-sha256; secret ; };", "a value is missing here"),
        ("key k { algorithm hmac-sha256; secret \"SECRET; };", "this quote has no end"),
        ("key k { /* algorithm hmac-sha256; secret SECRET; };", "this comment has no end"),
        ("key a..b { algorithm hmac-sha256; secret SECRET; };", "the name of the key has an empty label"),
        ("key k { SECRET; };", "a key has only `algorithm` and `secret`"),
        ("SECRET", "a key file starts with the word `key`"),
    ] {
        let shown = shown(&text.replace("SECRET", SECRET));
        assert!(shown.contains(expected), "{text}\n{shown}");
    }
}

#[test]
fn sha1_is_allowed_on_demand_and_md5_never() {
    let parse = |algorithm: &str| {
        let text = format!("key k {{ algorithm {algorithm}; secret {SECRET}; }};");
        TsigKey::parse(&"test.key".into(), &text, Sha1::Allowed)
    };
    assert_eq!(parse("HMAC-SHA1").unwrap().algorithm(), Algorithm::HmacSha1);
    assert!(parse("hmac-md5").is_err() && parse("hmac-sha224").is_err());
    let refused = shown(&format!("key k {{ algorithm hmac-sha1; secret {SECRET}; }};"));
    assert!(refused.contains("allow_hmac_sha1 = true"), "{refused}");
}

#[test]
fn several_errors_come_at_once() {
    assert_eq!(parse("key a..b { algorithm hmac-md5; secret \"?\"; }; key").unwrap_err().len(), 4);
}

#[test]
fn no_output_shows_the_secret() {
    let key = parse(&format!("key k {{ algorithm hmac-sha256; secret {SECRET}; }};")).unwrap();
    let debug = format!("{key:?}");
    assert_eq!(debug, "TsigKey { name: `k.`, algorithm: HmacSha256, .. }");
    let broken = [
        "key k { algorithm hmac-sha1; secret \"SECRET\"; };",
        "key k { algorithm SECRET; secret hmac-sha256; };",
        "key k {\n algorithm hmac-sha256;\n secret \"SECRET?\";\n};",
        "key k { algorithm hmac-sha256; secret \"SECRET",
        "key k { /* SECRET",
        "key k { secret SECRET SECRET; } SECRET",
        "key SECRET..x { }",
        "// SECRET\n SECRET",
        "key k { secret \"SECRET\"; SECRET",
    ];
    for text in broken {
        let errors = parse(&text.replace("SECRET", SECRET)).unwrap_err();
        let output = format!("{errors:?}{}", errors.iter().map(ToString::to_string).collect::<String>());
        assert!(!output.contains(&SECRET[..8]), "{text}\n{output}");
    }
}

#[cfg(unix)]
#[test]
fn a_key_that_everybody_can_read_draws_a_warning() {
    use std::os::unix::fs::PermissionsExt;

    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("k.key");
    std::fs::write(&path, "").unwrap();
    for (mode, warned) in [(0o600, false), (0o640, false), (0o644, true), (0o602, true)] {
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
        let warning = TsigKey::warning_for_permissions(&path);
        assert_eq!(warning.is_some(), warned, "{mode:o}");
        assert!(warning.is_none_or(|warning| warning.contains("chmod o= ")));
    }
}

proptest::proptest! {
    #[test]
    fn any_text_is_a_key_or_errors(text in "(.|\n){0,120}|([ \n\"{};/*#]|key|algorithm|secret|hmac-sha256|ü){0,30}") {
        for error in parse(&text).err().into_iter().flatten() {
            proptest::prop_assert!(!error.to_string().is_empty());
        }
    }
}
