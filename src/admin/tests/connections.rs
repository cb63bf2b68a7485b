use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};
use tokio::task::JoinHandle;

use super::*;
use crate::shutdown::Phase;

async fn served(stage: &Stage) -> (std::net::SocketAddr, JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let router = router(Arc::clone(&stage.admin));
    (address, tokio::spawn(serve(AdminListener::Tcp(listener), router, stage.admin.shutdown.clone())))
}

async fn answer(stream: &mut (impl AsyncReadExt + AsyncWriteExt + Unpin), request: &str) -> String {
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

#[tokio::test]
async fn the_guard_gets_the_peer_of_the_socket() {
    let stage = Stage::new();
    let (address, _) = served(&stage).await;
    let mut stream = TcpStream::connect(address).await.unwrap();
    let text = answer(&mut stream, "GET /status HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n").await;
    assert!(text.starts_with("HTTP/1.1 200") && text.contains("\"younium\""), "{text}");
    let mut stream = TcpStream::connect(address).await.unwrap();
    let text = answer(&mut stream, "GET /status HTTP/1.1\r\nhost: evil.example\r\nconnection: close\r\n\r\n").await;
    assert!(text.starts_with("HTTP/1.1 403"), "{text}");
}

#[tokio::test]
async fn a_socket_file_serves_without_a_host() {
    let stage = Stage::new();
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("admin.sock");
    let listener = AdminListener::Unix(UnixListener::bind(&path).unwrap());
    tokio::spawn(serve(listener, router(Arc::clone(&stage.admin)), stage.admin.shutdown.clone()));
    let mut stream = UnixStream::connect(&path).await.unwrap();
    let text = answer(&mut stream, "GET /status HTTP/1.1\r\nconnection: close\r\n\r\n").await;
    assert!(text.starts_with("HTTP/1.1 200"), "{text}");
}

#[tokio::test]
async fn it_serves_until_the_cut_and_ends_idle_connections_then() {
    let stage = Stage::new();
    let (address, serving) = served(&stage).await;
    let mut idle = TcpStream::connect(address).await.unwrap();
    idle.write_all(b"GET /livez HTTP/1.1\r\n\r\n").await.unwrap();
    let mut first = [0; 15];
    idle.read_exact(&mut first).await.unwrap();
    assert_eq!(&first, b"HTTP/1.1 200 OK");
    stage.trigger.advance(Phase::Draining);
    let mut stream = TcpStream::connect(address).await.unwrap();
    let text = answer(&mut stream, "GET /readyz HTTP/1.1\r\nconnection: close\r\n\r\n").await;
    assert!(text.starts_with("HTTP/1.1 503"), "{text}");
    stage.trigger.advance(Phase::Cut);
    serving.await.unwrap();
    idle.read_to_end(&mut Vec::new()).await.unwrap();
}

#[tokio::test]
async fn probes_are_served_next_to_connections_that_do_not_read_or_send() {
    let stage = Stage::new();
    let (address, _) = served(&stage).await;
    let mut silent = Vec::new();
    for number in 0..4 * CONNECTIONS {
        let stream = TcpStream::connect(address).await.unwrap();
        if number % 2 == 0 {
            let _ = stream.try_write(&b"GET /metrics HTTP/1.1\r\n\r\n".repeat(2000));
        }
        silent.push(stream);
    }
    for _ in 0..3 {
        let mut probe = TcpStream::connect(address).await.unwrap();
        let asked = answer(&mut probe, "GET /livez HTTP/1.1\r\nconnection: close\r\n\r\n");
        let text = tokio::time::timeout(Duration::from_secs(5), asked).await.expect("a probe is answered");
        assert!(text.starts_with("HTTP/1.1 200"), "{text}");
    }
}

#[tokio::test]
async fn who_makes_room_is_not_one_whose_request_is_being_handled() {
    let mut stage = Stage::new();
    let (address, _) = served(&stage).await;
    let mut reload = TcpStream::connect(address).await.unwrap();
    reload.write_all(b"POST /reload HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n").await.unwrap();
    let AdminCommand::Reload(done) = stage.commands.recv().await.unwrap() else { panic!("a reload") };
    let mut others = Vec::new();
    for _ in 0..2 * CONNECTIONS {
        others.push(TcpStream::connect(address).await.unwrap());
    }
    let mut probe = TcpStream::connect(address).await.unwrap();
    answer(&mut probe, "GET /livez HTTP/1.1\r\nconnection: close\r\n\r\n").await;
    done.send(Ok("done".into())).unwrap();
    let mut text = String::new();
    reload.read_to_string(&mut text).await.unwrap();
    assert!(text.starts_with("HTTP/1.1 200"), "{text}");
}
