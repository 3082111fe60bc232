//! Judges every connection in a capture file.

use std::collections::BTreeMap;

use super::args::ReadPlan;
use super::command::{check, print, styles, warn_incomplete};
use super::failure::Failure;
use super::status::Status;
use crate::capture::{CaptureFile, ReadError};
use crate::decode::{Skip, decode};
use crate::flow::Table;
use crate::report::{CaptureSummary, Record, Report, write};
use crate::verdict::{Close, Gap, judge};

/// Reads the file to its end, or as far as it goes, and reports.
pub(super) fn run(plan: &ReadPlan) -> Result<Status, Failure> {
    let fail = |source| Failure::Read { path: plan.file.clone(), source };
    let mut file = CaptureFile::open(&plan.file).map_err(fail)?;
    let name = plan.file.display().to_string();
    let mut capture = CaptureSummary {
        files: vec![name.clone()],
        link_types: vec![file.link().to_string()],
        ..CaptureSummary::default()
    };
    let mut table = Table::default();
    let mut skipped: BTreeMap<&'static str, u64> = BTreeMap::new();
    loop {
        let frame = match file.next_frame() {
            Ok(Some(frame)) => frame,
            Ok(None) => break,
            Err(ReadError::CutOff) => {
                capture.incomplete.push(format!("{name}: {}", ReadError::CutOff));
                break;
            }
            Err(error) => return Err(fail(error)),
        };
        capture.packets += 1;
        match decode(&frame) {
            Ok(segment) => {
                capture.tcp_segments += 1;
                table.push(&segment);
            }
            Err(Skip::UnsupportedLink) => {
                return Err(Failure::LinkType { path: plan.file.clone(), link: frame.link });
            }
            Err(skip) => *skipped.entry(skip.reason()).or_insert(0) += 1,
        }
    }
    capture.skipped = skipped;
    let cut_off = !capture.incomplete.is_empty();
    let judged: Vec<(Close, Record)> = table
        .into_connections()
        .iter()
        .map(|connection| {
            let mut close = judge(connection);
            if cut_off && !connection.is_over() {
                close.add_gap(Gap::CutOff);
            }
            let record = Record::new(connection, close.clone(), Some(name.clone()));
            (close, record)
        })
        .collect();
    let (closes, records): (Vec<Close>, Vec<Record>) = judged.into_iter().unzip();
    let report = Report::new(capture, records);
    print(|out| write(&report, plan.report.format(), styles(plan.report.color), out))?;
    warn_incomplete(&report.capture, plan.report.format());
    Ok(check((1..).zip(&closes), plan.report.expect.as_ref(), cut_off))
}
