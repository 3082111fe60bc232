//! Holds the pages in docs/ to the program: what is shown there is what it prints, and each rule is shown on a capture
//! that this rule decides.
#![expect(clippy::unwrap_used, reason = "in a test a panic is the report")]

mod support;

use std::fs;
use std::path::{Path, PathBuf};

use closecheck::capture::{Input, Merged, Stop};
use closecheck::decode::decode;
use closecheck::flow::{Reset, Table};
use serde_json::{Value, json};
use support::fixtures::{FIXTURES, Folder};
use support::links::{anchors, links};
use support::{PROGRAM, Ran, clean, closecheck, quoted_words, run, words};

const PROJECT: &str = env!("CARGO_MANIFEST_DIR");
const LINGER: &str = include_str!("../docs/linger.md");
const VERDICTS: &str = include_str!("../docs/verdicts.md");
const COMMAND: &str = "$ closecheck read --ladder ";

fn check(project: &Path) -> Ran {
    let mut script = clean("python3");
    script.arg(project.join("scripts/docs")).args(["--check", "--program", PROGRAM]);
    run(&mut script)
}

#[test]
fn the_pages_show_what_the_program_prints() {
    let checked = check(Path::new(PROJECT));
    checked.succeeded();
    assert_eq!(checked.stdout, "");
}

#[test]
fn a_page_that_is_not_current_is_found_and_shown() {
    let folder = Folder::new();
    for name in ["README.md", "docs", "scripts", "fixtures", "src"] {
        let mut copy = clean("cp");
        run(copy.arg("-r").arg(Path::new(PROJECT).join(name)).arg(folder.root())).succeeded();
    }
    check(folder.root()).succeeded();
    let stale = [
        ("docs/linger.md", "verdict | `fin` by server", "verdict | `rst` by server"),
        ("docs/linger.md", "8 0.050367       CLOSED", "8 0.050367  ESTABLISHED"),
        ("docs/verdicts.md", "| 5 | `half-closed`", "| 5 | `half-open`"),
        ("docs/verdicts.md", "`fin`: both ends sent a FIN.", "`fin`: each end sent a FIN."),
        ("src/verdict/reset.rs", "the same, less sure.", "the same, not so sure."),
        ("docs/record.md", "| Packets read. |", "| Packets. |"),
        ("docs/schema.json", "\"Packets read.\"", "\"Packets.\""),
        ("fixtures/matrix/linux.txt", "4096 of 4096 bytes", "4095 of 4096 bytes"),
    ];
    for (name, from, to) in stale {
        let before = folder.read(name);
        assert!(before.contains(from), "{name} has no {from:?}");
        folder.write(name, before.replace(from, to));
        let checked = check(folder.root());
        checked.exits(1).complains("docs: not current (hint: run scripts/docs)\n");
        assert!(
            checked.stdout.contains(to) && checked.stdout.contains("\n@@"),
            "{}",
            checked.stdout
        );
        folder.write(name, before);
    }
}

/// The sections of docs/verdicts.md under headings such as `### Rule 1: …`: number, the rest of the heading, and the
/// arguments of the commands shown.
fn sections(kind: &str) -> Vec<(u64, String, Vec<Vec<&'static str>>)> {
    let heading = format!("\n### {kind} ");
    let section = |text: &'static str| {
        let (title, body) = text.split_once('\n').unwrap();
        let (number, title) = title.split_once(": ").unwrap();
        let body = body.split("\n## ").next().unwrap().split("\n### ").next().unwrap();
        let commands = body.lines().filter_map(|line| line.strip_prefix(COMMAND));
        (number.parse().unwrap(), title.replace('`', ""), commands.map(quoted_words).collect())
    };
    VERDICTS.split(heading.as_str()).skip(1).map(section).collect()
}

/// What closecheck says of the close of the one connection in a capture.
fn close(arguments: &[&str]) -> Value {
    let mut command = closecheck(["read", "--format", "json"]);
    let report = run(command.args(arguments).current_dir(PROJECT)).succeeded().json();
    assert_eq!(report["summary"]["connections"], 1, "{report:#}");
    report["connections"][0]["close"].clone()
}

#[test]
fn every_rule_is_shown_on_a_capture_that_it_decides() {
    let sections = sections("Rule");
    assert!(sections.iter().map(|section| section.0).eq(1..=7));
    for (number, verdict, commands) in sections {
        assert!(!commands.is_empty(), "rule {number}");
        for arguments in commands {
            let close = close(&arguments);
            assert_eq!(close["rule"]["id"], json!(number), "{arguments:?}: {close:#}");
            assert_eq!(close["verdict"], json!(verdict), "{arguments:?}: {close:#}");
        }
    }
}

