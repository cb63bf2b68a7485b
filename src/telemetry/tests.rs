use std::io::Write;
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex};

use super::*;

/// Collects the output.
#[derive(Clone, Default)]
struct Paper(Arc<Mutex<Vec<u8>>>);

impl Paper {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

impl Write for Paper {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl<'w> MakeWriter<'w> for Paper {
    type Writer = Self;

    fn make_writer(&'w self) -> Self {
        self.clone()
    }
}

fn written(format: LineFormat, level: &str, speak: impl FnOnce(&Levels)) -> String {
    let paper = Paper::default();
    let (subscriber, levels) = subscriber(format, false, parse(level).unwrap(), paper.clone());
    tracing::subscriber::with_default(subscriber, || speak(&levels));
    paper.text()
}

#[test]
fn no_level_makes_libraries_talk_below_info() {
    for level in
        ["trace", "hyper=trace,h2=debug,reqwest=trace,rustls=trace,bearerd=trace", "hyper::proto=trace,[send]=trace"]
    {
        let text = written(LineFormat::Text, level, |_| {
            tracing::trace!(target: "hyper::proto::h1", "authorization: canary");
            tracing::debug!(target: "hyper::proto::h1", "authorization: canary");
            tracing::debug!(target: "h2::codec", "canary");
            tracing::trace!(target: "reqwest::connect", "canary");
            tracing::debug!(target: "rustls::client", "canary");
            tracing::debug!(target: "bearerdish", "canary");
            let span = tracing::debug_span!(target: "h2", "send", header = "canary");
            span.in_scope(|| tracing::info!(target: "bearerd::token", "inside"));
            tracing::info!(target: "hyper", "fine");
        });
        assert!(!text.contains("canary"), "{level}: {text}");
    }
}

#[test]
fn the_crates_own_lines_follow_the_level_and_its_change() {
    let text = written(LineFormat::Text, "warn,bearerd::token=trace", |levels| {
        tracing::trace!(target: "bearerd::token", "one");
        tracing::info!(target: "bearerd", "two");
        levels.reload(parse("info").unwrap()).unwrap();
        tracing::trace!(target: "bearerd::token", "three");
        tracing::info!(target: "bearerd", "four");
    });
    let seen = ["one", "two", "three", "four"].map(|word| text.contains(word));
    assert_eq!(seen, [true, false, false, true], "{text}");
}

#[test]
fn json_is_one_object_per_line() {
    let text = written(LineFormat::Json, "info", |_| {
        tracing::info!(target: "bearerd::access", upstream = "younium", status = 502, "request \"quoted\"\n");
    });
    let line: serde_json::Value = serde_json::from_str(text.trim_end()).unwrap();
    assert_eq!((&line["upstream"], &line["status"]), (&"younium".into(), &502.into()));
    assert_eq!(line["message"], "request \"quoted\"\n");
    assert_eq!(line["target"], "bearerd::access");
}

#[test]
fn a_level_that_is_none_is_named() {
    assert!(check_level("info,hyper=warn").is_ok());
    let error = check_level("bearerd=loud").unwrap_err().to_string();
    assert!(error.contains("`bearerd=loud`"), "{error}");
}

/// Blocks until it is told to write.
struct Stuck(Paper, std::sync::mpsc::Receiver<()>);

impl Write for Stuck {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let _ = self.1.recv();
        self.0.write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_blocked_output_loses_lines_but_does_not_block() {
    let (go, gate) = channel::<()>();
    let paper = Paper::default();
    let (mut writer, _flush) = Writer::start(Stuck(paper.clone(), gate)).unwrap();
    for _ in 0..5000 {
        writer.write_all(b"line\n").unwrap();
    }
    drop(go);
    while !paper.text().contains("log lines were lost") {
        std::thread::yield_now();
    }
}

#[test]
fn the_end_waits_for_the_last_line() {
    let paper = Paper::default();
    let (mut writer, flush) = Writer::start(paper.clone()).unwrap();
    writer.write_all(b"last words\n").unwrap();
    drop(flush);
    assert_eq!(paper.text(), "last words\n");
}
