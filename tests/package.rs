//! What is handed out: the Debian package, built, installed, used and purged in a folder that stands for a system, and the
//! crate.
#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, reason = "in a test a panic is the report")]

mod support;

use std::fs;
use std::path::{Path, PathBuf};

use support::links::links;
use support::{PROGRAM, Ran, clean, run};

const PROJECT: &str = env!("CARGO_MANIFEST_DIR");

/// The files below a folder, relative to it.
fn files(root: &Path) -> Vec<PathBuf> {
    let entries = walkdir::WalkDir::new(root).into_iter().map(Result::unwrap);
    let files = entries.filter(|entry| !entry.file_type().is_dir());
    files.map(|entry| entry.path().strip_prefix(root).unwrap().to_owned()).collect()
}

#[test]
#[ignore = "needs root"]
fn the_debian_package_installs_works_and_leaves_nothing_behind() {
    if !Path::new("/etc/debian_version").exists() {
        #[expect(clippy::print_stderr, reason = "a test that is skipped says so")]
        {
            eprintln!("skipped: this is no Debian system");
        }
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let mut script = clean(Path::new(PROJECT).join("scripts/package-deb"));
    script.env("DPKG_DEB_COMPRESSOR_TYPE", "none"); // a minute of a slow machine
    script.env("DEBFULLNAME", "Ada Lovelace").env("DEBEMAIL", "ada@packages.test");
    let built = run(script.args(["--program", PROGRAM]).arg(folder.path()));
    let package = built.succeeded().stdout.trim_end().to_owned();

    let depends =
        run(clean("dpkg-deb").args(["-f", &package, "Depends"])).succeeded().stdout.clone();
    for depended in depends.trim_end().split(", ") {
        let name = depended.split(' ').next().unwrap();
        let installed = run(clean("dpkg-query").args(["-W", "-f", "${Status}", name]));
        assert_eq!(installed.succeeded().stdout, "install ok installed", "{depends}");
    }
    assert!(depends.contains("libpcap0.8"), "{depends}");

    let maintainer = "Ada Lovelace <ada@packages.test>";
    let said = run(clean("dpkg-deb").args(["-f", &package, "Maintainer"]));
    assert_eq!(said.succeeded().stdout, format!("{maintainer}\n"));

    let system = folder.path().join("system");
    for part in ["var/lib/dpkg/info", "var/lib/dpkg/updates"] {
        fs::create_dir_all(system.join(part)).unwrap();
    }
    fs::write(system.join("var/lib/dpkg/status"), "").unwrap();
    // The system in the folder has none of the libraries; the one around it has.
    let dpkg = |action: &[&str]| -> Ran {
        run(clean("dpkg").arg("--root").arg(&system).arg("--force-depends").args(action))
    };
    dpkg(&["--install", &package]).succeeded();
    let installed = system.join("usr/bin/closecheck");
    let version = run(clean(&installed).arg("--version")).succeeded().stdout.clone();
    assert_eq!(version, concat!("closecheck ", env!("CARGO_PKG_VERSION"), "\n"));
    let read = run(clean(&installed)
        .arg("read")
        .arg(Path::new(PROJECT).join("fixtures/linux-linger-0.pcap")));
    assert!(read.succeeded().stdout.starts_with("1 connection: 1 rst "), "{}", read.stdout);
    let changelog = system.join("usr/share/doc/closecheck/changelog.gz");
    let changelog = run(clean("zcat").arg(changelog)).succeeded().stdout.clone();
    assert!(changelog.contains(&format!("\n -- {maintainer}  ")), "{changelog}");
    for page in ["closecheck.1.gz", "closecheck-read.1.gz", "closecheck-merge.1.gz"] {
        let page = system.join("usr/share/man/man1").join(page);
        run(clean("mandoc").args(["-Tlint", "-W", "error"]).arg(page)).succeeded();
    }
    for completions in [
        "bash-completion/completions/closecheck",
        "zsh/vendor-completions/_closecheck",
        "fish/vendor_completions.d/closecheck.fish",
    ] {
        assert!(fs::metadata(system.join("usr/share").join(completions)).unwrap().len() > 1000);
    }
    let pages = files(&system).into_iter().map(|path| system.join(path));
    let pages = pages.filter(|path| path.extension().is_some_and(|ending| ending == "md"));
    let documents = system.join("usr/share/doc/closecheck").canonicalize().unwrap();
    let linked: Vec<PathBuf> = pages.flat_map(|page| links(&page)).map(|(to, _)| to).collect();
    assert!(linked.iter().all(|to| to.starts_with(&documents)), "{linked:?}");
    for needed in ["docs/record.md", "docs/closecheck.svg", "examples/partials.sh"] {
        assert!(linked.contains(&documents.join(needed)), "{needed}: {linked:?}");
    }
    assert_eq!(dpkg(&["--verify", "closecheck"]).succeeded().stdout, "");
    dpkg(&["--purge", "closecheck"]).succeeded();
    let left: Vec<PathBuf> =
        files(&system).into_iter().filter(|path| !path.starts_with("var")).collect();
    assert_eq!(left, Vec::<PathBuf>::new());
}

/// The crate builds from what is in it: the captures and schemas that are part of the program are, and nothing big is.
#[test]
fn the_crate_has_what_it_needs_and_nothing_big() {
    let mut cargo = clean(env!("CARGO"));
    cargo.args(["package", "--list", "--offline", "--allow-dirty"]).current_dir(PROJECT);
    let listed = run(&mut cargo);
    let listed: Vec<&str> = listed.succeeded().stdout.lines().collect();
    for needed in [
        "Cargo.lock",
        "LICENSE-APACHE",
        "LICENSE-MIT",
        "README.md",
        "src/main.rs",
        "docs/schema.json",
        "docs/compare.schema.json",
        "docs/doctor.schema.json",
        "fixtures/stacks/refused.pcap",
    ] {
        assert!(listed.contains(&needed), "{needed}: {listed:?}");
    }
    assert!(!listed.iter().any(|path| path.starts_with(".ci/") || path.starts_with(".github/")));
    let size =
        |path: &&str| fs::metadata(Path::new(PROJECT).join(path)).map_or(0, |file| file.len());
    let sizes: Vec<u64> = listed.iter().map(size).collect();
    assert!(sizes.iter().max() < Some(&(200 << 10)), "{sizes:?}");
    assert!(sizes.iter().sum::<u64>() < 4 << 20, "{sizes:?}");
}