#[test]
fn every_mark_is_shown_on_a_capture_with_its_cause() {
    let sections = sections("Mark");
    assert!(sections.iter().map(|section| section.0).eq(1..=9));
    for (number, title, commands) in sections {
        assert_eq!(commands.len(), 1, "mark {number}");
        let close = close(&commands[0]);
        let cause = format!("{}, {}", word(&close["cause"]), word(&close["confidence"]));
        assert_eq!(cause, title, "mark {number}: {close:#}");
    }
}

/// What tells the cause, in the first connection of each capture: the frames and what they show.
#[test]
fn the_evidence_of_a_third_box_and_of_a_timer_is_what_proves_them() {
    let expected: &[(&str, &[(u64, &str)])] = &[
        (
            "rst-forged-to-client",
            &[
                (6, "segment of the server with time to live 64"),
                (8, "time to live 200, where the server's other segments have 64"),
                (9, "segment of the server, which goes on as if it had sent no RST"),
            ],
        ),
        (
            "rst-forged-late",
            &[
                (15, "segment of the server up to 251"),
                (16, "sequence number 201, where the server had sent up to 251"),
            ],
        ),
        (
            "rst-forged-to-both",
            &[
                (6, "segment of the server with time to live 64"),
                (8, "time to live 200, where the server's other segments have 64"),
            ],
        ),
        (
            "idle-state-lost",
            &[
                (6, "segment of the server with time to live 64"),
                (8, "segment of the client that the RST answers"),
                (9, "time to live 255, where the server's other segments have 64"),
                (
                    9,
                    "packet that may be fragmented or has an identification, unlike a kernel's answer",
                ),
            ],
        ),
        (
            "rst-with-a-wrong-acknowledgement",
            &[(8, "acknowledges 268435557, where the client had sent up to 101")],
        ),
        (
            "keep-alive-timeout",
            &[
                (8, "first of 3 keep-alive probes of the client, unanswered"),
                (10, "last of the client's keep-alive probes, unanswered"),
            ],
        ),
        (
            "keep-alive-timeout-after-two",
            &[
                (8, "first of 2 keep-alive probes of the client, unanswered"),
                (9, "last of the client's keep-alive probes, unanswered"),
            ],
        ),
    ];
    for (capture, proofs) in expected {
        let close = close(&[format!("fixtures/stacks/{capture}.pcap").as_str()]);
        let evidence = close["evidence"].as_array().unwrap().iter();
        let shown = evidence.map(|each| (each["frame"].as_u64().unwrap(), word(&each["text"])));
        let shown: Vec<_> = shown
            .filter(|(_, text)| !text.starts_with("RST from") && !text.contains("FIN"))
            .collect();
        assert_eq!(shown, *proofs, "{capture}");
    }
}

fn word(value: &Value) -> &str {
    value.as_str().unwrap_or("none")
}

/// The RST that ended the first connection in a capture.
fn reset(capture: &str) -> Reset {
    let path = PathBuf::from(FIXTURES).join("stacks").join(capture);
    let mut frames = Merged::open(&[Input::from(path)], &Stop::never().unwrap()).unwrap();
    let mut table = Table::default();
    while let Some((_, frame)) = frames.next_frame() {
        table.push(&decode(&frame).unwrap());
    }
    *table.into_connections().next().unwrap().reset().unwrap()
}

/// Of the marks that lead to the same cause and confidence, the captures bear the one that they are shown for and none
/// that comes before it.
#[test]
fn the_marks_of_a_third_box_are_each_shown_alone() {
    let late = reset("rst-forged-late.pcap");
    assert!(late.has_ack && late.lags && late.contradicted.is_none());
    assert_eq!(late.ttl_distance(), Some(0));
    let far = reset("rst-forged-to-both.pcap");
    assert!(far.has_ack && !far.lags && far.contradicted.is_none());
    assert_eq!((far.ttl, far.other_ttls), (200, Some((64, 64))));
    let without_ack = reset("idle-state-lost.pcap");
    assert!(!without_ack.has_ack && without_ack.contradicted.is_none() && !without_ack.kernel_made);
    assert_eq!(without_ack.ttl_distance(), Some(255 - 64));
}

/// What `scripts/docs` writes comes from one run for both, so that they can differ in nothing but their prose.
#[test]
fn the_answer_in_chinese_shows_what_the_english_one_shows() {
    let [english, chinese] = [LINGER, include_str!("../docs/linger.zh-CN.md")].map(|page| {
        let written = |line: &&str| {
            line.starts_with("$ closecheck")
                || line.starts_with("<!-- scripts/docs")
                || line.starts_with('#')
        };
        let heading =
            |line: &str| line.starts_with('#').then(|| line.split(' ').next().unwrap().to_owned());
        let lines = page.lines().filter(written);
        lines.map(|line| heading(line).unwrap_or_else(|| line.to_owned())).collect::<Vec<_>>()
    });
    assert!(english.len() > 20);
    assert_eq!(chinese, english);
}

