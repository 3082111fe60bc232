//! Every scenario under every linger value. Each cell is a run of the lab in a process and a private network
//! namespace of its own, several at a time: most of what they do is to wait.

use std::io;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use super::args::{CellPlan, DRAWN, MatrixPlan};
use super::failure::Failure;
use super::lab::program;
use super::out::{Target, base_view, print};
use super::status::Status;
use crate::report::{Cell, Matrix};
use crate::sandbox::Confinement;

/// The exit status of a cell that failed.
const FAILED: i32 = 2;

/// Runs all cells and shows them.
pub(super) fn run(plan: &MatrixPlan, confinement: Confinement) -> Result<Status, Failure> {
    let html = plan.html.begin()?;
    let cells = run_all(plan, confinement)?;
    let status = status(&cells);
    let matrix = Matrix { cells };
    let view = base_view(plan.format, plan.color, Target::StandardOutput);
    print(|out| matrix.write(&view, out))?;
    html.map_or(Ok(()), |file| file.write(matrix.page()))?;
    Ok(status)
}

/// A cell that differs from what is documented is a difference found; one of which that cannot be said
/// leaves the matrix incomplete.
fn status(cells: &[Cell]) -> Status {
    let any = |wanted| cells.iter().any(|cell| cell.as_documented() == wanted);
    match (any(Some(false)), any(None)) {
        (true, _) => Status::NotAsExpected,
        (false, true) => Status::Incomplete,
        (false, false) if cells.is_empty() => Status::Incomplete,
        (false, false) => Status::AsExpected,
    }
}

/// Runs every cell, as many at a time as there are jobs, and gives them in their order. The first failure in
/// that order is the matrix's.
fn run_all(plan: &MatrixPlan, confinement: Confinement) -> Result<Vec<Cell>, Failure> {
    let program = program().map_err(Failure::Program)?;
    let next = AtomicUsize::new(0);
    let done: Vec<Mutex<Option<Result<Cell, Failure>>>> =
        plan.cells.iter().map(|_| Mutex::new(None)).collect();
    thread::scope(|scope| {
        for _ in 0..plan.jobs.min(plan.cells.len()) {
            scope.spawn(|| {
                loop {
                    let place = next.fetch_add(1, Ordering::Relaxed);
                    let (Some(&cell), Some(slot)) = (plan.cells.get(place), done.get(place)) else {
                        return;
                    };
                    let ran = run_one(&program, cell, plan, confinement);
                    if ran.is_err() {
                        // The rest would fail likewise.
                        next.store(plan.cells.len(), Ordering::Relaxed);
                    }
                    if let Ok(mut slot) = slot.lock() {
                        *slot = Some(ran);
                    }
                }
            });
        }
    });
    let results = done.into_iter().filter_map(|slot| slot.into_inner().ok().flatten());
    // A cell that was not begun because another failed is no cell; that other's failure is among these.
    results.collect()
}

fn run_one(
    program: &PathBuf,
    cell: CellPlan,
    plan: &MatrixPlan,
    confinement: Confinement,
) -> Result<Cell, Failure> {
    let CellPlan { scenario, closer, linger } = cell;
    let named = format!("{scenario}, closed by the {closer}, linger {linger}");
    let mut command = Command::new(program);
    command
        .args(["--isolate", "always", "--hold", "0", "--format", "ndjson"])
        .args(["--scenario", scenario.name(), "--closer", &closer.to_string()])
        .args(["--linger", &linger.to_string()])
        .args(plan.ipv6.then_some("--ipv6"))
        .args(plan.html.html.is_some().then(|| format!("--{DRAWN}")))
        .args(["--sandbox", &confinement.to_string()])
        .stdin(Stdio::null());
    let capture =
        plan.write.as_ref().map(|folder| folder.join(format!("{scenario}-{closer}-{linger}.pcap")));
    if let Some(capture) = &capture {
        command.arg("-w").arg(capture);
    }
    let failed = |reason: String| Failure::Cell { cell: named.clone(), reason };
    let output = command.output().map_err(|error: io::Error| failed(error.to_string()))?;
    let record = String::from_utf8_lossy(&output.stdout);
    let varies = scenario.varies().map(crate::lab::Varies::reason);
    // One whose packets could not be written has a record all the same.
    if record.is_empty() || output.status.code() == Some(FAILED) {
        return Err(failed(String::from_utf8_lossy(&output.stderr).trim().to_owned()));
    }
    let read = Cell::from_record(&record, varies).map_err(|error| failed(error.to_string()))?;
    Ok(read.captured_in(capture.map(|path| path.display().to_string())))
}
