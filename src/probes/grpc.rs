//! A check by gRPC's own health protocol: one call of `grpc.health.v1.Health/Check` over HTTP/2.
//!
//! # Standards
//! [gRPC health checking](https://github.com/grpc/grpc/blob/master/doc/health-checking.md),
//! [gRPC over HTTP/2](https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md). The two messages have one field
//! each and are written and read here.

use std::pin::pin;

use h2::RecvStream;
use h2::client::SendRequest;
use hyper::body::Bytes;
use hyper::header::HeaderMap;
use hyper::{Method, Request, StatusCode, Version, header};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::Instant;

use super::Tools;
use super::connect::{connect, explain};
use super::http::USER_AGENT;
use super::outcome::{Outcome, Said, Stop};
use super::progress::Step;
use super::target::Filled;
use super::tls::shake_hands;
use crate::model::health::GrpcCheck;

const PROTOCOL: &[u8] = b"h2";
const PATH: &str = "/grpc.health.v1.Health/Check";
/// The answer is two bytes long, and five before it; nobody needs more than this.
const MOST_BODY: usize = 64 * 1024;
/// Headers and trailers together, each.
const MOST_HEADERS: u32 = 16 * 1024;
/// Bytes before a message: whether it is compressed, and its length.
const PREFIX: usize = 5;

/// Calls, and wants SERVING.
pub(super) async fn check(check: &GrpcCheck, filled: &Filled<'_>, tools: &Tools<'_>) -> Outcome {
    let port = check.port.map_or(filled.port, Into::into);
    let addresses = filled.addresses(&filled.host, tools.resolver, &tools.progress).await?;
    let connected = connect(&addresses, port, tools.deadline, &tools.progress).await;
    let (stream, address) = connected.inspect_err(|_| tools.resolver.forget(&filled.host))?;
    let authority = if filled.host.contains(':') { format!("[{}]", filled.host) } else { filled.host.clone() };
    let place = format!("{authority}:{port}");
    match &check.tls {
        Some(options) => {
            let connection = (stream, address);
            let stream = shake_hands(tools, connection, &filled.host, options, PROTOCOL).await?;
            tools.progress.at(Step::Waiting(address));
            exchange(stream, &format!("https://{place}{PATH}"), &check.service, tools).await
        }
        None => {
            tools.progress.at(Step::Waiting(address));
            exchange(stream, &format!("http://{place}{PATH}"), &check.service, tools).await
        }
    }
}

async fn exchange<S: AsyncRead + AsyncWrite + Unpin>(
    stream: S,
    url: &str,
    service: &str,
    tools: &Tools<'_>,
) -> Outcome {
    let mut builder = h2::client::Builder::new();
    builder.max_header_list_size(MOST_HEADERS).enable_push(false);
    let (sender, connection) = builder.handshake::<_, Bytes>(stream).await.map_err(|error| no_answer(&error))?;
    let mut connection = pin!(connection);
    let mut call = pin!(call(sender, url, service, tools));
    // The connection moves the bytes of the call, and has no task of its own.
    let ended = tokio::select! {
        biased;
        outcome = &mut call => return outcome,
        ended = &mut connection => ended,
    };
    // What came before its end is there to be read. A call that had not gone out by then is told nothing, and would wait.
    tokio::select! {
        biased;
        outcome = &mut call => outcome,
        () = std::future::ready(()) => Err(ended.map_or_else(
            |error| no_answer(&error),
            |()| Stop::failing("no gRPC answer: the connection was closed"),
        )),
    }
}