#[test]
fn the_commands_to_try_are_understood() {
    let (_, block) = LINGER.rsplit_once("## See for yourself").unwrap();
    let commands: Vec<&str> =
        block.lines().filter_map(|line| line.strip_prefix("closecheck ")).collect();
    assert!(commands.len() >= 4, "{commands:?}");
    for command in commands {
        // Behind two spaces stands what it does, behind `--` the options of what it runs.
        let arguments = words(command.split("  ").next().unwrap()).into_iter();
        let options = arguments.take_while(|&argument| argument != "--");
        run(closecheck(options).arg("--help")).succeeded();
    }
}

#[test]
fn links_lead_somewhere_and_to_every_page() {
    let project = Path::new(PROJECT).canonicalize().unwrap();
    let folder = fs::read_dir(project.join("docs")).unwrap();
    let mut pages: Vec<PathBuf> = folder.map(|entry| entry.unwrap().path()).collect();
    pages.retain(|path| path.extension().is_some_and(|extension| extension == "md"));
    let readme = project.join("README.md");
    let linked: Vec<_> = pages.iter().chain([&readme]).map(|page| (page, links(page))).collect();
    for (page, (to, heading)) in
        linked.iter().flat_map(|(page, links)| links.iter().map(move |link| (page, link)))
    {
        let Some(heading) = heading else { continue };
        assert!(anchors(to).contains(heading), "{}: #{heading}", page.display());
    }
    for page in &pages {
        let others = linked.iter().filter(|(from, _)| *from != page);
        let is_linked = others.flat_map(|(_, links)| links).any(|(to, _)| to == page);
        assert!(is_linked, "no page links to {}", page.display());
    }
}

#[test]
fn the_pages_and_captures_that_the_text_names_exist() {
    for page in ["linger.md", "linger.zh-CN.md", "verdicts.md", "record.md"] {
        let text = fs::read_to_string(Path::new(PROJECT).join("docs").join(page)).unwrap();
        let named = text.split(|c: char| c.is_whitespace() || c == '`');
        let paths: Vec<&str> = named
            .filter(|word| {
                ["fixtures/", "tests/", "scripts/"].iter().any(|top| word.starts_with(top))
            })
            .collect();
        assert!(!paths.is_empty(), "{page}");
        for path in paths {
            let path = path.trim_end_matches(['.', ',', ';', ':']);
            assert!(Path::new(PROJECT).join(path).exists(), "{page}: {path}");
        }
    }
}

/// The recipe in docs/record.md in this language.
fn recipe(language: &str) -> &'static str {
    let (_, block) =
        include_str!("../docs/record.md").split_once(&format!("```{language}\n")).unwrap();
    block.split_once("```").unwrap().0
}

#[test]
fn the_recipe_for_jq_counts_who_reset() {
    let programs = Path::new(PROGRAM).parent().unwrap().display();
    let path = format!("{programs}:{}", std::env::var("PATH").unwrap());
    let mut shell = clean("bash");
    shell.args(["-o", "pipefail", "-c", recipe("sh")]).env("PATH", path).current_dir(PROJECT);
    let counted = run(&mut shell);
    let rows: Vec<Vec<&str>> = counted.succeeded().stdout.lines().map(words).collect();
    let row = |by, cause| vec!["1", "127.0.0.1", "8000", by, cause];
    assert_eq!(rows, [row("server", "refusal"), row("client", "abort")]);
}

/// scripts/prepare installs DuckDB beside what cargo builds.
#[test]
fn the_recipe_for_duckdb_counts_verdicts() {
    let python = Path::new(PROGRAM).ancestors().nth(2).unwrap().join("python/bin/python");
    if !python.exists() {
        #[expect(clippy::print_stderr, reason = "a test that is skipped says so")]
        {
            eprintln!("skipped: DuckDB is not installed (scripts/prepare test does that)");
        }
        return;
    }
    let folder = Folder::new();
    let mut read = closecheck(["read", "--format", "ndjson", "fixtures/stacks/refused.pcap"]);
    read.args(["fixtures/stacks/abort-linger-0.pcap", "fixtures/linux-linger-1.pcap"]);
    read.args(["fixtures/linux-linger-off.pcap"]);
    folder.write("closes.ndjson", run(read.current_dir(PROJECT)).succeeded().stdout.clone());
    let script = "import duckdb, sys\nfor row in duckdb.sql(sys.argv[1]).fetchall(): print(*row)";
    let mut query = clean(python);
    query.args(["-c", script, recipe("sql")]).current_dir(folder.root());
    let shown = run(&mut query);
    assert_eq!(shown.succeeded().stdout, "fin server 2 0\nrefused server 1 0\nrst client 1 0\n");
}
