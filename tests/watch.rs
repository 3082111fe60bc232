//! `closecheck watch` on real interfaces, each test in a network of its own: what it tells and when, how it
//! ends, and what becomes of it when the interface, the kernel's buffer or the clock do not hold.
#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, reason = "in a test a panic is the report")]

mod support;

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream, UdpSocket};
use std::sync::mpsc::{Sender, channel};
use std::thread;
use std::time::Duration;

use nix::sys::signal::Signal;
use support::live::{Watch, ended, exchange, ip, listen, private_network};
use support::{Public, closecheck, eventually, now, proc, run, syns, words};

#[test]
#[ignore = "needs root"]
fn each_connection_is_told_soon_after_its_end_on_a_wire_that_is_quiet_then() {
    private_network();
    let watch = Watch::start("-i lo");
    let (listener, address) = listen();
    for (abort, expected) in [(false, "fin by client"), (true, "rst by client")] {
        exchange(&listener, address, abort);
        // Nothing else is sent that could push it out.
        let record = watch.connection();
        assert_eq!(ended(&record), expected);
        assert_eq!(record["server"]["port"], address.port());
        assert_eq!(record["bytes"]["client"], 1);
        assert_eq!(record["close"]["complete"], true, "{record:#}");
    }
    let open = TcpStream::connect(address).unwrap();
    let (code, lines, said) = watch.stop();
    assert_eq!((code, lines.len()), (Some(0), 1), "{said}");
    assert!(lines[0].contains(r#""verdict":"open""#), "{lines:?}");
    assert!(said.contains("\n3 connections: 1 rst, 1 open, 1 fin ("), "{said}");
    drop(open);
}

#[test]
#[ignore = "needs root"]
fn count_only_and_expect_decide_what_is_told_and_the_status() {
    private_network();
    let (listener, address) = listen();
    for (rules, expected) in [
        ("--expect fin", Some(1)),
        ("--only rst --expect rst", Some(0)),
        ("--only fin --expect fin", Some(0)),
        ("--only rst", Some(0)),
    ] {
        let watch = Watch::start(&format!("-i lo --count 2 {rules}"));
        for abort in [false, true, false, true] {
            exchange(&listener, address, abort);
        }
        let wanted = rules.strip_prefix("--only ").and_then(|rule| rule.get(..3));
        for verdict in ["fin", "rst"] {
            let record = watch.connection();
            assert_eq!(record["close"]["verdict"], wanted.unwrap_or(verdict), "{rules}");
        }
        let (code, lines, said) = watch.end();
        assert_eq!((code, lines.len()), (expected, 0), "{rules}: {said}");
    }
}

#[test]
#[ignore = "needs root"]
fn a_watch_with_an_end_that_is_interrupted_is_incomplete_and_one_without_is_not() {
    private_network();
    let (listener, address) = listen();
    for (arguments, signal, status) in [
        ("--count 5", Signal::SIGINT, 3),
        ("--duration 1h", Signal::SIGTERM, 3),
        ("", Signal::SIGINT, 0),
        ("", Signal::SIGTERM, 0),
    ] {
        let watch = Watch::start(&format!("-i lo {arguments}"));
        let open = TcpStream::connect(address).unwrap();
        let _accepted = listener.accept().unwrap();
        watch.signal(signal);
        let (code, lines, said) = watch.end();
        assert_eq!((code, lines.len()), (Some(status), 1), "{arguments}: {said}");
        assert_eq!(lines[0].contains("interrupted"), status == 3, "{lines:?}");
        assert_eq!(said.contains("incomplete: interrupted"), status == 3, "{said}");
        drop(open);
    }
    let (code, _, said) = Watch::start("-i lo --duration 100ms").end();
    assert_eq!(code, Some(0), "{said}");
}

/// The connection is made and the signal sent at once: its packets are still in the kernel's batch.
#[test]
#[ignore = "needs root"]
fn packets_that_came_just_before_the_signal_are_in_the_report() {
    private_network();
    let (listener, address) = listen();
    for _ in 0..5 {
        let watch = Watch::start("-i lo");
        exchange(&listener, address, true);
        let (code, lines, said) = watch.stop();
        assert_eq!((code, lines.len()), (Some(0), 1), "{said}");
        assert!(lines[0].contains(r#""verdict":"rst""#), "{lines:?}");
    }
}

#[test]
#[ignore = "needs root"]
fn usr1_has_a_summary_written_and_nothing_ends() {
    private_network();
    let mut watch = Watch::start("-i lo");
    let (listener, address) = listen();
    for count in ["1 connection: 1 fin (", "2 connections: 2 fin ("] {
        exchange(&listener, address, false);
        watch.connection();
        watch.signal(Signal::SIGUSR1);
        watch.until_it_says(count);
    }
    assert_eq!(watch.stop().0, Some(0));
}

#[test]
#[ignore = "needs root"]
fn lines_for_people_have_a_heading_and_a_summary() {
    private_network();
    let watch = Watch::start("-i lo --format table --color always");
    let (listener, address) = listen();
    exchange(&listener, address, true);
    let heading = watch.line();
    assert!(heading.contains("UTC") && heading.contains("seconds"), "{heading}");
    let line = watch.line();
    assert!(line.starts_with("\u{1b}[1;31m") && line.contains("rst by client"), "{line:?}");
    let (code, lines, _) = watch.stop();
    assert_eq!((code, lines[0].as_str()), (Some(0), ""));
    assert!(lines[1].contains("1 connection: 1 rst ("), "{lines:?}");
}

#[test]
#[ignore = "needs root"]
fn a_filter_takes_nothing_else() {
    private_network();
    let (listener, address) = listen();
    let (other, elsewhere) = listen();
    let watch = Watch::start(&format!("-i lo --count 1 tcp port {}", address.port()));
    exchange(&other, elsewhere, true);
    exchange(&listener, address, false);
    let record = watch.connection();
    assert_eq!((record["id"].as_u64(), ended(&record)), (Some(1), "fin by client".to_owned()));
    assert_eq!(watch.end().0, Some(0));
}

/// A router with a network on either side, and a watch on all of its interfaces: each packet comes by twice.
#[test]
#[ignore = "needs root"]
fn on_any_interface_a_packet_that_is_forwarded_counts_once() {
    private_network();
    let neighbours = Neighbours::new();
    for address in ["10.9.2.2:0", "[fd09:2::2]:0"] {
        // By now the neighbours know each other: a packet that waits for an address is late on the other side.
        neighbours.exchange(address);
        let watch = Watch::start("-i any --count 1 tcp");
        neighbours.exchange(address);
        let record = watch.connection();
        let (code, _, said) = watch.end();
        assert_eq!(code, Some(0), "{said}");
        assert_eq!(ended(&record), "fin by client");
        // SYN, ACK, data, FIN, ACK; SYN-ACK, ACK and FIN, which may stand in one segment or two.
        assert_eq!(record["packets"]["client"], 5, "{record:#}");
        let by_server = record["packets"]["server"].as_u64().unwrap();
        assert!((3..=4).contains(&by_server), "{record:#}");
    }
}

/// Two hosts and the router between them, which is in the caller's network.
struct Neighbours {
    hosts: [Host; 2],
}

/// A thread in a network of its own that does what it is sent.
struct Host {
    work: Sender<Box<dyn FnOnce() + Send>>,
}

impl Host {
    fn new() -> Host {
        let (work, todo) = channel::<Box<dyn FnOnce() + Send>>();
        thread::spawn(move || {
            private_network();
            todo.into_iter().for_each(|job| job());
        });
        Host { work }
    }

    /// What comes of `job`, in that network.
    fn has<T: Send + 'static>(&self, job: impl FnOnce() -> T + Send + 'static) -> T {
        let (tell, told) = channel();
        self.work.send(Box::new(move || tell.send(job()).unwrap())).unwrap();
        told.recv().unwrap()
    }
}

impl Host {
    /// Lays the line from the router's interface `r1` or `r2` to the host.
    fn join(&self, number: u8) {
        let thread = self.has(|| nix::unistd::gettid().as_raw());
        ip(&format!("link add r{number} type veth peer name host netns {thread}"));
        ip(&format!("address add 10.9.{number}.1/24 dev r{number}"));
        ip(&format!("address add fd09:{number}::1/64 dev r{number} nodad"));
        ip(&format!("link set r{number} up"));
        self.has(move || {
            ip(&format!("address add 10.9.{number}.2/24 dev host"));
            ip(&format!("address add fd09:{number}::2/64 dev host nodad"));
            ip("link set dev host up");
            ip(&format!("route add default via 10.9.{number}.1"));
            ip(&format!("-6 route add default via fd09:{number}::1"));
        });
    }
}

impl Neighbours {
    fn new() -> Neighbours {
        let hosts = [Host::new(), Host::new()];
        hosts.iter().zip(1..).for_each(|(host, number)| host.join(number));
        for switch in ["ipv4/ip_forward", "ipv6/conf/all/forwarding"] {
            std::fs::write(format!("/proc/sys/net/{switch}"), "1").unwrap();
        }
        Neighbours { hosts }
    }

    /// One connection from the first host to the second, which has this address.
    fn exchange(&self, address: &'static str) {
        let [client, server] = &self.hosts;
        let listener = server.has(move || TcpListener::bind(address).unwrap());
        let address = listener.local_addr().unwrap();
        let mut stream = client.has(move || TcpStream::connect(address).unwrap());
        let (mut accepted, _) = listener.accept().unwrap();
        stream.write_all(b"?").unwrap();
        accepted.read_exact(&mut [0]).unwrap();
        drop(stream);
        assert_eq!(accepted.read(&mut [0]).unwrap(), 0);
    }
}

/// What is looked for every 50 ms; a machine that is busy with other tests gets more.
const AT_ONCE: Duration = Duration::from_secs(1);

/// Checks that this is said of what has just happened, and when.
#[track_caller]
fn says_at_once(watch: &mut Watch, part: &str) {
    let begun = now();
    watch.until_it_says(part);
    let took = now() - begun;
    assert!(took < AT_ONCE, "{part}: {took:?}");
}

/// A pair of interfaces, of which the second end is there only to be up.
fn pair() {
    ip("link add watched type veth peer name other");
    ip("address add 10.9.1.1/24 dev watched");
    ip("link set watched up");
    ip("link set other up");
}

#[test]
#[ignore = "needs root"]
fn an_interface_that_goes_down_and_comes_up_is_told_at_once_and_makes_it_incomplete() {
    private_network();
    pair();
    let mut watch = Watch::start("-i watched");
    ip("link set watched down");
    says_at_once(&mut watch, "warning: watched is down");
    ip("link set watched up");
    says_at_once(&mut watch, "warning: watched is back");
    let (code, _, said) = watch.stop();
    assert_eq!(code, Some(3), "{said}");
    assert!(said.contains("incomplete: watched was away once\n"), "{said}");
}

#[test]
#[ignore = "needs root"]
fn an_interface_that_is_deleted_and_made_again_is_watched_again() {
    private_network();
    let neighbours = Neighbours::new();
    // Confined, it could not.
    let mut watch = Watch::start("-i r1 --sandbox off tcp");
    neighbours.exchange("10.9.2.2:0");
    assert_eq!(watch.connection()["close"]["complete"], true);
    ip("link delete r1");
    says_at_once(&mut watch, "warning: r1 is gone");
    neighbours.hosts[0].join(1);
    watch.until_it_says("warning: r1 is back");
    neighbours.exchange("10.9.2.2:0");
    let record = watch.connection();
    assert_eq!((record["id"].as_u64(), ended(&record)), (Some(2), "fin by client".to_owned()));
    // It began behind the outage.
    assert_eq!(record["close"]["complete"], true, "{record:#}");
    let (code, _, said) = watch.stop();
    assert_eq!(code, Some(3), "{said}");
}

/// The right to capture is given up once the capture is open.
#[test]
#[ignore = "needs root"]
fn under_sudo_the_rights_are_gone_and_an_interface_made_again_ends_the_watch() {
    private_network();
    pair();
    let mut watch = Watch::start_as_under_sudo("-i watched");
    for set in ["CapInh", "CapPrm", "CapEff", "CapAmb"] {
        assert_eq!(proc::status_of(watch.pid(), set), "0000000000000000", "{set}");
    }
    assert_eq!(proc::status_of(watch.pid(), "Uid"), "65534 65534 65534 65534");
    ip("link delete watched");
    says_at_once(&mut watch, "warning: watched is gone");
    pair();
    watch.until_it_says("the right to capture on it was given up");
    let (code, _, said) = watch.end();
    assert_eq!(code, Some(3), "{said}");
}

/// While the program is stopped nobody reads, and the kernel has room for so much only.
#[test]
#[ignore = "needs root"]
fn packets_that_the_kernel_drops_are_told_at_once_and_make_it_incomplete() {
    private_network();
    let mut watch = Watch::start("-i lo -s 0 --expect fin");
    let (listener, address) = listen();
    let mut client = TcpStream::connect(address).unwrap();
    let (mut server, _) = listener.accept().unwrap();
    watch.signal(Signal::SIGSTOP);
    let (data, mut sink) = (vec![0; 1 << 20], vec![0; 1 << 20]);
    for _ in 0..200 {
        let (mut writer, data) = (client.try_clone().unwrap(), data.clone());
        let writing = thread::spawn(move || writer.write_all(&data).unwrap());
        server.read_exact(&mut sink).unwrap();
        writing.join().unwrap();
    }
    watch.signal(Signal::SIGCONT);
    says_at_once(&mut watch, "warning: lo: the kernel dropped ");
    drop(client.write_all(b"!"));
    drop((client, server));
    let record = watch.connection();
    assert!(record["close"]["gaps"].as_array().unwrap().contains(&"dropped".into()), "{record:#}");
    // One that begins later lacks nothing.
    exchange(&listener, address, false);
    assert_eq!(watch.connection()["close"]["complete"], true);
    let (code, _, said) = watch.stop();
    assert_eq!(code, Some(3), "{said}");
    assert!(said.contains(" packets were dropped by the kernel\n"), "{said}");
}

#[test]
#[ignore = "needs root"]
fn without_the_right_to_capture_it_says_what_to_do() {
    let public = Public::new();
    let ran = run(&mut public.as_nobody(words("watch -i lo")));
    ran.exits(2).complains(&format!(
        "closecheck: error: no right to capture on `lo` (socket: Operation not permitted)\n\
         (hint: run it with sudo, or give it the right once with `sudo setcap cap_net_raw=ep {}`)\n",
        public.program().display()
    ));
}

#[test]
fn rotation_needs_a_file_and_a_number_of_files_needs_rotation() {
    for arguments in
        ["watch -C 1", "watch -G 1", "watch -w x -W 3", "watch -w x -G 0", "watch -s 262145"]
    {
        let ran = run(&mut closecheck(words(arguments)));
        ran.exits(2);
        assert_eq!(ran.stdout, "", "{arguments}");
    }
}

/// However many packets lie there, and however long it takes, what came before the request is read.
#[test]
#[ignore = "needs root"]
fn what_came_before_a_signal_is_read_whatever_came_with_it() {
    private_network();
    let watch = Watch::start("-i lo --expect fin");
    let (listener, address) = listen();
    exchange(&listener, address, false);
    assert_eq!(ended(&watch.connection()), "fin by client");
    watch.signal(Signal::SIGSTOP);
    let [from, to] = [(); 2].map(|()| UdpSocket::bind("127.0.0.1:0").unwrap());
    let to_address = to.local_addr().unwrap();
    for _ in 0..180_000 {
        from.send_to(b"?", to_address).unwrap();
    }
    exchange(&listener, address, true);
    watch.signal(Signal::SIGTERM);
    watch.signal(Signal::SIGCONT);
    let (code, lines, said) = watch.end();
    assert_eq!((code, lines.len()), (Some(1), 1), "{said}");
    assert!(lines[0].contains(r#""verdict":"rst""#), "{lines:?}");
}

/// Behind the interface of [`pair`].
const NOBODY_THERE: Ipv4Addr = Ipv4Addr::new(10, 9, 1, 9);

/// SYNs of a flood that nobody answers: no more memory than the table may have, and each is told.
#[test]
#[ignore = "needs root"]
fn a_flood_of_syns_takes_no_more_memory_than_the_table() {
    private_network();
    // Nobody is there to refuse: the packets leave through an interface without a neighbour.
    pair();
    ip("neighbour add 10.9.1.9 lladdr 02:00:00:00:00:09 dev watched");
    let mut watch = Watch::start("-i watched --max-open 2000 --only open tcp");
    let resident = |watch: &Watch| -> u64 {
        // Without the ring, whose pages count only once packets have lain in them.
        let text = proc::status_of(watch.pid(), "RssAnon");
        text.split_whitespace().next().unwrap().parse().unwrap()
    };
    // As much at a time as the ring holds: on a busy machine the kernel would drop some of more.
    let mut flood_up_to = |portions: std::ops::Range<u32>| {
        for portion in portions {
            syns::send(NOBODY_THERE, portion * 25_000..(portion + 1) * 25_000).unwrap();
            let taken = (portion + 1) * 25;
            until_taken(&mut watch, &format!("({taken},000 packets"));
        }
        resident(&watch)
    };
    let before = flood_up_to(0..4);
    let after = flood_up_to(4..20);
    // What is given up at one go waits to be told; of all of it there would be more than 100 MiB.
    assert!(after < before + 12 * 1024, "{before} KiB, then {after} KiB");
    let (code, lines, said) = watch.stop();
    assert_eq!((code, lines.len()), (Some(3), 0), "{said}");
    assert!(said.contains("0 of 500,000 connections selected"), "{said}");
    assert!(
        said.contains(
            "that were open at once: 498000 were given up before their end (--max-open 2000)"
        ),
        "{said}"
    );
}

/// They lie before the signal that would end it too early.
#[test]
#[ignore = "needs root"]
fn the_connections_that_were_asked_for_may_be_the_last_that_are_read() {
    private_network();
    pair();
    ip("neighbour add 10.9.1.9 lladdr 02:00:00:00:00:09 dev watched");
    let watch = Watch::start("-i watched --max-open 2000 --count 5 tcp");
    watch.signal(Signal::SIGSTOP);
    syns::send(NOBODY_THERE, 0..25_000).unwrap();
    watch.signal(Signal::SIGTERM);
    watch.signal(Signal::SIGCONT);
    let (code, lines, said) = watch.end();
    assert_eq!((code, lines.len()), (Some(3), 5), "{said}");
    assert!(said.contains("were given up before their end"), "{said}");
    assert!(!said.contains("interrupted"), "{said}");
}

/// Asks for summaries until one has this in it.
fn until_taken(watch: &mut Watch, packets: &str) {
    eventually(packets, || {
        watch.signal(Signal::SIGUSR1);
        watch.until_it_says(" connections selected (").contains(packets)
    });
}
