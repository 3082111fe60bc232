//! Holds `closecheck compare --two-ended` against real connections captured at both of their ends, with a box
//! in between that forges, drops, alters and translates.
//!
//! `scripts/record-two-ended` drives and records the situations; beside each pair of captures lies its truth,
//! written by hand: `#` begins a comment, then comes `outcome WORD`, then a line for each connection,
//! `N: ADDRESSES; FINDING; …` with all that must be found of it and nothing else.
#![expect(clippy::unwrap_used, reason = "a fixture that cannot be read fails the test")]

mod support;

use std::cell::Cell;
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use closecheck::compare::ends::{self, Captured, Connection};
use closecheck::compare::{Outcome, TwoEnded};
use closecheck::flow::{End, Pair};
use closecheck::report::CaptureSummary;
use serde_json::{Value, json};
use support::edit::Capture;
use support::{Ran, clean, closecheck, run, tcpdump};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/two-ended")
}

fn names() -> BTreeSet<String> {
    fs::read_dir(folder())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "truth"))
        .map(|path| path.file_stem().unwrap().to_str().unwrap().to_owned())
        .collect()
}

fn truth(name: &str) -> Vec<String> {
    let text = fs::read_to_string(folder().join(name).with_extension("truth")).unwrap();
    text.lines().filter(|line| !line.starts_with('#')).map(str::to_owned).collect()
}

/// The capture at one end of a situation.
fn at(folder: &Path, name: &str, end: &str) -> PathBuf {
    folder.join(format!("{name}.{end}.pcap"))
}

fn compare(client: &Path, server: &Path, arguments: &[&str]) -> Ran {
    run(closecheck(["compare", "--two-ended"]).args(arguments).arg(client).arg(server))
}

fn judge(folder: &Path, name: &str) -> Value {
    let (client, server) = (at(folder, name, "client"), at(folder, name, "server"));
    let ran = compare(&client, &server, &["--format", "json"]);
    let report = ran.json();
    let code = match report["outcome"].as_str().unwrap() {
        "equal" => 0,
        "different" => 1,
        _ => 3,
    };
    ran.exits(code);
    report
}

fn word<'a>(value: &'a Value, key: &str) -> &'a str {
    value[key].as_str().unwrap()
}

/// What was found, in the words of the truth. Connections come in the order in which the client began them.
fn found(report: &Value) -> Vec<String> {
    let mut lines = vec![format!("outcome {}", word(report, "outcome"))];
    let mut connections = report["connections"].as_array().unwrap().clone();
    connections.sort_by_key(|each| each["tracks"]["client"]["ids"][0].as_u64());
    for (place, connection) in connections.iter().enumerate() {
        let tracks = &connection["tracks"];
        let mut clauses = vec![match (tracks["client"].is_null(), tracks["server"].is_null()) {
            (true, _) => "only at the server".to_owned(),
            (false, true) => "only at the client".to_owned(),
            (false, false) if connection["translated"] == json!(true) => "translated".to_owned(),
            (false, false) => "same addresses".to_owned(),
        }];
        for each in connection["findings"].as_array().unwrap() {
            let proven = if each["proven"] == json!(true) { "proven" } else { "not proven" };
            let what = [word(each, "kind"), word(each, "what"), "from", word(each, "from")];
            let detail = each["detail"].as_str().map(|text| format!(", {text}"));
            clauses.push(format!("{}, {proven}{}", what.join(" "), detail.unwrap_or_default()));
        }
        for hole in connection["holes"].as_array().unwrap() {
            clauses.push(format!("hole at {}: {}", word(hole, "at"), word(hole, "text")));
        }
        lines.push(format!("{}: {}", place + 1, clauses.join("; ")));
    }
    lines
}

/// Has tcpdump read the frames that are named, and checks that they are what they are said to be.
fn check_frames(folder: &Path, name: &str, report: &Value) -> u32 {
    let mut checked = 0;
    for end in ["client", "server"] {
        let lines = tcpdump(&at(folder, name, end));
        let connections = report["connections"].as_array().unwrap().iter();
        for finding in connections.flat_map(|each| each["findings"].as_array().unwrap()) {
            let letter = match word(finding, "what") {
                "rst" => 'R',
                "fin" => 'F',
                "syn" => 'S',
                _ => continue,
            };
            for frame in finding["frames"][end].as_array().unwrap() {
                let line = &lines[usize::try_from(frame.as_u64().unwrap()).unwrap() - 1];
                let flags = line.split("Flags [").nth(1).unwrap().split(']').next().unwrap();
                assert!(flags.contains(letter), "{name}: {line}");
                checked += 1;
            }
        }
    }
    checked
}

#[test]
fn closecheck_finds_the_truth_in_every_recording() {
    let names = names();
    assert!(names.len() >= 12, "{names:?}");
    let mut checked = 0;
    for name in &names {
        let report = judge(&folder(), name);
        assert_eq!(found(&report), truth(name), "{name}");
        checked += check_frames(&folder(), name, &report);
    }
    assert!(checked >= 25, "{checked}");
}

