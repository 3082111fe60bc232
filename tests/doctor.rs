//! `closecheck doctor`, held against what the machine lets closecheck do.
#![cfg(target_os = "linux")]

mod support;

use std::process::Command;

use serde_json::Value;
use support::{PROGRAM, Public, clean, closecheck, run, words};

/// What doctor says, held against its schema.
fn told(command: &mut Command, status: i32) -> Value {
    let schema = serde_json::from_str(include_str!("../docs/doctor.schema.json")).expect("JSON");
    let report = run(command).exits(status).json();
    jsonschema::validator_for(&schema).expect("a schema").validate(&report).expect("a report");
    report
}

/// What is said of one part of the machine.
fn part<'a>(report: &'a Value, name: &str) -> &'a Value {
    let findings = report["findings"].as_array().expect("a list");
    findings.iter().find(|finding| finding["part"] == name).expect(name)
}

#[test]
#[ignore = "needs root"]
fn for_root_everything_works_and_needs_no_remedy() {
    let report = told(&mut closecheck(words("doctor --format json")), 0);
    assert_eq!(report["works"], true);
    for finding in report["findings"].as_array().expect("a list") {
        assert_eq!(
            (&finding["works"], &finding["remedy"]),
            (&true.into(), &Value::Null),
            "{finding}"
        );
    }
    let version = part(&report, "libpcap")["says"].as_str().expect("text");
    let library = run(clean("tcpdump").arg("--version"));
    let told = format!("libpcap version {version}");
    assert!([library.stdout, library.stderr].concat().contains(&told), "{told}");
}

#[test]
#[ignore = "needs root"]
fn nobody_may_not_capture_on_the_host_and_is_told_how_but_in_a_private_network() {
    let public = Public::new();
    let ran = run(&mut public.as_nobody(["doctor"]));
    let lines: Vec<&str> = ran.exits(0).stdout.lines().collect();
    let capture =
        lines.iter().position(|line| line.starts_with("capture           no ")).expect("it");
    assert!(lines[capture + 1].contains("sudo setcap cap_net_raw=ep"), "{}", ran.stdout);
    assert!(lines.contains(&"capture in there  yes  on lo, EN10MB"), "{}", ran.stdout);
    assert_eq!(lines.last(), Some(&"An exchange can be captured here."));
}

/// In a user namespace whose limit on further ones is zero, and with no capability left in it.
#[test]
fn where_nothing_can_be_captured_each_way_to_it_has_its_remedy() {
    let script = r#"
        ip link set lo up && echo 0 >/proc/sys/user/max_user_namespaces &&
        exec setpriv --bounding-set=-all --inh-caps=-all "$0" doctor --format json"#;
    let mut command = clean("unshare");
    command.args(["--map-root-user", "--net", "sh", "-c", script, PROGRAM]);
    let report = told(&mut command, 1);
    assert_eq!(report["works"], false);
    let remedy = |name| part(&report, name)["remedy"].as_str().expect("text").to_owned();
    assert!(remedy("capture").contains("run it with sudo"), "{report:#}");
    assert!(remedy("private network").contains("sysctl -w user.max_user_namespaces"), "{report:#}");
}

/// The command that a remedy has behind `sudo`, as far as its words belong to it.
fn command(remedy: &str) -> Vec<&str> {
    let (_, command) = remedy.rsplit_once("sudo ").expect("a command");
    command.trim_end_matches('`').split(' ').collect()
}

#[test]
#[ignore = "needs root"]
fn with_the_right_that_the_remedy_gives_nobody_may_capture_on_the_host() {
    let public = Public::new();
    let examine = || told(&mut public.as_nobody(words("doctor --format json")), 0);
    let report = examine();
    let remedy = part(&report, "capture")["remedy"].as_str().expect("text");
    run(clean("sh").arg("-c").arg(command(remedy).join(" "))).succeeded();
    let capture = part(&examine(), "capture").clone();
    assert_eq!((&capture["works"], &capture["remedy"]), (&true.into(), &Value::Null));
}

/// What root does to the limits here is done to those of a user namespace.
#[test]
fn with_the_limits_that_the_remedy_sets_a_private_network_can_be_had() {
    let examine = |first: &str| {
        let script = format!(
            r#"echo 0 >/proc/sys/user/max_user_namespaces && {first} &&
            exec setpriv --bounding-set=-all,+setfcap --inh-caps=-all "$0" doctor --format json"#
        );
        run(clean("unshare").args(["--map-root-user", "--net", "sh", "-c", &script, PROGRAM]))
    };
    let report = examine("true").exits(1).json();
    let remedy = part(&report, "private network")["remedy"].as_str().expect("text");
    let report = examine(&format!("{} >&2", command(remedy).join(" "))).exits(0).json();
    assert_eq!(part(&report, "private network")["works"], true, "{report:#}");
    assert_eq!(part(&report, "capture in there")["works"], true, "{report:#}");
}

#[test]
fn root_that_may_not_map_itself_is_told_so() {
    let script = r#"exec setpriv --bounding-set=-all --inh-caps=-all "$0" doctor --format json"#;
    let mut command = clean("unshare");
    command.args(["--map-root-user", "--net", "sh", "-c", script, PROGRAM]);
    let report = told(&mut command, 1);
    let namespace = part(&report, "private network");
    assert_eq!(namespace["says"], "root without cap_setfcap cannot have a user namespace");
    assert!(namespace["remedy"].as_str().expect("text").contains("--cap-add NET_RAW"));
}

#[test]
fn what_the_kernel_lacks_is_named_with_what_it_would_take() {
    let without = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/programs/without.py");
    for (lacks, name, other) in
        [("landlock", "Landlock", "seccomp"), ("seccomp", "seccomp", "Landlock")]
    {
        let mut command = clean("python3");
        command.args([without, lacks, PROGRAM]).args(words("doctor --format json"));
        let report = run(&mut command).json();
        assert_eq!(part(&report, name)["works"], false, "{report:#}");
        assert!(part(&report, name)["remedy"].is_string(), "{report:#}");
        assert_eq!(part(&report, other)["works"], true, "{report:#}");
    }
}
