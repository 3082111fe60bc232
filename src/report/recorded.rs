//! The report of one capture as it is recorded beside it (`NAME.verdict`): the plain form without what
//! differs between two recordings of the same thing.
//!
//! Ports that a system chose are named by their role and their number in the order of appearance. Times count
//! from the beginning of the first connection, sequence numbers from the SYN. Connections stand in the
//! order in which they began. What a line says is never more than one field.

use std::collections::HashMap;
use std::io::{self, Write};
use std::net::IpAddr;

use super::{CaptureSummary, Numbers, Record, SCHEMA, Trace, packet_list, plain};
use crate::decode::{Endpoint, Timestamp};
use crate::flow::End;

/// The lowest port that a system chooses by itself for a server that asks for any (Linux'
/// `ip_local_port_range`; RFC 6335 begins higher).
const CHOSEN_BY_A_SYSTEM: u16 = 32_768;

/// Writes the recorded form of a capture. `connections` need not be in order; each comes with its packets.
///
/// # Errors
/// Whatever the writer fails with.
pub fn write_recorded(
    capture: &CaptureSummary,
    connections: &mut [(Record, Trace)],
    out: &mut dyn Write,
) -> io::Result<()> {
    connections.sort_by_key(|(record, _)| record.id);
    let start = connections.iter().map(|(record, _)| record.start).min().unwrap_or_default();
    write_capture(capture, connections.len(), out)?;
    let mut names = Names::default();
    for (record, packets) in connections {
        writeln!(out, "connection: {}", record.id)?;
        writeln!(out, "client: {}", names.client(record.client))?;
        writeln!(out, "server: {}", names.server(record.server))?;
        writeln!(out, "orientation: {}", record.orientation)?;
        plain::write_tunnel(record, out)?;
        writeln!(out, "start: {}", seconds(record.start, start))?;
        writeln!(out, "end: {}", seconds(record.end, start))?;
        plain::write_facts(record, out)?;
        let teardown = packets.teardown();
        packet_list::write_plain(&teardown, record.start, Numbers::Relative, out)?;
        writeln!(out)?;
    }
    Ok(())
}

/// Writes the packets that were kept of one connection, a line each.
///
/// # Errors
/// Whatever the writer fails with.
pub fn write_packets(record: &Record, packets: &Trace, out: &mut dyn Write) -> io::Result<()> {
    packet_list::write_plain(&packets.rows(), record.start, Numbers::Relative, out)
}

fn write_capture(
    capture: &CaptureSummary,
    connections: usize,
    out: &mut dyn Write,
) -> io::Result<()> {
    let skipped: Vec<String> =
        capture.skipped.iter().map(|(reason, count)| format!("{reason} {count}")).collect();
    let skipped = if skipped.is_empty() { "none".to_owned() } else { skipped.join(", ") };
    writeln!(out, "form: {SCHEMA}")?;
    writeln!(out, "packets: {}", capture.packets)?;
    writeln!(out, "tcp segments: {}", capture.tcp_segments)?;
    writeln!(out, "skipped: {skipped}")?;
    writeln!(out, "connections: {connections}\n")
}

fn seconds(time: Timestamp, start: Timestamp) -> String {
    // No time is before the earliest, unless they are further apart than any clock tells.
    format!("{:.6}", time.since(start).unwrap_or_default().as_secs_f64())
}

/// Endpoints by their role.
#[derive(Debug, Default)]
struct Names {
    known: HashMap<(Endpoint, bool), u64>,
    clients: u64,
    servers: u64,
}

impl Names {
    /// A client's port is always its system's choice.
    fn client(&mut self, endpoint: Endpoint) -> String {
        self.named(endpoint, End::Client)
    }

    fn server(&mut self, endpoint: Endpoint) -> String {
        if endpoint.port < CHOSEN_BY_A_SYSTEM {
            return endpoint.to_string();
        }
        self.named(endpoint, End::Server)
    }

    fn named(&mut self, endpoint: Endpoint, end: End) -> String {
        let count = match end {
            End::Client => &mut self.clients,
            End::Server => &mut self.servers,
        };
        let number = self.known.entry((endpoint, end == End::Server)).or_insert_with(|| {
            *count += 1;
            *count
        });
        match endpoint.ip {
            IpAddr::V4(ip) => format!("{ip}:{end}-{number}"),
            IpAddr::V6(ip) => format!("[{ip}]:{end}-{number}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::samples::{LONG, RELEASE, RESET, SHORT, connection};

    fn recorded(connections: &mut [(Record, Trace)]) -> String {
        let mut out = Vec::new();
        let capture = CaptureSummary { packets: 13, tcp_segments: 13, ..Default::default() };
        write_recorded(&capture, connections, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn ports_that_a_system_chose_are_named_by_role() {
        let mut names = Names::default();
        let endpoint = |text: &str| Endpoint::from(text.parse::<std::net::SocketAddr>().unwrap());
        assert_eq!(names.client(endpoint("192.0.2.1:1024")), "192.0.2.1:client-1");
        assert_eq!(names.client(endpoint("[2001:db8::1]:1024")), "[2001:db8::1]:client-2");
        assert_eq!(names.client(endpoint("192.0.2.1:1024")), "192.0.2.1:client-1");
        assert_eq!(names.server(endpoint("192.0.2.2:443")), "192.0.2.2:443");
        assert_eq!(names.server(endpoint("192.0.2.2:32767")), "192.0.2.2:32767");
        assert_eq!(names.server(endpoint("192.0.2.2:32768")), "192.0.2.2:server-1");
    }

    #[test]
    fn another_recording_of_the_same_gives_the_same_bytes() {
        let (mut record, trace) = connection(SHORT, RESET);
        let first = recorded(&mut [(record.clone(), trace.clone())]);
        record.client.port = 40_000;
        record.file = Some("other.pcap".to_owned());
        assert_eq!(first, recorded(&mut [(record, trace)]));
    }

    #[test]
    fn connections_stand_in_the_order_in_which_they_began() {
        let (mut second, trace) = connection(LONG, RELEASE);
        second.id = 2;
        let text = recorded(&mut [(second, trace), connection(SHORT, RESET)]);
        let heads: Vec<&str> =
            text.lines().filter(|line| line.starts_with("connection: ")).collect();
        assert_eq!(heads, ["connection: 1", "connection: 2"]);
        assert!(text.contains("\nserver: [2001:db8:aaaa:bbbb:cccc:dddd:eeee:ffff]:server-1\n"));
    }

    #[test]
    fn the_teardown_is_part_of_it_and_what_was_before_is_not() {
        let text = recorded(&mut [connection(SHORT, RELEASE)]);
        let packets: Vec<&str> =
            text.lines().filter_map(|line| line.strip_prefix("packet: ")).collect();
        assert_eq!(packets.len(), 4, "{text}");
        assert!(packets[0].starts_with("frame 4, client to server, [F.], seq 1, ack 1, length 0"));
    }
}
