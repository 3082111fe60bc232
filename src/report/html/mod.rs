//! A report as one page that needs nothing beside itself: no network, no other file. Its script may do nothing but
//! read the data that the page brings along, which the page's own policy (CSP) makes sure of.
//!
//! A [`Page`] is the same for every command: figures, charts, notices, and a table whose rows open. What is in it
//! depends on the input alone, so that the same input gives the same bytes.

mod chart;
mod checks;
mod connections;
mod detail;
mod ends;
mod escape;
mod filters;
mod streams;
mod table;
mod timeline;

pub use checks::ChecksPage;
pub use connections::{ConnectionsPage, Listed};
pub(in crate::report) use detail::Course;
pub(crate) use detail::Detail;
pub use detail::Drawn;
pub(crate) use ends::{Ends, tone};
pub(crate) use filters::of_connection;
pub use streams::Streams;
pub(crate) use table::{Kind, Table};

use std::io::{self, Write};

use serde::Serialize;

use super::text::{counted, grouped};
use escape::html;

const STYLE: &str = include_str!("page.css");
const SCRIPT: &str = concat!(include_str!("ladder.js"), include_str!("page.js"));
/// The most files that the head of a page names in a line.
const FEW: usize = 4;
/// SHA-256 of the script in base64, by which the page's policy knows it; a test holds it to the script.
const SCRIPT_HASH: &str = include_str!("script.sha256");

/// The weight that something has: colour, and more than colour.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Tone {
    /// Neither good nor bad.
    #[default]
    Plain,
    /// As it should be: a FIN.
    Calm,
    /// What one looks for: an RST, a difference.
    Loud,
    /// What is uncertain or missing.
    Doubt,
}

impl Tone {
    fn class(self) -> &'static str {
        match self {
            Tone::Plain => "plain",
            Tone::Calm => "calm",
            Tone::Loud => "loud",
            Tone::Doubt => "doubt",
        }
    }
}

/// A report on its way into a page.
#[derive(Debug, Default)]
pub struct Page {
    /// The command: `closecheck read`.
    title: String,
    /// What it was about, in a line each; behind some, a list that opens.
    about: Vec<(String, Vec<String>)>,
    figures: Vec<(String, String, Tone)>,
    notices: Vec<(String, String, Tone)>,
    /// Titles and pictures; those of one row belong together.
    charts: Vec<Vec<(String, String)>>,
    /// What the rows are.
    noun: &'static str,
    table: Table,
    rows: Vec<String>,
}

impl Page {
    /// A page with a table of these columns, whose rows are so called.
    pub(crate) fn new(title: &str, noun: &'static str, table: Table) -> Page {
        Page { title: title.to_owned(), noun, table, ..Page::default() }
    }

    /// Adds a line on what the report is about.
    pub(crate) fn about(&mut self, text: impl Into<String>) {
        self.about.push((text.into(), Vec::new()));
    }

    /// Adds a line on the files that the report is about, behind these words: a few as they are, many as their number
    /// and a list that opens.
    pub(crate) fn about_files(&mut self, lead: &str, files: &[String]) {
        let line = match files.len() {
            ..=FEW => (format!("{lead}{}", files.join(", ")), Vec::new()),
            many => (format!("{lead}{}", counted(many as u64, "file")), files.to_vec()),
        };
        self.about.push(line);
    }

    /// Adds a summary figure.
    pub(crate) fn figure(&mut self, count: u64, name: &str, tone: Tone) {
        let tone = if count == 0 { Tone::Plain } else { tone };
        self.figures.push((grouped(count), name.to_owned(), tone));
    }

    /// Adds the figure of all that there are of something: `1 connection`, `2 connections`.
    pub(crate) fn total(&mut self, count: u64, noun: &str) {
        let plural = if count == 1 { "" } else { "s" };
        self.figure(count, &format!("{noun}{plural}"), Tone::Plain);
    }

    /// Adds something that the reader must know: a word for it, and a sentence.
    pub(crate) fn notice(&mut self, word: &str, text: impl Into<String>, tone: Tone) {
        self.notices.push((word.to_owned(), text.into(), tone));
    }

    /// Adds a chart of counts.
    pub(crate) fn bars(&mut self, title: &str, bars: &[(String, u64, Tone)]) {
        let bars: Vec<_> = bars.iter().filter(|(_, count, _)| *count > 0).collect();
        if !bars.is_empty() {
            self.charts.push(vec![(title.to_owned(), chart::bars(&bars))]);
        }
    }

    /// The table, to make cells with.
    pub(crate) fn table(&mut self) -> &mut Table {
        &mut self.table
    }

    /// Adds a row.
    ///
    /// # Errors
    /// A row that cannot be written as JSON, of which none is known.
    pub(crate) fn row(&mut self, cells: Vec<serde_json::Value>, detail: &Detail) -> io::Result<()> {
        self.rows.push(Table::row(cells, detail)?);
        Ok(())
    }