async fn call(sender: SendRequest<Bytes>, url: &str, service: &str, tools: &Tools<'_>) -> Outcome {
    let left = tools.deadline.saturating_duration_since(Instant::now()).as_millis().clamp(1, 99_999_999);
    let request = Request::builder()
        .method(Method::POST)
        .version(Version::HTTP_2)
        .uri(url)
        .header(header::TE, "trailers")
        .header(header::CONTENT_TYPE, "application/grpc")
        .header(header::USER_AGENT, USER_AGENT)
        .header("grpc-timeout", format!("{left}m"))
        .body(())
        .map_err(|error| Stop::ours(format!("`{url}` cannot be called: {error}")))?;
    let mut sender = sender.ready().await.map_err(|error| no_answer(&error))?;
    let (response, mut body) = sender.send_request(request, false).map_err(|error| no_answer(&error))?;
    body.send_data(question(service), true).map_err(|error| no_answer(&error))?;
    let (head, mut body) = response.await.map_err(|error| no_answer(&error))?.into_parts();
    if head.status != StatusCode::OK {
        return Err(Stop::failing(format!("HTTP status {} instead of a gRPC answer", head.status)));
    }
    let content = head.headers.get(header::CONTENT_TYPE).and_then(|content| content.to_str().ok());
    if !content.is_some_and(|content| content.starts_with("application/grpc")) {
        return Err(Stop::failing("what answers there does not speak gRPC"));
    }
    // A refusal has no body, and says all in its headers.
    if head.headers.contains_key("grpc-status") {
        return Ok(refusal(&head.headers, service).unwrap_or_else(|| Said::failing("an answer without a message")));
    }
    let message = read(&mut body, tools).await?;
    let trailers = body.trailers().await.map_err(|error| no_answer(&error))?.unwrap_or_default();
    if let Some(refusal) = refusal(&trailers, service) {
        return Ok(refusal);
    }
    Ok(judge(&message, service))
}

async fn read(body: &mut RecvStream, tools: &Tools<'_>) -> Result<Vec<u8>, Stop> {
    let mut read = Vec::new();
    tools.progress.at(Step::Body(0));
    while let Some(data) = body.data().await {
        let data = data.map_err(|error| no_answer(&error))?;
        if read.len() + data.len() > MOST_BODY {
            return Err(Stop::failing(format!("the answer is larger than {MOST_BODY} bytes")));
        }
        read.extend_from_slice(&data);
        let _ = body.flow_control().release_capacity(data.len()); // an error shows in what comes next
        tools.progress.at(Step::Body(read.len()));
    }
    Ok(read)
}

/// `HealthCheckRequest { string service = 1; }` with its prefix.
fn question(service: &str) -> Bytes {
    let mut message = Vec::with_capacity(service.len() + 6);
    if !service.is_empty() {
        message.push(0x0a);
        let mut length = service.len();
        loop {
            let [low, ..] = length.to_le_bytes();
            length >>= 7;
            message.push(if length > 0 { low | 0x80 } else { low });
            if length == 0 {
                break;
            }
        }
        message.extend_from_slice(service.as_bytes());
    }
    let length = u32::try_from(message.len()).unwrap_or(u32::MAX).to_be_bytes();
    [&[0], &length[..], &message].concat().into()
}

/// `HealthCheckResponse { ServingStatus status = 1; }` with its prefix.
fn judge(answer: &[u8], service: &str) -> Said {
    let of = if service.is_empty() { String::new() } else { format!(" for {service}") };
    let Some(status) = status(answer) else {
        return Said::failing("what answers there does not speak gRPC's health protocol");
    };
    match status {
        1 => Said::passing(format!("SERVING{of}")),
        0 => Said::failing(format!("UNKNOWN{of}")),
        2 => Said::failing(format!("NOT_SERVING{of}")),
        3 => Said::failing(format!("SERVICE_UNKNOWN{of}")),
        other => Said::failing(format!("status {other}{of}")),
    }
}

/// None when it is no such message. Fields that are unknown are passed over, as protobuf has it.
fn status(answer: &[u8]) -> Option<u64> {
    let (prefix, rest) = answer.split_at_checked(PREFIX)?;
    let length = u32::from_be_bytes(prefix[1..].try_into().ok()?);
    let mut message = rest.get(..usize::try_from(length).ok()?)?;
    if prefix[0] != 0 {
        return None; // compressed, and we offered nothing of the kind
    }
    let mut status = 0; // not written when it is 0
    while !message.is_empty() {
        let tag = varint(&mut message)?;
        match (tag >> 3, tag & 7) {
            (1, 0) => status = varint(&mut message)?,
            (_, 0) => _ = varint(&mut message)?,
            (_, 1) => message = message.get(8..)?,
            (_, 2) => {
                let length = usize::try_from(varint(&mut message)?).ok()?;
                message = message.get(length..)?;
            }
            (_, 5) => message = message.get(4..)?,
            _ => return None,
        }
    }
    Some(status)
}

