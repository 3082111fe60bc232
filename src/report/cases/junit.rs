//! JUnit's XML, as Jenkins, GitLab and most viewers read it: a suite a group, a case each.
//!
//! A case that is not met is a `failure`; one that could not be checked, or whose evidence has holes, an
//! `error`. There are no times in it, so that the same captures give the same bytes.

use std::io::{self, Write};

use quick_xml::Writer;
use quick_xml::events::{BytesDecl, BytesEnd, BytesStart, BytesText, Event};

use super::{Case, CaseCounts, CaseOutcome};
use crate::report::escape;

/// A JUnit report while it is written.
pub struct Junit<W> {
    xml: Writer<W>,
}

impl<W: Write> Junit<W> {
    /// Begins a report of this name.
    ///
    /// # Errors
    /// Whatever the writer fails with.
    pub fn new(name: &str, out: W) -> io::Result<Junit<W>> {
        let mut xml = Writer::new_with_indent(out, b' ', 2);
        xml.write_event(Event::Decl(BytesDecl::new("1.0", Some("UTF-8"), None)))?;
        let suites =
            BytesStart::new("testsuites").with_attributes([("name", clean(name).as_str())]);
        xml.write_event(Event::Start(suites))?;
        Ok(Junit { xml })
    }

    /// Writes a suite.
    ///
    /// # Errors
    /// Whatever the writer fails with.
    pub fn group(&mut self, name: &str, cases: &[Case]) -> io::Result<()> {
        let mut counts = CaseCounts::default();
        counts.add(cases);
        let name = clean(name);
        let (tests, failures) = (counts.total().to_string(), counts.not_met.to_string());
        let errors = (counts.errors + counts.incomplete).to_string();
        let suite = BytesStart::new("testsuite").with_attributes([
            ("name", name.as_str()),
            ("tests", &tests),
            ("failures", &failures),
            ("errors", &errors),
            ("skipped", "0"),
        ]);
        self.xml.write_event(Event::Start(suite))?;
        cases.iter().try_for_each(|each| case(&mut self.xml, &name, each))?;
        self.xml.write_event(Event::End(BytesEnd::new("testsuite")))
    }

    /// Ends the report and gives the writer back.
    ///
    /// # Errors
    /// Whatever the writer fails with.
    pub fn finish(mut self) -> io::Result<W> {
        self.xml.write_event(Event::End(BytesEnd::new("testsuites")))?;
        let mut out = self.xml.into_inner();
        writeln!(out)?;
        Ok(out)
    }
}

fn case<W: Write>(xml: &mut Writer<W>, class: &str, case: &Case) -> io::Result<()> {
    let name = clean(&case.name);
    let element = BytesStart::new("testcase")
        .with_attributes([("name", name.as_str()), ("classname", class)]);
    let problem = match case.outcome {
        CaseOutcome::Met | CaseOutcome::Recorded => return xml.write_event(Event::Empty(element)),
        CaseOutcome::NotMet => "failure",
        CaseOutcome::Incomplete | CaseOutcome::Error => "error",
    };
    xml.write_event(Event::Start(element))?;
    let message = clean(&case.message);
    // Some readers refuse other attributes of a case than its names and its time.
    let place = case.place.as_ref().map(|(file, line)| match line {
        Some(line) => format!("{}:{line}: ", clean(file)),
        None => format!("{}: ", clean(file)),
    });
    let mut text: Vec<String> = vec![format!("{}{message}", place.unwrap_or_default())];
    text.extend(case.detail_lines().map(|line| clean(&line)));
    xml.create_element(problem)
        .with_attributes([("message", message.as_str()), ("type", case.outcome.text())])
        .write_text_content(BytesText::new(&text.join("\n")))?;
    xml.write_event(Event::End(BytesEnd::new("testcase")))
}

/// One line without characters that XML 1.0 does not have (2.2 Characters).
fn clean(text: &str) -> String {
    let mut clean = String::with_capacity(text.len());
    for character in escape(text).chars() {
        match character {
            '\u{fffe}' | '\u{ffff}' => clean.extend(character.escape_unicode()),
            _ => clean.push(character),
        }
    }
    clean
}

#[cfg(test)]
mod tests {
    use quick_xml::Reader;

    use super::super::hostile;
    use super::*;

    fn written(groups: &[(&str, Vec<Case>)]) -> String {
        let mut junit = Junit::new("closecheck verify", Vec::new()).unwrap();
        for (name, cases) in groups {
            junit.group(name, cases).unwrap();
        }
        String::from_utf8(junit.finish().unwrap()).unwrap()
    }

    #[test]
    fn a_group_is_a_suite_with_its_counts() {
        let failed = Case::new("recorded report", CaseOutcome::NotMet, "connection 1: verdict")
            .at("a.verdict", Some(3))
            .with_details("-fin\n+rst\n");
        let text = written(&[("a.pcap", vec![failed, Case::met("rule 1")])]);
        assert_eq!(
            text,
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
             <testsuites name=\"closecheck verify\">\n\
             \x20 <testsuite name=\"a.pcap\" tests=\"2\" failures=\"1\" errors=\"0\" skipped=\"0\">\n\
             \x20   <testcase name=\"recorded report\" classname=\"a.pcap\">\n\
             \x20     <failure message=\"connection 1: verdict\" type=\"not as expected\">\
             a.verdict:3: connection 1: verdict\n-fin\n+rst</failure>\n\
             \x20   </testcase>\n\
             \x20   <testcase name=\"rule 1\" classname=\"a.pcap\"/>\n\
             \x20 </testsuite>\n\
             </testsuites>\n"
        );
    }

    #[test]
    fn hostile_text_stays_text() {
        let text = written(&[(hostile::NAME, vec![hostile::case()])]);
        assert!(!text.contains(|letter| letter < ' ' && letter != '\n'), "{text}");
        assert!(!text.contains('\u{fffe}') && !text.contains('\u{202e}'));
        let mut reader = Reader::from_str(&text);
        let mut elements = Vec::new();
        loop {
            match reader.read_event().unwrap() {
                Event::Eof => break,
                Event::Start(element) => {
                    let name = element.name().as_ref().to_owned();
                    for attribute in element.attributes() {
                        attribute.unwrap();
                    }
                    elements.push(name);
                }
                _ => {}
            }
        }
        assert_eq!(elements, ["testsuites", "testsuite", "testcase", "failure"]);
    }
}
