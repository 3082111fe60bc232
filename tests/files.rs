//! Files that closecheck writes where others may have been before: links and pipes that were put in their
//! place, folders that everyone may write to, file systems that take nothing.
#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, reason = "in a test a panic is the report")]

mod support;

use std::fs;
use std::io::Read;
use std::os::unix::fs::{MetadataExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use nix::sys::signal::Signal;
use support::{NOBODY, PROGRAM, Public, Ran, Running, clean, closecheck, proc, run, words};

/// A user other than root and nobody, whom no one else is.
const SOMEBODY: u32 = 54321;

/// As sudo starts the lab for the user nobody, or root itself does, to write this file.
fn writing(by_sudo: bool, file: &Path) -> Command {
    let mut command = closecheck(words("--isolate always --linger 0 --port 0 -w"));
    if by_sudo {
        let id = NOBODY.to_string();
        command.env("SUDO_UID", &id).env("SUDO_GID", &id);
    }
    command.arg(file);
    command
}

/// A folder as `/tmp` is: everyone may make files, and touch only their own.
fn sticky(public: &Public) -> PathBuf {
    public.folder("sticky", 0, "1777")
}

fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap();
    entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

/// Checks that a capture is there, private, and this user's.
#[track_caller]
fn is_written(file: &Path, owner: u32) {
    let metadata = fs::symlink_metadata(file).unwrap();
    assert!(metadata.is_file() && metadata.len() > 500, "{metadata:?}");
    assert_eq!((metadata.uid(), metadata.mode() & 0o7777, metadata.nlink()), (owner, 0o600, 1));
}

#[test]
#[ignore = "needs root"]
fn links_to_files_of_root_s_are_replaced_and_never_followed() {
    for (by_sudo, owner) in [(true, NOBODY), (false, 0)] {
        let public = Public::new();
        let secret = public.path("secret");
        fs::write(&secret, "secret").unwrap();
        let folder = public.folder("captures", NOBODY, "755");
        let (soft, hard, dangling) =
            (folder.join("soft"), folder.join("hard"), folder.join("gone"));
        symlink(&secret, &soft).unwrap();
        fs::hard_link(&secret, &hard).unwrap();
        let elsewhere = public.path("elsewhere");
        symlink(&elsewhere, &dangling).unwrap();
        for file in [soft, hard, dangling] {
            run(&mut writing(by_sudo, &file)).exits(0).complains("");
            is_written(&file, owner);
        }
        assert_eq!(fs::read_to_string(&secret).unwrap(), "secret");
        assert!(!elsewhere.exists());
        assert_eq!(names(&folder).len(), 3, "nothing else is left");
    }
}

#[test]
#[ignore = "needs root"]
fn in_a_sticky_folder_nothing_of_somebody_else_s_is_touched() {
    let public = Public::new();
    let folder = sticky(&public);
    let file = folder.join("out.pcap");
    fs::write(&file, "root's").unwrap();
    let ran = run(&mut writing(true, &file));
    let error = format!("cannot write {}: Operation not permitted", file.display());
    assert!(ran.exits(2).stderr.contains(&error), "{}", ran.stderr);
    assert!(ran.stdout.starts_with("RST, "), "the verdict is given all the same");
    assert_eq!(fs::read_to_string(&file).unwrap(), "root's");
    assert_eq!(names(&folder), ["out.pcap"]);
    run(&mut writing(true, &folder.join("mine.pcap"))).exits(0);
    is_written(&folder.join("mine.pcap"), NOBODY);
}

/// What is no regular file is written to as it is. Where everyone may put it, it may be a trap: packets would go
/// to somebody else, or root would write to what that links to.
#[test]
#[ignore = "needs root"]
fn a_pipe_or_link_that_somebody_else_put_into_a_sticky_folder_is_refused() {
    for by_sudo in [true, false] {
        let public = Public::new();
        let folder = sticky(&public);
        let (pipe, link) = (folder.join("pipe"), folder.join("link"));
        run(clean("mkfifo").args(["-m", "666"]).arg(&pipe)).succeeded();
        symlink("/dev/full", &link).unwrap();
        for path in [&pipe, &link] {
            run(clean("chown").args(["-h", &SOMEBODY.to_string()]).arg(path)).succeeded();
            let ran = run(&mut writing(by_sudo, path));
            let error = "somebody else's, in a folder that everyone may write to";
            assert!(ran.exits(2).stderr.contains(error), "{}", ran.stderr);
            assert_eq!(ran.stdout, "", "before the exchange");
        }
    }
}

/// Root may write to more than whoever put the link: to a disk, or to somebody's private pipe.
#[test]
#[ignore = "needs root"]
fn root_follows_no_link_of_somebody_else_s_to_a_device_or_pipe() {
    let public = Public::new();
    let private = public.folder("private", 0, "700");
    let pipe = private.join("pipe");
    run(clean("mkfifo").args(["-m", "600"]).arg(&pipe)).succeeded();
    for (owner, target) in
        [(NOBODY, Path::new("/dev/full")), (0, "/dev/full".as_ref()), (NOBODY, &pipe)]
    {
        let folder = public.folder("theirs", NOBODY, "755");
        let link = folder.join("out.pcap");
        symlink(target, &link).unwrap();
        run(clean("chown").args(["-h", &owner.to_string()]).arg(&link)).succeeded();
        let ran = run(&mut writing(false, &link));
        let error = "a link to no regular file, where somebody else may have put it";
        assert!(ran.exits(2).stderr.contains(error), "{}", ran.stderr);
        assert_eq!(ran.stdout, "", "before the exchange");
        fs::remove_dir_all(&folder).unwrap();
    }
    let link = private.join("link");
    symlink("/dev/null", &link).unwrap();
    run(&mut writing(false, &link)).exits(0);
}

/// What is added to what is there cannot take its place.
#[test]
#[ignore = "needs root"]
fn records_and_summaries_are_added_to_nothing_that_somebody_else_has_put_there() {
    const THEIRS: &str = "somebody else's, in a folder that everyone may write to";
    let fixture = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/linux-linger-0.pcap");
    let public = Public::new();
    let captures = public.folder("captures", 0, "755");
    fs::copy(fixture, captures.join("a.pcap")).unwrap();
    let secret = public.path("secret");
    fs::write(&secret, "").unwrap();
    type Plant = fn(&Path, &Path);
    let plants: [(Plant, &str); 4] = [
        (|_, place| drop(run(clean("mkfifo").args(["-m", "666"]).arg(place))), "no regular file"),
        (|_, place| fs::write(place, "").unwrap(), THEIRS),
        (|secret, place| symlink(secret, place).unwrap(), "a symbolic link, which is not followed"),
        (|secret, place| fs::hard_link(secret, place).unwrap(), THEIRS),
    ];
    // Linux may refuse it by itself (fs.protected_regular and the like).
    let refused = |ran: &Ran, error| {
        let says = |words| ran.stderr.contains(words);
        assert!(ran.code() == 2 && (says(error) || says("Permission denied")), "{}", ran.stderr);
    };
    let everyone_s = plants.map(|(plant, error)| (plant, error, 0, "1777"));
    let link: Plant = |secret, place| fs::hard_link(secret, place).unwrap();
    let somebody_s = (link, "a second name, in a folder that others may write to", SOMEBODY, "755");
    for (plant, error, owner, mode) in everyone_s.into_iter().chain([somebody_s]) {
        let folder = public.folder(error.split(' ').next().unwrap(), owner, mode);
        let place = folder.join("out");
        plant(&secret, &place);
        if fs::symlink_metadata(&place).unwrap().nlink() == 1 {
            run(clean("chown").args(["-h", &SOMEBODY.to_string()]).arg(&place)).succeeded();
        }
        let mut follow = closecheck(words("read --settle 0 --follow"));
        refused(&run(follow.arg(&captures).arg("--out").arg(&place)), error);
        let mut summary = closecheck(words("read --expect rst --annotations github"));
        refused(&run(summary.arg(fixture).env("GITHUB_STEP_SUMMARY", &place)), error);
        assert_eq!(names(&folder), ["out"], "{error}");
        assert_eq!(fs::read_to_string(&secret).unwrap(), "");
        fs::remove_dir_all(&folder).unwrap();
    }
}

#[test]
fn a_named_pipe_in_the_place_of_a_checkpoint_holds_nothing_up() {
    let folder = tempfile::tempdir().unwrap();
    run(clean("mkfifo").arg(folder.path().join("pipe"))).succeeded();
    let mut command = closecheck(words("read --follow . --out out --checkpoint pipe --settle 0"));
    let ran = run(command.current_dir(folder.path()));
    assert!(ran.exits(2).stderr.contains("it is no regular file"), "{}", ran.stderr);
}

#[test]
fn a_named_pipe_of_one_s_own_is_written_to() {
    let folder = tempfile::tempdir().unwrap();
    let pipe = folder.path().join("pipe");
    run(clean("mkfifo").arg(&pipe)).succeeded();
    let running = Running::start(&mut writing(false, &pipe));
    let mut bytes = Vec::new();
    fs::File::open(&pipe).unwrap().read_to_end(&mut bytes).unwrap();
    running.end().exits(0);
    assert!(bytes.len() > 500 && bytes.starts_with(&0xa1b2_3c4d_u32.to_le_bytes()));
    assert_eq!(names(folder.path()), ["pipe"]);
}

/// A file system on the folder, mounted in a namespace of its own with these options.
fn mounted(options: &str, script: &str) -> (Ran, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let script = format!(r#"mount -t tmpfs -o {options} tmpfs "$1" && cd "$1" && {script}"#);
    let mut command = clean("unshare");
    command.args(["--mount", "sh", "-c", &script, "sh"]).arg(folder.path()).arg(PROGRAM);
    (run(&mut command), folder.path().to_owned())
}

#[test]
#[ignore = "needs root"]
fn a_read_only_file_system_is_an_error_before_the_exchange() {
    let (ran, folder) = mounted("ro", r#""$2" --isolate always -w "$1/out.pcap""#);
    let file = folder.join("out.pcap");
    let error = format!("cannot write {}: Read-only file system", file.display());
    ran.exits(2).complains(&format!(
        "closecheck: error: {error}\n(hint: choose a place that can be written to)\n"
    ));
    assert_eq!(ran.stdout, "");
}

#[test]
#[ignore = "needs root"]
fn a_full_file_system_takes_no_report_and_gives_no_0() {
    let fixture = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/linux-linger-0.pcap");
    let fill = "dd if=/dev/zero of=full bs=4k count=64 2>/dev/null;";
    for command in [
        format!("read --expect rst --junit junit.xml {fixture}"),
        format!("verify --junit junit.xml {fixture}"),
        "run --report report.json --format json -- true".to_owned(),
    ] {
        let script = format!(r#"{{ {fill} "$2" {command}; echo "status $?"; ls; }}"#);
        let (ran, _) = mounted("size=64k", &script);
        assert!(ran.stderr.contains("No space left on device"), "{command}: {}", ran.stderr);
        assert!(ran.stdout.ends_with("status 2\nfull\n"), "{command}: {}", ran.stdout);
    }
}

/// Where SIGXFSZ would end the process, and everything with it.
#[test]
fn a_limit_on_the_size_of_files_takes_no_verdict_and_gives_no_0() {
    const TOO_LARGE: &str =
        "File too large\n(hint: allow the process larger files with `ulimit -f`)\n";
    let fixture = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/linux-linger-0.pcap");
    let folder = tempfile::tempdir().unwrap();
    let limited = |arguments: &str| {
        let script = format!(r#"ulimit -f 0; exec "$0" {arguments}"#);
        run(clean("sh").args(["-c", &script, PROGRAM]).current_dir(folder.path()))
    };
    for (arguments, report) in [
        (format!("read --expect rst --junit junit.xml {fixture}"), "1 connection: 1 rst "),
        (format!("read --html page.html {fixture}"), "1 connection: 1 rst "),
        (format!("verify --junit junit.xml {fixture}"), ""),
        ("--isolate always --linger 0 -w out.pcap".to_owned(), "RST, sent by the server\n"),
        ("run --report report.json --format json -- echo ran".to_owned(), "ran\n"),
        ("run --report - -w out.pcap -- echo ran".to_owned(), "ran\n"),
        (format!("read {fixture} >out"), ""),
    ] {
        let ran = limited(&arguments);
        assert!(ran.exits(2).stderr.ends_with(TOO_LARGE), "{arguments}: {}", ran.stderr);
        assert!(ran.stdout.starts_with(report), "{arguments}: {}", ran.stdout);
        let left = names(folder.path());
        assert!(left.is_empty() || left == ["out"], "{arguments}: {left:?}");
    }
    // A command has the signal as it was: it ends the shell, unless that was started to ignore it.
    limited("run -- sh -c 'echo lost >out'").exits(128 + Signal::SIGXFSZ as i32);
    let script = r#"trap '' XFSZ; ulimit -f 0; exec "$0" run -- sh -c 'echo lost >out'"#;
    let ran = run(clean("sh").args(["-c", script, PROGRAM]).current_dir(folder.path()));
    assert!(ran.code() < 128 && ran.stderr.contains("echo: I/O error"), "{}", ran.stderr);
}

#[test]
fn a_kill_leaves_the_old_file_and_nothing_beside_it() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("out.pcap");
    fs::write(&file, "old").unwrap();
    let mut command = closecheck(words("--isolate always --hold 60s -w"));
    let mut running = Running::start(command.arg(&file));
    proc::until_established(&mut running, 8000);
    running.signal(Signal::SIGKILL);
    drop(running);
    assert_eq!(fs::read_to_string(&file).unwrap(), "old");
    assert_eq!(names(folder.path()), ["out.pcap"]);
}
