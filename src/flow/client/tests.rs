use std::sync::Mutex;

use super::*;
use crate::clock::PausedClock;
use crate::tls::{self, TlsSettings};

#[tokio::test(start_paused = true)]
async fn a_burst_of_new_tokens_is_served_in_order_and_renewals_pass_it() {
    let tls = tls::client_config(&TlsSettings::default()).unwrap();
    let client = TokenClient::new(tls, None, Arc::new(PausedClock::start())).unwrap();
    let order = Arc::new(Mutex::new(Vec::new()));
    let comes = |name: String, new: bool| {
        let (client, order) = (client.clone(), Arc::clone(&order));
        tokio::spawn(async move {
            let _place = client.place(new).await;
            order.lock().unwrap().push(name);
            tokio::time::sleep(Duration::from_secs(10)).await;
        })
    };
    let new: Vec<_> = (0..40).map(|number| comes(format!("new {number}"), true)).collect();
    tokio::task::yield_now().await;
    let renewals: Vec<_> = (0..6).map(|number| comes(format!("renewal {number}"), false)).collect();
    for task in new.into_iter().chain(renewals) {
        task.await.unwrap();
    }
    let order = order.lock().unwrap().clone();
    let (renewals, new): (Vec<_>, Vec<_>) = order.iter().enumerate().partition(|(_, name)| name.starts_with("renewal"));
    assert_eq!(renewals.iter().map(|(place, _)| *place).take(4).collect::<Vec<_>>(), [12, 13, 14, 15], "{order:?}");
    let sorted: Vec<_> = (0..40).map(|number| format!("new {number}")).collect();
    assert_eq!(new.into_iter().map(|(_, name)| name.clone()).collect::<Vec<_>>(), sorted);
}

#[tokio::test]
async fn a_name_from_a_reply_never_resolves_to_a_private_address() {
    let tls = tls::client_config(&TlsSettings::default()).unwrap();
    let client = TokenClient::new(tls, None, Arc::new(clock::SystemClock)).unwrap();
    let closed = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port();
    let ask = |chosen: bool| {
        let mut request = Request::new(Bytes::new());
        *request.uri_mut() = format!("http://localhost:{closed}/").parse().unwrap();
        if chosen {
            request.extensions_mut().insert(Chosen);
        }
        client.send(request, Duration::from_secs(5))
    };
    let why = |reply: Result<Reply, NoReply>| reply.err().unwrap().why;
    assert!(why(ask(true).await).contains("private address"));
    assert!(why(ask(false).await).contains("refused"));
}
