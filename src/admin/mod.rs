//! The admin listener: probes, metrics, status, and commands to a running proxy.

mod access;
mod actions;
mod metrics;
mod probes;
mod problem;
mod serve;
mod state;
mod status;
#[cfg(test)]
mod tests;
mod watched;

use std::sync::Arc;

use axum::Router;
use axum::middleware::{from_fn, from_fn_with_state};
use axum::routing::{get, post};

pub use access::Peer;
pub use serve::{AdminListener, CONNECTIONS, serve};
pub use state::{Admin, AdminCommand, AdminUpstream, Born, SubjectError, TokenView};

/// The routes of the admin listener. Requests must have a [`Peer`] extension.
pub fn router(admin: Arc<Admin>) -> Router {
    Router::new()
        .route("/livez", get(probes::live))
        .route("/healthz", get(probes::live))
        .route("/startupz", get(probes::started))
        .route("/readyz", get(probes::ready))
        .route("/metrics", get(metrics::metrics))
        .route("/status", get(status::status))
        .route("/refresh", post(actions::refresh))
        .route("/reload", post(actions::reload))
        .route("/quit", post(actions::quit))
        .fallback(problem::no_route)
        .method_not_allowed_fallback(problem::wrong_method)
        .layer(from_fn_with_state(Arc::clone(&admin), access::admit))
        .layer(from_fn(problem::internal))
        .with_state(admin)
}
