//! Root's rights last no longer than it takes to open the capture, and a capability on the file is all
//! that another user needs.
#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, reason = "in a test a panic is the report")]

mod support;

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use nix::sys::signal::Signal;
use serde_json::Value;
use support::live::Watch;
use support::{
    NOBODY, PROGRAM, Public, Running, clean, closecheck, eventually, full_pipe, proc, run, words,
};

/// An empty set of capabilities.
const NONE: &str = "0000000000000000";

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

/// Checks that every thread is nobody's, with nothing left and nothing to be gained.
#[track_caller]
fn has_no_rights(pid: u32) {
    let nobody = [NOBODY.to_string().as_str(); 4].join(" ");
    for thread in threads(pid) {
        let status = |name| proc::status_of(thread, name);
        assert_eq!(status("Uid"), nobody);
        assert_eq!(status("Gid"), nobody);
        let groups = status("Groups");
        assert!(groups.is_empty() || groups == NOBODY.to_string(), "{groups}");
        for set in ["CapInh", "CapPrm", "CapEff", "CapAmb"] {
            assert_eq!(status(set), NONE, "{set}");
        }
        assert_eq!(status("NoNewPrivs"), "1");
        assert_eq!(status("Seccomp"), "2");
    }
}

/// Checks that, besides, no exec could give any capability.
#[track_caller]
fn has_no_bounding_set(pid: u32) {
    for thread in threads(pid) {
        assert_eq!(proc::status_of(thread, "CapBnd"), NONE);
    }
}

fn threads(pid: u32) -> Vec<u32> {
    let tasks = std::fs::read_dir(format!("/proc/{pid}/task")).unwrap();
    tasks.map(|task| task.unwrap().file_name().to_str().unwrap().parse().unwrap()).collect()
}

/// Waits until a program is confined, which it is before it reads anything, and has nothing to do.
#[track_caller]
fn until_confined(pid: u32) {
    eventually("it is confined and waits", || {
        proc::status_of(pid, "Seccomp") == "2" && proc::status_of(pid, "State").starts_with('S')
    });
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
        has_no_rights(running.pid());
        has_no_bounding_set(running.pid());
        assert_ne!(proc::status(&running, "Threads"), "1", "the ends are at work");
        dismiss(running);
    }
}

#[test]
#[ignore = "needs root"]
fn root_without_sudo_becomes_nobody() {
    for isolate in ["never", "always"] {
        let running = held(&mut closecheck(words(&format!("{HELD} {isolate}"))));
        has_no_rights(running.pid());
        has_no_bounding_set(running.pid());
        dismiss(running);
    }
    run(&mut closecheck(words("--port 0"))).exits(0).complains("");
    let running = held(&mut closecheck(words(&format!("{HELD} never --sandbox off"))));
    assert_eq!(proc::status(&running, "Uid"), "0 0 0 0", "unless told otherwise");
    dismiss(running);
}

#[test]
#[ignore = "needs root"]
fn root_at_a_terminal_is_told_behind_the_report_who_it_was() {
    let fixture = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/linux-linger-0.pcap");
    let mut command = clean("python3");
    command.args(["-c", "import pty, sys; pty.spawn(sys.argv[1:])", PROGRAM, "read", fixture]);
    let ran = run(&mut command);
    let shown = &ran.exits(0).stdout;
    let (report, told) = shown.rsplit_once("closecheck: ").unwrap();
    assert!(report.contains("1 connection: ") && report.contains("abort (certain)"), "{shown}");
    assert_eq!(told, "went on as nobody (--sandbox)\r\n");
}

#[test]
#[ignore = "needs root"]
fn variables_that_name_no_user_are_not_believed() {
    let unknown = "closecheck: warning: SUDO_UID and SUDO_GID name no user: going on as nobody\n";
    for (id, says) in [("0", ""), ("", unknown), ("-1", unknown), ("nobody", unknown)] {
        let mut command = closecheck(words("--port 0 --expect fin"));
        run(command.env("SUDO_UID", id).env("SUDO_GID", id)).exits(0).complains(says);
    }
}

/// Whatever is wrong with SUDO_GID: the group is the user's own then. Root would keep a right to write the file.
#[test]
#[ignore = "needs root"]
fn a_user_without_a_usable_group_is_the_user_who_called_all_the_same() {
    let public = Public::new();
    let file = public.folder("of-nobody", NOBODY, "700").join("out.pcap");
    for gid in [Some("0"), Some(""), Some("-1"), Some("nogroup"), None] {
        let mut command = under_sudo(&format!("{HELD} never -w"));
        command.arg(&file);
        match gid {
            Some(gid) => command.env("SUDO_GID", gid),
            None => command.env_remove("SUDO_GID"),
        };
        let running = held(&mut command);
        has_no_rights(running.pid());
        dismiss(running);
        assert_eq!(std::fs::metadata(&file).unwrap().uid(), NOBODY);
    }
}

