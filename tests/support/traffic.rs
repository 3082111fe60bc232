//! Other people's connections on the loopback while a test measures its own.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use super::{now, pause};

/// Between two connections. Some hundred a second are plenty, and a kernel's table of connections in
/// TIME-WAIT has room for all that a minute leaves there.
const PACE: Duration = Duration::from_millis(3);
/// No longer than this, whatever becomes of the test.
const LONGEST: Duration = Duration::from_secs(120);

/// Connections that come and go on ports of their own, IPv4 and IPv6, closed both ways, until dropped.
pub(crate) struct Traffic {
    stop: Arc<AtomicBool>,
    connections: Arc<AtomicU64>,
    threads: Vec<JoinHandle<()>>,
}

impl Traffic {
    pub(crate) fn start() -> Traffic {
        let stop = Arc::new(AtomicBool::new(false));
        let connections = Arc::new(AtomicU64::new(0));
        let threads = ["127.0.0.1:0", "[::1]:0"]
            .map(|address| {
                let listener = TcpListener::bind(address).expect("a free port");
                let (stop, connections) = (Arc::clone(&stop), Arc::clone(&connections));
                thread::spawn(move || churn(&listener, &stop, &connections))
            })
            .into();
        Traffic { stop, connections, threads }
    }

    /// Connections that have come and gone.
    pub(crate) fn connections(&self) -> u64 {
        self.connections.load(Relaxed)
    }
}

impl Drop for Traffic {
    fn drop(&mut self) {
        self.stop.store(true, Relaxed);
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}

fn churn(listener: &TcpListener, stop: &AtomicBool, connections: &AtomicU64) {
    let address = listener.local_addr().expect("an address");
    let end = now() + LONGEST;
    while !stop.load(Relaxed) && now() < end {
        // A burst too large for one segment, with both ways to end in turn.
        let abort = !connections.load(Relaxed).is_multiple_of(4);
        if exchange(listener, address, abort).is_some() {
            connections.fetch_add(1, Relaxed);
        }
        pause(PACE);
    }
}

/// One connection from SYN to its end; `None` where the system was out of something.
fn exchange(listener: &TcpListener, address: SocketAddr, abort: bool) -> Option<()> {
    let mut client = TcpStream::connect_timeout(&address, Duration::from_secs(5)).ok()?;
    let (mut server, _) = listener.accept().ok()?;
    client.write_all(&[b'x'; 70_000]).ok()?;
    server.read_exact(&mut [0; 70_000]).ok()?;
    let linger = abort.then_some(Duration::ZERO);
    socket2::SockRef::from(&client).set_linger(linger).ok()?;
    drop(client);
    let _ = server.read(&mut [0]);
    Some(())
}
