use http::Request;
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};

use super::sending::tests::{Script, outbound};
use super::*;
use crate::proxy::socket::Socket;

type Connection = Http1<Script>;

async fn pair() -> (Connection, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let ours = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    (
        Http1::new(Transport::Plain(Socket::Tcp(ours)), Rc::new(Memory::new(u64::MAX))),
        listener.accept().await.unwrap().0,
    )
}

fn get() -> UpstreamRequest<'static, Script> {
    outbound(Request::get("/").body(Script::of(&[], Some(0))).unwrap())
}

async fn head(http1: &mut Connection) -> Result<response::Parts, SendError> {
    std::future::poll_fn(|cx| http1.poll_head(cx, &Cell::default(), &mut |_| {})).await
}

async fn body(http1: &mut Connection) -> io::Result<String> {
    let mut body = Vec::new();
    while let Some(frame) = std::future::poll_fn(|cx| http1.poll_frame(cx)).await {
        body.extend_from_slice(&frame?.into_data().unwrap_or_default());
    }
    Ok(String::from_utf8(body).unwrap())
}

/// Reads until these bytes have arrived.
async fn expect(server: &mut TcpStream, end: &str) -> String {
    let mut read = Vec::new();
    while !read.ends_with(end.as_bytes()) {
        assert!(server.read_buf(&mut read).await.unwrap() > 0, "{}", String::from_utf8_lossy(&read));
    }
    String::from_utf8(read).unwrap()
}

