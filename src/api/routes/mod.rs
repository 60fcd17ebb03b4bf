//! The paths of the API, each with its description: what is served and what the OpenAPI document says are one.

mod catalogue;
mod discovery;
mod health;
mod instances;
mod listing;
mod maintenance;
mod metrics;
mod plans;
mod services;
mod status;
mod word;

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{DefaultBodyLimit, FromRequestParts, Request, State};
use axum::http::request::Parts;
use axum::http::{StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json, Router};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::{Modify, OpenApi};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::access::{Access, Peer};
use super::backend::Backend;
use super::problem::Problem;
use super::query::MAX_WAIT;
use super::{HEALTH_PATH, Proof};
use crate::model::rules;
use crate::model::{InstanceId, Principal, ServiceKey};
use crate::reconcile::registry::check_id;

/// Largest body of a request other than an import, bytes.
const MAX_BODY: usize = 64 * 1024;
/// Largest import, bytes.
const MAX_IMPORT: usize = 16 * 1024 * 1024;
/// How long a request may take beyond what it asked to wait.
const LIMIT: Duration = Duration::from_secs(30);

/// What every route gets.
#[derive(Clone)]
pub(super) struct Site {
    pub(super) backend: Arc<dyn Backend>,
    pub(super) access: Arc<Access>,
    /// One import at a time: each may be large.
    imports: Arc<Semaphore>,
}

impl Site {
    pub(super) fn new(backend: Arc<dyn Backend>, access: Arc<Access>) -> Self {
        Self { backend, access, imports: Arc::new(Semaphore::new(1)) }
    }
}

#[derive(OpenApi)]
#[openapi(
    info(
        title = "srvctl",
        description = "Registers services in DNS, and tells how they stand there. On the unix socket, whoever may open \
                       it may ask; over TCP, a bearer token or a client certificate says who asks. Errors are \
                       `application/problem+json` (RFC 9457)."
    ),
    components(schemas(Problem, Proof)),
    modifiers(&Credentials),
    security(("bearer" = []), ("mutualTLS" = []))
)]
struct Description;

/// How those who come over TCP say who they are.
struct Credentials;

impl Modify for Credentials {
    fn modify(&self, openapi: &mut utoipa::openapi::OpenApi) {
        let bearer = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).description(Some(
            "A token of `srvctl token`, whose hash is in srvctl.toml. Over the unix socket none is needed.",
        ));
        let certificate = SecurityScheme::MutualTls {
            description: Some(
                "A client certificate that `client_ca_file` signed, for a name of a principal.".to_owned(),
            ),
            deprecated: None,
            extensions: None,
        };
        let schemes = openapi.components.get_or_insert_default();
        schemes.add_security_scheme("bearer", SecurityScheme::Http(bearer.build()));
        schemes.add_security_scheme("mutualTLS", certificate);
    }
}

fn router() -> OpenApiRouter<Site> {
    OpenApiRouter::with_openapi(Description::openapi())
        .routes(routes!(status::status))
        .routes(routes!(metrics::metrics))
        .routes(routes!(discovery::targets))
        .routes(routes!(services::list))
        .routes(routes!(services::show, services::configure, services::remove))
        .routes(routes!(instances::list))
        .routes(routes!(instances::add))
        .routes(routes!(instances::show, instances::register, instances::set, instances::deregister))
        .routes(routes!(instances::renew))
        .routes(routes!(health::list))
        .routes(routes!(health::show))
        .routes(routes!(health::history))
        .routes(routes!(maintenance::list))
        .routes(routes!(maintenance::set_service, maintenance::end_service))
        .routes(routes!(maintenance::set_host, maintenance::end_host))
        .routes(routes!(catalogue::history))
        .routes(routes!(plans::list))
        .routes(routes!(plans::accept))
        .layer(DefaultBodyLimit::max(MAX_BODY))
        .merge(imports())
}

fn imports() -> OpenApiRouter<Site> {
    let routes = OpenApiRouter::new().routes(routes!(catalogue::export, catalogue::import));
    routes.layer(DefaultBodyLimit::max(MAX_IMPORT))
}

/// The OpenAPI document of all paths that need credentials.
pub fn openapi() -> utoipa::openapi::OpenApi {
    let (_, mut openapi) = router().split_for_parts();
    env!("CARGO_PKG_VERSION").clone_into(&mut openapi.info.version);
    openapi
}

