//! Requests and responses pass byte for byte.

use bearerd::demo::mock::{Api, Behaviour, Kind, Mock, Received};
use serde_json::{Value, json};

use crate::support::{Answer, Bearerd, Door, Wire, call, client, get, outside};

async fn started(mock: &Mock) -> Bearerd {
    Bearerd::start(Door::open(mock).toml()).await
}

fn last(mock: &Mock) -> Received {
    mock.received_by(Api::Open, Kind::Call).pop().unwrap()
}

fn sum(bytes: &[u8]) -> String {
    let sum = ring::digest::digest(&ring::digest::SHA256, bytes);
    sum.as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}

fn pattern(length: usize) -> Vec<u8> {
    (0..length).map(|at| (at % 251) as u8).collect()
}

#[tokio::test]
async fn bodies_of_any_size_pass_identical_in_both_directions() {
    let mock = outside().await;
    let (bearerd, client) = (started(&mock).await, client());
    for length in [0, 1, 4096, 65_537, 1 << 20, (1 << 20) + 1, 20_000_000] {
        let body = pattern(length);
        let sent = call(client.put(bearerd.url("open", "/x")).body(body.clone())).await.json();
        assert_eq!((&sent["body"]["length"], &sent["body"]["sha256"]), (&json!(length), &json!(sum(&body))));
        let got = get(&bearerd.url("open", &format!("/bytes?n={length}"))).await;
        assert_eq!(got.header("content-length"), Some(&*length.to_string()));
        assert!(got.body == body, "{length}");
        let back = call(client.post(bearerd.url("open", "/mirror")).body(body.clone())).await;
        assert!(back.body == body, "{length}");
    }
}

#[tokio::test]
async fn a_chunked_body_and_its_trailers_arrive() {
    let mock = outside().await;
    let bearerd = started(&mock).await;
    let request = "POST /x HTTP/1.1\r\nhost: localhost\r\nconnection: close, te\r\nte: trailers\r\n\
                   transfer-encoding: chunked\r\ntrailer: x-sum\r\n\r\n3\r\none\r\n3\r\ntwo\r\n0\r\nx-sum: 6\r\n\
                   authorization: Bearer stolen\r\n\r\n";
    let answer = Wire::exchange(bearerd.address("open"), request).await;
    let echo: Value = serde_json::from_str(&answer[answer.find('{').unwrap()..=answer.rfind('}').unwrap()]).unwrap();
    assert_eq!((&echo["body"]["text"], &echo["trailers"]), (&json!("onetwo"), &json!([["x-sum", "6"]])));
}

#[tokio::test]
async fn trailers_of_an_answer_come_back() {
    let mock = outside().await;
    let bearerd = started(&mock).await;
    let request = "GET /trailers HTTP/1.1\r\nhost: localhost\r\nconnection: close, te\r\nte: trailers\r\n\r\n";
    let answer = Wire::exchange(bearerd.address("open"), request).await.to_lowercase();
    assert!(answer.contains("\r\ntransfer-encoding: chunked\r\n"), "{answer}");
    assert!(answer.ends_with("0\r\nx-sum: 6\r\n\r\n"), "{answer}");
}

#[tokio::test]
async fn a_head_request_has_the_headers_of_the_answer_and_no_body() {
    let mock = outside().await;
    let bearerd = started(&mock).await;
    let request = "HEAD /bytes?n=5 HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n";
    let answer = Wire::exchange(bearerd.address("open"), request).await;
    assert!(answer.starts_with("HTTP/1.1 200 ") && answer.ends_with("\r\n\r\n"), "{answer}");
    assert!(answer.contains("\r\nContent-Length: 5\r\n"), "{answer}");
    assert_eq!(last(&mock).method, "HEAD");
    for status in [204, 304] {
        let request = format!("GET /status/{status} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n");
        let answer = Wire::exchange(bearerd.address("open"), &request).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")) && answer.ends_with("\r\n\r\n"), "{answer}");
    }
}

#[tokio::test]
async fn path_and_query_go_through_byte_for_byte_below_the_base() {
    let mock = outside().await;
    let door = Door::open(&mock).text("url", &format!("{}/base", mock.open().url()));
    let loose = door.clone().named("loose").key("access.dot_segments", "true");
    let bearerd = Bearerd::start(door.toml() + &loose.toml()).await;
    let plain = ["/", "/a%2Fb%20c//d;p=1?q=%E4&&x=a+b?/..&=", "/?", "/%ff", "/a.b/..c/d..?/../x", "/'()*!$,:@~[]|"];
    let dotted = ["/a/../b", "/./a", "/a/%2e%2E/b"];
    let doors = plain.map(|target| ("open", target)).into_iter().chain(dotted.map(|target| ("loose", target)));
    for (door, target) in doors {
        let request = format!("GET {target} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n");
        let answer = Wire::exchange(bearerd.address(door), &request).await;
        assert!(answer.starts_with("HTTP/1.1 200 "), "{target}: {answer}");
        assert_eq!(last(&mock).target, format!("/base{target}"));
    }
    let absolute = "GET http://evil.example/x?y HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n";
    Wire::exchange(bearerd.address("open"), absolute).await;
    let host = mock.open().address().to_string();
    for call in mock.received_by(Api::Open, Kind::Call) {
        assert_eq!(call.header("host"), Some(&*host), "nothing the caller sends changes the host");
    }
}

