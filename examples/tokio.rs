//! A test of how a tokio server closes: `cargo test --example tokio`, as root or as `docs/library.md` has it
//! without.
#![expect(clippy::print_stdout, reason = "an example says what it found")]

use std::error::Error;
use std::time::Duration;

use closecheck::Session;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// The server under test: answers every client with its greeting, and aborts where it is told to.
async fn serve(listener: TcpListener, clients: usize, abort: bool) -> std::io::Result<()> {
    for _ in 0..clients {
        let (mut connection, _) = listener.accept().await?;
        connection.write_all(b"hello").await?;
        if abort {
            socket2::SockRef::from(&connection).set_linger(Some(Duration::ZERO))?;
        }
    }
    Ok(())
}

async fn ask(address: std::net::SocketAddr) -> std::io::Result<()> {
    let mut client = TcpStream::connect(address).await?;
    // An RST may take the greeting with it: then this is an error.
    let _ = client.read_to_end(&mut Vec::new()).await;
    Ok(())
}

/// Has some clients served, and gives how their connections ended.
fn closes(clients: usize, abort: bool) -> Result<closecheck::run::Ended, Box<dyn Error>> {
    // Before the runtime: its threads are to find the capture open.
    let session = Session::start()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
    let address = runtime.block_on(async {
        let listener = TcpListener::bind("[::1]:0").await?;
        let address = listener.local_addr()?;
        let server = tokio::spawn(serve(listener, clients, abort));
        for _ in 0..clients {
            ask(address).await?;
        }
        server.await.map_err(std::io::Error::other)??;
        std::io::Result::Ok(address)
    })?;
    Ok(session.finish_at(address)?)
}

fn main() -> Result<(), Box<dyn Error>> {
    for abort in [false, true] {
        for ending in closes(3, abort)?.connections {
            println!("abort {abort}: {} by {:?}", ending.close.verdict, ending.close.by);
        }
    }
    Ok(())
}

#[test]
#[ignore = "needs root"]
fn a_dropped_stream_ends_with_a_fin() -> Result<(), Box<dyn Error>> {
    let ended = closes(20, false)?;
    assert_eq!(ended.connections.len(), 20);
    ended.assert("fin by server");
    Ok(())
}

#[test]
#[ignore = "needs root"]
fn linger_0_makes_the_drop_an_abort() -> Result<(), Box<dyn Error>> {
    closes(20, true)?.assert("rst by server");
    Ok(())
}
