//! Requests, and servers that answer them well, badly, slowly or not.

use std::fs::{self, Permissions};
use std::io::Write as _;
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use srvctl::model::health::{BodyPattern, CheckKind, HttpCheck, HttpMethod, Verdict};

use super::servers::{Web, at, mute, plain, resetting, scripted, status, wait_for_end};
use super::{ALL, AMPLE, Lab, SHORT, assert_overtime, assert_seen, http, job, named, seen, seen_within, target};

use Verdict::{Failing, Passing, Unknown};

fn body(url: &str, pattern: &str) -> HttpCheck {
    HttpCheck { body: Some(BodyPattern::new(pattern).unwrap()), ..http(url) }
}

#[test]
fn answers_are_judged_by_their_status() {
    let web = Web::start(|request| match request.uri().path() {
        "/away" => status(302, ("location", "https://login.example/in?token=SECRET")),
        path => status(path[1..].parse().unwrap(), ("x-a", "b")),
    });
    let ask = |path: &str, wanted: &[u16]| {
        let wanted: Vec<_> = wanted.iter().map(|code| *code..=*code).collect();
        let check = HttpCheck { status: if wanted.is_empty() { vec![200..=299] } else { wanted }, ..http(&at(path)) };
        seen(CheckKind::Http(check), target(web.address))
    };
    assert_seen(&ask("/200", &[]), Passing, &["200 OK"]);
    assert_seen(&ask("/204", &[]), Passing, &["204 No Content"]);
    assert_seen(&ask("/503", &[]), Failing, &["503 Service Unavailable"]);
    assert_seen(&ask("/401", &[200, 401]), Passing, &["401"]);
    assert_seen(&ask("/204", &[200]), Failing, &["204"]);
    let away = ask("/away", &[]);
    assert_seen(&away, Failing, &["302 Found to https://login.example/in; redirects are not followed"]);
    assert!(!away.text.contains("SECRET"));
    assert_seen(&ask("/away", &[302]), Passing, &["302 Found"]);
}

#[test]
fn requests_are_what_was_configured_and_headers_stay_secret() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("web.headers");
    fs::write(&file, "Authorization: Bearer SECRET\nUser-Agent: probe\n").unwrap();
    fs::set_permissions(&file, Permissions::from_mode(0o600)).unwrap();
    let (sent, received) = mpsc::channel();
    let web = Web::start(move |request| {
        let header = |name| request.headers().get(name).map_or("", |value| value.to_str().unwrap()).to_owned();
        let line = format!("{} {}", request.method(), request.uri());
        sent.send([line, header("host"), header("authorization"), header("user-agent"), header("connection")]).unwrap();
        status(500, ("x-a", "b"))
    });
    let port = web.address.port();
    let check = HttpCheck {
        headers_file: Some(file.clone()),
        method: HttpMethod::Head,
        ..http("http://{host}:{port}/a?b={address}&c={port}")
    };
    let result = seen(CheckKind::Http(check.clone()), target(web.address));
    assert_seen(&result, Failing, &["500 Internal Server Error"]);
    assert!(!result.text.contains("SECRET"));
    let host = format!("vm1.internal.local:{port}");
    let line = format!("HEAD /a?b=127.0.0.1&c={port}");
    assert_eq!(received.recv().unwrap(), [&line, &host, "Bearer SECRET", "probe", "close"]);
    seen(CheckKind::Http(http("http://{address}:{port}")), target(web.address));
    let received = received.iter().find(|request| request[0] == "GET /").unwrap();
    assert_eq!(received[1], format!("127.0.0.1:{port}"));
    assert!(received[3].starts_with("srvctl/"), "{received:?}");

    // Not to be told apart from a secret that everybody knows.
    fs::set_permissions(&file, Permissions::from_mode(0o644)).unwrap();
    let result = seen(CheckKind::Http(check.clone()), target(web.address));
    assert_seen(&result, Unknown, &["every user of this machine has access", "chmod o="]);
    fs::remove_file(&file).unwrap();
    assert_seen(&seen(CheckKind::Http(check), target(web.address)), Unknown, &["cannot be read: No such file"]);
}

#[test]
fn bodies_are_sought_through_up_to_a_limit() {
    let web = Web::start(|request| {
        let filler = "x".repeat(request.uri().path()[1..].parse().unwrap());
        plain(format!("first: ok\n{filler}\nlast: ok"))
    });
    let ask = |length: usize, pattern: &str| {
        seen(CheckKind::Http(body(&at(&format!("/{length}")), pattern)), target(web.address))
    };
    assert_seen(&ask(10, "last: (ok|well)$"), Passing, &["200 OK"]);
    assert_seen(&ask(10, "(?m)^first: ill"), Failing, &["200 OK, but `body` matches nothing in its 29 bytes"]);
    assert_seen(&ask(10_000_000, "(?m)^first: ok$"), Passing, &["200 OK"]);
    assert_seen(&ask(10_000_000, "last"), Failing, &["matches nothing in its first 65536 bytes"]);
    // Linear, however it is written.
    assert_seen(&ask(60_000, "(x+x+)+y"), Failing, &["matches nothing"]);
}