    /// Writes the page.
    ///
    /// # Errors
    /// Whatever the writer fails with.
    pub fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        self.write_head(out)?;
        self.write_summary(out)?;
        self.write_table(out)?;
        write!(
            out,
            "<script type=\"application/json\" id=\"data\">{},\"rows\":[",
            self.table.head()?
        )?;
        for (place, row) in self.rows.iter().enumerate() {
            write!(out, "{}\n{row}", if place > 0 { "," } else { "" })?;
        }
        writeln!(out, "\n]}}</script>\n<script>{SCRIPT}</script>\n</body>\n</html>")
    }

    fn write_head(&self, out: &mut dyn Write) -> io::Result<()> {
        let title = html(&self.title);
        let subject =
            self.about.first().map(|(about, _)| format!(": {}", html(about))).unwrap_or_default();
        let (hash, version) = (SCRIPT_HASH.trim_end(), env!("CARGO_PKG_VERSION"));
        write!(
            out,
            "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
             <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; \
             style-src 'unsafe-inline'; script-src 'sha256-{hash}'; base-uri 'none'; form-action 'none'\">\n\
             <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
             <meta name=\"color-scheme\" content=\"light dark\">\n\
             <meta name=\"generator\" content=\"closecheck {version}\">\n\
             <title>{title}{subject}</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n\
             <header>\n<h1>{title}</h1>\n"
        )?;
        for (line, list) in &self.about {
            let (line, list) = (html(line), html(&list.join(", ")));
            match list.is_empty() {
                true => writeln!(out, "<p>{line}</p>")?,
                false => {
                    writeln!(out, "<details><summary>{line}</summary><p>{list}</p></details>")?;
                }
            }
        }
        writeln!(out, "</header>")
    }

    fn write_summary(&self, out: &mut dyn Write) -> io::Result<()> {
        writeln!(out, "<main>\n<dl class=\"figures\" aria-label=\"summary\">")?;
        for (value, name, tone) in &self.figures {
            let (tone, name) = (tone.class(), html(name));
            writeln!(out, "<div class=\"{tone}\"><dt>{name}</dt><dd>{value}</dd></div>")?;
        }
        writeln!(out, "</dl>")?;
        if !self.notices.is_empty() {
            writeln!(out, "<ul class=\"notices\" aria-label=\"notices\">")?;
            for (word, text, tone) in &self.notices {
                let (tone, word, text) = (tone.class(), html(word), quoted(&html(text)));
                writeln!(out, "<li class=\"{tone}\"><strong>{word}</strong> {text}</li>")?;
            }
            writeln!(out, "</ul>")?;
        }
        for row in &self.charts {
            writeln!(out, "<div class=\"charts\">")?;
            for (title, svg) in row {
                let title = html(title);
                writeln!(out, "<figure><figcaption>{title}</figcaption>{svg}</figure>")?;
            }
            writeln!(out, "</div>")?;
        }
        Ok(())
    }

    /// The frame of the table; its rows are made by the script as they come into sight.
    fn write_table(&self, out: &mut dyn Write) -> io::Result<()> {
        let noun = self.noun;
        write!(
            out,
            "<section class=\"list\" aria-label=\"{noun}s\" data-noun=\"{noun}\">\n\
             <div class=\"tools\">\n\
             <label>Filter <input type=\"search\" id=\"filter\" autocomplete=\"off\" spellcheck=\"false\" \
             placeholder=\"words, all of them\" aria-keyshortcuts=\"/\"> \
             <kbd aria-hidden=\"true\">/</kbd></label>\n\
             <span class=\"words\" id=\"words\" role=\"group\" aria-label=\"only\"></span>\n\
             <output id=\"count\" for=\"filter\" aria-live=\"polite\"></output>\n</div>\n\
             <div class=\"scroller\" id=\"scroller\">\n\
             <table role=\"grid\" aria-label=\"{noun}s\" aria-describedby=\"keys\"><colgroup id=\"cols\"></colgroup>\
             <thead><tr id=\"heads\"></tr></thead><tbody id=\"rows\"></tbody></table>\n</div>\n\
             <p class=\"hint\" id=\"keys\">Enter opens a row, the arrow keys go from one to the next, / filters, \
             Escape closes.</p>\n\
             <noscript><p class=\"notices\">The table and the diagrams are made by the script in this page, \
             which does not run here.</p></noscript>\n\
             </section>\n</main>\n\
             <dialog id=\"detail\" aria-labelledby=\"what\"><form method=\"dialog\" class=\"bar\">\
             <h2 id=\"what\" tabindex=\"-1\"></h2>\
             <span><button type=\"button\" id=\"previous\">Previous</button> \
             <button type=\"button\" id=\"next\">Next</button> <button id=\"close\">Close</button></span></form>\
             <div id=\"body\"></div></dialog>\n"
        )
    }
}

/// What stands between backticks in a text that is HTML already, as code.
fn quoted(html: &str) -> String {
    let mut parts: Vec<&str> = html.split('`').collect();
    // One without its counterpart is one.
    let rest = if parts.len().is_multiple_of(2) { parts.pop() } else { None };
    let mut text = String::new();
    for (place, part) in parts.into_iter().enumerate() {
        match place % 2 {
            0 => text.push_str(part),
            _ => text.extend(["<code>", part, "</code>"]),
        }
    }
    text.extend(rest.into_iter().flat_map(|rest| ["`", rest]));
    text
}

#[cfg(test)]
mod tests {
    use super::{Page, Table, quoted};

    #[test]
    fn a_total_of_one_has_no_plural() {
        let mut page = Page::new("closecheck read", "connection", Table::new(&[]));
        [0, 1, 1000].into_iter().for_each(|count| page.total(count, "connection"));
        let shown: Vec<String> =
            page.figures.iter().map(|(count, name, _)| format!("{count} {name}")).collect();
        assert_eq!(shown, ["0 connections", "1 connection", "1,000 connections"]);
    }

    #[test]
    fn what_is_quoted_is_code_and_a_lone_backtick_is_one() {
        assert_eq!(quoted("ended `rst` and `fin`"), "ended <code>rst</code> and <code>fin</code>");
        assert_eq!(quoted("a ` b"), "a ` b");
        assert_eq!(quoted("`a` ` b"), "<code>a</code> ` b");
    }
}
