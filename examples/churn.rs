//! Opens and closes TCP connections on the loopback as fast as it can: `churn PORT HOW-LONG [ADDRESS]`, with
//! seconds (`5s`) or a number of connections (`1000000`) to say how long.
//!
//! A thread accepts and another connects; each connection carries one byte in each direction. The client ends
//! every second one with an RST, the others with a FIN that the server answers with its own. Prints the number
//! of connections and how many that is a second. What scripts/bench-watch and scripts/endurance put their load
//! on the loopback with.
#![expect(clippy::print_stdout, reason = "the figures are what it is for")]
#![expect(clippy::disallowed_methods, reason = "it runs for a time that was asked for")]

use std::error::Error;
use std::io::{self, Read, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use socket2::SockRef;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().collect();
    let [_, port, length, rest @ ..] = arguments.as_slice() else {
        return Err("usage: churn PORT HOW-LONG [ADDRESS]".into());
    };
    let ip = match rest {
        [] => IpAddr::from(Ipv4Addr::LOCALHOST),
        [address, ..] => address.parse()?,
    };
    let (seconds, most) = match length.strip_suffix('s') {
        Some(seconds) => (Duration::from_secs_f64(seconds.parse()?), u64::MAX),
        // The last one has nothing in it.
        None => (Duration::MAX, length.parse::<u64>()?.saturating_sub(1)),
    };
    let listener = TcpListener::bind(SocketAddr::new(ip, port.parse()?))?;
    let address = listener.local_addr()?;
    let server = thread::spawn(move || serve(&listener));
    let begun = Instant::now();
    let mut count = 0u64;
    while begun.elapsed() < seconds && count < most {
        exchange(address, count.is_multiple_of(2))?;
        count += 1;
    }
    let took = begun.elapsed().as_secs_f64();
    // An empty connection tells the server that it was the last.
    drop(TcpStream::connect(address)?);
    server.join().map_err(|_| "the server failed")??;
    println!("{} connections, {:.0} a second", count + 1, count as f64 / took);
    Ok(())
}

/// One connection; without linger time it ends with an RST.
fn exchange(address: SocketAddr, abort: bool) -> io::Result<()> {
    let mut client = TcpStream::connect(address)?;
    client.write_all(b"?")?;
    client.read_exact(&mut [0])?;
    if abort {
        SockRef::from(&client).set_linger(Some(Duration::ZERO))?;
    }
    Ok(())
}

/// Answers each connection, and closes it once the client has; ends with one that says nothing.
fn serve(listener: &TcpListener) -> io::Result<()> {
    loop {
        let (mut server, _) = listener.accept()?;
        let mut byte = [0];
        if server.read(&mut byte)? == 0 {
            return Ok(());
        }
        server.write_all(&byte)?;
        // An RST is an end as good as a FIN.
        let _ = server.read(&mut byte);
    }
}
