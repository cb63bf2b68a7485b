//! Responses that bearerd makes itself to a request that was routed.

use bytes::Bytes;
use http::{HeaderMap, Response, StatusCode};

use super::exchange::Exchange;
use super::response::CallerResponse;
use crate::proxy::error::ProxyError;
use crate::proxy::limits::in_flight::InFlight;
use crate::proxy::message::grpc;

/// Refuses a request whose headers have not been examined yet.
pub(super) fn refuse_unread(
    exchange: Box<Exchange>,
    error: &ProxyError,
    in_flight: InFlight,
) -> Response<CallerResponse> {
    let grpc = grpc::is(&exchange.head.headers);
    refuse(exchange, error, grpc, in_flight)
}

/// Refuses a request; to a gRPC request, with a gRPC status.
pub(super) fn refuse(
    mut exchange: Box<Exchange>,
    error: &ProxyError,
    grpc: bool,
    in_flight: InFlight,
) -> Response<CallerResponse> {
    exchange.record_error(error);
    let response = own_response(error, Some(&exchange.backend.upstream.settings.name), grpc);
    response.map(|text| CallerResponse::own(text, Some(exchange), in_flight))
}

/// Creates the response for an error; for a gRPC request, with a gRPC status.
pub(super) fn own_response(error: &ProxyError, upstream: Option<&str>, grpc: bool) -> Response<Bytes> {
    let mut response = error.response(upstream);
    if grpc {
        grpc::set_status(&mut response, error.row().detail);
    }
    response
}

/// Responds with these headers and no content: to a CORS preflight, or to `OPTIONS` that may go no further.
pub(super) fn no_content(
    mut exchange: Box<Exchange>,
    headers: HeaderMap,
    in_flight: InFlight,
) -> Response<CallerResponse> {
    exchange.record_response(StatusCode::NO_CONTENT);
    let mut response = Response::new(CallerResponse::own(Bytes::new(), Some(exchange), in_flight));
    *response.status_mut() = StatusCode::NO_CONTENT;
    *response.headers_mut() = headers;
    response
}
