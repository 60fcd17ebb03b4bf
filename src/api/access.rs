//! Who asks: the user at the other end of the socket, or who proves it by a token or a certificate.

use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::sync::Arc;

use axum::http::{HeaderMap, header};
use governor::{DefaultDirectRateLimiter, Quota, RateLimiter};
use nix::unistd::{Uid, User};
use ring::digest;

use super::problem::Problem;
use crate::model::Principal;

/// SHA-256 of a token. Tokens are random, so nothing slower is needed to keep them secret.
pub type TokenHash = [u8; 32];

/// Who cannot be told, in a user namespace; `nobody` elsewhere.
const OVERFLOW_UID: u32 = 65_534;

/// One principal of the configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Known {
    /// Who, and what they may do.
    pub principal: Principal,
    /// Hashes of their tokens.
    pub tokens: Vec<TokenHash>,
    /// DNS names in their client certificates, in lower case.
    pub certificates: Vec<String>,
    /// Their user IDs on the socket.
    pub users: Vec<u32>,
    /// Requests per second; any number when absent.
    pub rate: Option<NonZeroU32>,
}

/// Who is at the other end of a connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Peer {
    /// A process on this machine that may open the socket.
    Local {
        /// Its user.
        uid: u32,
    },
    /// Somebody over TCP and TLS.
    Remote {
        /// From where.
        address: SocketAddr,
        /// The DNS names in their certificate, when they showed one that our CA signed.
        certificate: Arc<[String]>,
    },
}

impl Peer {
    /// Whether it is on this machine for sure.
    pub fn is_near(&self) -> bool {
        match self {
            Self::Local { .. } => true,
            Self::Remote { address, .. } => address.ip().to_canonical().is_loopback(),
        }
    }
}

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Local { uid } => write!(f, "user {uid}"),
            Self::Remote { address, .. } => write!(f, "{address}"),
        }
    }
}

/// Everybody who is known.
#[derive(Debug, Default)]
pub struct Access {
    known: Vec<Known>,
    /// Of each principal, in the same order.
    limiters: Vec<Option<DefaultDirectRateLimiter>>,
    tokens: BTreeMap<TokenHash, usize>,
}

impl Access {
    /// Those of the configuration.
    pub fn new(known: &[Known]) -> Self {
        // A burst is as large as a second's requests.
        let limiter = |known: &Known| known.rate.map(|rate| RateLimiter::direct(Quota::per_second(rate)));
        let tokens = known.iter().enumerate().flat_map(|(at, one)| one.tokens.iter().map(move |token| (*token, at)));
        Self { known: known.to_vec(), limiters: known.iter().map(limiter).collect(), tokens: tokens.collect() }
    }

    /// Who asks.
    ///
    /// # Errors
    /// When nobody knows, or they ask too often.
    pub fn identify(&self, peer: &Peer, headers: &HeaderMap) -> Result<Principal, Problem> {
        let index = match (bearer(headers)?, peer) {
            (Some(token), _) => self.by_token(token)?,
            (None, Peer::Remote { certificate, .. }) => self.by_certificate(certificate)?,
            // The socket's permissions said already that they may; a principal of the configuration narrows it.
            // In a user namespace everybody whom it does not map is this user: nobody could be told from those who are
            // narrowed.
            (None, Peer::Local { uid: OVERFLOW_UID }) if self.known.iter().any(|known| !known.users.is_empty()) => {
                let why = "the system does not tell which user asks (`PrivateUsers=` in the unit?): give a token";
                return Err(Problem::unauthenticated(why));
            }
            (None, Peer::Local { uid }) => match self.known.iter().position(|known| known.users.contains(uid)) {
                Some(index) => index,
                None => return Ok(Principal::unrestricted(local_name(*uid))),
            },
        };
        let known = &self.known[index];
        if self.limiters[index].as_ref().is_some_and(|limiter| limiter.check().is_err()) {
            let rate = known.rate.map_or(0, NonZeroU32::get);
            return Err(Problem::too_many(format!("{} may ask {rate} times per second", known.principal.name)));
        }
        Ok(known.principal.clone())
    }

    fn by_token(&self, token: &str) -> Result<usize, Problem> {
        let unknown = || Problem::unauthenticated("this token is not known, or not any more");
        self.tokens.get(&hash(token)).copied().ok_or_else(unknown)
    }

    fn by_certificate(&self, names: &[String]) -> Result<usize, Problem> {
        let is_theirs = |known: &Known| names.iter().any(|name| known.certificates.contains(name));
        let unknown = || match names {
            [] => Problem::unauthenticated("give a token (`Authorization: Bearer …`) or a client certificate"),
            names => Problem::unauthenticated(format!("no principal has a certificate for {}", names.join(", "))),
        };
        self.known.iter().position(is_theirs).ok_or_else(unknown)
    }
}

