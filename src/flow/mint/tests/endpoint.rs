//! A token endpoint that sends raw bytes.

use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

/// A token endpoint that sends each call the next reply and records the request.
pub(super) struct Endpoint {
    pub(super) url: String,
    calls: Arc<Mutex<Vec<String>>>,
}

impl Endpoint {
    pub(super) async fn start(replies: impl IntoIterator<Item = impl Into<Vec<u8>>>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let calls: Arc<Mutex<Vec<String>>> = Arc::default();
        let (noted, replies) = (calls.clone(), replies.into_iter().map(Into::into).collect::<Vec<Vec<u8>>>());
        tokio::spawn(async move {
            for reply in replies {
                let (mut stream, _) = listener.accept().await.unwrap();
                let mut request = Vec::new();
                while !is_whole(&request) {
                    assert_ne!(stream.read_buf(&mut request).await.unwrap(), 0);
                }
                noted.lock().unwrap().push(String::from_utf8(request).unwrap());
                if reply == HANG.as_bytes() {
                    std::future::pending::<()>().await;
                }
                let _ = stream.write_all(&reply).await;
            }
        });
        Self { url, calls }
    }

    pub(super) fn calls(&self) -> Vec<String> {
        self.calls.lock().unwrap().clone()
    }
}

/// Instead of a reply: never replies.
pub(super) const HANG: &str = "hang";

fn is_whole(request: &[u8]) -> bool {
    let text = String::from_utf8_lossy(request);
    let Some((head, body)) = text.split_once("\r\n\r\n") else { return false };
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap_or("0");
    body.len() >= length.parse().unwrap()
}
