//! What of this machine closecheck can use, found out by using it, and what to do where something is missing.

use std::io::{self, Write};

use serde::Serialize;

use super::args::DoctorPlan;
use super::failure::Failure;
use super::out::print;
use super::status::Status;
use crate::capture::{Delivery, LOOPBACK, Live};
use crate::netlink::SocketTable;
use crate::report::{escape, without_error_numbers, write_json};
use crate::sandbox::{self, Confinement, CounterFiles, Missing, Needs};

/// The name and version of the JSON form, which `docs/doctor.schema.json` describes.
const SCHEMA: &str = "closecheck-doctor/1";
/// Enough of a packet, and of a buffer, to see whether there can be a capture.
const SNAP_LEN: u32 = 256;
const BUFFER: i32 = 1 << 20;

/// One part of the machine.
#[derive(Debug, Serialize)]
struct Finding {
    /// What was tried; what is in the private network, only where there is one.
    part: &'static str,
    /// True where it can be used.
    works: bool,
    /// What was found, or why it does not work.
    says: String,
    /// What to do where it does not work; `None` where it does, and where nothing can be done.
    remedy: Option<String>,
}

impl Finding {
    fn works(part: &'static str, says: impl Into<String>) -> Finding {
        Finding { part, works: true, says: says.into(), remedy: None }
    }

    fn lacks(part: &'static str, says: impl Into<String>, remedy: Option<String>) -> Finding {
        let says = without_error_numbers(&says.into()).into_owned();
        Finding { part, works: false, says, remedy }
    }
}

#[derive(Debug, Serialize)]
struct Report {
    /// The name and version of this form.
    schema: &'static str,
    /// True where an exchange can be captured here, one way or another.
    works: bool,
    /// The parts of this machine, in the order in which they were tried.
    findings: Vec<Finding>,
}

/// Tries everything, and says what came of it.
pub(super) fn run(plan: &DoctorPlan) -> Result<Status, Failure> {
    let report = examine()?;
    print(|out| if plan.as_json { write_json(&report, out) } else { write_plain(&report, out) })?;
    Ok(if report.works { Status::AsExpected } else { Status::NotAsExpected })
}

/// Each step may take a right away that those before it needed, so that this is the order.
fn examine() -> Result<Report, Failure> {
    let mut findings = vec![system(), libpcap(), capture(), sockets()];
    let namespace = sandbox::enter();
    let has_namespace = namespace.is_ok();
    findings.push(match &namespace {
        Ok(()) => Finding::works("private network", "a namespace of one's own"),
        Err(error) => Finding::lacks("private network", error.to_string(), Some(error.hint())),
    });
    if has_namespace {
        findings.extend([named("capture in there", capture()), counters()]);
    }
    let dropped = sandbox::drop_for_good()?;
    findings.extend(confinement(dropped)?);
    let works = findings.iter().any(|finding| finding.part.starts_with("capture") && finding.works);
    Ok(Report { schema: SCHEMA, works, findings })
}

fn named(part: &'static str, finding: Finding) -> Finding {
    Finding { part, ..finding }
}

fn system() -> Finding {
    let system = rustix::system::uname();
    let word = |text: &std::ffi::CStr| text.to_string_lossy().into_owned();
    let [name, release] = [system.sysname(), system.release()].map(word);
    Finding::works("system", format!("{name} {release}, {}", word(system.machine())))
}

/// The version stands in the name of the library's file, as it is mapped.
fn libpcap() -> Finding {
    let maps = std::fs::read_to_string("/proc/self/maps").unwrap_or_default();
    let version = maps.lines().find_map(|line| line.rsplit_once("libpcap.so.")).map(|(_, end)| end);
    match version {
        Some(version) => Finding::works("libpcap", version),
        None => Finding::works("libpcap", "part of the program"),
    }
}

fn capture() -> Finding {
    match Live::open(LOOPBACK, SNAP_LEN, BUFFER, Delivery::AtOnce) {
        Ok(live) => Finding::works("capture", format!("on {LOOPBACK}, {}", live.link())),
        Err(error) => Finding::lacks("capture", error.to_string(), error.hint()),
    }
}

fn sockets() -> Finding {
    match SocketTable::open() {
        Ok(_) => Finding::works("socket table", "the states of both ends, who has them"),
        Err(error) => Finding::lacks(
            "socket table",
            error.to_string(),
            cfg!(target_os = "linux").then(|| "load the module tcp_diag".to_owned()),
        ),
    }
}

fn counters() -> Finding {
    match CounterFiles::open().and_then(|files| files.read()) {
        Ok(_) => Finding::works("counters", "which tell linger 0 from unread input"),
        Err(error) => Finding::lacks("counters", error.to_string(), Some("mount /proc".to_owned())),
    }
}

fn confinement(dropped: sandbox::Dropped) -> Result<[Finding; 2], Failure> {
    let confined = sandbox::confine(Confinement::Auto, dropped, &Needs::default())?;
    let lacks = |missing| confined.missing.contains(&missing);
    let landlock = match confined.landlock {
        Some(version) => Finding::works("Landlock", format!("version {version}")),
        None => Finding::lacks(
            "Landlock",
            Missing::Landlock.to_string(),
            Some(
                "Linux 5.13 or later with `landlock` in its list of security modules (lsm=), and a \
                 container that does not forbid the call"
                    .to_owned(),
            ),
        ),
    };
    let seccomp = if lacks(Missing::Seccomp) {
        let remedy = "a kernel with CONFIG_SECCOMP_FILTER, on x86-64, AArch64 or RISC-V";
        Finding::lacks("seccomp", Missing::Seccomp.to_string(), Some(remedy.to_owned()))
    } else {
        Finding::works("seccomp", "system calls are filtered")
    };
    Ok([landlock, seccomp])
}

fn write_plain(report: &Report, out: &mut dyn Write) -> io::Result<()> {
    for Finding { part, works, says, remedy } in &report.findings {
        writeln!(out, "{part:<17} {:<4} {}", if *works { "yes" } else { "no" }, escape(says))?;
        if let Some(remedy) = remedy {
            writeln!(out, "{:<17}      (hint: {remedy})", "")?;
        }
    }
    let words = if report.works { "can" } else { "cannot" };
    writeln!(out, "An exchange {words} be captured here.")
}