/// Its files are root's, and it has to get to where they are to be; of all that root may it keeps just that.
#[test]
#[ignore = "needs root"]
fn root_without_sudo_that_writes_a_file_keeps_one_right_and_its_name() {
    const DAC_OVERRIDE: &str = "0000000000000002";
    let public = Public::new();
    let folder = public.folder("of-nobody", NOBODY, "700");
    let file = folder.join("out.pcap");
    let running = held(closecheck(words(&format!("{HELD} never -w"))).arg(&file));
    for thread in threads(running.pid()) {
        let status = |name| proc::status_of(thread, name);
        assert_eq!(status("Uid"), "0 0 0 0");
        assert_eq!([status("CapPrm"), status("CapEff")], [DAC_OVERRIDE; 2]);
        assert_eq!([status("CapInh"), status("CapAmb"), status("CapBnd")], [NONE; 3]);
        assert_eq!([status("NoNewPrivs"), status("Seccomp")], ["1", "2"]);
    }
    dismiss(running);
    let metadata = std::fs::metadata(&file).unwrap();
    assert_eq!((metadata.uid(), metadata.gid(), metadata.mode() & 0o7777), (0, 0, 0o600));
}

/// A file that only root may read, and a named pipe to hold up whoever reads it.
fn secret_and_pipe(public: &Public) -> (PathBuf, PathBuf) {
    let secret = public.folder("root-s", 0, "755").join("secret.pcap");
    let fixture = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/linux-linger-0.pcap");
    run(clean("install").args(["-m", "600", fixture]).arg(&secret)).succeeded();
    let pipe = public.path("pipe");
    run(clean("mkfifo").args(["-m", "644"]).arg(&pipe)).succeeded();
    (secret, pipe)
}

#[test]
#[ignore = "needs root"]
fn under_sudo_files_are_opened_as_the_user_and_read_without_rights() {
    let public = Public::new();
    let (secret, pipe) = secret_and_pipe(&public);
    for command in ["read", "compare", "verify"] {
        let mut reading = under_sudo(command);
        let ran = run(reading.arg(&secret).args((command == "compare").then_some(&secret)));
        assert!(!ran.stdout.contains("1 connection") && ran.code() == 2, "{}", ran.stdout);
        assert!(
            format!("{}{}", ran.stdout, ran.stderr).contains("Permission denied"),
            "{}",
            ran.stdout
        );
    }
    for command in ["read", "compare"] {
        let mut reading = under_sudo(command);
        let second = (command == "compare").then_some(&pipe);
        let running = Running::start(reading.arg(&pipe).args(second));
        until_confined(running.pid());
        has_no_rights(running.pid());
        has_no_bounding_set(running.pid());
    }
}

#[test]
#[ignore = "needs root"]
fn root_without_sudo_opens_its_files_and_reads_them_as_nobody() {
    let public = Public::new();
    let (secret, pipe) = secret_and_pipe(&public);
    let ran = run(closecheck(["read"]).arg(&secret));
    assert!(ran.exits(0).complains("").stdout.starts_with("1 connection"), "{}", ran.stdout);
    let running = Running::start(closecheck(["read"]).args([&secret, &pipe]));
    until_confined(running.pid());
    has_no_rights(running.pid());
    has_no_bounding_set(running.pid());
}

#[test]
#[ignore = "needs root"]
fn the_cells_of_a_matrix_have_no_rights() {
    let mut command = under_sudo("matrix --scenario keep-alive --closer server --linger off");
    let mut matrix = Running::start(&mut command);
    let mut cell = None;
    eventually("the cell is confined", || {
        assert!(!matrix.has_ended(), "it has ended instead");
        cell = children(matrix.pid()).into_iter().find(|&cell| {
            proc::status_of(cell, "Seccomp") == "2" && proc::status_of(cell, "Threads") == "3"
        });
        cell.is_some()
    });
    has_no_rights(cell.unwrap());
    matrix.end().exits(0);
}

/// Its cells are started with root's rights, its page is written without.
#[test]
#[ignore = "needs root"]
fn under_sudo_the_page_of_a_matrix_is_the_user_s_or_nowhere() {
    let public = Public::new();
    let matrix = |page: &Path| {
        let line = "matrix --scenario drained --closer server --linger 0 --html";
        run(under_sudo(line).arg(page))
    };
    let page = public.folder("pages", NOBODY, "755").join("page.html");
    matrix(&page).exits(0).complains("");
    let metadata = std::fs::metadata(&page).unwrap();
    assert_eq!((metadata.uid(), metadata.gid()), (NOBODY, NOBODY));
    let page = public.folder("root-s", 0, "755").join("page.html");
    let ran = matrix(&page);
    assert!(ran.exits(2).stderr.contains("Permission denied"), "{}", ran.stderr);
    assert!(ran.stdout.contains("1 as documented"), "the report is given: {}", ran.stdout);
    assert!(!page.exists());
}

