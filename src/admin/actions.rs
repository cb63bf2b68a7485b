//! Commands to a running proxy. All are POST, so that a link or an image cannot trigger them.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use tokio::sync::oneshot;

use super::problem::ProblemDetails;
use super::{Admin, AdminCommand, AdminUpstream, SubjectError};
use crate::token::status::Forced;

#[derive(Deserialize)]
pub(super) struct Whose {
    upstream: String,
    subject: Option<String>,
}

/// The response to a renewal.
#[derive(Serialize)]
pub(super) struct Renewed {
    upstream: String,
    result: &'static str,
    generation: u64,
}

/// The response to a command.
#[derive(Serialize)]
pub(super) struct Done {
    result: &'static str,
    #[serde(skip_serializing_if = "String::is_empty")]
    detail: String,
}

/// `POST /refresh`.
pub(super) async fn refresh(
    State(admin): State<Arc<Admin>>,
    whose: Result<Query<Whose>, QueryRejection>,
) -> Result<Json<Renewed>, ProblemDetails> {
    let Query(Whose { upstream, subject }) = whose
        .map_err(|_| ProblemDetails::new(StatusCode::BAD_REQUEST, "bad-request", "write /refresh?upstream=NAME"))?;
    let upstream = find(&admin, &upstream)?;
    let name = &upstream.name;
    match upstream.tokens.force(subject.as_deref()).await {
        Ok(Forced::Renewed(generation)) => {
            tracing::info!(upstream = &**name, generation = generation.0, "token renewed on request");
            Ok(Json(Renewed { upstream: name.to_string(), result: "renewed", generation: generation.0 }))
        }
        Ok(Forced::TooSoon(wait)) => {
            let detail = "too many forced renewals; the current token stays in use";
            Err(ProblemDetails::new(StatusCode::TOO_MANY_REQUESTS, "too-soon", detail).of(name).retry_after(wait))
        }
        Ok(Forced::Failed(why)) => Err(ProblemDetails::new(StatusCode::BAD_GATEWAY, "token-failing", why).of(name)),
        Err(error) => Err(ProblemDetails::new(StatusCode::BAD_REQUEST, "subject", wording(error)).of(name)),
    }
}

fn find(admin: &Admin, name: &str) -> Result<AdminUpstream, ProblemDetails> {
    let upstreams = admin.upstreams.load();
    let known = upstreams.iter().find(|upstream| &*upstream.name == name).cloned();
    known.ok_or_else(|| {
        ProblemDetails::new(StatusCode::NOT_FOUND, "no-upstream", "unknown upstream; GET /status lists them")
    })
}

fn wording(error: SubjectError) -> &'static str {
    match error {
        SubjectError::Missing => "this upstream has a token per subject: add &subject=NAME",
        SubjectError::Invalid => "invalid subject for this upstream",
    }
}

/// How long `/reload` waits for the result.
const RELOAD: Duration = Duration::from_secs(30);

/// `POST /reload`.
pub(super) async fn reload(State(admin): State<Arc<Admin>>) -> Result<Json<Done>, ProblemDetails> {
    let (reply, answer) = oneshot::channel();
    tell(&admin, AdminCommand::Reload(reply))?;
    match tokio::time::timeout(RELOAD, answer).await {
        Ok(Ok(Ok(detail))) => Ok(Json(Done { result: "reloaded", detail })),
        Ok(Ok(Err(problems))) => Err(ProblemDetails::new(StatusCode::UNPROCESSABLE_ENTITY, "configuration", problems)),
        Ok(Err(_)) | Err(_) => Err(busy()),
    }
}

/// `POST /quit`.
pub(super) async fn quit(State(admin): State<Arc<Admin>>) -> Result<Json<Done>, ProblemDetails> {
    if !admin.quit {
        return Err(ProblemDetails::new(
            StatusCode::FORBIDDEN,
            "guard",
            "disabled; set `admin.quit = true` to allow it",
        ));
    }
    tell(&admin, AdminCommand::Quit)?;
    Ok(Json(Done { result: "draining", detail: String::new() }))
}

fn tell(admin: &Admin, command: AdminCommand) -> Result<(), ProblemDetails> {
    admin.commands.try_send(command).map_err(|_| busy())
}

fn busy() -> ProblemDetails {
    ProblemDetails::new(
        StatusCode::SERVICE_UNAVAILABLE,
        "busy",
        "another command is running, or the process is stopping; try again later",
    )
    .retry_after(Duration::from_secs(1))
}
