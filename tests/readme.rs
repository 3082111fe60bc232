//! Holds the README's screen against what the program prints: the same word by word, but for what
//! differs from run to run.
#![cfg(target_os = "linux")]

mod support;

use support::live::{Watch, private_network};
use support::{clean, closecheck, quoted_words, run, words};

/// The words of a screen, with the numbers that depend on time or chance replaced.
fn normalised(screen: &str) -> Vec<&str> {
    let is_time = |word: &str| word.contains('.') && word.parse::<f64>().is_ok();
    let is_clock = |word: &str| word.split(':').count() == 3;
    let normal = |word| match word {
        "127.0.0.1:8000," => word,
        _ if is_clock(word) => "CLOCK",
        _ if word.starts_with("127.0.0.1:") => "CLIENT",
        _ if is_time(word) => "TIME",
        _ => word,
    };
    // Which process it was is told where the kernel could be asked in time.
    screen.split_whitespace().filter(|word| !word.starts_with("python3[")).map(normal).collect()
}

#[test]
fn the_screen_in_the_readme_is_what_the_program_shows() {
    let readme = include_str!("../README.md");
    let screen = readme.split("```text\n").nth(1).unwrap().split("```").next().unwrap();
    // Whether the release takes three segments or four is a matter of timing; the README shows three.
    let shown = (0..50)
        .map(|_| {
            let mut command = closecheck(words("--linger 1 --isolate always"));
            run(command.env("LC_ALL", "C.UTF-8")).succeeded().stdout.clone()
        })
        .find(|text| text.contains("three segments"))
        .unwrap();
    assert_eq!(normalised(screen), normalised(&shown));
}

/// What stands behind this command in the README.
fn shown_behind(command: &str) -> &'static str {
    let readme = include_str!("../README.md");
    let (_, behind) = readme.split_once(&format!("```text\n$ {command}\n")).expect(command);
    behind.split_once("\n```").map_or(behind, |(screen, _)| screen)
}

#[test]
fn the_command_in_the_readme_is_judged_as_shown() {
    let command = "closecheck run --expect 'not rst' -w resets.pcap -- python3 tests/programs/connection.py rst 0";
    let folder = tempfile::tempdir().unwrap();
    let packets = folder.path().join("resets.pcap").to_str().unwrap().to_owned();
    let mut arguments: Vec<&str> = quoted_words(command.strip_prefix("closecheck ").unwrap());
    for argument in &mut arguments {
        if *argument == "resets.pcap" {
            *argument = &packets;
        }
    }
    let ran =
        run(closecheck(arguments).env("LC_ALL", "C.UTF-8").current_dir(env!("CARGO_MANIFEST_DIR")));
    let report = ran.exits(1).stderr.replace(&packets, "resets.pcap");
    // Root is told before the report with which rights it goes on.
    let report = &report[report.find("1 connection: ").unwrap()..];
    assert_eq!(normalised(shown_behind(command)), normalised(report));
}

#[test]
#[ignore = "needs root"]
fn the_watch_in_the_readme_tells_what_is_shown() {
    private_network();
    // On a terminal, lines are the default.
    let watch = Watch::start("-i lo --format table");
    for end in ["fin", "rst"] {
        let script = format!("{}/tests/programs/connection.py", env!("CARGO_MANIFEST_DIR"));
        run(clean("python3").args([&script, end, "0"])).succeeded();
    }
    let told = [(); 3].map(|()| watch.line()).join("\n");
    watch.stop();
    assert_eq!(normalised(shown_behind("sudo closecheck watch -i lo")), normalised(&told));
}

#[test]
fn every_command_in_the_readme_is_understood() {
    let readme = include_str!("../README.md");
    let section = readme.split("## Use").nth(1).unwrap().split("```").nth(1).unwrap();
    let command =
        |line: &'static str| line.strip_prefix("sudo ").unwrap_or(line).strip_prefix("closecheck ");
    let commands: Vec<&str> = section.lines().filter_map(command).collect();
    assert!(commands.len() >= 25, "{commands:?}");
    for command in commands {
        // What stands two spaces behind a command explains it; `read` takes files that are not there.
        let end = ["  ", " | ", " > "].iter().filter_map(|end| command.find(end)).min();
        let arguments = &command[..end.unwrap_or(command.len())];
        // Behind `--` it would be the command's that is run.
        let options = quoted_words(arguments).into_iter().take_while(|&argument| argument != "--");
        let understood = run(closecheck(options).arg("--help"));
        assert_eq!(understood.code(), 0, "{command}: {}", understood.stderr);
    }
}

#[test]
fn every_fault_in_the_readme_has_its_tests() {
    let readme = include_str!("../README.md");
    let section = readme.split("## Faults\n").nth(1).unwrap().split("\n## ").next().unwrap();
    let rows: Vec<&str> = section.lines().filter(|line| line.starts_with("| ")).skip(1).collect();
    assert!(rows.len() > 20, "{}", rows.len());
    for row in rows {
        let tests = row.trim_end_matches(" |").rsplit(" | ").next().unwrap();
        for test in tests.split(' ') {
            let (file, name) = test.trim_matches('`').split_once("::").expect(row);
            let path = format!("{}/tests/{file}.rs", env!("CARGO_MANIFEST_DIR"));
            let source = std::fs::read_to_string(path).expect(test);
            let (before, _) = source.split_once(&format!("\nfn {name}() {{\n")).expect(test);
            let attributes = before.rsplit("\n\n").next().unwrap();
            assert!(attributes.contains("#[test]"), "{test}");
        }
    }
}

/// What a line of the recorded matrix says behind its name.
fn recorded<'a>(block: &'a str, name: &str) -> &'a str {
    block.lines().find_map(|line| line.trim_start().strip_prefix(name)).expect(name)
}

#[test]
fn the_table_of_scenarios_in_the_readme_is_the_recorded_matrix() {
    let matrix = include_str!("../fixtures/matrix/linux.txt");
    let readme = include_str!("../README.md");
    let table = readme.split("linux.txt -->\n").nth(1).unwrap().split("\n\n").next().unwrap();
    let mut rows = table.lines().skip(2);
    for scenario in closecheck::lab::Scenario::ALL {
        let cell = |linger: &str| {
            let shown = scenario.closers().iter().map(|closer| {
                let title = format!("{scenario}, closed by the {closer}, linger {linger}\n");
                let block = matrix.split("\n\n").find(|block| block.starts_with(&title)).unwrap();
                let verdict = recorded(block, "verdict: ").split(' ').next().unwrap();
                let waits = recorded(block, "close(): ").starts_with("1 to ");
                format!("`{verdict}`{}", if waits { ", close() waits 1 s" } else { "" })
            });
            let shown: Vec<String> = shown.collect();
            assert!(shown.windows(2).all(|pair| pair[0] == pair[1]), "{scenario}: {shown:?}");
            shown[0].clone()
        };
        let row = format!("| `{scenario}` | {} | {} | {} |", cell("off"), cell("0"), cell("1"));
        assert_eq!(rows.next(), Some(row.as_str()));
    }
    assert_eq!(rows.next(), None);
}