#[test]
#[ignore = "needs root"]
fn closecheck_finds_the_truth_in_what_happens_now() {
    let here = tempfile::tempdir().unwrap();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/record-two-ended");
    run(clean(script).arg("--into").arg(here.path())).succeeded();
    for name in names() {
        assert_eq!(found(&judge(here.path(), &name)), truth(&name), "{name}");
    }
}

#[test]
fn every_situation_of_the_script_has_its_truth() {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/record-two-ended");
    let ran = run(clean(script).arg("--list"));
    let listed: BTreeSet<String> = ran
        .succeeded()
        .stdout
        .lines()
        .map(|line| line.split(':').next().unwrap().to_owned())
        .collect();
    assert_eq!(listed, names());
}

#[test]
fn the_offload_is_in_the_recording() {
    let longest = |end| {
        let capture = Capture::open(&at(&folder(), "offload", end));
        capture.packets.iter().map(support::edit::Packet::payload_len).max().unwrap()
    };
    assert!(longest("client") > 10_000, "{}", longest("client"));
    assert!(longest("server") <= 1460, "{}", longest("server"));
}

/// Both captures of a situation, for a test to change.
fn both(name: &str) -> [Capture; 2] {
    ["client", "server"].map(|end| Capture::open(&at(&folder(), name, end)))
}

/// Judges changed captures.
fn judge_changed([client, server]: &[Capture; 2]) -> Value {
    let here = tempfile::tempdir().unwrap();
    client.write(&at(here.path(), "changed", "client"));
    server.write(&at(here.path(), "changed", "server"));
    judge(here.path(), "changed")
}

#[test]
fn another_clock_at_the_server_is_worked_out_and_changes_nothing_else() {
    for name in names() {
        let mut captures = both(&name);
        let before = judge(&folder(), &name);
        let ahead = 3_250_000_000;
        captures[1].packets.iter_mut().for_each(|packet| packet.time += ahead);
        let report = judge_changed(&captures);
        let error = report["clock"]["error"].as_f64().unwrap();
        let offset = report["clock"]["server_ahead"].as_f64().unwrap();
        assert!((offset - 3.25).abs() <= error, "{name}: {offset} ± {error}");
        assert!(error < 0.01, "{name}: {error}");
        assert_eq!(found(&report), found(&before), "{name}");
    }
}

#[test]
fn a_clock_that_was_set_is_noticed_and_leaves_the_findings_alone() {
    let mut captures = both("rst-forged-to-client");
    let middle = captures[1].packets.len() / 2;
    captures[1].packets.iter_mut().skip(middle).for_each(|packet| packet.time += 1_000_000_000);
    let report = judge_changed(&captures);
    let clock = &report["clock"];
    assert_eq!((&clock["unsteady"], &clock["server_ahead"]), (&json!(true), &Value::Null));
    assert!(found(&report)[1].contains("forged rst from server, not proven"), "{report:#}");
}

#[test]
fn an_rst_beyond_the_end_of_the_other_capture_is_told_with_its_condition() {
    let mut captures = both("rst-forged-to-client");
    // The server's capture is stopped before the RST came to the client.
    let stopped = captures[0].packets.iter().position(|packet| packet.flags().rst()).unwrap();
    let time = captures[0].packets[stopped].time;
    captures[1].packets.retain(|packet| packet.time < time);
    captures[0].packets.truncate(stopped + 1);
    let report = judge_changed(&captures);
    let lines = found(&report);
    assert_eq!(
        lines,
        ["outcome different", "1: same addresses; forged rst from server, not proven"]
    );
}

#[test]
fn what_came_before_a_capture_began_is_a_hole_and_no_loss() {
    let [client, server] = both("clean");
    for kept in 1..server.packets.len() - 10 {
        let mut late = server.clone();
        late.packets.drain(..kept);
        let report = judge_changed(&[client.clone(), late]);
        assert_ne!(report["outcome"], json!("different"), "{kept}: {report:#}");
        assert_eq!(report["outcome"], json!("undecided"), "{kept}: {report:#}");
    }
}

#[test]
fn data_that_only_arrived_is_forged_and_data_that_only_left_is_lost() {
    let [client, server] = both("clean");
    let has_data = |packet: &support::edit::Packet| packet.payload_len() == 100;
    let index = server.packets.iter().position(has_data).unwrap();
    let without = |capture: &Capture, from: usize| {
        let mut capture = capture.clone();
        capture.packets.truncate(from);
        capture
    };
    // What the client sent is seen to arrive, and nothing of it to leave.
    let left = client.packets.iter().position(has_data).unwrap();
    let report = judge_changed(&[without(&client, left), without(&server, index + 1)]);
    assert!(found(&report)[1].contains("forged data from client"), "{report:#}");
    let report = judge_changed(&[without(&client, left + 1), without(&server, index)]);
    assert!(found(&report)[1].contains("lost data from client"), "{report:#}");
    assert_eq!(report["connections"][0]["findings"][0]["bytes"], json!([1, 100]));
}

#[test]
fn other_bytes_in_the_same_place_are_altered() {
    let mut captures = both("clean");
    let changed = captures[1].packets.iter_mut().find(|packet| packet.payload_len() == 100);
    changed.unwrap().change_payload();
    let report = judge_changed(&captures);
    assert_eq!(
        found(&report)[1],
        "1: same addresses; altered data from client, proven, other bytes"
    );
}

