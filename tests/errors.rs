//! What closecheck says of what it cannot do: what is wrong, where, why, and what to do about it.

mod support;

use support::{closecheck, run, words};

/// What is wrong with what was typed, in words, and what to do about it.
#[test]
fn errors_say_in_words_what_is_wrong_and_where_to_look() {
    let partial = "(hint: `closecheck read --partial` writes partial records; captures are for `closecheck read`)";
    for (typed, error, hint) in [
        (
            "--port 99999",
            "invalid value '99999' for '--port <PORT>': not a whole number from 0 to 65535",
            "(hint: `closecheck --help` says what `--port` takes)",
        ),
        (
            "--connections 0",
            "invalid value '0' for '--connections <N>': not a whole number from 1 to 4294967295",
            "(hint: `closecheck --help` says what `--connections` takes)",
        ),
        (
            "read --rows x -",
            "invalid value 'x' for '--rows <N>': not a whole number from 0 on",
            "(hint: `closecheck read --help` says what `--rows` takes)",
        ),
        (
            "read --packets=0 -",
            "invalid value '0' for '--packets[=<N>]': not a whole number from 1 to 4294967295",
            "(hint: `closecheck read --help` says what `--packets` takes)",
        ),
        (
            "watch --count 0",
            "invalid value '0' for '--count <N>': not a whole number from 1 on",
            "(hint: `closecheck watch --help` says what `--count` takes)",
        ),
        (
            "watch -s 1000000",
            "invalid value '1000000' for '--snapshot-length <BYTES>': not a whole number from 0 to 262144",
            "(hint: `closecheck watch --help` says what `--snapshot-length` takes)",
        ),
        (
            "run -s 95 true",
            "invalid value '95' for '--snapshot-length <N>': not a whole number from 96 to 65535",
            "(hint: `closecheck run --help` says what `--snapshot-length` takes)",
        ),
        (
            "merge fixtures/linux-linger-0.pcap",
            "cannot read fixtures/linux-linger-0.pcap: line 1: expected value, column 1",
            partial,
        ),
    ] {
        let ran = run(closecheck(words(typed)).current_dir(env!("CARGO_MANIFEST_DIR")));
        ran.exits(2).complains(&format!("closecheck: error: {error}\n{hint}\n"));
    }
}

/// A word that is misspelt is suggested in its right spelling, in a phrase with the rest of it.
#[test]
fn what_was_probably_meant_is_suggested() {
    for (typed, meant) in [
        (vec!["read", "--expect", "reset", "-"], "did you mean `rst`?"),
        (vec!["read", "--only", "not fni by server", "-"], "did you mean `not fin by server`?"),
        (vec!["run", "--expect", "rst by sever", "--", "true"], "did you mean `rst by server`?"),
        (vec!["--scenario", "half-closed"], "did you mean `half-close`?"),
        (vec!["matrix", "--scenario", "drain"], "did you mean `drained`?"),
        (vec!["compare", "--level", "verdct", "a", "b"], "did you mean `verdict`?"),
        (vec!["man", "reed"], "did you mean `read`? `closecheck --help` lists the commands"),
        (
            vec!["explain", "gap", "midstraem"],
            "did you mean `midstream`? `closecheck explain` lists all words",
        ),
    ] {
        let ran = run(&mut closecheck(&typed));
        ran.exits(2);
        let hint = format!("\n(hint: {meant})\n");
        assert!(ran.stderr.ends_with(&hint), "{typed:?}: {}", ran.stderr);
    }
    let unlike = run(&mut closecheck(["read", "--expect", "xyzzy", "-"]));
    assert!(
        unlike
            .exits(2)
            .stderr
            .ends_with("\n(hint: `closecheck read --help` says what `--expect` takes)\n")
    );
}

