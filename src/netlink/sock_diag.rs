//! The kernel's own account of a TCP connection: its state and its queues, by sock_diag(7).
//!
//! One exact lookup per question, so asking often costs little; only the sockets in TIME-WAIT can be had as a
//! list. It needs no rights and sees the sockets of every user, TIME-WAIT included, in the network namespace of the thread
//! that opened the table.

use std::io;
use std::net::{IpAddr, SocketAddr};

use super::message::{Expect, Request, ne32};
use super::{Protocol, Socket};
use crate::flow::State;

const SOCK_DIAG_BY_FAMILY: u16 = 20;
const AF_INET: u8 = 2;
const AF_INET6: u8 = 10;
const IPPROTO_TCP: u8 = 6;
/// TIME-WAIT as a bit among the states of a list.
const TIME_WAIT: u32 = 1 << 6;
/// In place of the cookie that would tell one socket from a later one with the same addresses.
const INET_DIAG_NOCOOKIE: [u8; 8] = [0xff; 8];

/// The table of TCP sockets.
#[derive(Debug)]
pub struct SocketTable {
    socket: Socket,
}

/// What the kernel says of one end of a connection.
///
/// Both queues are differences of sequence numbers (`tcp_diag_get_info` in net/ipv4/tcp_diag.c), so that
/// a SYN and a FIN count as a byte each: CLOSE-WAIT with nothing but the end of file unread has
/// `recv_q` 1, and a FIN sent or queued and not acknowledged adds 1 to `send_q`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SocketEntry {
    /// The state of this end.
    pub state: State,
    /// Bytes received, not read by the application.
    pub recv_q: u32,
    /// Bytes sent or queued, not acknowledged.
    pub send_q: u32,
    /// The inode of the socket, by which `/proc/PID/fd` names it; 0 where no process has it: not accepted
    /// yet, or closed.
    pub inode: u32,
}

impl SocketTable {
    /// Opens the table and makes sure that the kernel can answer for TCP: one that cannot would deny
    /// every socket.
    ///
    /// # Errors
    /// `Unsupported` where the system is not Linux or its kernel lacks tcp_diag; the errno of socket(2)
    /// where a sandbox forbids it.
    pub fn open() -> io::Result<SocketTable> {
        let socket = Socket::open(Protocol::SockDiag)?;
        // A list of the sockets in no state at all: empty, or ENOENT without tcp_diag.
        let body = Query { family: AF_INET, states: 0, pair: [0; 36], interface: 0 }.encode();
        let request = Request { kind: SOCK_DIAG_BY_FAMILY, expect: Expect::List, body: &body };
        match socket.request(&request) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Err(io::Error::new(
                io::ErrorKind::Unsupported,
                "the kernel lacks the table of TCP sockets (module tcp_diag)",
            )),
            answer => answer.map(|_| SocketTable { socket }),
        }
    }

    /// The socket at `local` that is connected to `remote`; `None` where there is none. A listener at
    /// `local` is not such a socket. An IPv4 connection of an IPv6 socket is found by either form of its
    /// addresses; a socket bound to one interface only by link-local addresses with their scope.
    ///
    /// # Errors
    /// `InvalidInput` where one address is IPv4 and the other IPv6, `InvalidData` where the kernel's
    /// answer is not understood, `TimedOut` where it gives none.
    pub fn lookup(&self, local: SocketAddr, remote: SocketAddr) -> io::Result<Option<SocketEntry>> {
        // Without a connection the kernel goes on to the listeners, as for a SYN (`__inet_lookup`).
        Ok(self.find(local, remote)?.filter(|entry| entry.state != State::Listen))
    }

    /// The socket that takes what `remote` sends to `local`: the connection, or where there is none, who
    /// listens.
    ///
    /// # Errors
    /// As for [`lookup`](SocketTable::lookup).
    pub fn find(&self, local: SocketAddr, remote: SocketAddr) -> io::Result<Option<SocketEntry>> {
        let body = Query::pair(local, remote).ok_or(io::ErrorKind::InvalidInput)?.encode();
        let request = Request { kind: SOCK_DIAG_BY_FAMILY, expect: Expect::Message, body: &body };
        let answer = match self.socket.request(&request) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            answer => answer?.unwrap_or_default(),
        };
        parse_entry(&answer).map(Some).ok_or_else(|| io::ErrorKind::InvalidData.into())
    }

    /// Hands over local and remote address of each socket in TIME-WAIT that has the port of `at` at either
    /// end, whatever the addresses, as far as they are of its family; in no particular order. One with that
    /// port at both ends comes twice.
    ///
    /// # Errors
    /// As for [`lookup`](SocketTable::lookup), and `Interrupted` where the kernel could not give one
    /// consistent list.
    pub fn each_time_wait(
        &self,
        at: SocketAddr,
        mut each: impl FnMut(SocketAddr, SocketAddr),
    ) -> io::Result<()> {
        let family = if at.is_ipv4() { AF_INET } else { AF_INET6 };
        let port = at.port().to_be_bytes();
        // The kernel leaves out what has another port than one that is not 0 (inet_diag_dump_icsk).
        for ports in [[port, [0; 2]], [[0; 2], port]] {
            let pair = collect(ports.into_iter().flatten());
            let body = Query { family, states: TIME_WAIT, pair, interface: 0 }.encode();
            let request = Request { kind: SOCK_DIAG_BY_FAMILY, expect: Expect::List, body: &body };
            self.socket.list(&request, |message| {
                if let Some((local, remote)) = parse_addresses(message) {
                    each(local, remote);
                }
            })?;
        }
        Ok(())
    }
}

