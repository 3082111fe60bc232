//! Where cases go: standard output, a JUnit file, and GitHub's annotations and step summary.

use std::env;
use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};

use super::args::{Annotations, CaseFilesArgs, CasesArgs, CasesFormat};
use super::command::say;
use super::failure::Failure;
use super::html::{HtmlArgs, HtmlFile};
use super::judge::Conclusion;
use super::out::{Out, Pace, Target, styles};
use super::status::Status;
use crate::capture::{Output, regular};
use crate::report::CaptureSummary;
use crate::report::cases::annotations::{self, annotation};
use crate::report::cases::{Case, CaseOutcome, Junit, Lines, StepSummary, Tap};
use crate::report::html::{ChecksPage, Drawn};
use crate::verdict::Expectation;

/// Cases while they are reported.
pub(super) struct Cases {
    out: Out,
    form: Form,
    files: CaseFiles,
    page: Option<(HtmlFile, ChecksPage)>,
    worst: CaseOutcome,
}

/// Where cases go beside standard output, which another report may have.
pub(super) struct CaseFiles {
    name: &'static str,
    junit: Option<JunitFile>,
    github: Option<Github>,
}

enum Form {
    Lines(Lines),
    Tap(Tap),
}

/// A JUnit report on its way to a file.
struct JunitFile {
    path: PathBuf,
    place: Option<PathBuf>,
    report: Junit<Output>,
}

impl JunitFile {
    fn begin(name: &str, path: PathBuf) -> Result<JunitFile, Failure> {
        let file = Output::create_shared(&path)?;
        let place = file.place().map(Path::to_owned);
        match Junit::new(name, file) {
            Ok(report) => Ok(JunitFile { path, place, report }),
            Err(source) => Err(Failure::Junit { path, source }),
        }
    }

    fn group(&mut self, name: &str, cases: &[Case]) -> Result<(), Failure> {
        let failed = |source| Failure::Junit { path: self.path.clone(), source };
        self.report.group(name, cases).map_err(failed)
    }

    fn finish(self) -> Result<(), Failure> {
        let JunitFile { path, report, .. } = self;
        let file = report.finish().map_err(|source| Failure::Junit { path, source })?;
        Ok(file.commit()?)
    }
}

/// What only a run on GitHub has.
struct Github {
    annotated: usize,
    summary: StepSummary,
    /// The file that GitHub makes for each step, which other commands of the step may write to as well.
    file: Option<(PathBuf, File)>,
}

impl Cases {
    /// Makes sure that everything can be written, before anything is checked.
    pub(super) fn begin(name: &'static str, report: &CasesArgs) -> Result<Cases, Failure> {
        let files = CaseFiles::begin(name, &report.files)?;
        Ok(Cases {
            out: Out::new(Target::StandardOutput, Pace::Buffered),
            form: match report.format {
                CasesFormat::Plain => Form::Lines(Lines::new(styles(
                    report.color,
                    Target::StandardOutput.is_terminal(),
                ))),
                CasesFormat::Tap => Form::Tap(Tap::default()),
            },
            files,
            page: None,
            worst: CaseOutcome::Met,
        })
    }

    /// The folders in which files will get their names.
    pub(super) fn places(&self) -> [Option<&Path>; 2] {
        [self.files.place(), self.page.as_ref().and_then(|(file, _)| file.place())]
    }

    /// Makes sure that a page on the checks under these paths can be written as well, where one is wanted.
    pub(super) fn with_page(mut self, html: &HtmlArgs, paths: &str) -> Result<Cases, Failure> {
        self.page = html.begin()?.map(|file| (file, ChecksPage::new(self.files.name, paths)));
        Ok(self)
    }

    /// True where connections are drawn on a page.
    pub(super) fn draws(&self) -> bool {
        self.page.is_some()
    }

    /// Reports cases that are about no capture.
    pub(super) fn group(&mut self, name: &str, cases: &[Case]) -> Result<(), Failure> {
        self.group_of(name, cases, Vec::new())
    }

