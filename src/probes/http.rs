//! A check that is an HTTP request: connected afresh each time, since accepting connections is a part of being well.

use std::borrow::Cow;
use std::pin::pin;

use http_body_util::{BodyExt as _, Empty};
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http1;
use hyper::header::{self, HeaderMap, HeaderValue};
use hyper::rt::{Read, Write};
use hyper::{Method, Request, Response, Uri};
use hyper_util::rt::TokioIo;

use super::Tools;
use super::connect::{connect, explain};
use super::files;
use super::outcome::{Outcome, Said, Stop};
use super::progress::Step;
use super::target::Filled;
use super::tls::shake_hands;
use crate::model::health::HttpCheck;

/// How much of a body is read, and sought through. What a check looks for stands near the top.
const MOST_BODY: usize = 64 * 1024;
const PROTOCOL: &[u8] = b"http/1.1";
/// Who asks, for the logs of those who are asked.
pub(super) const USER_AGENT: &str = concat!("srvctl/", env!("CARGO_PKG_VERSION"), " (health check)");

/// Whom to ask what.
struct Question {
    host: String,
    port: u16,
    tls: bool,
    request: Request<Empty<Bytes>>,
}

/// Makes the request and looks at the answer. No redirect is followed.
pub(super) async fn check(check: &HttpCheck, filled: &Filled<'_>, tools: &Tools<'_>) -> Outcome {
    let headers = match &check.headers_file {
        Some(path) => Some(tools.headers.get(path, |path| files::headers(path).map_err(Stop::Ours)).await?),
        None => None,
    };
    let question = question(check, filled, headers.as_deref())?;
    let addresses = filled.addresses(&question.host, tools.resolver, &tools.progress).await?;
    let connected = connect(&addresses, question.port, tools.deadline, &tools.progress).await;
    let (stream, address) = connected.inspect_err(|_| tools.resolver.forget(&question.host))?;
    if question.tls {
        let connection = (stream, address);
        let stream = shake_hands(tools, connection, &question.host, &check.tls, PROTOCOL).await?;
        tools.progress.at(Step::Waiting(address));
        exchange(TokioIo::new(stream), question.request, check, tools).await
    } else {
        tools.progress.at(Step::Waiting(address));
        exchange(TokioIo::new(stream), question.request, check, tools).await
    }
}

fn question(check: &HttpCheck, filled: &Filled<'_>, headers: Option<&HeaderMap>) -> Result<Question, Stop> {
    let url = check.url.fill_url(filled.filling()).ok_or_else(|| Stop::ours("the host has no address"))?;
    let wrong = || Stop::ours(format!("`{url}` is no URL of a check: write it as http://{{host}}:{{port}}/path"));
    let uri: Uri = url.parse().map_err(|_| wrong())?;
    let tls = match uri.scheme_str() {
        Some("http") => false,
        Some("https") => true,
        _ => return Err(wrong()),
    };
    let authority = uri.authority().ok_or_else(wrong)?;
    let host = authority.host().trim_start_matches('[').trim_end_matches(']').to_owned();
    let port = authority.port_u16().unwrap_or(if tls { 443 } else { 80 });
    let path = uri.path_and_query().map_or("/", |path| path.as_str());
    let method: Method = check.method.as_str().parse().map_err(|_| wrong())?;
    let mut request = Request::builder().method(method).uri(path).body(Empty::new()).map_err(|_| wrong())?;
    let all = request.headers_mut();
    all.insert(header::HOST, HeaderValue::from_str(authority.as_str()).map_err(|_| wrong())?);
    all.insert(header::USER_AGENT, HeaderValue::from_static(USER_AGENT));
    all.insert(header::ACCEPT, HeaderValue::from_static("*/*"));
    all.insert(header::CONNECTION, HeaderValue::from_static("close"));
    for name in headers.into_iter().flat_map(HeaderMap::keys) {
        all.remove(name); // `Host` too may be another
    }
    all.extend(headers.into_iter().flatten().map(|(name, value)| (name.clone(), value.clone())));
    Ok(Question { host, port, tls, request })
}