/// The parts of a `struct inet_diag_req_v2` (linux/inet_diag.h) that differ between requests.
struct Query {
    family: u8,
    /// One bit per kernel state; heeded in lists only.
    states: u32,
    /// Local port, remote port, local address, remote address, in network byte order.
    pair: [u8; 36],
    /// The index of the interface; 0 for a socket that is bound to none.
    interface: u32,
}

impl Query {
    /// A query for one connection; `None` where the addresses are of two families.
    fn pair(local: SocketAddr, remote: SocketAddr) -> Option<Query> {
        let (family, local_ip, remote_ip) =
            match (local.ip().to_canonical(), remote.ip().to_canonical()) {
                (IpAddr::V4(local), IpAddr::V4(remote)) => {
                    (AF_INET, padded(local.octets()), padded(remote.octets()))
                }
                (IpAddr::V6(local), IpAddr::V6(remote)) => {
                    (AF_INET6, local.octets(), remote.octets())
                }
                (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => return None,
            };
        let ports = [local.port().to_be_bytes(), remote.port().to_be_bytes()];
        let interface = [local, remote].into_iter().map(scope).find(|&scope| scope != 0);
        let bytes = ports.into_iter().flatten().chain(local_ip).chain(remote_ip);
        Some(Query {
            family,
            states: u32::MAX,
            pair: collect(bytes),
            interface: interface.unwrap_or(0),
        })
    }

    fn encode(&self) -> [u8; 56] {
        let head = [self.family, IPPROTO_TCP, 0, 0]; // no extensions, padding
        let bytes = head
            .into_iter()
            .chain(self.states.to_ne_bytes())
            .chain(self.pair)
            .chain(self.interface.to_ne_bytes())
            .chain(INET_DIAG_NOCOOKIE);
        collect(bytes)
    }
}

/// The scope of an IPv6 address: the index of the interface that a link-local one belongs to.
fn scope(address: SocketAddr) -> u32 {
    match address {
        SocketAddr::V4(_) => 0,
        SocketAddr::V6(address) => address.scope_id(),
    }
}

/// An IPv4 address in the room of an IPv6 one.
fn padded(octets: [u8; 4]) -> [u8; 16] {
    collect(octets)
}

/// The first `N` bytes, with zeros in place of missing ones.
fn collect<const N: usize>(bytes: impl IntoIterator<Item = u8>) -> [u8; N] {
    let mut array = [0; N];
    array.iter_mut().zip(bytes).for_each(|(place, byte)| *place = byte);
    array
}

/// Reads a `struct inet_diag_msg` (linux/inet_diag.h); `None` where it is cut or its state unknown.
fn parse_entry(message: &[u8]) -> Option<SocketEntry> {
    Some(SocketEntry {
        state: state(*message.get(1)?)?,
        recv_q: ne32(message, 56)?,
        send_q: ne32(message, 60)?,
        inode: ne32(message, 68)?,
    })
}

/// The local and the remote address in a `struct inet_diag_msg` (linux/inet_diag.h); `None` where it is cut
/// or of a family unknown here.
fn parse_addresses(message: &[u8]) -> Option<(SocketAddr, SocketAddr)> {
    let port = |offset| Some(u16::from_be_bytes(*message.get(offset..)?.first_chunk()?));
    let ip = |offset: usize| {
        let bytes = message.get(offset..)?;
        match *message.first()? {
            AF_INET => Some(IpAddr::from(*bytes.first_chunk::<4>()?)),
            AF_INET6 => Some(IpAddr::from(*bytes.first_chunk::<16>()?)),
            _ => None,
        }
    };
    Some((SocketAddr::new(ip(8)?, port(4)?), SocketAddr::new(ip(24)?, port(6)?)))
}

/// A state by its number in the kernel's include/net/tcp_states.h. 12 is SYN-RECEIVED before there is a
/// full socket.
fn state(number: u8) -> Option<State> {
    Some(match number {
        1 => State::Established,
        2 => State::SynSent,
        3 | 12 => State::SynReceived,
        4 => State::FinWait1,
        5 => State::FinWait2,
        6 => State::TimeWait,
        7 => State::Closed,
        8 => State::CloseWait,
        9 => State::LastAck,
        10 => State::Listen,
        11 => State::Closing,
        _ => return None,
    })
}

#[cfg(test)]
#[cfg(target_os = "linux")]
mod tests {
    use std::io::{Read, Write};
    use std::net::{Ipv6Addr, Shutdown, TcpListener, TcpStream};
    use std::time::{Duration, Instant};

