//! Scenarios as text: segments in tcpdump's letters, then what must be concluded from them.
//!
//! ```text
//! == a name in words
//! client S    0
//! server S.   0      ack 1
//! client P.   1:12   ack 1   win 512 ts
//! => rst by server; cause abort certain; stage later; opening handshake
//! => client SYN-SENT ESTABLISHED CLOSED
//! => 2: a fact of the second connection
//! ```
//!
//! Numbers are relative to the sender's initial sequence number; `ack` to the other's. A window is 512 and a
//! time to live 64 unless `win` or `ttl` says otherwise; `id` is the IPv4 identification, and `cut` leaves
//! the payload out of the capture, `fragment` makes it the first of several, and `sum right`, `left` or `wrong` is its checksum. Each line is a millisecond after the one before, or after `+SECONDS`. A
//! line `ports 50000 9999` gives the client and the server other ports than 50000 and 80.

use std::path::Path;

use closecheck::decode::{
    Checksum, Endpoint, Flags, FrameId, Options, Segment, Seq, TcpTimestamp, Timestamp,
};
use closecheck::flow::{Connection, End, Pair, Table};
use closecheck::verdict::{Close, Stage, judge};

/// One scenario of a file.
#[derive(Clone, Debug)]
pub(crate) struct Scenario {
    pub(crate) name: String,
    pub(crate) ports: Pair<u16>,
    pub(crate) segments: Vec<Line>,
    pub(crate) expected: Vec<String>,
}

/// One segment, numbers relative.
#[derive(Clone, Debug)]
pub(crate) struct Line {
    pub(crate) from: End,
    pub(crate) flags: Flags,
    pub(crate) seq: u32,
    pub(crate) len: u32,
    pub(crate) ack: u32,
    pub(crate) window: u16,
    pub(crate) timestamp: bool,
    pub(crate) ttl: u8,
    pub(crate) id: u16,
    pub(crate) cut: bool,
    pub(crate) fragmented: bool,
    pub(crate) checksum: Checksum,
    pub(crate) millis: i64,
}

/// The ports of a scenario that gives none.
pub(crate) const PORTS: Pair<u16> = Pair { client: 50_000, server: 80 };

/// Where the two ends are and what their initial sequence numbers are.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Setting {
    pub(crate) endpoints: Pair<Endpoint>,
    pub(crate) isn: Pair<u32>,
}

impl Setting {
    pub(crate) fn new(ports: Pair<u16>, client_isn: u32, server_isn: u32) -> Setting {
        let end = |host, port| Endpoint { ip: [192, 0, 2, host].into(), port };
        Setting {
            endpoints: Pair { client: end(1, ports.client), server: end(2, ports.server) },
            isn: Pair { client: client_isn, server: server_isn },
        }
    }
}

/// Reads every scenario of a file.
pub(crate) fn read(path: &Path) -> Vec<Scenario> {
    let text = std::fs::read_to_string(path).unwrap();
    let mut scenarios: Vec<Scenario> = Vec::new();
    let mut millis = 0;
    for line in text.lines().map(str::trim).filter(|line| !line.is_empty()) {
        if let Some(name) = line.strip_prefix("== ") {
            millis = 0;
            scenarios.push(Scenario {
                name: name.to_owned(),
                ports: PORTS,
                segments: Vec::new(),
                expected: Vec::new(),
            });
        } else if let Some(ports) = line.strip_prefix("ports ") {
            let (client, server) = ports.split_once(' ').unwrap();
            scenarios.last_mut().unwrap().ports =
                Pair { client: client.parse().unwrap(), server: server.parse().unwrap() };
        } else if line.starts_with('#') {
            continue;
        } else if let Some(expected) = line.strip_prefix("=> ") {
            let scenario = scenarios.last_mut().unwrap();
            scenario.expected.extend(expected.split("; ").map(str::to_owned));
        } else if let Some(seconds) = line.strip_prefix('+') {
            millis += (seconds.parse::<f64>().unwrap() * 1000.0) as i64 - 1;
        } else {
            millis += 1;
            scenarios.last_mut().unwrap().segments.push(parse(line, millis));
        }
    }
    assert!(!scenarios.is_empty(), "{} holds no scenario", path.display());
    scenarios
}

