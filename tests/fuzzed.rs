//! What the search for hostile input has kept, held against the same functions as there (`fuzz/`): the least
//! input that reaches as far as all that was tried, and every input that ever failed.
#![expect(clippy::panic, clippy::unwrap_used, reason = "what fails here fails its test")]

#[path = "../fuzz/src/lib.rs"]
#[expect(unreachable_pub, reason = "it is a library of its own to the programs that search")]
mod targets;

use std::fs;
use std::panic::catch_unwind;
use std::path::{Path, PathBuf};

use targets::TARGETS;

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
