//! Callers that keep idle connections.
use crate::connection::Connection;
use crate::options::{Options, Outcome};
use std::io;

/// Prints how many connections got 200 and how many did not, and keeps all open until standard input closes.
pub fn run(options: &Options) -> Outcome<()> {
    let request = options.request();
    let mut held = Vec::new();
    for _ in 0..options.connections {
        if let Ok(mut connection) = Connection::open(options.port)
            && connection.ask(&request) == Some(200)
        {
            held.push(connection);
        }
    }
    println!("{{\"held\":{},\"failed\":{}}}", held.len(), options.connections - held.len());
    io::stdin().read_line(&mut String::new())?;
    Ok(())
}
