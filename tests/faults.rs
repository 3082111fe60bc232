//! What keeps an exchange from taking place: each ends with status 2, nothing on standard output, and
//! words that a person can act on.
#![cfg(target_os = "linux")]

mod support;

use std::net::TcpListener;
use std::path::Path;
use std::process::Command;

use nix::sys::signal::Signal;
use support::live::{ip, private_network};
use support::{PROGRAM, Public, Ran, Running, clean, closecheck, proc, run, words};

/// The words for a user who may not capture on the loopback.
fn denied(program: &Path) -> String {
    format!(
        "closecheck: error: no right to capture on `lo` (socket: Operation not permitted)\n\
         (hint: run it with sudo, or give it the right once with `sudo setcap cap_net_raw=ep {}`, \
         or let it use a private namespace with `--isolate always`)\n",
        program.display()
    )
}

/// Checks that it failed with just these words.
#[track_caller]
fn fails(command: &mut Command, text: &str) {
    let ran = run(command);
    ran.exits(2).complains(text);
    assert_eq!(ran.stdout, "");
}

/// Checks that the arguments were refused, and why.
#[track_caller]
fn refused(arguments: &[&str], reason: &str) -> Ran {
    let ran = run(&mut closecheck(arguments));
    ran.exits(2);
    assert!(ran.stderr.contains(reason), "no {reason:?} in\n{}", ran.stderr);
    assert_eq!(ran.stdout, "");
    ran
}

/// A command in a network namespace of its own, whose loopback starts down.
fn apart(script: &str) -> Command {
    let mut command = clean("unshare");
    command.args(["--map-root-user", "--net", "sh", "-c", script, PROGRAM]);
    command
}

#[test]
#[ignore = "needs root"]
fn a_port_that_is_taken_is_named_with_a_way_out() {
    for (address, family) in [("127.0.0.1:0", ""), ("[::1]:0", "--ipv6")] {
        let taken = TcpListener::bind(address).unwrap();
        let port = taken.local_addr().unwrap().port();
        let arguments = format!("--isolate never --port {port} {family}");
        let text = format!(
            "closecheck: error: port {port} is taken by another program\n\
             (hint: choose another with `--port`, or any free one with `--port 0`)\n"
        );
        fails(&mut closecheck(words(&arguments)), &text);
        // Both ways out.
        let elsewhere = format!("--isolate always --port {port} {family}");
        run(&mut closecheck(words(&elsewhere))).exits(0);
        run(&mut closecheck(words(&format!("--isolate never --port 0 {family}")))).exits(0);
    }
}

const LEAVE_IT: &str = "(hint: take one of these, or leave `-i` away)";

#[test]
fn an_interface_that_is_missing_is_named_with_those_there_are() {
    let alone = "there is no interface `eth7`; this machine has lo";
    let mut command = closecheck(words("--isolate always --interface eth7"));
    fails(&mut command, &format!("closecheck: error: {alone}\n{LEAVE_IT}\n"));
}

#[test]
fn the_name_of_an_interface_cannot_act_on_the_terminal() {
    let name = "a\u{1b}[31mb\u{202e}\n";
    let alone = "there is no interface `a\\u{1b}[31mb\\u{202e}\\n`; this machine has lo";
    let mut command = closecheck(["--isolate", "always", "--interface", name]);
    fails(&mut command, &format!("closecheck: error: {alone}\n{LEAVE_IT}\n"));
}

#[test]
fn a_name_of_ten_thousand_bytes_is_cut_in_the_error() {
    let name = "x".repeat(10_000);
    let start = "x".repeat(32);
    let alone = format!("there is no interface `{start}...`; this machine has lo");
    let mut command = closecheck(["--isolate", "always", "--interface", &name]);
    fails(&mut command, &format!("closecheck: error: {alone}\n{LEAVE_IT}\n"));
}