/// What its cells tell, it reads as anything else from outside: here it is held up in writing what it read.
#[test]
#[ignore = "needs root"]
fn a_matrix_has_no_rights_once_its_cells_have_ended() {
    let public = Public::new();
    let pipe = public.path("pipe");
    run(clean("mkfifo").args(["-m", "666"]).arg(&pipe)).succeeded();
    let line = "matrix --scenario drained --closer server --linger 0 --format json --html";
    let (_unread, full) = full_pipe();
    let running = Running::start(under_sudo(line).arg(&pipe).stdout(full));
    // It waits for a reader of its page, then for one of its report.
    let reader = std::fs::File::open(&pipe).unwrap();
    until_confined(running.pid());
    has_no_rights(running.pid());
    has_no_bounding_set(running.pid());
    drop(reader);
}

/// The processes that a process has started.
fn children(pid: u32) -> Vec<u32> {
    let threads = threads(pid).into_iter();
    let children = threads.filter_map(|thread| {
        std::fs::read_to_string(format!("/proc/{pid}/task/{thread}/children")).ok()
    });
    children
        .flat_map(|list| list.split_whitespace().map(|id| id.parse().unwrap()).collect::<Vec<_>>())
        .collect()
}

#[test]
#[ignore = "needs root"]
fn a_watch_has_no_rights() {
    let watch = Watch::start_as_under_sudo("-i lo port 1");
    has_no_rights(watch.pid());
    has_no_bounding_set(watch.pid());
    let watch = Watch::start("-i lo port 1");
    has_no_rights(watch.pid());
}

/// The command of a run, the child of its guard.
#[track_caller]
fn command_of(running: &Running) -> u32 {
    let mut command = None;
    eventually("the command is started", || {
        command = children(running.pid()).into_iter().flat_map(children).next();
        command.is_some()
    });
    command.unwrap()
}

/// The command is whose it would be without closecheck, under sudo who called that; it may still use sudo.
#[test]
#[ignore = "needs root"]
fn a_run_has_no_rights_and_its_command_those_of_its_user() {
    let mut command = under_sudo("run -- sleep 1000");
    let running = Running::start(&mut command);
    until_confined(running.pid());
    has_no_rights(running.pid());
    has_no_bounding_set(running.pid());
    let sleep = command_of(&running);
    let status = |name| proc::status_of(sleep, name);
    assert_eq!(status("Uid"), [NOBODY.to_string().as_str(); 4].join(" "));
    assert_eq!([status("CapEff"), status("CapPrm")], [NONE; 2]);
    assert_eq!([status("NoNewPrivs"), status("Seccomp")], ["0", "0"]);

    let running = Running::start(&mut closecheck(words("run -- sleep 1000")));
    until_confined(running.pid());
    // Reaching the files of others, and ending processes of others.
    let kept = (1_u64 << 1) | (1 << 5);
    assert_eq!(proc::status(&running, "CapEff"), format!("{kept:016x}"));
    assert_eq!(proc::status(&running, "CapBnd"), NONE);
    let sleep = command_of(&running);
    let own = std::fs::read_to_string("/proc/self/status").unwrap();
    let bounding = proc::status_of(sleep, "CapEff");
    assert!(own.contains(&format!("CapEff:\t{bounding}")), "the command is root's: {own}");
}

#[test]
#[ignore = "needs root"]
fn the_environment_of_who_called_sudo_decides_nothing_else() {
    let public = Public::new();
    let trap = public.folder("trap", 0, "755");
    // Whatever was looked for there would leave a trace, and nobody may write there.
    for name in ["unshare", "ip", "closecheck", "tcpdump"] {
        let program = trap.join(name);
        std::fs::write(&program, format!("#!/bin/sh\ntouch {}/ran\n", trap.display())).unwrap();
        run(clean("chmod").arg("755").arg(program)).succeeded();
    }
    let mut command = under_sudo("run --expect fin -- /bin/true");
    for name in ["PATH", "HOME", "TMPDIR", "XDG_CONFIG_HOME", "TZDIR"] {
        command.env(name, &trap);
    }
    let ran = run(command.env("TZ", ":/etc/shadow").env("SUDO_USER", "root"));
    // The packets cannot be kept in a TMPDIR where the user may not write.
    assert!(ran.exits(3).stderr.contains("no connection was seen"), "{}", ran.stderr);
    assert_eq!(std::fs::read_dir(&trap).unwrap().count(), 4);
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
    let error = format!("cannot write {}: Permission denied", file.display());
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
    has_no_rights(running.pid());
    dismiss(running);
}

/// What starts with capabilities from its file has no access to its own /proc/self.
#[test]
#[ignore = "needs root"]
fn cap_net_raw_on_the_file_leaves_private_namespaces_to_nobody() {
    let public = Public::new();
    run(clean("setcap").arg("cap_net_raw=ep").arg(public.program())).succeeded();
    let alone = "--isolate always --format json --linger 0 --expect rst";
    let report = run(&mut public.as_nobody(words(alone))).exits(0).complains("").json();
    assert_eq!(report["capture"]["private_namespace"], Value::Bool(true), "{report:#}");
    run(&mut public.as_nobody(words("run -- true"))).exits(0);
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
    has_no_rights(running.pid());
    dismiss(running);
}
