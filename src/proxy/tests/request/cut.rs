//! Responses that break off while their body is inspected.

use super::expiry::incoming;
use super::scene::Setting;
use super::streams;
use super::wire::*;

const UNSURE: [&str; 4] = ["", "{\"co", "{\"code\": \"fine\"}", "<p>"];

fn cut(body: &str) -> String {
    format!("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{body}")
}

/// Checks that the caller gets this much of a response, and then the end of its connection.
async fn assert_cut(caller: &mut Caller, body: &str) {
    let head = caller.head().await.unwrap_or_else(|| panic!("no head: {body:?}"));
    assert_eq!((head.status(), head.header("content-length")), (200, Some("100")), "{body:?}");
    assert_eq!(caller.exactly(body.len()).await.as_deref(), Some(body.as_bytes()));
    assert_eq!(caller.exactly(1).await, None, "{body:?}");
}

#[tokio::test]
async fn a_body_that_breaks_off_while_it_is_inspected_is_passed_on_as_far_as_it_came() {
    for body in UNSURE {
        let (_scene, _api, mut caller, mut there) = incoming(|_| ()).await;
        there.send(cut(body)).await;
        drop(there);
        assert_cut(&mut caller, body).await;
    }
}

#[tokio::test]
async fn a_caller_of_http_2_gets_what_came_of_it_too() {
    for body in UNSURE {
        let (api, address) = ManualApi::start().await;
        let mut setting = Setting::to(address);
        setting.bodies = true;
        let scene = setting.start();
        let (response, _) = streams::caller(scene.address).await.send_request(streams::get("/"), true).unwrap();
        let mut there = api.accept().await;
        there.head().await.unwrap();
        there.send(cut(body)).await;
        drop(there);
        let response = tokio::time::timeout(LONG, response).await.expect("no response").expect("no head");
        assert_eq!(response.status(), 200, "{body:?}");
        let (mut stream, mut came) = (response.into_body(), Vec::new());
        let end = loop {
            match tokio::time::timeout(LONG, stream.data()).await.expect("no data").expect("a clean end") {
                Ok(data) => came.extend_from_slice(&data),
                Err(error) => break error,
            }
        };
        assert!(came == body.as_bytes() && end.is_reset(), "{body:?}: {came:?}, {end}");
    }
}

#[tokio::test]
async fn a_rejection_that_breaks_off_is_passed_on_if_the_repeat_fails_or_breaks_off_too() {
    const EXPIRED: &str = "{\"code\": \"expired\"}";
    for again in [None, Some(cut(EXPIRED)), Some(cut("{"))] {
        let (_scene, api, mut caller, mut there) = incoming(|_| ()).await;
        there.send(cut(EXPIRED)).await;
        drop(there);
        let mut there = api.accept().await;
        assert_eq!(there.head().await.unwrap().header("authorization"), Some("Bearer g2"));
        there.send(again.as_deref().unwrap_or_default()).await;
        drop(there);
        assert_cut(&mut caller, if again == Some(cut("{")) { "{" } else { EXPIRED }).await;
    }
}