    use super::*;

    /// A connection, the addresses of its two ends, and the table.
    struct Scene {
        client: TcpStream,
        server: TcpStream,
        listener: TcpListener,
        at_client: SocketAddr,
        at_server: SocketAddr,
        table: SocketTable,
    }

    impl Scene {
        fn new(listen: &str) -> Scene {
            let listener = TcpListener::bind(listen).unwrap();
            let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
            let (server, at_client) = listener.accept().unwrap();
            let at_server = client.peer_addr().unwrap();
            let table = SocketTable::open().unwrap();
            Scene { client, server, listener, at_client, at_server, table }
        }

        /// Closes the client, then the server once the FIN has arrived; gives the listener back.
        fn close_client_first(self) -> (SocketTable, SocketAddr, SocketAddr, TcpListener) {
            let Scene { client, mut server, listener, at_client, at_server, table } = self;
            drop(client);
            assert_eq!(server.read(&mut [0]).unwrap(), 0);
            drop(server);
            (table, at_client, at_server, listener)
        }
    }

    /// Asks the table until it says what is expected, or for five seconds.
    #[expect(clippy::disallowed_methods, reason = "the deadline of a test against the real kernel")]
    #[track_caller]
    fn becomes(
        table: &SocketTable,
        (local, remote): (SocketAddr, SocketAddr),
        expected: Option<(State, u32, u32)>,
    ) {
        let deadline = Instant::now() + Duration::from_secs(5);
        loop {
            let found = table.lookup(local, remote).unwrap();
            let found = found.map(|entry| (entry.state, entry.recv_q, entry.send_q));
            if found == expected {
                return;
            }
            assert!(Instant::now() < deadline, "{found:?} instead of {expected:?}");
            std::thread::yield_now();
        }
    }

    #[test]
    fn unread_bytes_are_in_the_receive_queue() {
        let mut scene = Scene::new("127.0.0.1:0");
        scene.client.write_all(b"hello").unwrap();
        let at_server = (scene.at_server, scene.at_client);
        becomes(&scene.table, at_server, Some((State::Established, 5, 0)));
        becomes(&scene.table, (scene.at_client, scene.at_server), Some((State::Established, 0, 0)));
        scene.server.read_exact(&mut [0; 3]).unwrap();
        becomes(&scene.table, at_server, Some((State::Established, 2, 0)));
    }