#[test]
fn an_rst_that_came_before_it_was_sent_is_forged_although_the_same_was_sent_later() {
    let [client, mut server] = both("rst-forged-to-client");
    let mut late = client.packets.iter().find(|packet| packet.flags().rst()).unwrap().clone();
    let end = server.packets.iter().position(|packet| packet.flags().rst()).unwrap();
    late.time = server.packets[end].time + 1_000_000;
    server.packets.insert(end + 1, late);
    let report = judge_changed(&[client, server]);
    assert_eq!(
        found(&report)[1],
        "1: same addresses; forged rst from server, proven; lost rst from server, proven; \
         arrived rst from client, proven"
    );
}

#[test]
fn an_acknowledgement_counts_as_lost_where_no_later_one_came() {
    let [client, server] = both("clean");
    let is_bare = |packet: &support::edit::Packet| {
        packet.flags() == closecheck::decode::Flags::ACK && packet.payload_len() == 0
    };
    let bare: Vec<usize> =
        (0..server.packets.len()).filter(|&index| is_bare(&server.packets[index])).collect();
    let told = |index: usize| {
        let mut server = server.clone();
        server.packets.remove(index);
        found(&judge_changed(&[client.clone(), server]))[1].clone()
    };
    let second = server
        .packets
        .iter()
        .skip(1)
        .position(|packet| packet.flags().syn() && !packet.flags().ack());
    let last = bare.iter().copied().rfind(|&index| index <= second.unwrap()).unwrap();
    assert_eq!(told(last), "1: same addresses; lost ack from client, proven");
    assert_eq!(told(bare[0]), "1: same addresses");
}

#[test]
fn captures_of_other_connections_decide_nothing() {
    let (client, server) = (at(&folder(), "clean", "client"), at(&folder(), "reset", "server"));
    let ran = compare(&client, &server, &[]);
    let headline = "no connection is in both captures\n";
    assert!(ran.exits(3).stdout.starts_with(headline), "{}", ran.stdout);
}

/// Wherever a comparison is given up, nothing is concluded, of what it has not come to either.
#[test]
fn a_comparison_that_is_given_up_anywhere_decides_nothing() {
    let captured = |end| {
        let conversations = Capture::open(&at(&folder(), "rst-dropped", end)).conversations();
        Captured { summary: CaptureSummary::default(), span: None, conversations }
    };
    let until = |most: u32| {
        let asked = Cell::new(0);
        let is_over = || asked.replace(asked.get() + 1) >= most;
        TwoEnded::new(Pair { client: captured("client"), server: captured("server") }, &is_over)
    };
    let whole = until(u32::MAX);
    assert_eq!(whole.outcome(), Outcome::Different);
    let mut steps = 0;
    while until(steps).captures != whole.captures {
        let given_up = until(steps);
        assert_eq!(given_up.outcome(), Outcome::Undecided, "{steps}");
        for end in End::BOTH {
            assert_eq!(given_up.captures.at(end).incomplete, [ends::INTERRUPTED], "{steps}");
        }
        assert!(given_up.connections.iter().all(Connection::is_at_both_ends), "{steps}");
        assert_eq!(given_up.elsewhere, Pair::default(), "{steps}");
        steps += 1;
    }
    assert!(steps >= 6, "{steps}");
}

#[test]
fn the_screen_in_the_readme_is_what_the_program_shows() {
    let readme = include_str!("../README.md");
    let section = readme.split("## Who reset us?").nth(1).unwrap();
    let screen = section.split("```text\n").nth(1).unwrap().split("```").next().unwrap();
    let name = "translation-rst-forged";
    let files = ["client", "server"].map(|end| format!("{name}.{end}.pcap"));
    let mut command = closecheck(["compare", "--two-ended"]);
    assert_eq!(run(command.args(files).current_dir(folder())).exits(1).stdout, screen);
}

#[test]
fn the_conclusion_stands_first_and_names_the_frames_of_both_files() {
    let told = |name: &str| {
        let (client, server) = (at(&folder(), name, "client"), at(&folder(), name, "server"));
        let mut command = closecheck(["compare", "--two-ended"]);
        let file = |path: PathBuf| path.file_name().unwrap().to_owned();
        run(command.arg(file(client)).arg(file(server)).current_dir(folder())).stdout
    };
    let forged = told("rst-forged-to-client");
    for text in [
        "\nThe RST that the client got was made in between: the server never sent it.\n",
        "frame 8 of rst-forged-to-client.client.pcap: the server never sent that\n",
    ] {
        assert!(forged.contains(text), "{forged}");
    }
    for (name, text) in [
        ("rst-forged-to-both", "The RSTs that both ends got were made in between"),
        ("rst-dropped", "The server's RST was lost: the client never got it."),
        ("fin-dropped", "The client's FIN was lost: the server never got it."),
        ("reset", "The server reset the connection itself: its RST left it and arrived."),
    ] {
        assert!(told(name).contains(text), "{}", told(name));
    }
}