/// Reads the request's head and says this.
fn says(words: &'static str) -> impl Fn(TcpStream) + Send + Sync {
    move |mut stream| {
        let _ = stream.peek(&mut [0; 1]);
        let _ = stream.write_all(words.as_bytes());
        wait_for_end(&stream);
    }
}

#[test]
fn what_is_slow_or_hangs_ends_at_the_limit_wherever_it_does() {
    let drips = |head: &'static str, drop: &'static str| {
        scripted(move |mut stream| {
            let _ = stream.peek(&mut [0; 1]);
            let _ = stream.write_all(head.as_bytes());
            while stream.write_all(drop.as_bytes()).is_ok() {
                thread::sleep(Duration::from_millis(20));
            }
        })
    };
    let late = |address| seen_within(SHORT, CheckKind::Http(http("http://{host}:{port}/")), target(address));
    assert_overtime(&late(mute()), &["connected to 127.0.0.1:", "but no answer"]);
    assert_overtime(&late(scripted(says("HTTP/1.1 200 OK\r\nx-a: b\r\n"))), &["but no answer"]);
    assert_overtime(&late(drips("HTTP/1.1 200 OK\r\n", "x: y\r\n")), &["but no answer"]);
    let stalled = late(scripted(says("HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf")));
    assert_overtime(&stalled, &["the answer began, but did not end after 4 bytes of its body"]);
    assert_overtime(&late(drips("HTTP/1.1 200 OK\r\n\r\n", "x")), &["did not end after"]);
    assert_overtime(
        &late(drips("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n", "1\r\nx\r\n")),
        &["of its body"],
    );
}

#[test]
fn what_is_broken_is_told_as_what_it_is() {
    let ask = |address| seen(CheckKind::Http(http("http://{host}:{port}/")), target(address));
    let says_and_goes = |words: &'static str| {
        scripted(move |mut stream| {
            let _ = stream.peek(&mut [0; 1]);
            let _ = std::io::Read::read(&mut stream, &mut [0; 4096]);
            let _ = stream.write_all(words.as_bytes());
        })
    };
    assert_seen(&ask(resetting()), Failing, &["no HTTP answer: the connection was reset"]);
    assert_seen(&ask(says_and_goes("")), Failing, &["no HTTP answer: the connection was closed too early"]);
    assert_seen(&ask(says_and_goes("SSH-2.0-OpenSSH_9.2\r\n")), Failing, &["does not speak HTTP/1"]);
    let first = scripted(|mut stream| {
        let _ = stream.write_all(b"220 mail.example ESMTP\r\n");
        wait_for_end(&stream);
    });
    // Its words come before the question or after it, and are no answer or the end of the connection.
    assert_seen(&ask(first), Failing, &["no HTTP answer: "]);
    let cut = says_and_goes("HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf");
    assert_seen(&ask(cut), Failing, &["200 OK, but its body broke off"]);
    let endless = scripted(|mut stream| {
        let _ = stream.peek(&mut [0; 1]);
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\n");
        while stream.write_all(b"x-header: and so on, and so on, and so on, and so on\r\n").is_ok() {}
    });
    assert_seen(&ask(endless), Failing, &["its headers are too large"]);
    let nobody = mute_port();
    assert_seen(&ask(nobody), Failing, &[&format!("no connection to {nobody}: refused")]);
    let error = seen(CheckKind::Http(http("http://{host}:{port}:x/")), target(nobody));
    assert_seen(&error, Unknown, &["is no URL of a check"]);
}

/// Where nobody listens.
fn mute_port() -> std::net::SocketAddr {
    crate::support::free_address()
}

#[test]
fn a_server_that_flaps_is_seen_flapping() {
    let count = Arc::new(AtomicUsize::new(0));
    let web = Web::start(move |_| match count.fetch_add(1, Ordering::SeqCst) % 3 {
        2 => status(503, ("x-a", "b")),
        _ => plain("well"),
    });
    let mut lab = Lab::new(ALL);
    lab.set.set([job(7, CheckKind::Http(http(&at("/"))), AMPLE, target(web.address))]);
    let verdicts: Vec<_> = (0..9).map(|_| lab.next().result.verdict).collect();
    assert_eq!(verdicts, [Passing, Passing, Failing].repeat(3));
}

#[test]
fn hosts_in_urls_that_are_not_the_instance_are_asked_for() {
    let web = Web::start(|_| plain("well"));
    let port = web.address.port();
    let elsewhere = named("vm1.internal.local.", port, &["127.0.0.9".parse().unwrap()]);
    let url = format!("http://localhost:{port}/");
    assert_seen(&seen(CheckKind::Http(http(&url)), elsewhere.clone()), Passing, &["200 OK"]);
    let url = format!("http://127.0.0.1:{port}/");
    assert_seen(&seen(CheckKind::Http(http(&url)), elsewhere), Passing, &["200 OK"]);
}