async fn exchange<S: Read + Write + Unpin>(
    stream: S,
    request: Request<Empty<Bytes>>,
    check: &HttpCheck,
    tools: &Tools<'_>,
) -> Outcome {
    let no_answer = |error: &hyper::Error| Stop::failing(format!("no HTTP answer: {}", cause(error)));
    let (mut sender, connection) = http1::handshake(stream).await.map_err(|error| no_answer(&error))?;
    let mut connection = pin!(connection);
    let mut answer = pin!(async { Ok(judge(sender.send_request(request).await?, check, tools).await) });
    // The connection moves the bytes of the answer, and has no task of its own.
    let mut ended: Option<hyper::Result<()>> = None;
    loop {
        tokio::select! {
            biased;
            judged = &mut answer => return match (judged, ended) {
                (Ok(outcome), _) => outcome,
                // Given up because of what happened to the connection.
                (Err(error), Some(Err(before))) if hyper::Error::is_canceled(&error) => Err(no_answer(&before)),
                (Err(error), _) => Err(no_answer(&error)),
            },
            how = &mut connection, if ended.is_none() => ended = Some(how),
        }
    }
}

async fn judge(response: Response<Incoming>, check: &HttpCheck, tools: &Tools<'_>) -> Outcome {
    let status = response.status();
    if !check.accepts(status.as_u16()) {
        return Ok(Said::failing(unwanted(&response)));
    }
    let (body, is_whole) = match read(response.into_body(), tools).await {
        Ok(read) => read,
        Err(error) => return Err(Stop::failing(format!("{status}, but its body broke off: {}", cause(&error)))),
    };
    match &check.body {
        None => Ok(Said::passing(status.to_string())),
        Some(pattern) if pattern.is_in(&body) => Ok(Said::passing(format!("{status}, and its body is as wanted"))),
        Some(_) if is_whole => {
            Ok(Said::failing(format!("{status}, but `body` matches nothing in its {} bytes", body.len())))
        }
        Some(_) => Ok(Said::failing(format!("{status}, but `body` matches nothing in its first {MOST_BODY} bytes"))),
    }
}

fn unwanted(response: &Response<Incoming>) -> String {
    let status = response.status();
    let to = response.headers().get(header::LOCATION).and_then(|to| to.to_str().ok());
    match to.filter(|_| status.is_redirection()) {
        // What follows `?` may be a secret of whoever is sent there.
        Some(to) => {
            let to = to.split(['?', '#']).next().unwrap_or_default();
            format!("{status} to {to}; redirects are not followed")
        }
        None => status.to_string(),
    }
}

/// The body up to the limit, and whether that is all of it.
async fn read(mut body: Incoming, tools: &Tools<'_>) -> Result<(Vec<u8>, bool), hyper::Error> {
    let mut read = Vec::new();
    tools.progress.at(Step::Body(0));
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame?.into_data() else { continue };
        let room = MOST_BODY - read.len();
        read.extend_from_slice(&data[..data.len().min(room)]);
        if data.len() > room {
            return Ok((read, false));
        }
        tools.progress.at(Step::Body(read.len()));
    }
    Ok((read, true))
}

/// The innermost reason: the library's own words are about the library.
fn cause(error: &hyper::Error) -> Cow<'static, str> {
    let mut inner: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(error) = inner {
        if let Some(error) = error.downcast_ref::<std::io::Error>() {
            return explain(error).into();
        }
        inner = error.source();
    }
    match error {
        error if error.is_incomplete_message() => "the connection was closed too early".into(),
        error if error.is_parse_too_large() => "its headers are too large".into(),
        error if error.is_canceled() => "the connection was closed too early".into(),
        error if error.is_parse() => "what answers there does not speak HTTP/1".into(),
        // Words before there was a question, among others.
        error => format!("what answers there does not speak HTTP/1: {error}").into(),
    }
}