    #[test]
    fn an_unread_fin_counts_as_a_byte_until_the_end_of_file_is_read() {
        let mut scene = Scene::new("127.0.0.1:0");
        scene.client.shutdown(Shutdown::Write).unwrap();
        becomes(&scene.table, (scene.at_client, scene.at_server), Some((State::FinWait2, 0, 0)));
        let at_server = (scene.at_server, scene.at_client);
        becomes(&scene.table, at_server, Some((State::CloseWait, 1, 0)));
        assert_eq!(scene.server.read(&mut [0]).unwrap(), 0);
        becomes(&scene.table, at_server, Some((State::CloseWait, 0, 0)));
    }

    #[test]
    fn time_wait_is_found_at_the_closer_and_nothing_at_the_other_end() {
        for listen in ["127.0.0.1:0", "[::1]:0"] {
            let (table, client, server, _listener) = Scene::new(listen).close_client_first();
            becomes(&table, (client, server), Some((State::TimeWait, 0, 0)));
            becomes(&table, (server, client), None);
        }
    }

    #[test]
    fn the_list_of_time_wait_has_the_closer_s_socket_and_no_open_one() {
        for listen in ["127.0.0.1:0", "[::1]:0"] {
            let (table, client, server, listener) = Scene::new(listen).close_client_first();
            becomes(&table, (client, server), Some((State::TimeWait, 0, 0)));
            let _open = TcpStream::connect(server).unwrap();
            for at in [client, server] {
                let mut found = Vec::new();
                table.each_time_wait(at, |local, remote| found.push((local, remote))).unwrap();
                found.retain(|pair| [pair.0, pair.1].contains(&server));
                assert_eq!(found, [(client, server)]);
            }
            drop(listener);
        }
    }

    #[test]
    fn an_orphan_in_fin_wait_2_is_not_called_time_wait() {
        let Scene { client, server: _server, at_client, at_server, table, .. } =
            Scene::new("127.0.0.1:0");
        drop(client);
        becomes(&table, (at_client, at_server), Some((State::FinWait2, 0, 0)));
    }

    #[test]
    fn ipv6_unread_bytes_are_in_the_receive_queue() {
        let mut scene = Scene::new("[::1]:0");
        scene.client.write_all(b"hello").unwrap();
        becomes(&scene.table, (scene.at_server, scene.at_client), Some((State::Established, 5, 0)));
    }

    #[test]
    fn an_ipv4_connection_of_an_ipv6_socket_is_found_by_either_form() {
        let listener = TcpListener::bind((Ipv6Addr::UNSPECIFIED, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let client = TcpStream::connect(("127.0.0.1", port)).unwrap();
        let (server, mapped) = listener.accept().unwrap();
        assert!(mapped.is_ipv6());
        let table = SocketTable::open().unwrap();
        let established = Some((State::Established, 0, 0));
        becomes(&table, (server.local_addr().unwrap(), mapped), established);
        becomes(&table, (client.peer_addr().unwrap(), client.local_addr().unwrap()), established);
    }

    #[test]
    fn an_unknown_pair_is_none_even_where_someone_listens() {
        let scene = Scene::new("127.0.0.1:0");
        let nobody = SocketAddr::from(([127, 0, 0, 9], 9));
        let listening = scene.listener.local_addr().unwrap();
        assert_eq!(scene.table.lookup(listening, nobody).unwrap(), None);
        assert_eq!(scene.table.lookup(nobody, listening).unwrap(), None);
    }

    #[test]
    fn addresses_of_two_families_are_refused() {
        let table = SocketTable::open().unwrap();
        let error = table
            .lookup(SocketAddr::from(([127, 0, 0, 1], 1)), (Ipv6Addr::LOCALHOST, 2).into())
            .unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
    }

    #[test]
    fn every_kernel_state_has_a_name_and_no_other_number_has() {
        let known: Vec<_> = (0..=u8::MAX).filter(|&number| state(number).is_some()).collect();
        assert_eq!(known, (1..=12).collect::<Vec<_>>());
    }

    #[test]
    fn an_answer_cut_anywhere_is_refused() {
        let mut message = [0; 72];
        message[1] = 1;
        assert!(parse_entry(&message).is_some());
        assert!((0..72).all(|length| parse_entry(&message[..length]).is_none()));
    }

    #[test]
    fn the_table_moves_between_threads() {
        fn sendable<T: Send>(_: &T) {}
        sendable(&SocketTable::open().unwrap());
    }
}
