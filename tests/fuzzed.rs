//! What the search for hostile input has kept, held against the same functions as there (`fuzz/`): the least
//! input that reaches as far as all that was tried, and every input that ever failed.
#![expect(clippy::panic, clippy::unwrap_used, reason = "what fails here fails its test")]

#[path = "../fuzz/src/lib.rs"]
#[expect(unreachable_pub, reason = "it is a library of its own to the programs that search")]
mod targets;

use std::fs;
use std::panic::catch_unwind;
use std::path::{Path, PathBuf};

use fastrand::Rng;
use targets::{TARGETS, outputs};

/// Byte strings that are put where texts from outside come in.
const STRINGS: usize = 10_000;
/// Strings that go into the same reports, each into some of the places there.
const TOGETHER: usize = 20;
/// What acts on a terminal, HTML, XML, CSV, JSON, Markdown or an annotation, or is no text.
const ACTIVE: [&[u8]; 20] = [
    b"\x1b[31m",
    b"\x1b]0;title\x07",
    "\u{9b}2J".as_bytes(),
    "\u{202e}".as_bytes(),
    "\u{2066}".as_bytes(),
    "\u{feff}".as_bytes(),
    "\u{ffff}".as_bytes(),
    "\u{2028}".as_bytes(),
    b"</script><script>",
    b"<!--",
    b"]]>",
    b"&lt;'\"",
    b"\r\n::error::",
    b"%0A",
    b"=1+1,",
    b"\\u0000",
    b"\0",
    b"`|\n# ",
    b"```",
    b"\xc3\xff\xed\xa0\x80",
];

/// The inputs of a target in one of the folders, in the order of their names.
fn inputs(folder: &str, target: &str) -> Vec<(PathBuf, Vec<u8>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz").join(folder).join(target);
    let entries = fs::read_dir(folder).into_iter().flatten();
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths.into_iter().map(|path| (path.clone(), fs::read(path).unwrap())).collect()
}

#[test]
fn what_was_kept_of_the_search_is_survived() {
    for (target, survives) in TARGETS {
        let kept = inputs("corpus", target);
        assert!(kept.len() > 10, "{target}: {} inputs", kept.len());
        for (path, bytes) in kept.into_iter().chain(inputs("found", target)) {
            let survived = catch_unwind(|| survives(&bytes));
            assert!(survived.is_ok(), "not survived: {}", path.display());
        }
    }
}

#[test]
fn every_target_has_its_program() {
    let manifest = include_str!("../fuzz/Cargo.toml");
    assert_eq!(manifest.matches("[[bin]]").count(), TARGETS.len());
    for (target, _) in TARGETS {
        assert!(manifest.contains(&format!("path = \"targets/{target}.rs\"")), "{target}");
    }
}

/// A few random bytes, or some of what acts somewhere, between them.
fn string(rng: &mut Rng) -> Vec<u8> {
    let piece = |rng: &mut Rng| match rng.bool() {
        true => ACTIVE[rng.usize(..ACTIVE.len())].to_vec(),
        false => (0..rng.usize(..8)).map(|_| rng.u8(..)).collect(),
    };
    (0..rng.usize(1..5)).flat_map(|_| piece(rng)).collect()
}

#[test]
fn ten_thousand_byte_strings_act_on_nothing_in_any_report() {
    let mut rng = Rng::with_seed(10);
    for number in 0..STRINGS / TOGETHER {
        let bytes = [(); TOGETHER].map(|()| string(&mut rng)).join(&0xfe);
        let survived = catch_unwind(|| outputs::survives(&bytes));
        assert!(survived.is_ok(), "strings {number}: {bytes:?}");
    }
}
