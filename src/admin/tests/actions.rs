use super::*;

async fn refreshed(stage: &Stage, forced: Result<Forced, SubjectError>) -> Answer {
    *stage.tokens.forced.lock().unwrap() = Some(forced);
    stage.post("/refresh?upstream=younium").await
}

#[tokio::test(start_paused = true)]
async fn a_forced_renewal_is_answered_by_how_it_ended() {
    let stage = Stage::new();
    let answer = refreshed(&stage, Ok(Forced::Renewed(Generation(5)))).await;
    assert_eq!(answer.status, 200);
    assert_eq!((&answer.json()["result"], &answer.json()["generation"]), (&"renewed".into(), &5.into()));
    let answer = refreshed(&stage, Ok(Forced::TooSoon(Duration::from_millis(29_001)))).await;
    assert_eq!(answer.code(), (429, "too-soon".to_owned()));
    assert_eq!(answer.headers["retry-after"], "30");
    let answer = refreshed(&stage, Ok(Forced::Failed("connection refused".to_owned()))).await;
    assert_eq!(answer.code(), (502, "token-failing".to_owned()));
    assert_eq!(
        (&answer.json()["upstream"], &answer.json()["detail"]),
        (&"younium".into(), &"connection refused".into())
    );
    for error in [SubjectError::Missing, SubjectError::Invalid] {
        assert_eq!(refreshed(&stage, Err(error)).await.code(), (400, "subject".to_owned()));
    }
}

#[tokio::test(start_paused = true)]
async fn a_renewal_reaches_the_upstream_and_subject_that_are_named() {
    let stage = Stage::new();
    let other = Arc::new(FakeTokens::default());
    *other.forced.lock().unwrap() = Some(Ok(Forced::Renewed(Generation(1))));
    stage.add(upstream("other", &other));
    assert_eq!(stage.post("/refresh?upstream=other&subject=anna%40corp").await.status, 200);
    assert_eq!(*other.asked.lock().unwrap(), [Some("anna@corp".to_owned())]);
    assert!(stage.tokens.asked.lock().unwrap().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_renewal_of_nothing_is_refused() {
    let stage = Stage::new();
    assert_eq!(stage.post("/refresh?upstream=acme").await.code(), (404, "no-upstream".to_owned()));
    assert_eq!(stage.post("/refresh").await.code(), (400, "bad-request".to_owned()));
}

#[tokio::test(start_paused = true)]
async fn nothing_happens_over_get() {
    let mut stage = Stage::with(|admin| admin.quit = true);
    for path in ["/refresh?upstream=younium", "/reload", "/quit"] {
        let answer = stage.get(path).await;
        assert_eq!(answer.code(), (405, "method".to_owned()), "{path}");
        assert_eq!(answer.headers["allow"], "POST");
    }
    assert!(stage.commands.try_recv().is_err());
    assert!(stage.tokens.asked.lock().unwrap().is_empty());
    let answer = stage.post("/status").await;
    assert_eq!((answer.code().0, &answer.headers["allow"]), (405, &"GET,HEAD".parse().unwrap()));
    assert_eq!(stage.get("/nothing").await.code(), (404, "no-route".to_owned()));
}

async fn reloaded(result: Option<Result<String, String>>) -> Answer {
    let mut stage = Stage::new();
    let mut commands = std::mem::replace(&mut stage.commands, mpsc::channel(1).1);
    let app = async move {
        let Some(AdminCommand::Reload(reply)) = commands.recv().await else { panic!() };
        if let Some(result) = result {
            reply.send(result).unwrap();
        }
    };
    tokio::join!(stage.post("/reload"), app).0
}

#[tokio::test(start_paused = true)]
async fn a_reload_reports_what_changed_or_all_problems() {
    let answer = reloaded(Some(Ok("1 upstream added".to_owned()))).await;
    assert_eq!((answer.status.as_u16(), &answer.json()["detail"]), (200, &"1 upstream added".into()));
    let answer = reloaded(Some(Err("bearerd.toml:3: no such key".to_owned()))).await;
    assert_eq!(answer.code(), (422, "configuration".to_owned()));
    assert!(answer.body.contains("bearerd.toml:3"));
    assert_eq!(reloaded(None).await.code(), (503, "busy".to_owned()));
}

#[tokio::test(start_paused = true)]
async fn quitting_is_for_those_who_allowed_it() {
    let mut stage = Stage::new();
    assert_eq!(stage.post("/quit").await.code(), (403, "guard".to_owned()));
    assert!(stage.commands.try_recv().is_err());
    let mut stage = Stage::with(|admin| admin.quit = true);
    assert_eq!(stage.post("/quit").await.status, 200);
    assert!(matches!(stage.commands.try_recv(), Ok(AdminCommand::Quit)));
}