async fn until_closed(http1: &mut Connection) {
    while !http1.is_closed() {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn one_request_after_another_gets_its_response() {
    let (mut http1, mut server) = pair().await;
    for number in 0..3 {
        assert!(http1.is_free() && !http1.is_closed());
        http1.begin(get());
        let response = async {
            let request = expect(&mut server, "\r\n\r\n").await;
            let response = format!("HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\nnumber{number}");
            server.write_all(response.as_bytes()).await.unwrap();
            request
        };
        let (head, request) = tokio::join!(head(&mut http1), response);
        assert_eq!((head.unwrap().status, request.as_str()), (StatusCode::OK, "GET / HTTP/1.1\r\nHost: api\r\n\r\n"));
        assert_eq!((http1.has_ended(), http1.is_free()), (false, false));
        assert_eq!(body(&mut http1).await.unwrap(), format!("number{number}"));
    }
}

#[tokio::test]
async fn interim_responses_are_reported_and_the_body_waits_for_them() {
    let (mut http1, mut server) = pair().await;
    let script = Script::of(&["hello"], Some(5));
    let ready = script.ready.clone();
    ready.set(0);
    http1.begin(outbound(Request::post("/").body(script).unwrap()));
    let mut statuses = Vec::new();
    let serve = async {
        expect(&mut server, "\r\n\r\n").await;
        server.write_all(b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n").await.unwrap();
        expect(&mut server, "hello").await;
        server.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").await.unwrap();
    };
    let mut on_interim = |head: response::Parts| {
        statuses.push(head.status.as_u16());
        ready.set(if head.status == StatusCode::CONTINUE { 1 } else { 0 });
    };
    // No task waits for the gate here, so each poll checks it.
    let ask = async {
        loop {
            let head =
                std::future::poll_fn(|cx| Poll::Ready(http1.poll_head(cx, &Cell::default(), &mut on_interim))).await;
            if let Poll::Ready(head) = head {
                return head.unwrap();
            }
            tokio::task::yield_now().await;
        }
    };
    let (head, ()) = tokio::join!(ask, serve);
    assert_eq!((head.status, statuses), (StatusCode::NO_CONTENT, vec![103, 100]));
    assert!(http1.is_free());
}

#[tokio::test]
async fn a_closed_connection_or_one_with_unsolicited_bytes_is_not_used() {
    let (mut http1, server) = pair().await;
    drop(server);
    until_closed(&mut http1).await;
    let (mut http1, mut server) = pair().await;
    server.write_all(b"HTTP/1.1 408 Request Timeout\r\n\r\n").await.unwrap();
    until_closed(&mut http1).await;
}

#[tokio::test]
async fn a_request_is_unsent_only_if_nothing_was_written() {
    let (mut http1, server) = pair().await;
    server.set_zero_linger().unwrap();
    drop(server);
    until_closed(&mut http1).await;
    http1.begin(get());
    assert!(matches!(head(&mut http1).await, Err(SendError::Unsent)));

    let (mut http1, mut server) = pair().await;
    http1.begin(get());
    let serve = async {
        expect(&mut server, "\r\n\r\n").await;
        drop(server);
    };
    let (head, ()) = tokio::join!(head(&mut http1), serve);
    assert!(matches!(head, Err(SendError::Broken(_))));
}

#[tokio::test]
async fn a_response_is_complete_only_by_its_framing() {
    for (sent, expected) in [
        ("Content-Length: 5\r\n\r\nhello", Some("hello")),
        ("Content-Length: 6\r\n\r\nhello", None),
        ("Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n", Some("hello")),
        ("Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n", None),
        ("Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n", None),
        ("X: y\r\n\r\nhello", Some("hello")),
    ] {
        let (mut http1, mut server) = pair().await;
        http1.begin(get());
        server.write_all(format!("HTTP/1.1 200 OK\r\n{sent}").as_bytes()).await.unwrap();
        server.shutdown().await.unwrap();
        head(&mut http1).await.unwrap();
        assert_eq!(body(&mut http1).await.ok().as_deref(), expected, "{sent:?}");
    }
}

#[tokio::test]
async fn a_connection_is_free_only_after_a_complete_request_and_response() {
    for (sent, free) in [
        ("HTTP/1.1 204 N\r\n\r\n", true),
        ("HTTP/1.1 204 N\r\nConnection: close\r\n\r\n", false),
        ("HTTP/1.0 204 N\r\n\r\n", false),
        ("HTTP/1.1 204 N\r\n\r\nHTTP/1.1 200 OK\r\n", false),
    ] {
        let (mut http1, mut server) = pair().await;
        http1.begin(get());
        server.write_all(sent.as_bytes()).await.unwrap();
        assert_eq!(head(&mut http1).await.unwrap().status, 204);
        assert_eq!((body(&mut http1).await.unwrap().as_str(), http1.is_free()), ("", free), "{sent:?}");
    }
    let (mut http1, mut server) = pair().await;
    let script = Script::of(&["hello"], Some(5));
    let ready = script.ready.clone();
    ready.set(0);
    http1.begin(outbound(Request::post("/").body(script).unwrap()));
    server.write_all(b"HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n").await.unwrap();
    assert_eq!(head(&mut http1).await.unwrap().status, 413);
    assert!(http1.has_ended() && !http1.is_sent() && !http1.is_free());
    ready.set(1);
    std::future::poll_fn(|cx| http1.poll_send(cx)).await.unwrap();
    assert!(http1.is_free());
}

#[tokio::test]
async fn a_response_is_read_after_the_server_has_stopped_reading() {
    let long: &'static str = Box::leak("x".repeat(1 << 20).into_boxed_str());
    let (mut http1, mut server) = pair().await;
    http1.begin(outbound(Request::post("/").body(Script::of(&[long; 64], None)).unwrap()));
    let serve = async {
        server.write_all(b"HTTP/1.1 403 No\r\nContent-Length: 2\r\n\r\nno").await.unwrap();
        // Unread bytes turn this into a reset, after the response.
        expect(&mut server, "x").await;
        drop(server);
    };
    let (head, ()) = tokio::join!(head(&mut http1), serve);
    assert_eq!(head.unwrap().status, 403);
    assert_eq!(body(&mut http1).await.unwrap(), "no");
    assert!(!http1.is_free());
}

#[tokio::test]
async fn a_long_response_is_read_in_growing_pieces_and_frees_its_buffer() {
    const LENGTH: usize = 4 << 20;
    let (mut http1, mut server) = pair().await;
    http1.begin(get());
    let serve = async {
        let response = format!("HTTP/1.1 200 OK\r\nContent-Length: {LENGTH}\r\n\r\n{}", "x".repeat(LENGTH));
        server.write_all(response.as_bytes()).await.unwrap();
    };
    let read = async {
        head(&mut http1).await.unwrap();
        assert_eq!(body(&mut http1).await.unwrap().len(), LENGTH);
    };
    tokio::join!(read, serve);
    assert!(http1.read_size > INITIAL_READ && http1.read_size <= MAX_READ && http1.is_free());
    http1.shrink_buffer();
    assert_eq!(http1.read_buf.capacity(), 0);
}

#[tokio::test]
async fn bytes_read_ahead_of_a_tunnel_are_not_lost() {
    let (mut http1, mut server) = pair().await;
    http1.begin(get());
    server.write_all(b"HTTP/1.1 101 Switching Protocols\r\n\r\nhello").await.unwrap();
    head(&mut http1).await.unwrap();
    assert!(!http1.has_ended() && !http1.is_free());
    assert_eq!(http1.into_parts().0, "hello");
}

#[tokio::test]
async fn a_read_of_the_rest_leaves_room_in_the_buffer() {
    // More than what is left of the first buffer, and less than one later read.
    const LENGTH: usize = INITIAL_READ + 10_000;
    let (mut http1, mut server) = pair().await;
    http1.begin(get());
    let head_and_more = format!("HTTP/1.1 200 OK\r\nContent-Length: {LENGTH}\r\n\r\n{}", "x".repeat(INITIAL_READ));
    server.write_all(head_and_more.as_bytes()).await.unwrap();
    head(&mut http1).await.unwrap();
    while http1.size_hint().exact() != Some(10_000) {
        std::future::poll_fn(|cx| http1.poll_frame(cx)).await.unwrap().unwrap();
    }
    server.write_all(&[b'x'; 10_000]).await.unwrap();
    assert_eq!(body(&mut http1).await.unwrap().len(), 10_000);
    let Transport::Plain(socket) = &http1.transport else { panic!("it is plain") };
    assert!(socket.poll_read_ready(&mut Context::from_waker(Waker::noop())).is_pending());
}

#[tokio::test]
async fn a_response_in_many_parts_yields_to_other_tasks() {
    let (mut http1, mut server) = pair().await;
    http1.begin(get());
    let response =
        ["HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", &"1\r\na\r\n".repeat(1000), "0\r\n\r\n"].concat();
    server.write_all(response.as_bytes()).await.unwrap();
    head(&mut http1).await.unwrap();
    let at_once = std::future::poll_fn(|cx| {
        let mut parts = 0;
        while http1.poll_frame(cx).is_ready() && parts < 1000 {
            parts += 1;
        }
        Poll::Ready(parts)
    });
    assert!((1..500).contains(&at_once.await));
}
