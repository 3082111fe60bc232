//! Root's rights last no longer than it takes to open the capture, and a capability on the file is all
//! that another user needs.
#![cfg(target_os = "linux")]

mod support;

use std::os::unix::fs::MetadataExt;
use std::process::Command;

use nix::sys::signal::Signal;
use serde_json::Value;
use support::{NOBODY, PROGRAM, Public, Running, clean, closecheck, proc, run, words};

/// Long enough to look at it; a signal ends it.
const HELD: &str = "--hold 60s --isolate";

/// As sudo starts it for the user nobody.
fn under_sudo(line: &str) -> Command {
    let mut command = closecheck(words(line));
    let id = NOBODY.to_string();
    command.env("SUDO_UID", &id).env("SUDO_GID", &id).env("SUDO_USER", "nobody");
    command
}

/// Starts an exchange and waits until it holds.
#[track_caller]
fn held(command: &mut Command) -> Running {
    let mut running = Running::start(command.args(["--port", "0"]));
    proc::until_established_anywhere(&mut running);
    running
}

/// Checks that the whole process is nobody, with nothing left and nothing to be gained.
#[track_caller]
fn has_no_rights(running: &Running) {
    let nobody = [NOBODY.to_string().as_str(); 4].join(" ");
    assert_eq!(proc::status(running, "Uid"), nobody);
    assert_eq!(proc::status(running, "Gid"), nobody);
    let groups = proc::status(running, "Groups");
    assert!(groups.is_empty() || groups == NOBODY.to_string(), "{groups}");
    for set in ["CapInh", "CapPrm", "CapEff", "CapAmb"] {
        assert_eq!(proc::status(running, set), "0000000000000000", "{set}");
    }
    assert_eq!(proc::status(running, "NoNewPrivs"), "1");
    assert_ne!(proc::status(running, "Threads"), "1", "the ends are at work");
}

/// Ends it and checks that it was at its work.
#[track_caller]
fn dismiss(running: Running) {
    running.signal(Signal::SIGTERM);
    let ran = running.end();
    assert!(ran.exits(3).stdout.starts_with("still open\n"), "{}", ran.stdout);
}

#[test]
#[ignore = "needs root"]
fn under_sudo_the_rights_are_gone_for_good_once_the_capture_is_open() {
    for isolate in ["auto", "never", "always"] {
        let running = held(&mut under_sudo(&format!("{HELD} {isolate}")));
        has_no_rights(&running);
        for task in std::fs::read_dir(format!("/proc/{}/task", running.pid())).unwrap() {
            let status = std::fs::read_to_string(task.unwrap().path().join("status")).unwrap();
            assert!(status.contains("\nCapEff:\t0000000000000000\n"), "{status}");
            assert!(status.contains("\nUid:\t65534\t65534\t65534\t65534\n"), "{status}");
        }
        dismiss(running);
    }
}

#[test]
#[ignore = "needs root"]
fn root_without_sudo_stays_root_and_works() {
    let running = held(&mut closecheck(words(&format!("{HELD} never"))));
    assert_eq!(proc::status(&running, "Uid"), "0 0 0 0");
    dismiss(running);
    run(&mut closecheck(words("--port 0"))).exits(0).complains("");
    // Variables that name no user, or root, are nobody to become.
    for id in ["0", "", "-1", "nobody"] {
        let mut command = closecheck(words("--port 0 --expect fin"));
        run(command.env("SUDO_UID", id).env("SUDO_GID", id)).exits(0).complains("");
    }
}

#[test]
#[ignore = "needs root"]
fn under_sudo_a_file_belongs_to_the_user_who_called() {
    let public = Public::new();
    let folder = public.folder("captures", NOBODY, "755");
    for isolate in ["never", "always"] {
        let file = folder.join(isolate);
        let line = format!("--port 0 --linger 0 --expect rst --isolate {isolate} -w");
        run(under_sudo(&line).arg(&file)).exits(0).complains("");
        let metadata = std::fs::metadata(&file).unwrap();
        let (owner, mode) = ((metadata.uid(), metadata.gid()), metadata.mode() & 0o7777);
        assert_eq!((owner, mode), ((NOBODY, NOBODY), 0o600));
        assert!(metadata.len() > 500);
    }
    assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 2);
}

#[test]
#[ignore = "needs root"]
fn under_sudo_no_file_is_written_where_the_user_may_not() {
    let public = Public::new();
    let file = public.folder("root-s", 0, "755").join("out.pcap");
    let ran = run(under_sudo("--port 0 -w").arg(&file));
    let error = format!("cannot write {}: Permission denied (os error 13)", file.display());
    let hint = "choose a folder that you may write to; under sudo, too, the file is written as you";
    ran.exits(2).complains(&format!("closecheck: error: {error}\n(hint: {hint})\n"));
    assert!(!file.exists());
}

#[test]
#[ignore = "needs root"]
fn under_sudo_a_file_through_a_link_of_the_user_s_reaches_nothing_of_root_s() {
    let public = Public::new();
    let secret = public.folder("root-s", 0, "755").join("secret");
    std::fs::write(&secret, "secret").unwrap();
    let link = public.folder("captures", NOBODY, "755").join("out.pcap");
    std::os::unix::fs::symlink(&secret, &link).unwrap();
    run(under_sudo("--port 0 -w").arg(&link)).exits(0);
    assert_eq!(std::fs::read_to_string(&secret).unwrap(), "secret");
    assert!(std::fs::symlink_metadata(&link).unwrap().is_file(), "the file took the link's place");
}

#[test]
#[ignore = "needs root"]
fn cap_net_raw_on_the_file_is_enough_for_nobody_and_is_given_up_as_well() {
    let public = Public::new();
    run(clean("setcap").arg("cap_net_raw=ep").arg(public.program())).succeeded();
    let ran = run(&mut public.as_nobody(words("--port 0 --format json --linger 0 --expect rst")));
    let report = ran.exits(0).complains("").json();
    assert_eq!(report["capture"]["private_namespace"], Value::Bool(false), "{report:#}");
    assert_eq!(report["connections"][0]["close"]["verdict"], "rst", "{report:#}");
    assert_eq!(report["connections"][0]["close"]["complete"], true, "{report:#}");

    let running = held(&mut public.as_nobody(words(&format!("{HELD} never"))));
    has_no_rights(&running);
    dismiss(running);
}

/// As in a rootless container on the host's network: root and every capability by name, no right over the
/// network.
#[test]
fn root_of_a_user_namespace_without_its_network_gets_a_private_one() {
    let mut command = clean("unshare");
    let ran = run(command.args(["--map-root-user", PROGRAM]).args(words("--linger 0 --hold 0")));
    let screen = &ran.exits(0).complains("").stdout;
    assert!(screen.contains(" packets on lo in a private network namespace, "), "{screen}");
}

#[test]
#[ignore = "needs root"]
fn nobody_gives_the_rights_in_the_private_namespace_up_as_well() {
    let public = Public::new();
    let running = held(&mut public.as_nobody(words(&format!("{HELD} auto"))));
    has_no_rights(&running);
    dismiss(running);
}
