//! A test of how a blocking server closes: `cargo test --example blocking`, as root or as `docs/library.md` has
//! it without.
#![expect(clippy::print_stdout, reason = "an example says what it found")]

use std::error::Error;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::thread;

use closecheck::Session;

/// The server under test: answers one request and closes, with whatever it has not read left unread.
fn serve(listener: &TcpListener) -> std::io::Result<()> {
    let (mut connection, _) = listener.accept()?;
    connection.read_exact(&mut [0; 4])?;
    connection.write_all(b"pong")
}

/// Sends a request, reads to the end, and gives how the connection ended.
fn close_after(request: &[u8]) -> Result<closecheck::run::Ended, Box<dyn Error>> {
    let session = Session::start()?;
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?;
    let mut client = TcpStream::connect(address)?;
    client.write_all(request)?;
    let server = thread::spawn(move || serve(&listener));
    // An RST may take the answer with it: then this is an error.
    let _ = client.read_to_end(&mut Vec::new());
    server.join().map_err(|_| "the server panicked")??;
    drop(client);
    Ok(session.finish_at(address)?)
}

fn main() -> Result<(), Box<dyn Error>> {
    for request in ["ping", "ping, and more than the server reads"] {
        let ended = close_after(request.as_bytes())?;
        for ending in &ended.connections {
            println!("{request:?}: {} by {:?}", ending.close.verdict, ending.close.by);
        }
    }
    Ok(())
}

#[test]
#[ignore = "needs root"]
fn a_request_that_was_read_ends_with_a_fin() -> Result<(), Box<dyn Error>> {
    close_after(b"ping")?.assert("fin by server");
    Ok(())
}

#[test]
#[ignore = "needs root"]
fn unread_input_makes_the_close_an_abort() -> Result<(), Box<dyn Error>> {
    close_after(b"ping, and more than the server reads")?.assert("rst by server");
    Ok(())
}