/// Everything that is served to one peer.
pub(super) fn served(site: Site) -> Router {
    let (known, _) = router().split_for_parts();
    let description = Arc::new(openapi());
    known
        .route("/v1/openapi.json", axum::routing::get(move || std::future::ready(Json((*description).clone()))))
        .fallback(|| std::future::ready(Problem::not_found("the API has no such path; see /v1/openapi.json")))
        .method_not_allowed_fallback(|| {
            std::future::ready(Problem::of_status(
                StatusCode::METHOD_NOT_ALLOWED,
                "see /v1/openapi.json for the methods",
            ))
        })
        .layer(middleware::from_fn_with_state(site.clone(), identify))
        // What asks nobody who they are comes after that, and tells nothing but that somebody is here.
        .route(HEALTH_PATH, axum::routing::get(|| std::future::ready(([(header::CONNECTION, "close")], "ok\n"))))
        .layer(middleware::from_fn(in_time))
        .with_state(site)
}

/// Finds out who asks, and logs what is denied to them.
async fn identify(State(site): State<Site>, mut request: Request, next: Next) -> Response {
    let Some(peer) = request.extensions().get::<Peer>().cloned() else {
        return Problem::unauthenticated("the connection does not say who is there").into_response();
    };
    let (method, path) = (request.method().clone(), request.uri().path().to_owned());
    let who = match site.access.identify(&peer, request.headers()) {
        Ok(who) => who,
        Err(problem) => {
            tracing::warn!(%peer, %method, path, reason = problem.detail, "a request was refused");
            return problem.into_response();
        }
    };
    let name = Arc::clone(&who.name);
    request.extensions_mut().insert(who);
    let response = next.run(request).await;
    if response.status() == StatusCode::FORBIDDEN {
        let reason = response.extensions().get::<Denial>().map_or("", |denial| &denial.0);
        tracing::warn!(principal = %name, %peer, %method, path, reason, "a request was denied");
    }
    response
}

/// Why something was denied, for the log.
#[derive(Clone)]
struct Denial(Arc<str>);

async fn in_time(request: Request, next: Next) -> Response {
    // Who asks to wait is answered in time by who waits.
    let waits = request.uri().query().is_some_and(|query| query.contains("wait="));
    let limit = if waits { LIMIT + Duration::from_secs(MAX_WAIT) } else { LIMIT };
    match timeout(limit, next.run(request)).await {
        Ok(response) => response,
        Err(_) => Problem::late(format!("it was not finished within {} s", limit.as_secs())).into_response(),
    }
}

/// An error on its way out, with its reason for the log.
#[derive(Debug)]
struct Failure(Problem);

impl<E: Into<Problem>> From<E> for Failure {
    fn from(error: E) -> Self {
        Self(error.into())
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let reason = Denial(self.0.detail.as_str().into());
        let mut response = self.0.into_response();
        response.extensions_mut().insert(reason);
        response
    }
}

/// Who asks, and whom.
struct Caller {
    site: Site,
    who: Principal,
}

impl FromRequestParts<Site> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, site: &Site) -> Result<Self, Problem> {
        let who = Extension::<Principal>::from_request_parts(parts, site).await;
        let unknown = |_| Problem::unauthenticated("nobody said who asks");
        who.map(|Extension(who)| Self { site: site.clone(), who }).map_err(unknown)
    }
}

/// Leave to send a large body: for who may change something, and one at a time.
struct Importing(#[expect(dead_code, reason = "it is held, not looked at")] OwnedSemaphorePermit);

impl FromRequestParts<Site> for Importing {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, site: &Site) -> Result<Self, Failure> {
        let Caller { who, .. } = Caller::from_request_parts(parts, site).await?;
        if !who.may_write() {
            return Err(Problem::denied(format!("{} may not change anything", who.name)).into());
        }
        let permit = Arc::clone(&site.imports).try_acquire_owned();
        Ok(Self(permit.map_err(|_| Problem::too_many("another import is under way"))?))
    }
}

fn service(site: &Site, text: &str) -> Result<ServiceKey, Problem> {
    Ok(rules::service(text, site.backend.zones())?)
}

/// The instance that is meant: the one that is called so, or the one on that host and port.
fn instance(site: &Site, service: &ServiceKey, text: &str) -> Result<InstanceId, Problem> {
    if let Ok(literal) = text.to_ascii_lowercase().parse::<InstanceId>() {
        let mut is_known = false;
        site.backend.view(&mut |view| is_known = view.registry.instance(service, &literal).is_some());
        if is_known && literal.endpoint().is_some() {
            return Ok(literal);
        }
    }
    Ok(check_id(text, &service.zone, site.backend.zones())?)
}

fn may_read(who: &Principal, service: &ServiceKey) -> Result<(), Problem> {
    if who.may(crate::model::Access::Read, service) {
        return Ok(());
    }
    Err(Problem::denied(format!("{} may not see the service `{service}`", who.name)))
}