#[tokio::test]
async fn headers_pass_in_number_and_order_but_for_what_belongs_to_this_hop_or_to_credentials() {
    let mock = outside().await;
    let bearerd = started(&mock).await;
    let many: Vec<_> = (0..35).map(|n| format!("x-{n}: {n}\r\nx-same: {n}\r\n")).collect();
    let request = format!(
        "GET /x HTTP/1.1\r\nhost: localhost\r\nconnection: close, x-hop\r\nconnection: x-hop-too\r\nx-hop: 1\r\n\
         x-hop-too: 1\r\nkeep-alive: 1\r\nproxy-authorization: x\r\nproxy-connection: x\r\nauthorization: Basic stolen\r\n\
         authorization: Basic again\r\nforwarded: for=x\r\nx-forwarded-for: x\r\nx-forwarded-other: x\r\nte: gzip\r\n\
         cookie: a=1\r\naccept-encoding: br\r\n{}\r\n",
        many.concat()
    );
    assert!(Wire::exchange(bearerd.address("open"), &request).await.starts_with("HTTP/1.1 200"));
    let call = last(&mock);
    for gone in
        ["x-hop", "x-hop-too", "keep-alive", "proxy-authorization", "proxy-connection", "forwarded", "te", "via"]
    {
        assert_eq!(call.header(gone), None, "{gone}");
    }
    assert!(call.headers.iter().all(|(name, value)| !name.starts_with("x-forwarded") && !value.contains("stolen")));
    let tokens: Vec<_> = call.headers.iter().filter(|(name, _)| name == "authorization").map(|one| &*one.1).collect();
    assert_eq!(tokens, ["Bearer canary-fixed-token-5d0c"]);
    let same: Vec<_> = call.headers.iter().filter(|(name, _)| name == "x-same").map(|one| one.1.clone()).collect();
    assert_eq!(same, (0..35).map(|n| n.to_string()).collect::<Vec<_>>());
    assert_eq!((call.header("cookie"), call.header("accept-encoding")), (Some("a=1"), Some("br")));
}

#[tokio::test]
async fn headers_of_an_answer_pass_but_for_this_hops() {
    let mock = outside().await;
    let bearerd = started(&mock).await;
    let query = "x-a=1&x-a=2&connection=x-b&x-b=1&keep-alive=timeout%3D5&www-authenticate=Basic&server=theirs";
    let answer = get(&bearerd.url("open", &format!("/headers?{query}"))).await;
    assert_eq!(answer.headers.get_all("x-a").iter().collect::<Vec<_>>(), ["1", "2"]);
    assert_eq!((answer.header("x-b"), answer.header("keep-alive"), answer.header("via")), (None, None, None));
    assert_eq!((answer.header("www-authenticate"), answer.header("server")), (Some("Basic"), Some("theirs")));
    assert!(answer.header("date").is_some());
}

#[tokio::test]
async fn redirects_are_passed_on_and_lead_back_here() {
    let mock = outside().await;
    let door = Door::open(&mock).text("path", "/api").text("url", &format!("{}/base", mock.open().url()));
    let bearerd = Bearerd::start(door.toml()).await;
    let local = format!("http://{}", bearerd.address("open"));
    let theirs = mock.open().url();
    for (location, expected) in [
        (format!("{theirs}/base/next?a=1"), format!("{local}/api/next?a=1")),
        ("/base/next".into(), "/api/next".into()),
        ("next".into(), "next".into()),
        (format!("{theirs}/elsewhere"), format!("{theirs}/elsewhere")),
        ("https://other.example/x".into(), "https://other.example/x".into()),
    ] {
        mock.open().next(Kind::Call, Behaviour::Redirect(location.clone()));
        let answer: Answer = get(&format!("{local}/api/x")).await;
        assert_eq!((answer.status, answer.header("location")), (307, Some(&*expected)), "{location}");
    }
    assert_eq!(mock.count(Api::Open, Kind::Call), 5, "none is followed");
}

#[tokio::test]
async fn a_cookie_is_set_for_the_local_address() {
    let mock = outside().await;
    let bearerd = Bearerd::start(Door::open(&mock).text("path", "/api").toml()).await;
    let answer = get(&bearerd.url("open", "/api/cookie")).await;
    let attributes: Vec<_> = answer.header("set-cookie").unwrap().split("; ").collect();
    assert_eq!(attributes, ["session=1", "Path=/api/", "HttpOnly"]);
}