fn parse(line: &str, millis: i64) -> Line {
    let mut words = line.split_whitespace();
    let from = match words.next().unwrap() {
        "client" => End::Client,
        "server" => End::Server,
        other => panic!("`{other}` is no end, in `{line}`"),
    };
    let flags = words.next().unwrap().chars().fold(Flags::default(), |flags, letter| {
        flags
            | match letter {
                'F' => Flags::FIN,
                'S' => Flags::SYN,
                'R' => Flags::RST,
                'P' => Flags::PSH,
                '.' => Flags::ACK,
                'U' => Flags::URG,
                'E' => Flags::ECE,
                'W' => Flags::CWR,
                '-' => Flags::default(),
                other => panic!("`{other}` is no flag, in `{line}`"),
            }
    });
    let numbers = words.next().unwrap();
    let (first, last) = numbers.split_once(':').unwrap_or((numbers, numbers));
    // A keep-alive before any data stands at -1 + 1: written as a wrapped number.
    let seq = first.parse::<i64>().unwrap() as u32;
    let len = (last.parse::<i64>().unwrap() as u32).wrapping_sub(seq);
    let mut parsed = Line {
        from,
        flags,
        seq,
        len,
        ack: 0,
        window: 512,
        timestamp: false,
        ttl: 64,
        id: 0,
        cut: false,
        fragmented: false,
        checksum: Checksum::Unchecked,
        millis,
    };
    while let Some(word) = words.next() {
        match word {
            "ack" => parsed.ack = words.next().unwrap().parse().unwrap(),
            "win" => parsed.window = words.next().unwrap().parse().unwrap(),
            "ttl" => parsed.ttl = words.next().unwrap().parse().unwrap(),
            "id" => parsed.id = words.next().unwrap().parse().unwrap(),
            "ts" => parsed.timestamp = true,
            "cut" => parsed.cut = true,
            "fragment" => parsed.fragmented = true,
            "sum" => {
                parsed.checksum = match words.next().unwrap() {
                    "right" => Checksum::Right,
                    "left" => Checksum::Left,
                    "wrong" => Checksum::Wrong,
                    other => panic!("`{other}` is no checksum, in `{line}`"),
                }
            }
            other => panic!("`{other}` is not understood, in `{line}`"),
        }
    }
    parsed
}

/// Runs segments through the table and judges every connection.
pub(crate) fn run(lines: &[Line], setting: Setting) -> Vec<(Connection, Close)> {
    let mut table = Table::default();
    for (frame, line) in (1..).zip(lines) {
        table.push(&segment(line, setting, frame));
    }
    let judged = |connection: Connection| {
        let close = judge(&connection);
        (connection, close)
    };
    table.into_connections().map(judged).collect()
}

/// The payload of every segment, as much of it as it has.
static PAYLOAD: [u8; 0x1_0000] = [0; 0x1_0000];

/// A line as a segment with this number.
pub(crate) fn segment(line: &Line, setting: Setting, frame: u64) -> Segment<'static> {
    let to = line.from.other();
    let timestamp = line.timestamp.then_some(TcpTimestamp { value: 1, echo: 1 });
    let (source, destination) = (*setting.endpoints.at(line.from), *setting.endpoints.at(to));
    Segment {
        frame: FrameId::new(frame),
        time: Timestamp::new(0, line.millis * 1_000_000),
        seq: Seq(setting.isn.at(line.from).wrapping_add(line.seq)),
        ack: match line.flags.ack() {
            true => Seq(setting.isn.at(to).wrapping_add(line.ack)),
            false => Seq(0),
        },
        window: line.window,
        options: Options { timestamp, ..Options::default() },
        payload_len: line.len,
        payload: match line.cut {
            true => &[],
            false => &PAYLOAD[..line.len as usize],
        },
        is_whole: !line.cut || line.len == 0,
        ttl: line.ttl,
        ip_id: Some(line.id),
        checksum: line.checksum,
        fragmented: line.fragmented,
        ..Segment::plain(source, destination, line.flags)
    }
}

/// The conclusion in the words of the scenario files, every fact of it.
pub(crate) fn conclusion(connection: &Connection, close: &Close) -> Vec<String> {
    let mut facts = vec![match close.by {
        Some(by) => format!("{} by {by}", close.verdict),
        None => close.verdict.to_string(),
    }];
    facts.extend(close.shape.map(|shape| format!("shape {shape}")));
    if let (Some(cause), Some(confidence)) = (close.cause, close.confidence) {
        facts.push(format!("cause {cause} {confidence}"));
    }
    if close.cause.is_some() {
        facts.push(format!("stage {}", close.stage.map_or("unknown", Stage::word)));
    }
    facts.extend(close.pattern.map(|pattern| format!("pattern {pattern}")));
    facts.push(format!("opening {}", close.opening));
    let gaps: Vec<&str> = close.gaps.iter().map(|gap| gap.word()).collect();
    facts.push(if gaps.is_empty() {
        "complete".to_owned()
    } else {
        format!("gaps {}", gaps.join(" "))
    });
    facts.push(format!("rule {}", close.rule.id));
    let ignored = connection.ignored();
    facts.push(format!("late resets {}", ignored.late_resets));
    facts.push(format!("ignored resets {}", ignored.resets));
    facts.push(format!("repeated fins {}", ignored.repeated_fins));
    facts.push(format!("ignored fins {}", ignored.fins));
    facts.push(format!("ignored syns {}", ignored.syns));
    facts.push(format!("ignored segments {}", ignored.others));
    facts.push(format!("wrong checksums {}", ignored.wrong_checksums));
    for end in End::BOTH {
        let half = connection.halves.at(end);
        let states: Vec<&str> = half.path().iter().map(closecheck::flow::State::name).collect();
        facts.push(format!("{end} {}", states.join(" ")));
        facts.push(format!("{end} packets {}", half.packets));
        facts.push(format!("{end} bytes {}", connection.bytes(end)));
        facts.push(format!("{end} at risk {}", connection.unacknowledged(end)));
    }
    let frames: Vec<String> =
        close.evidence.iter().map(|evidence| evidence.frame.to_string()).collect();
    facts.push(format!("evidence {}", frames.join(" ")));
    facts.push(format!("zeek {} {}", connection.zeek.conn_state(), connection.zeek.history()));
    facts
}