/// Every error is one line and a hint on standard error, without the system's number for it.
#[test]
fn errors_have_one_shape_and_a_hint() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("bad.toml"), "{").unwrap();
    let fixture = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/linux-linger-0.pcap");
    for (typed, hint) in [
        ("read none", "check the path; a relative one counts from the current folder"),
        ("merge none", "check the path; a relative one counts from the current folder"),
        ("compare none none", "check the path; a relative one counts from the current folder"),
        ("read - -", "give `-` once, and other captures by their paths"),
        ("watch -i none", "take one of these, or leave `-i` away"),
        ("run --net host -i none -- true", "take one of these, or leave `-i` away"),
        ("--isolate never -i none", "take one of these, or leave `-i` away"),
        (
            "man out",
            "`closecheck --help` lists the commands; `closecheck man --out FOLDER` writes all pages",
        ),
        ("man --out none", "make its folder first; a relative path counts from the current folder"),
        ("verify none", "check the path; a relative one counts from the current folder"),
        (
            "run --rules none -- true",
            "check the path; a relative one counts from the current folder",
        ),
        ("run --rules bad.toml -- true", "docs/ci.md has the form of rules"),
        ("read .", "name the files in it, as in FOLDER/*"),
        ("merge .", "name the files in it, as in FOLDER/*"),
        ("read --follow none --out o", "--follow takes the folder that captures are written to"),
        (
            "read --html none/a.html FIXTURE",
            "make its folder first; a relative path counts from the current folder",
        ),
        (
            "read --junit none/a.xml --expect rst FIXTURE",
            "make its folder first; a relative path counts from the current folder",
        ),
        (
            "--isolate always -w none/a.pcap",
            "make its folder first; a relative path counts from the current folder",
        ),
        ("--isolate always -w .", "name a file in it"),
        ("matrix --scenario drained --linger 0 -w none", "mkdir none"),
        ("run", "usage: closecheck run [OPTIONS] -- <CMD>..."),
        ("run -i lo -- true", "`closecheck run --help` says what there is"),
        ("read --junit out.xml FIXTURE", "`closecheck read --help` says what there is"),
        ("run --once true", "`closecheck run --help` lists the options that there are"),
        ("watch --once", "`closecheck watch --help` says what there is"),
        (
            "run -- none-of-that-name",
            "name a program that is in $PATH, or give its path, as in ./program",
        ),
        (
            "run -- ./bad.toml",
            "a program has to be a file that you may execute: chmod +x makes it one",
        ),
        ("read --expect", "`closecheck read --help` says what `--expect` takes"),
        ("doctor --format yaml", "`closecheck doctor --help` says what `--format` takes"),
        (
            "out.pcap",
            "`closecheck read FILE` judges a capture; `closecheck --help` lists the commands",
        ),
        ("help", "`closecheck --help` lists the commands"),
    ] {
        let typed = typed.replace("FIXTURE", fixture);
        let ran = run(closecheck(words(&typed)).current_dir(folder.path()));
        let lines: Vec<&str> = ran.stderr.lines().collect();
        let [error, last] = lines[..] else { panic!("{typed}: {}", ran.stderr) };
        assert!(error.starts_with("closecheck: error: "), "{typed}: {error}");
        assert_eq!(error.matches("error: ").count(), 1, "{typed}: {error}");
        assert!(!error.contains("(os error"), "{typed}: {error}");
        assert_eq!(last, format!("(hint: {hint})"), "{typed}");
        assert_eq!(ran.stdout, "", "{typed}");
    }
}

/// An option that has an effect only beside another is not passed over where that is excluded by a third.
#[test]
fn no_option_is_passed_over() {
    for (typed, error) in [
        ("read --out o a", "'--out <FILE>' cannot be used with '[FILE]...'"),
        ("read --checkpoint o a", "'--checkpoint <FILE>' cannot be used with '[FILE]...'"),
        ("read --settle 1s a", "'--settle <TIME>' cannot be used with '[FILE]...'"),
        ("read --place 1 --only rst a", "'--place <N>' cannot be used with '--only <RULE>'"),
        (
            "--concurrency 2 --scenario unread",
            "'--concurrency <N>' cannot be used with '--scenario <NAME>'",
        ),
    ] {
        let ran = run(&mut closecheck(words(typed)));
        let first = ran.exits(2).stderr.lines().next().unwrap();
        assert_eq!(first, format!("closecheck: error: the argument {error}"), "{typed}");
    }
}
