//! `closecheck run --rules FILE`: an expectation for each server port.
#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, reason = "in a test a panic is the report")]

mod support;

use std::fs;
use std::path::Path;
use std::process::Command;

use support::{Public, clean, closecheck, run};

/// Two servers on ports that are free in a network of its own: one closes with FIN, the other with RST.
const SCRIPT: &str = "import socket, struct
for port, linger in (80, None), (443, (1, 0)):
    listener = socket.create_server(('127.0.0.1', port))
    client = socket.create_connection(listener.getsockname())
    server, _ = listener.accept()
    if linger:
        server.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack('ii', *linger))
    server.close()
    try:
        client.recv(1)
    except ConnectionResetError:
        pass
    client.close()
";

fn rule(port: u16, close: &str) -> String {
    format!("[[rule]]\nport = {port}\nclose = \"{close}\"\n\n")
}

fn ruled(mut command: Command, rules: &Path, text: &str) -> Command {
    fs::write(rules, text).unwrap();
    command.args(["--keep", "never", "--rules"]).arg(rules);
    command
}

#[test]
fn each_server_port_has_a_rule_and_each_rule_is_a_case() {
    let folder = tempfile::tempdir().unwrap();
    let (rules, junit) = (folder.path().join("rules.toml"), folder.path().join("junit.xml"));
    let both = rule(80, "fin by server") + &rule(443, "rst by server");
    for (text, status, complaint, shown) in [
        (both.clone(), 0, None, false),
        (format!("connections = 2\n\n{both}"), 0, None, false),
        (format!("connections = 3\n\n{both}"), 1, Some(":1: connections: 3: "), false),
        (rule(80, "fin") + &rule(443, "fin"), 1, Some(":5: rule 2, to port 443: fin: "), true),
        // A rule about nothing that was seen is not met.
        (both + &rule(8080, "fin"), 3, Some(":9: rule 3, to port 8080: fin: no connection"), false),
    ] {
        let mut command = ruled(closecheck(["run"]), &rules, &text);
        command.arg("--junit").arg(&junit).args(["--", "python3", "-c", SCRIPT]);
        let ran = run(&mut command);
        let errors = &ran.exits(status).stderr;
        assert_eq!(errors.contains("rules.toml"), complaint.is_some(), "{errors}");
        assert!(errors.contains(complaint.unwrap_or_default()), "{errors}");
        // What breaks a rule is shown with its packets, and nothing else is.
        assert_eq!(errors.contains("decides: rst by server"), shown, "{errors}");
        assert!(!errors.contains("fin by server ("), "{errors}");
        let cases = fs::read_to_string(&junit).unwrap();
        let expected = text.matches("[[rule]]").count() + text.matches("connections").count();
        assert_eq!(cases.matches("<testcase ").count(), expected, "{cases}");
    }
}

#[test]
fn rules_that_cannot_be_read_give_2_before_anything_is_run() {
    let folder = tempfile::tempdir().unwrap();
    let rules = folder.path().join("rules.toml");
    for (text, reason) in [("", "expected"), ("[[rule]]\nport = 0\n", "nonzero")] {
        let mut command = ruled(closecheck(["run"]), &rules, text);
        let ran = run(command.args(["--", "echo", "ran"]));
        assert_eq!(ran.exits(2).stdout, "");
        assert!(
            ran.stderr.contains("cannot read") && ran.stderr.contains(reason),
            "{}",
            ran.stderr
        );
    }
    for other in [["--expect", "fin"], ["--only", "fin"]] {
        let mut command = ruled(closecheck(["run"]), &rules, &rule(80, "fin"));
        let ran = run(command.args(other).args(["--", "echo", "ran"]));
        assert!(ran.exits(2).stderr.contains("cannot be used with"), "{}", ran.stderr);
    }
    let missing = ["run", "--rules", "/no/such/file", "--", "echo", "ran"];
    assert_eq!(run(&mut closecheck(missing)).exits(2).stdout, "");
}

#[test]
#[ignore = "needs root"]
fn rules_hold_for_nobody_too_who_may_not_read_what_is_not_his() {
    let public = Public::new();
    let rules = public.path("rules.toml");
    for (close, status) in [("rst", 0), ("fin", 1)] {
        let mut command = ruled(public.as_nobody(["run"]), &rules, &rule(443, close));
        run(clean("chmod").arg("644").arg(&rules)).succeeded();
        run(command.args(["--", "python3", "-c", SCRIPT])).exits(status);
    }
    run(clean("chmod").arg("600").arg(&rules)).succeeded();
    let mut command = public.as_nobody(["run", "--rules"]);
    let ran = run(command.arg(&rules).args(["--", "echo", "ran"]));
    assert!(ran.exits(2).stderr.contains("Permission denied"), "{}", ran.stderr);
}