    /// Reports the cases of one capture, with its connections, each with whether it is not as expected.
    pub(super) fn group_of(
        &mut self,
        name: &str,
        cases: &[Case],
        connections: Vec<(bool, Drawn<'_>)>,
    ) -> Result<(), Failure> {
        self.worst = cases.iter().map(|case| case.outcome).fold(self.worst, CaseOutcome::max);
        let Cases { out, form, page, .. } = self;
        if let Some((file, page)) = page {
            page.group(name, cases, connections).map_err(|source| file.failed(source))?;
        }
        out.write(|out| match form {
            Form::Lines(lines) => lines.group(name, cases, out),
            Form::Tap(tap) => tap.group(name, cases, out),
        })?;
        self.files.group(name, cases)
    }

    /// Ends the reports, and gives the exit status.
    pub(super) fn finish(self) -> Result<Status, Failure> {
        let Cases { mut out, form, files, page, worst } = self;
        out.write(|out| match form {
            Form::Lines(lines) => lines.finish(out),
            Form::Tap(tap) => tap.finish(out),
        })?;
        out.flush()?;
        files.finish()?;
        page.map_or(Ok(()), |(file, page)| file.write(Ok(page.finish())))?;
        Ok(match worst {
            CaseOutcome::Met | CaseOutcome::Recorded => Status::AsExpected,
            CaseOutcome::NotMet => Status::NotAsExpected,
            CaseOutcome::Error => Status::Error,
            CaseOutcome::Incomplete => Status::Incomplete,
        })
    }
}

impl CaseFiles {
    /// Makes sure that the files can be written.
    pub(super) fn begin(name: &'static str, files: &CaseFilesArgs) -> Result<CaseFiles, Failure> {
        let junit = files.junit.clone().map(|path| JunitFile::begin(name, path)).transpose()?;
        let github = on_github(files.annotations).then(Github::begin).transpose()?;
        Ok(CaseFiles { name, junit, github })
    }

    /// The folder in which a file will get its name.
    pub(super) fn place(&self) -> Option<&Path> {
        self.junit.as_ref()?.place.as_deref()
    }

    /// Takes the cases of one capture.
    pub(super) fn group(&mut self, name: &str, cases: &[Case]) -> Result<(), Failure> {
        if let Some(junit) = &mut self.junit {
            junit.group(name, cases)?;
        }
        if let Some(github) = &mut self.github {
            github.group(name, cases);
        }
        Ok(())
    }

    /// Takes the cases of the only group there is, and ends the files.
    pub(super) fn finish_with(mut self, name: &str, cases: &[Case]) -> Result<(), Failure> {
        self.group(name, cases)?;
        self.finish()
    }

    /// Ends the files.
    pub(super) fn finish(self) -> Result<(), Failure> {
        if let Some(junit) = self.junit {
            junit.finish()?;
        }
        if let Some(github) = self.github {
            github.write_summary(self.name)?;
        }
        Ok(())
    }
}

impl Github {
    fn begin() -> Result<Github, Failure> {
        let path = env::var_os("GITHUB_STEP_SUMMARY").filter(|path| !path.is_empty());
        let open = |path: PathBuf| match regular::append(&path) {
            Ok(file) => Ok((path, file)),
            Err(source) => Err(Failure::StepSummary { path, source }),
        };
        let file = path.map(PathBuf::from).map(open).transpose()?;
        Ok(Github { annotated: 0, summary: StepSummary::default(), file })
    }

    fn group(&mut self, name: &str, cases: &[Case]) {
        let room = annotations::SHOWN - self.annotated;
        for line in cases.iter().filter_map(|case| annotation(name, case)).take(room) {
            say(&line);
            self.annotated += 1;
        }
        self.summary.group(name, cases);
    }

    fn write_summary(self, name: &str) -> Result<(), Failure> {
        let Some((path, mut file)) = self.file else { return Ok(()) };
        let mut text = Vec::new();
        let written = self.summary.write(name, &mut text).and_then(|()| file.write_all(&text));
        written.map_err(|source| Failure::StepSummary { path, source })
    }
}

/// What became of the expectation.
pub(super) fn of_expectation(
    rule: &Expectation,
    conclusion: &Conclusion,
    capture: &CaptureSummary,
) -> Case {
    let outcome = match conclusion.status {
        Status::AsExpected => CaseOutcome::Met,
        Status::NotAsExpected => CaseOutcome::NotMet,
        Status::Error | Status::OfCommand(_) => CaseOutcome::Error,
        Status::Incomplete => CaseOutcome::Incomplete,
    };
    let reasons: Vec<String> = match outcome {
        CaseOutcome::Met | CaseOutcome::Recorded => Vec::new(),
        CaseOutcome::NotMet | CaseOutcome::Error | CaseOutcome::Incomplete => {
            conclusion.reasons.iter().chain(&capture.incomplete).cloned().collect()
        }
    };
    let (first, others) = reasons.split_first().map_or(("", &[][..]), |(a, b)| (a.as_str(), b));
    let case = Case::new(format!("expected {rule}"), outcome, first);
    case.with_details(others.join("\n"))
}

fn on_github(annotations: Annotations) -> bool {
    match annotations {
        Annotations::Github => true,
        Annotations::Never => false,
        Annotations::Auto => env::var_os("GITHUB_ACTIONS").is_some_and(|value| value == "true"),
    }
}
