//! Holds the layers of docs/design.md: arrows one way only, and a core without clock, file or socket.
#![expect(clippy::unwrap_used, reason = "a tree that cannot be read fails the test")]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// Each layer and the layers that it may use.
const LAYERS: &[(&str, &[&str])] = &[
    ("words", &[]),
    ("linger", &[]),
    ("program", &[]),
    ("decode", &[]),
    ("flow", &["decode"]),
    ("verdict", &["decode", "flow"]),
    ("report", &["decode", "flow", "verdict", "linger"]),
    ("compare", &["decode", "flow", "verdict", "report"]),
    ("expected", &["decode", "flow", "verdict", "report"]),
    ("partial", &["decode"]),
    ("capture", &["decode", "program"]),
    ("netlink", &["flow"]),
    ("sandbox", &["netlink", "program"]),
    ("lab", &["decode", "flow", "verdict", "report", "linger", "capture", "netlink", "sandbox"]),
    ("run", &["decode", "flow", "verdict", "report", "capture", "netlink", "sandbox"]),
    (
        "cli",
        &[
            "decode", "flow", "verdict", "report", "compare", "expected", "linger", "partial",
            "capture", "netlink", "sandbox", "lab", "run",
        ],
    ),
];

/// The layers that only compute.
const PURE: &[&str] =
    &["words", "linger", "decode", "flow", "verdict", "report", "compare", "expected", "partial"];

/// What a pure layer must not name.
const IMPURE: &[&str] = &[
    "std::fs",
    "std::env",
    "std::process",
    "std::thread",
    "std::os",
    "SystemTime",
    "Instant",
    "TcpStream",
    "TcpListener",
    "UdpSocket",
    "nix::",
    "rustix::",
    "pcap::",
    "socket2::",
    "println!",
    "tempfile::",
];

fn source() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

/// The files of a layer, with what stands above their tests.
fn files(layer: &str) -> Vec<(PathBuf, String)> {
    let mut folders = vec![source().join(layer)];
    let mut paths = vec![source().join(format!("{layer}.rs"))];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).into_iter().flatten() {
            let path = entry.unwrap().path();
            if path.is_dir() { folders.push(path) } else { paths.push(path) }
        }
    }
    paths.retain(|path| path.exists());
    let code = |path: PathBuf| {
        let text = fs::read_to_string(&path).unwrap();
        let code = text.split("#[cfg(test)]\nmod ").next().unwrap_or_default().to_owned();
        (path, code)
    };
    paths.into_iter().map(code).collect()
}

/// The layers that a line uses, by `crate::…`; what lib.rs exports itself counts as the module it is from.
fn used(line: &str) -> BTreeSet<String> {
    let mut used = BTreeSet::new();
    for rest in line.split("crate::").skip(1) {
        let name: String =
            rest.chars().take_while(|letter| letter.is_alphanumeric() || *letter == '_').collect();
        used.insert(match name.as_str() {
            "Linger" | "LingerError" => "linger".to_owned(),
            "Session" => "run".to_owned(),
            _ => name,
        });
    }
    used
}

#[test]
fn a_layer_uses_only_the_layers_below_it() {
    for (layer, allowed) in LAYERS {
        let files = files(layer);
        assert!(!files.is_empty(), "there is no layer {layer}");
        for (path, code) in files {
            for line in code.lines().filter(|line| !line.trim_start().starts_with("//")) {
                for name in used(line) {
                    let fine = name == *layer || allowed.contains(&name.as_str());
                    assert!(fine, "{}: {layer} uses {name}: {line}", path.display());
                }
            }
        }
    }
}

#[test]
fn the_list_of_layers_is_complete() {
    let known: BTreeSet<String> = LAYERS.iter().map(|(layer, _)| (*layer).to_owned()).collect();
    let present: BTreeSet<String> = fs::read_dir(source())
        .unwrap()
        .map(|entry| entry.unwrap().path().file_stem().unwrap().to_string_lossy().into_owned())
        .filter(|name| name != "lib" && name != "main")
        .collect();
    assert_eq!(present, known);
}

#[test]
fn the_core_touches_no_clock_no_file_and_no_socket() {
    for layer in PURE {
        for (path, code) in files(layer) {
            for line in code.lines().filter(|line| !line.trim_start().starts_with("//")) {
                for word in IMPURE {
                    assert!(!line.contains(word), "{}: {word} in: {line}", path.display());
                }
            }
        }
    }
}

#[test]
fn characters_outside_of_ascii_are_chosen_in_one_place() {
    for (layer, _) in LAYERS {
        for (path, code) in
            files(layer).into_iter().filter(|(path, _)| !path.ends_with("glyphs.rs"))
        {
            for line in code.lines().filter(|line| !line.trim_start().starts_with("//")) {
                assert!(line.is_ascii(), "{}: {line}", path.display());
            }
        }
    }
}

#[test]
fn there_is_no_unsafe_code() {
    let manifest = fs::read_to_string(source().join("../Cargo.toml")).unwrap();
    assert!(manifest.contains("unsafe_code = \"forbid\""));
}
