use std::io::Read as _;

use bytes::Bytes;
use ring::digest::{SHA256, digest};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::{Method, SOON, World, got};

#[tokio::test]
async fn the_echo_describes_the_request() {
    let world = World::new().await;
    let url = format!("{}/a%2Fb/c?x=1&y=%20", world.mock.open().url());
    let headers = [("x-one", "1"), ("x-two", "2"), ("x-one", "3")];
    let echo = got(world.request(Method::PATCH, &url, &headers).body("hello")).await.json();
    assert_eq!((echo["method"].as_str(), echo["target"].as_str()), (Some("PATCH"), Some("/a%2Fb/c?x=1&y=%20")));
    let lines = echo["headers"].as_array().unwrap();
    let ours: Vec<_> = lines.iter().filter(|line| line[0].as_str().unwrap().starts_with("x-")).collect();
    assert_eq!(serde_json::json!(ours), serde_json::json!([["x-one", "1"], ["x-one", "3"], ["x-two", "2"]]));
    assert_eq!((echo["body"]["length"].as_u64(), echo["body"]["text"].as_str()), (Some(5), Some("hello")));
}

#[tokio::test]
async fn twenty_megabytes_stream_both_ways() {
    let world = World::new().await;
    let got_down = world.open("/bytes?n=20000000").await;
    assert_eq!(got_down.body.len(), 20_000_000);
    assert!(got_down.body.iter().enumerate().all(|(at, &byte)| usize::from(byte) == at % 251));
    let sum: String = digest(&SHA256, &got_down.body).as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    let url = |path: &str| format!("{}{path}", world.mock.open().url());
    let body = Bytes::from(got_down.body);
    let echo = got(world.request(Method::POST, &url("/up"), &[]).body(body.clone())).await.json();
    assert_eq!(echo["body"]["sha256"], sum);
    let mirrored = got(world.request(Method::POST, &url("/mirror"), &[]).body(body.clone())).await;
    assert!(mirrored.body == body);
}

#[tokio::test]
async fn oddities_are_what_they_are_called() {
    let world = World::new().await;
    assert_eq!(world.open("/status/418").await.status, 418);
    let redirect = world.open("/redirect").await;
    assert_eq!(redirect.headers["location"], format!("{}/landed?a=1", world.mock.open().url()));
    let cookie = world.open("/cookie").await;
    assert_eq!(cookie.headers["set-cookie"], "session=1; Domain=127.0.0.1; Path=/; Secure; HttpOnly");
    let zipped = world.open("/gzip-error").await;
    assert_eq!((zipped.status, zipped.headers["content-encoding"].to_str().unwrap()), (401, "gzip"));
    let mut text = String::new();
    flate2::read::GzDecoder::new(&*zipped.body).read_to_string(&mut text).unwrap();
    assert_eq!(text, r#"{"error":"unauthorized"}"#);
    let dressed = world.open("/headers?x-a=1&x-a=2").await.headers;
    assert_eq!(dressed.get_all("x-a").iter().collect::<Vec<_>>(), ["1", "2"]);
    assert_eq!(world.open("/drip?n=2").await.body, b"data: 1\n\ndata: 2\n\n");
}

#[tokio::test]
async fn a_held_drip_sends_a_piece_per_release() {
    let world = World::new().await;
    let url = format!("{}/drip?hold", world.mock.open().url());
    let mut answer = world.request(Method::GET, &url, &[]).send().await.unwrap();
    assert_eq!(answer.chunk().await.unwrap().unwrap(), "data: 1\n\n");
    world.mock.open().release_piece();
    assert_eq!(answer.chunk().await.unwrap().unwrap(), "data: 2\n\n");
}

#[tokio::test]
async fn a_slow_head_waits_for_its_release() {
    let world = World::new().await;
    let asked = world.open("/slow-head");
    let released = async {
        assert!(world.mock.wait_for(|log| log.len() == 1, SOON).await);
        assert_eq!(world.mock.received()[0].status, None);
        world.mock.open().release_head();
    };
    assert_eq!(tokio::join!(asked, released).0.status, 200);
}

#[tokio::test]
async fn a_cut_answer_ends_half_way() {
    let world = World::new().await;
    let url = format!("{}/cut?n=1000", world.mock.open().url());
    let answer = world.request(Method::GET, &url, &[]).send().await.unwrap();
    assert_eq!(answer.content_length(), Some(1000));
    assert!(answer.bytes().await.is_err());
}

async fn raw(world: &World, request: &str) -> TcpStream {
    let mut stream = TcpStream::connect(world.mock.open().address()).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    stream
}

async fn whole(mut stream: TcpStream) -> String {
    let mut text = String::new();
    stream.read_to_string(&mut text).await.unwrap();
    text
}

#[tokio::test]
async fn trailers_follow_the_chunks() {
    let world = World::new().await;
    let request = "GET /trailers HTTP/1.1\r\nhost: a\r\nte: trailers\r\nconnection: close\r\n\r\n";
    let text = whole(raw(&world, request).await).await;
    assert!(text.contains("transfer-encoding: chunked"), "{text}");
    assert!(text.ends_with("0\r\nx-sum: 6\r\n\r\n"), "{text}");
}

#[tokio::test]
async fn an_early_response_arrives_before_the_body_ends() {
    let world = World::new().await;
    let mut stream = raw(&world, "POST /early HTTP/1.1\r\nhost: a\r\ncontent-length: 1000\r\n\r\npart").await;
    let mut start = [0; 12];
    tokio::time::timeout(SOON, stream.read_exact(&mut start)).await.unwrap().unwrap();
    assert_eq!(&start, b"HTTP/1.1 413");
}

#[tokio::test]
async fn an_upgraded_connection_echoes_its_bytes() {
    let world = World::new().await;
    // The example of RFC 6455 §1.3.
    let request = "GET /upgrade HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: websocket\r\n\
                   sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\nsec-websocket-version: 13\r\n\r\n";
    let mut stream = raw(&world, request).await;
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.unwrap());
    }
    let head = String::from_utf8(head).unwrap();
    assert!(head.starts_with("HTTP/1.1 101") && head.contains("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="), "{head}");
    stream.write_all(b"\x81\x02hi").await.unwrap();
    let mut back = [0; 4];
    stream.read_exact(&mut back).await.unwrap();
    assert_eq!(&back, b"\x81\x02hi");
}