fn varint(message: &mut &[u8]) -> Option<u64> {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let (&byte, rest) = message.split_first()?;
        *message = rest;
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

/// What a status other than OK says; a missing one too, since an answer without is none.
fn refusal(headers: &HeaderMap, service: &str) -> Option<Said> {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
    let Some(code) = text("grpc-status") else { return Some(Said::failing("the answer broke off: no gRPC status")) };
    let why = text("grpc-message").map(decoded).filter(|why| !why.is_empty());
    let what = match code {
        "0" => return None,
        "5" => format!("it knows no service `{service}` (NOT_FOUND)"),
        "12" => "it does not offer gRPC's health protocol (UNIMPLEMENTED)".to_owned(),
        "4" => "it gave up (DEADLINE_EXCEEDED)".to_owned(),
        "7" => "it does not let us ask (PERMISSION_DENIED)".to_owned(),
        "14" => "UNAVAILABLE".to_owned(),
        "16" => "it wants to know who asks (UNAUTHENTICATED)".to_owned(),
        other => format!("gRPC status {other}"),
    };
    Some(Said::failing(why.map_or_else(|| what.clone(), |why| format!("{what}: {why}"))))
}

/// `%20` and its kin, as the protocol writes messages.
fn decoded(text: &str) -> String {
    let bytes = text.as_bytes();
    let (mut out, mut at) = (Vec::with_capacity(bytes.len()), 0);
    while at < bytes.len() {
        let hex = bytes.get(at + 1..at + 3).filter(|_| bytes[at] == b'%');
        let hex = hex.and_then(|hex| std::str::from_utf8(hex).ok()).and_then(|hex| u8::from_str_radix(hex, 16).ok());
        out.push(hex.unwrap_or(bytes[at]));
        at += if hex.is_some() { 3 } else { 1 };
    }
    String::from_utf8_lossy(&out).into_owned()
}

fn no_answer(error: &h2::Error) -> Stop {
    let why = match error.get_io() {
        Some(error) => explain(error),
        None if error.is_go_away() || error.is_reset() => {
            error.reason().map_or_else(|| "refused".to_owned(), |reason| reason.description().to_owned())
        }
        None => "what answers there does not speak HTTP/2".to_owned(),
    };
    Stop::failing(format!("no gRPC answer: {why}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_what_protobuf_has() {
        assert_eq!(&question("")[..], [0, 0, 0, 0, 0]);
        assert_eq!(&question("ab")[..], [0, 0, 0, 0, 4, 0x0a, 2, b'a', b'b']);
        let long = question(&"x".repeat(300));
        assert_eq!(&long[..8], [0, 0, 0, 1, 47, 0x0a, 0xac, 0x02]);
        assert_eq!(long.len(), 5 + 3 + 300);
    }

    #[test]
    fn statuses_are_read_and_unknown_fields_passed_over() {
        for (answer, expected) in [
            (&[0, 0, 0, 0, 0][..], Some(0)),
            (&[0, 0, 0, 0, 2, 8, 1], Some(1)),
            (&[0, 0, 0, 0, 6, 0x12, 2, 9, 9, 8, 2], Some(2)),
            (&[0, 0, 0, 0, 3, 8, 0x81, 1], Some(129)),
            (&[], None),
            (&[0, 0, 0, 0, 9, 8, 1], None),
            (&[1, 0, 0, 0, 2, 8, 1], None),
            (&[0, 0, 0, 0, 2, 0x12, 200], None),
            (&[0, 0, 0, 0, 1, 8], None),
            (&[0, 255, 255, 255, 255, 8], None),
        ] {
            assert_eq!(status(answer), expected, "{answer:?}");
        }
    }

    #[test]
    fn refusals_are_told_in_words() {
        let said = |pairs: &[(&'static str, &'static str)]| {
            let headers: HeaderMap =
                pairs.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect();
            refusal(&headers, "web").map(|said| said.text)
        };
        assert_eq!(said(&[("grpc-status", "0")]), None);
        let expected = "it knows no service `web` (NOT_FOUND): none \u{fc}%x";
        assert_eq!(said(&[("grpc-status", "5"), ("grpc-message", "none%20%C3%BC%x")]).as_deref(), Some(expected));
        assert_eq!(said(&[]).as_deref(), Some("the answer broke off: no gRPC status"));
    }
}
