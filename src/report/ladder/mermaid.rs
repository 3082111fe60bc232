//! A ladder as Mermaid's sequence diagram, which Markdown shows on many sites.

use std::io::{self, Write};

use super::{Arrow, Ladder, Rung, Scope};
use crate::decode::Flags;
use crate::flow::End;
use crate::report::facts::ended;
use crate::report::text::wrap;
use crate::report::{Numbers, Record, Trace, escape};

/// Letters of a note that the room between two lifelines is wide enough for; Mermaid breaks no lines itself.
const NOTE: usize = 56;

/// Writes a heading and a fenced block with the diagram, as Markdown has them.
pub(in crate::report) fn write(
    record: &Record,
    trace: &Trace,
    numbers: Numbers,
    out: &mut dyn Write,
) -> io::Result<()> {
    let ladder = Ladder::new(record, trace, Scope::Teardown, numbers);
    writeln!(out, "### Connection {}: {}\n\n```mermaid", record.id, ended(record))?;
    write_diagram(&ladder, out)?;
    writeln!(out, "```\n")
}

fn write_diagram(ladder: &Ladder, out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "sequenceDiagram")?;
    for end in End::BOTH {
        writeln!(out, "    participant {} as {}", letter(end), text(ladder.parties.at(end)))?;
    }
    let states = End::BOTH.map(|end| ladder.before.at(end).map(|state| (end, state.name())));
    write_states(states, out)?;
    for rung in &ladder.rungs {
        match rung {
            Rung::Arrow(arrow) => write_arrow(arrow, out)?,
            Rung::Between(between) => writeln!(out, "    Note over C,S: {}", text(between))?,
        }
    }
    match ladder.reason() {
        Some(reason) => {
            let lines: Vec<String> = wrap(&reason, NOTE).iter().map(|line| text(line)).collect();
            writeln!(out, "    Note over C,S: {}", lines.join("<br/>"))
        }
        None => Ok(()),
    }
}

/// An RST has a cross for its head, and a dotted line where it was without effect.
fn write_arrow(arrow: &Arrow, out: &mut dyn Write) -> io::Result<()> {
    let line = match (arrow.flags.has(Flags::RST), arrow.is_idle) {
        (true, true) => "--x",
        (true, false) => "-x",
        (false, _) => "->>",
    };
    let (from, to) = (letter(arrow.from), letter(arrow.from.other()));
    let label = format!("{} {} {}", arrow.number(), arrow.time, arrow.line());
    writeln!(out, "    {from}{line}{to}: {}", text(&label))?;
    let states = End::BOTH.map(|end| arrow.states.at(end).map(|state| (end, state.name())));
    write_states(states, out)
}

fn write_states(states: [Option<(End, &str)>; 2], out: &mut dyn Write) -> io::Result<()> {
    for (end, state) in states.into_iter().flatten() {
        let side = match end {
            End::Client => "left",
            End::Server => "right",
        };
        writeln!(out, "    Note {side} of {}: {state}", letter(end))?;
    }
    Ok(())
}

fn letter(end: End) -> char {
    match end {
        End::Client => 'C',
        End::Server => 'S',
    }
}

/// Text that ends no statement, opens no tag and closes no block: what means something to Mermaid or HTML is written
/// as Mermaid's entity codes.
fn text(text: &str) -> String {
    let mut harmless = String::with_capacity(text.len());
    for character in escape(text).chars() {
        match character {
            '#' | ';' | '<' | '>' | '&' | '"' | '`' | '\\' | '%' => {
                harmless.push_str(&format!("#{};", u32::from(character)));
            }
            plain => harmless.push(plain),
        }
    }
    harmless
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::samples::{RESET, SHORT, connection, reset_thrice};

    #[test]
    fn a_reset_is_a_diagram_in_a_fenced_block() {
        let (record, trace) = connection(SHORT, RESET);
        let mut out = Vec::new();
        write(&record, &trace, Numbers::Relative, &mut out).unwrap();
        let expected = "\
### Connection 1: rst by server

```mermaid
sequenceDiagram
    participant C as client 127.0.0.1:50000
    participant S as server 127.0.0.1:8000
    Note left of C: ESTABLISHED
    Note right of S: ESTABLISHED
    C->>S: 4 0.003000 [P.] seq 1:12 ack 1 len 11
    S->>C: 5 0.004000 [.] seq 1 ack 12 len 0
    S-xC: *6 0.005000 [R.] seq 1 ack 12 len 0
    Note left of C: CLOSED
    Note right of S: CLOSED
    Note over C,S: * frame 6 decides: rst by server (RST from the server,<br/>with ACK and a window, as a live \
                        socket sends it, RFC<br/>9293 3.10.7.4)
```

";
        assert_eq!(String::from_utf8(out).unwrap(), expected);
    }

    #[test]
    fn a_reset_without_effect_is_drawn_otherwise_than_one_with() {
        let (record, trace) = connection(SHORT, &reset_thrice());
        let mut out = Vec::new();
        write(&record, &trace, Numbers::Relative, &mut out).unwrap();
        let drawn = String::from_utf8(out).unwrap();
        let resets = drawn.lines().map(str::trim).filter(|line| line.contains("[R"));
        let drawn_so: Vec<(&str, bool)> = resets
            .map(|line| (line.split(':').next().unwrap(), line.ends_with(", without effect")))
            .collect();
        assert_eq!(drawn_so, [("S--xC", true), ("S-xC", false), ("S--xC", true)], "{drawn}");
    }

    #[test]
    fn nothing_in_a_text_acts_on_mermaid_markdown_or_html() {
        let hostile = "a;b#c\n```\n<img src=x>\u{202e}%%{init}";
        let shown = text(hostile);
        assert!(!shown.contains(['\n', '`', '<', '>', '%', '\\', '\u{202e}']), "{shown}");
        assert!(shown.starts_with("a#59;b#35;c#92;u{a}"), "{shown}");
    }
}
