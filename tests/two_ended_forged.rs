//! What somebody in between forges is told by `compare --two-ended`, and nothing else with it.
#![expect(clippy::unwrap_used, reason = "what cannot be made or read fails the test")]
#![expect(clippy::cast_possible_truncation, reason = "the packets made here are small")]
#![cfg(target_os = "linux")]

mod support;

use std::fs;

use serde_json::Value;
use support::limited::{ACK, FIN, RST, SYN, packet_with_ack, pcap_header};
use support::{Ran, closecheck, run};

/// A packet: whether the client sends it, its flags, numbers and payload.
#[derive(Clone)]
struct Packet(bool, u16, u32, u32, Vec<u8>);

/// Microseconds between two packets. One that comes again within a millisecond was captured twice.
const PACE: u64 = 2000;

/// The client's first number is 0, the server's 5000.
fn opening() -> Vec<Packet> {
    vec![
        Packet(true, SYN, 0, 0, vec![]),
        Packet(false, SYN | ACK, 5000, 1, vec![]),
        Packet(true, ACK, 1, 5001, vec![]),
    ]
}

/// Data of the client.
fn data(seq: u32, payload: &[u8]) -> Packet {
    Packet(true, ACK, seq, 5001, payload.to_vec())
}

/// The release after so many bytes of the client.
fn release(count: u32) -> Vec<Packet> {
    vec![
        Packet(false, ACK, 5001, count + 1, vec![]),
        Packet(true, FIN | ACK, count + 1, 5001, vec![]),
        Packet(false, FIN | ACK, 5001, count + 2, vec![]),
        Packet(true, ACK, count + 2, 5002, vec![]),
    ]
}

/// A capture of these, of which each packet has at most so many bytes. It was running before, as a refused connection
/// shows.
fn capture(packets: &[(u64, Packet)], most: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    pcap_header(&mut bytes).unwrap();
    for (time, packet) in (0..).zip([(true, SYN, 0), (false, RST | ACK, 1)]) {
        let (from_client, flags, ack) = packet;
        packet_with_ack(1, time, from_client, (flags, 0, ack, 0), &mut bytes).unwrap();
    }
    for (time, Packet(from_client, flags, seq, ack, payload)) in packets {
        let start = bytes.len();
        let segment = (*flags, *seq, *ack, payload.len());
        packet_with_ack(0, *time, *from_client, segment, &mut bytes).unwrap();
        bytes.truncate(bytes.len() - payload.len());
        bytes.extend(payload);
        let kept = most.min(40 + payload.len());
        bytes.truncate(start + 16 + kept);
        bytes[start + 8..start + 12].copy_from_slice(&(kept as u32).to_le_bytes());
    }
    bytes
}

const WHOLE: usize = 65_535;

/// What the program says of what the ends captured, each packet with at most so many bytes.
fn compared_within(most: usize, client: &[(u64, Packet)], server: &[(u64, Packet)]) -> Ran {
    let here = tempfile::tempdir().unwrap();
    fs::write(here.path().join("client.pcap"), capture(client, most)).unwrap();
    fs::write(here.path().join("server.pcap"), capture(server, most)).unwrap();
    let mut command = closecheck(["compare", "--two-ended", "--format", "json"]);
    run(command.args(["client.pcap", "server.pcap"]).current_dir(here.path()))
}

fn compared(client: &[(u64, Packet)], server: &[(u64, Packet)]) -> Ran {
    compared_within(WHOLE, client, server)
}

/// What was found, in words, but for what arrived.
fn found(report: &Value) -> Vec<String> {
    let connections = report["connections"].as_array().unwrap();
    let of = |key: &'static str| {
        connections.iter().flat_map(move |connection| connection[key].as_array().unwrap())
    };
    let word = |value: &Value, key: &str| value[key].as_str().unwrap().to_owned();
    let differs = |finding: &&Value| finding["kind"] != "arrived";
    let findings = of("findings").filter(differs).map(|finding| {
        let [kind, what, from] = ["kind", "what", "from"].map(|key| word(finding, key));
        let bytes = match &finding["bytes"] {
            Value::Null => String::new(),
            bytes => format!(" {}-{}", bytes[0], bytes[1]),
        };
        format!("{kind} {what} from {from}{bytes}")
    });
    let holes =
        of("holes").map(|hole| format!("{} lacks {}", word(hole, "at"), word(hole, "text")));
    findings.chain(holes).collect()
}

/// A connection in which the client sends 200 bytes in these segments.
fn with_data(segments: &[Packet]) -> Vec<(u64, Packet)> {
    let packets = [opening(), segments.to_vec(), release(200)].concat();
    (1..).map(|number| number * PACE).zip(packets).collect()
}

