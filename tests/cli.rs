//! The commands: their output and exit codes.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::io::{Read, Write};
use std::net::TcpListener;
use std::process::{Command, Output, Stdio};
use std::thread;

fn bearerd(arguments: &[&str], variables: &[(&str, &str)]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_bearerd"));
    command.env_clear().envs(variables.iter().copied()).args(arguments).current_dir(std::env::temp_dir());
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

fn run(arguments: &[&str], variables: &[(&str, &str)], input: &str) -> Output {
    let mut child = bearerd(arguments, variables).spawn().unwrap();
    // A command that does not read its input may have ended.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    child.wait_with_output().unwrap()
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

/// The configuration that `flows NAME` prints, with every empty value filled in.
fn pasted(name: &str) -> String {
    let shown = stdout(&run(&["flows", name], &[], ""));
    let start = shown.find("[upstream.").expect("a block to paste");
    shown[start..].replace("= \"\"", "= \"https://example.com\"")
}

#[test]
fn the_block_of_each_flow_is_a_configuration() {
    let list = stdout(&run(&["flows"], &[], ""));
    let names: Vec<_> =
        list.lines().take_while(|line| !line.is_empty()).map(|line| &line[..line.find(' ').unwrap()]).collect();
    assert!(names.contains(&"younium") && names.contains(&"oauth2"), "{list}");
    for name in names {
        let block = pasted(name);
        let wanted: Vec<_> = block.split("env = \"").skip(1).filter_map(|rest| rest.split('"').next()).collect();
        let variables: Vec<_> = wanted.iter().map(|variable| (*variable, "0123456789")).collect();
        let output = run(&["check", "--config", "-"], &variables, &block);
        assert_eq!(output.status.code(), Some(0), "{name}:\n{block}\n{}", stdout(&output));
        assert!(stdout(&output).contains(&format!("ok: upstream `{name}`, flow `{name}`")), "{}", stdout(&output));
    }
}

#[test]
fn flows_as_markdown_has_a_row_for_each() {
    let table = stdout(&run(&["flows", "--markdown"], &[], ""));
    assert!(table.lines().any(|line| line.starts_with("| `yodlee` |") && line.contains("`sandbox`")), "{table}");
    let one = stdout(&run(&["flows", "yodlee", "--markdown"], &[], ""));
    assert!(one.starts_with("## yodlee\n") && one.contains("```toml\n[upstream.yodlee]"), "{one}");
}

#[test]
fn an_unknown_flow_gets_a_suggestion() {
    let output = run(&["flows", "youniun"], &[], "");
    assert_eq!(output.status.code(), Some(2));
    assert_eq!(stderr(&output), "error: unknown flow `youniun`\n  hint: did you mean `younium`?\n");
}

#[test]
fn wrong_usage_is_exit_code_2_and_help_is_0() {
    for wrong in [&["rnu"][..], &["run", "--secret", "x"], &["wait", "--timeout", "5"], &["check", "--format", "xml"]] {
        assert_eq!(run(wrong, &[], "").status.code(), Some(2), "{wrong:?}");
    }
    for right in [&["--help"][..], &["--version"], &["run", "--help"]] {
        assert_eq!(run(right, &[], "").status.code(), Some(0), "{right:?}");
    }
    assert_eq!(stdout(&run(&["--version"], &[], "")), concat!("bearerd ", env!("CARGO_PKG_VERSION"), "\n"));
}

#[test]
fn run_explains_a_wrong_configuration_and_starts_nothing() {
    let output = run(&["run", "--config", "-"], &[], "[upstream.younium]\nflow = \"youniun\"\n[logg]\n");
    assert_eq!((output.status.code(), stdout(&output).as_str()), (Some(2), ""));
    let told = stderr(&output);
    assert!(told.contains("standard input:2") && told.ends_with("2 errors\n"), "{told}");
    let twice = run(&["run", "--config", "-", "--config", "-"], &[], "");
    assert_eq!(twice.status.code(), Some(2));
}

#[test]
fn without_a_configuration_the_error_says_how_to_begin() {
    let directory = tempfile::tempdir().unwrap();
    let output = bearerd(&["check"], &[]).current_dir(directory.path()).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(stdout(&output).contains("`bearerd demo`"), "{}", stdout(&output));
}

#[test]
fn waiting_for_an_absent_proxy_is_exit_code_4_and_names_its_address() {
    // A port that was free just now and has no listener.
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let output = run(&["wait", "--timeout", "50ms"], &[("BEARERD_ADMIN", &free)], "");
    assert_eq!(output.status.code(), Some(4));
    assert!(stderr(&output).contains(&free), "{}", stderr(&output));
}

#[test]
fn waiting_finds_the_admin_listener_of_the_configuration() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let admin = listener.local_addr().unwrap().to_string();
    let proxy = thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut request = [0; 256];
        let read = stream.read(&mut request).unwrap();
        stream.write_all(b"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n").unwrap();
        String::from_utf8_lossy(&request[..read]).into_owned()
    });
    let output = run(&["wait", "--for", "live"], &[("BEARERD_ADMIN__LISTEN", &admin)], "");
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert!(proxy.join().unwrap().starts_with("GET /livez HTTP/1.1\r\n"));
}