#[test]
fn a_loopback_that_is_down_comes_with_the_command_that_sets_it_up() {
    let text = "closecheck: error: interface `lo` is down\n\
                (hint: bring it up with `ip link set lo up`)\n";
    fails(&mut apart(r#"exec "$0" --isolate never"#), text);
    // And the hint is true.
    run(&mut apart(r#"ip link set lo up && exec "$0" --isolate never"#)).exits(0);
}

#[test]
fn the_name_of_an_interface_that_is_down_cannot_act_on_the_terminal_either() {
    let script = r#"ip link add "$1" type bridge && exec "$0" --isolate never -i "$1""#;
    let text = "closecheck: error: interface `a\\u{1b}[31mb` is down\n\
                (hint: bring it up with `ip link set a\\u{1b}[31mb up`)\n";
    fails(apart(script).arg("a\u{1b}[31mb"), text);
}

#[test]
#[ignore = "needs root"]
fn nobody_without_a_namespace_is_told_three_ways_to_the_right() {
    let public = Public::new();
    fails(&mut public.as_nobody(words("--isolate never")), &denied(&public.program()));
    // The third way.
    run(&mut public.as_nobody(words("--isolate always"))).exits(0);
}

/// In a user namespace whose limit on further ones is zero, and with no capability left in it, it has
/// neither way.
#[test]
fn neither_right_nor_namespace_comes_with_the_way_to_either() {
    let script = r#"
        ip link set lo up && echo 0 >/proc/sys/user/max_user_namespaces &&
        exec setpriv --bounding-set=-all --inh-caps=-all "$0" --isolate "$1""#;
    let text = "closecheck: error: no right to capture on this host, and no private namespace instead: \
                the limit on namespaces is reached\n\
                (hint: run with sudo, or first: sudo sysctl -w user.max_user_namespaces=1024 \
                user.max_net_namespaces=1024)\n";
    for isolate in ["auto", "always"] {
        fails(apart(script).arg(isolate), text);
    }
    fails(apart(script).arg("never"), &denied(Path::new(PROGRAM)));
}

/// A chroot may not make user namespaces; this one has no `/proc` either.
#[test]
#[ignore = "needs root"]
fn a_chroot_without_proc_denies_namespaces_to_nobody_and_nothing_to_root() {
    let public = Public::new();
    let root = public.folder("root", 0, "755");
    let script = r#"mount --bind / "$1" && root=$1 user=$2 && shift 2 &&
        exec chroot --userspec="$user" "$root" "$0" --port 0 "$@""#;
    let command = |user: &str| {
        let mut command = clean("unshare");
        command.args(["--mount", "sh", "-c", script]).arg(public.program()).arg(&root).arg(user);
        command
    };
    let text = "closecheck: error: no right to capture on this host, and no private namespace instead: \
                not permitted to create a user namespace\n\
                (hint: run with sudo; in a container, as root with `--cap-add NET_RAW`; on an old Debian, \
                first: sudo sysctl -w kernel.unprivileged_userns_clone=1)\n";
    fails(&mut command("65534:65534"), text);
    run(&mut command("0:0")).exits(0).complains("");
    // Without `/proc` a file has to have a name from the beginning.
    let file = public.path("out.pcap");
    run(command("0:0").arg("-w").arg(&file)).exits(0).complains("");
    assert!(std::fs::metadata(file).is_ok_and(|found| found.len() > 500));
}

/// A user other than root and nobody, whom no one else is.
const SOMEBODY: &str = "54321";

/// This process is the only one that the user may have.
#[test]
#[ignore = "needs root"]
fn without_another_thread_a_read_takes_its_time_and_others_say_what_is_missing() {
    let public = Public::new();
    let capture = public.path("capture.pcap");
    let fixture = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/linux-linger-0.pcap");
    run(clean("install").args(["-m", "644", fixture]).arg(&capture)).succeeded();
    let alone = |arguments: &str| {
        let mut command = clean("setpriv");
        command.args(["--reuid", SOMEBODY, "--regid", SOMEBODY, "--clear-groups"]);
        command.args(["prlimit", "--nproc=1"]).arg(public.program()).args(words(arguments));
        run(command.current_dir("/"))
    };
    for options in ["--expect rst", "--format json", "--packets", "--filter tcp"] {
        let arguments = format!("read {options} {}", capture.display());
        let shared = run(&mut closecheck(words(&arguments)));
        let ran = alone(&arguments);
        assert_eq!(ran.exits(0).complains("").stdout, shared.exits(0).stdout, "{options}");
    }
    for arguments in ["--isolate always", "matrix --scenario drained", "run -- true"] {
        let ran = alone(arguments);
        let words = "Resource temporarily unavailable\n";
        assert!(ran.exits(2).stderr.ends_with(words), "{arguments}: {}", ran.stderr);
        assert_eq!(ran.stdout, "", "{arguments}");
    }
}

/// What is set up again a moment later has been down all the same.
#[test]
#[ignore = "needs root"]
fn an_interface_that_was_down_during_a_run_makes_it_incomplete() {
    private_network();
    ip("link add watched type veth peer name other");
    ip("link set other up");
    ip("link set watched up");
    let script = "ip link set watched down && ip link set watched up";
    let mut command = closecheck(words("run --net host -i watched --expect fin -- sh -c"));
    let ran = run(command.arg(script));
    ran.exits(3);
    for part in ["warning: watched is down\n", "incomplete: watched was away once\n"] {
        assert!(ran.stderr.contains(part), "no {part:?} in\n{}", ran.stderr);
    }
}

#[test]
#[ignore = "needs root"]
fn a_loopback_that_was_down_during_an_exchange_makes_it_incomplete() {
    private_network();
    let mut command = closecheck(words("--isolate never --hold 60s --format json"));
    let mut running = Running::start(&mut command);
    proc::until_established(&mut running, 8000);
    ip("link set lo down");
    ip("link set lo up");
    running.signal(Signal::SIGTERM);
    let report = running.end().exits(3).json();
    let gaps = &report["connections"][0]["close"]["gaps"];
    assert!(gaps.as_array().unwrap().contains(&"interface-away".into()), "{report:#}");
    let reason = &report["capture"]["incomplete"][0];
    assert_eq!(reason, "lo was away once", "{report:#}");
}

/// Neither is said to be there when it is not; without both, root's rights are given up all the same.
#[test]
#[ignore = "needs root"]
fn a_kernel_without_landlock_or_seccomp_gets_a_note_unless_both_are_asked_for() {
    let without = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/programs/without.py");
    for (lacks, note) in [
        ("landlock", "no Landlock here: this user's files stay within reach"),
        ("seccomp", "no seccomp here: system calls stay unfiltered"),
    ] {
        let command = |options: &str| {
            let mut command = clean("python3");
            command.args([without, lacks, PROGRAM]).args(words("--isolate always --linger 0"));
            command.args(words(options));
            command
        };
        let ran = run(&mut command("--expect rst"));
        ran.exits(0).complains(&format!("closecheck: {note}\n"));
        fails(
            &mut command("--sandbox strict"),
            &format!(
                "closecheck: error: not run without a sandbox: {note}\n(hint: `--sandbox auto` takes \
                 what there is; `closecheck doctor` says what that is)\n"
            ),
        );
        run(&mut command("--sandbox off")).exits(0).complains("");
    }
}

/// Nor is the command started there, where it is not to be without.
#[test]
#[ignore = "needs root"]
fn a_run_is_confined_as_everything_else_is() {
    let without = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/programs/without.py");
    for lacks in ["landlock", "seccomp"] {
        let started = |options: &str| {
            let mut command = clean("python3");
            command.args([without, lacks, PROGRAM]).args(words(options));
            run(command.args(["--", "echo", "started"]))
        };
        let note = format!("closecheck: no {lacks} here: ").to_lowercase();
        let ran = started("run");
        assert!(ran.exits(0).stderr.to_lowercase().contains(&note), "{}", ran.stderr);
        assert_eq!(ran.stdout, "started\n");
        assert_eq!(started("run --sandbox strict").exits(2).stdout, "");
    }
    let ran = run(&mut closecheck(words("run --sandbox strict -- echo started")));
    assert_eq!(ran.exits(0).stdout, "started\n");
    assert!(!ran.stderr.contains("Landlock"), "{}", ran.stderr);
}

#[test]
fn a_linger_that_cannot_be_set_is_refused_with_the_reason() {
    for value in ["-2", "65536", "99999999999999999999"] {
        refused(
            &["--linger", value],
            &format!("`{value}` is out of range: linger takes `off`, -1 (the same) or 0 to 65535"),
        );
    }
    let fraction = refused(&["--linger", "0.5"], "`0.5` is no whole number of seconds");
    assert!(fraction.stderr.contains("half a second would become 0, which aborts"));
    for value in ["on", "1s", "", "nan", "0x1"] {
        refused(&["--linger", value], &format!("`{value}` is no linger value"));
    }
}

#[test]
fn other_values_out_of_range_are_refused_with_the_reason() {
    refused(&["--port", "65536"], "not a whole number from 0 to 65535");
    refused(&["--hold=-1s"], "a length of time cannot be negative");
    refused(&["--timeout", "soon"], "write it as in 10s, 500ms or 1m30s");
    refused(&["--expect", "reset"], "`reset` is no verdict; the verdicts are fin, rst,");
    refused(&["--expect", "rst by me"], "`by` takes `client` or `server`");
    refused(&["--closer", "both"], "[possible values: server, client]");
    refused(&["--linger", "1", "read", "x.pcap"], "cannot be used with");
}

#[test]
fn standard_output_is_not_for_packets() {
    refused(&["-w", "-"], "standard output is for the report");
}

#[test]
fn the_longest_times_that_can_be_written_are_no_trouble() {
    for time in ["4294967295", "9223372036854775807s", "2562047788015215h"] {
        let arguments = ["--isolate", "always", "--linger", "65535", "--timeout", time];
        run(&mut closecheck(arguments)).exits(0).complains("");
    }
}

#[test]
fn what_the_user_typed_cannot_act_on_the_terminal() {
    let ran = refused(&["--linger", "\u{1b}[31mx\u{202e}"], "invalid value 'x\\u{202e}'");
    assert!(ran.stderr.starts_with("closecheck: error: "), "{}", ran.stderr);
    assert!(!ran.stderr.chars().any(|each| each.is_control() && each != '\n'), "{}", ran.stderr);
}

#[test]
fn a_negative_time_is_called_one() {
    refused(&["--hold", "-1s"], "a length of time cannot be negative");
    refused(&["--timeout", "-1s"], "a length of time cannot be negative");
}