#[test]
fn other_bytes_are_found_whatever_the_segments_and_the_same_are_the_same() {
    let (a, x) = ([b'a'; 200], [[b'a'; 100], [b'X'; 100]].concat());
    let cut = |bytes: &[u8], edges: &[usize]| {
        let piece = |edges: &[usize]| data(edges[0] as u32 + 1, &bytes[edges[0]..edges[1]]);
        with_data(&edges.windows(2).map(piece).collect::<Vec<_>>())
    };
    let ways: [&[usize]; 3] = [&[0, 200], &[0, 100, 200], &[0, 30, 150, 200]];
    for (number, sent) in ways.iter().enumerate() {
        for (other, got) in ways.iter().enumerate() {
            compared(&cut(&a, sent), &cut(&a, got)).succeeded();
            let ran = compared(&cut(&a, sent), &cut(&x, got));
            let expected = match number == other {
                true if number == 1 => ["altered data from client 101-200"],
                true if number == 2 => ["altered data from client 31-200"],
                true | false => ["altered data from client 1-200"],
            };
            assert_eq!(found(&ran.exits(1).json()), expected, "{number}, {other}");
        }
    }
}

#[test]
fn a_forged_copy_without_an_edge_in_common_leaves_it_open() {
    let sent = with_data(&[data(1, &[b'a'; 200])]);
    let got = with_data(&[data(1, &[b'X'; 150]), data(1, &[b'a'; 200])]);
    let ran = compared(&sent, &got);
    let open =
        "client lacks the edges of the segments with bytes 1 to 150, which cannot be compared";
    assert_eq!(found(&ran.exits(3).json()), [open]);
}

#[test]
fn payload_that_was_cut_off_leaves_it_open() {
    let sent = with_data(&[data(1, &[b'a'; 200])]);
    let got = with_data(&[data(1, &[[b'a'; 100], [b'X'; 100]].concat())]);
    for most in [40, 139, 239] {
        let ran = compared_within(most, &sent, &sent);
        let open = "server lacks part of bytes 1 to 200, which cannot be compared";
        assert_eq!(found(&ran.exits(3).json()), [open], "{most}");
    }
    compared_within(140, &sent, &got).exits(3);
    let altered = compared_within(141, &sent, &got).exits(1).json();
    assert_eq!(found(&altered)[0], "altered data from client 1-200");
}

/// The packets with another one in the place, and no later for that.
fn with(packets: &[(u64, Packet)], place: usize, forged: &Packet) -> Vec<(u64, Packet)> {
    let mut packets = packets.to_vec();
    packets.insert(place, (packets[place].0 - PACE / 2, forged.clone()));
    packets
}

#[test]
fn a_syn_forged_into_a_connection_is_told_and_nothing_else() {
    let honest = with_data(&[data(1, &[b'a'; 200])]);
    // Behind the handshake, the data, its acknowledgement and the FIN; in the window, behind and before it.
    for place in 3..=6 {
        for seq in [70, 231, 100_000, 0x9000_0000] {
            let syn = Packet(true, SYN, seq, 0, vec![]);
            let ran = compared(&honest, &with(&honest, place, &syn));
            let found = found(&ran.exits(1).json());
            assert_eq!(found, ["forged syn from client"], "{place}, {seq}");
            let answer = Packet(false, SYN | ACK, seq, 201, vec![]);
            let ran = compared(&with(&honest, place, &answer), &honest);
            let found = self::found(&ran.exits(1).json());
            assert_eq!(found, ["forged syn from server"], "{place}, {seq}");
        }
    }
}

#[test]
fn a_syn_with_another_number_that_never_came_is_lost() {
    let honest = with_data(&[data(1, &[b'a'; 200])]);
    let syn = Packet(true, SYN, 231, 0, vec![]);
    let ran = compared(&with(&honest, 4, &syn), &honest);
    assert_eq!(found(&ran.exits(1).json()), ["lost syn from client"]);
    let both = with(&honest, 4, &syn);
    compared(&both, &both).succeeded();
}

/// Each forgery comes to one end only, before the SYN, behind it, or behind its answer.
#[test]
fn a_syn_forged_into_a_handshake_is_told_and_nothing_else() {
    let honest = with_data(&[data(1, &[b'a'; 200])]);
    for seq in [70, 100_000, 0x9000_0000] {
        for place in 0..=2 {
            let syn = Packet(true, SYN, seq, 0, vec![]);
            let ran = compared(&honest, &with(&honest, place, &syn));
            let found = found(&ran.exits(1).json());
            assert_eq!(found, ["forged syn from client"], "{place}, {seq}");
            let answer = Packet(false, SYN | ACK, seq, 1, vec![]);
            let ran = compared(&with(&honest, place, &answer), &honest);
            let found = self::found(&ran.exits(1).json());
            assert_eq!(found, ["forged syn from server"], "{place}, {seq}");
        }
    }
}