/// The hash under which a token is kept.
pub fn hash(token: &str) -> TokenHash {
    let digest = digest::digest(&digest::SHA256, token.as_bytes());
    let mut hash = TokenHash::default();
    hash.copy_from_slice(digest.as_ref());
    hash
}

fn bearer(headers: &HeaderMap) -> Result<Option<&str>, Problem> {
    let Some(value) = headers.get(header::AUTHORIZATION) else { return Ok(None) };
    let token = value.to_str().ok().and_then(|value| {
        let (scheme, token) = value.split_once(' ')?;
        scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
    });
    token.map(Some).ok_or_else(|| Problem::unauthenticated("write `Authorization: Bearer TOKEN`"))
}

/// What the journal calls somebody on this machine.
fn local_name(uid: u32) -> String {
    match User::from_uid(Uid::from_raw(uid)) {
        Ok(Some(user)) => user.name,
        _ => format!("uid {uid}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Principal;

    fn known(name: &str) -> Known {
        let principal = Principal { name: name.into(), grants: Some(Vec::new().into()) };
        Known { principal, tokens: Vec::new(), certificates: Vec::new(), users: Vec::new(), rate: None }
    }

    fn with_header(value: &str) -> HeaderMap {
        [(header::AUTHORIZATION, value.parse().unwrap())].into_iter().collect()
    }

    fn remote(names: &[&str]) -> Peer {
        let certificate = names.iter().map(ToString::to_string).collect();
        Peer::Remote { address: "192.0.2.1:5".parse().unwrap(), certificate }
    }

    fn who(access: &Access, peer: &Peer, headers: &HeaderMap) -> Result<String, u16> {
        access.identify(peer, headers).map(|who| who.name.to_string()).map_err(|problem| problem.status)
    }

    #[test]
    fn somebody_is_known_by_token_certificate_or_user() {
        let access = Access::new(&[
            Known { tokens: vec![hash("s3cret")], ..known("team") },
            Known { certificates: vec!["host1.example".into()], ..known("host1") },
            Known { users: vec![4_294_000_000], ..known("deploy") },
        ]);
        let none = HeaderMap::new();
        assert_eq!(who(&access, &remote(&[]), &with_header("Bearer s3cret")), Ok("team".into()));
        assert_eq!(who(&access, &remote(&[]), &with_header("bearer  s3cret")), Ok("team".into()));
        assert_eq!(who(&access, &Peer::Local { uid: 0 }, &with_header("Bearer s3cret")), Ok("team".into()));
        assert_eq!(who(&access, &remote(&["x", "host1.example"]), &none), Ok("host1".into()));
        assert_eq!(who(&access, &Peer::Local { uid: 4_294_000_000 }, &none), Ok("deploy".into()));
        assert_eq!(who(&access, &Peer::Local { uid: 4_294_000_001 }, &none), Ok("uid 4294000001".into()));
        assert_eq!(who(&access, &Peer::Local { uid: 0 }, &none), Ok("root".into()));
        for (peer, headers) in [
            (remote(&[]), none.clone()),
            (remote(&["other"]), none.clone()),
            (remote(&["host1.example"]), with_header("Bearer wrong")),
            (remote(&[]), with_header("Basic s3cret")),
            (remote(&[]), with_header("s3cret")),
            (Peer::Local { uid: 0 }, with_header("Bearer wrong")),
        ] {
            assert_eq!(who(&access, &peer, &headers), Err(401), "{peer:?} {headers:?}");
        }
    }

    #[test]
    fn who_cannot_be_told_is_not_somebody_without_limits() {
        let nobody = Peer::Local { uid: OVERFLOW_UID };
        let named = |users: &[u32]| Access::new(&[Known { users: users.to_vec(), ..known("deploy") }]);
        assert!(who(&named(&[]), &nobody, &HeaderMap::new()).is_ok());
        assert_eq!(who(&named(&[1001]), &nobody, &HeaderMap::new()), Err(401));
    }

    #[test]
    fn nobody_asks_more_often_than_they_may() {
        let rate = NonZeroU32::new(3);
        let access = Access::new(&[Known { tokens: vec![hash("t")], rate, ..known("team") }]);
        let answers: Vec<_> = (0..5).map(|_| who(&access, &remote(&[]), &with_header("Bearer t"))).collect();
        assert!(answers[..3].iter().all(Result::is_ok), "{answers:?}");
        assert_eq!(answers[4], Err(429));
    }
}
