//! Every scenario under every linger value. Each cell is a run of the lab in a process and a private network
//! namespace of its own, several at a time: most of what they do is to wait. Starting them may take root's rights;
//! these are given up before anything that they tell is read.

use std::fs;
use std::io;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::args::{CellPlan, DRAWN, MatrixPlan};
use super::command::warn_incomplete;
use super::confine::{Confining, confine, placing};
use super::failure::Failure;
use super::html::HtmlFile;
use super::lab::program;
use super::out::{Target, base_view, print};
use super::progress::Cells;
use super::status::Status;
use crate::capture::{OutputError, Stop};
use crate::report::{Cell, Matrix};
use crate::sandbox::{self, Confinement};

/// The exit status of a cell that failed.
const FAILED: i32 = 2;
/// What asks to stop, be it the matrix or a cell.
const REQUESTS: [Signal; 3] = [Signal::SIGTERM, Signal::SIGINT, Signal::SIGHUP];

/// What a cell wrote; nothing where it was stopped before it had anything to tell.
type Told = Option<(CellPlan, Output)>;

/// Runs all cells, drops rights, and shows what the cells told.
pub(super) fn run(plan: &MatrixPlan, confining: &Confining) -> Result<Status, Failure> {
    plan.write.as_deref().map_or(Ok(()), is_folder)?;
    plan.cells.iter().filter_map(|&cell| capture_of(cell, plan)).try_for_each(is_free)?;
    let stop = Stop::on_signals().map_err(Failure::Signals)?;
    let outputs = run_all(plan, confining.wanted(), &stop)?;
    let dropped = sandbox::drop_for_good()?;
    // A page that cannot be written keeps nobody from the report.
    let html = plan.html.begin();
    let place = html.as_ref().ok().and_then(|file| file.as_ref().and_then(HtmlFile::place));
    confine(confining, dropped, &placing([place]))?;
    let cells = outputs.iter().map(|(cell, output)| read(*cell, output, plan));
    let cells = cells.collect::<Result<Vec<Cell>, Failure>>()?;
    let incomplete = stop.is_requested().then(|| interrupted(&cells, plan.cells.len()));
    let matrix = Matrix { cells, incomplete: incomplete.into_iter().flatten().collect() };
    let status = status(&matrix);
    let view = base_view(plan.format, plan.color, Target::StandardOutput);
    print(|out| matrix.write(&view, out))?;
    warn_incomplete(&matrix.incomplete, plan.format);
    html?.map_or(Ok(()), |file| file.write(matrix.page()))?;
    Ok(status)
}

/// Whether the packets of cells can go there, which is known before any is run.
fn is_folder(path: &Path) -> Result<(), Failure> {
    let known = fs::metadata(path).and_then(|metadata| match metadata.is_dir() {
        true => Ok(()),
        false => Err(io::ErrorKind::NotADirectory.into()),
    });
    known.map_err(|source| Failure::Folder { path: path.to_owned(), source })
}

/// Whether a cell's packets can go there: one who comes upon a named pipe would wait for its reader.
fn is_free(path: PathBuf) -> Result<(), Failure> {
    match fs::metadata(&path) {
        Ok(found) if !found.is_file() => {
            let source = io::Error::other("it is no regular file");
            Err(Failure::Output(OutputError::new(&path, source)))
        }
        Ok(_) | Err(_) => Ok(()),
    }
}

/// What a matrix lacks that was interrupted; nothing where all of its cells were through.
fn interrupted(cells: &[Cell], planned: usize) -> Option<String> {
    let through = cells.iter().filter(|cell| cell.as_documented().is_some()).count();
    (through < planned).then(|| format!("interrupted after {through} of {planned} cells"))
}

/// A cell that differs from what is documented is a difference found; one of which that cannot be said
/// leaves the matrix incomplete.
fn status(Matrix { cells, incomplete }: &Matrix) -> Status {
    let any = |wanted| cells.iter().any(|cell| cell.as_documented() == wanted);
    match (any(Some(false)), any(None)) {
        (true, _) => Status::NotAsExpected,
        (false, true) => Status::Incomplete,
        (false, false) if cells.is_empty() || !incomplete.is_empty() => Status::Incomplete,
        (false, false) => Status::AsExpected,
    }
}

/// Runs every cell, as many at a time as there are jobs, and gives what they wrote in their order. The first failure
/// in that order is the matrix's. Once it is asked to stop, those under way tell what they have come to, and no other
/// is begun.
fn run_all(
    plan: &MatrixPlan,
    confinement: Confinement,
    stop: &Stop,
) -> Result<Vec<(CellPlan, Output)>, Failure> {
    let program = program().map_err(Failure::Program)?;
    let next = AtomicUsize::new(0);
    let done: Vec<Mutex<Option<Result<Told, Failure>>>> =
        plan.cells.iter().map(|_| Mutex::new(None)).collect();
    let progress = Cells::start(plan.cells.len());
    let work = || {
        loop {
            let place = next.fetch_add(1, Ordering::Relaxed);
            let (Some(&cell), Some(slot)) = (plan.cells.get(place), done.get(place)) else {
                return;
            };
            if stop.is_requested() {
                return;
            }
            let ran = run_one(&program, cell, plan, confinement, stop);
            if ran.is_err() {
                // The rest would fail likewise.
                next.store(plan.cells.len(), Ordering::Relaxed);
            }
            progress.one();
            if let Ok(mut slot) = slot.lock() {
                *slot = Some(ran);
            }
        }
    };
    thread::scope(|scope| {
        let jobs = plan.jobs.min(plan.cells.len());
        let start =
            |job| thread::Builder::new().name(format!("job-{job}")).spawn_scoped(scope, work);
        let workers: Vec<_> = (1..jobs).map_while(|job| start(job).ok()).collect();
        // However many threads there were to be had, this is one more.
        work();
        // The scope itself would not wait for the threads to be gone, and those that are left keep their rights.
        for worker in workers {
            let _ = worker.join();
        }
    });
    let results = done.into_iter().filter_map(|slot| slot.into_inner().ok().flatten());
    // A cell that was not begun because another failed is no cell; that other's failure is among these.
    results.filter_map(Result::transpose).collect()
}

fn run_one(
    program: &PathBuf,
    cell: CellPlan,
    plan: &MatrixPlan,
    confinement: Confinement,
    stop: &Stop,
) -> Result<Told, Failure> {
    let CellPlan { scenario, closer, linger } = cell;
    let mut command = Command::new(program);
    command
        .args(["--isolate", "always", "--hold", "0", "--format", "ndjson"])
        .args(["--scenario", scenario.name(), "--closer", &closer.to_string()])
        .args(["--linger", &linger.to_string()])
        .args(plan.ipv6.then_some("--ipv6"))
        .args(plan.html.html.is_some().then(|| format!("--{DRAWN}")))
        .args(["--sandbox", &confinement.to_string()])
        // A terminal's Ctrl-C comes to it as every other request to stop does, once.
        .process_group(0)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    if let Some(capture) = capture_of(cell, plan) {
        command.arg("-w").arg(capture);
    }
    let output = command.spawn().and_then(|child| finish(child, stop));
    let output = output.map_err(|error| failed(cell, &error.to_string()))?;
    match output.status.signal() {
        // It came before the cell could heed it; from a terminal, before the cell was in a group of its own.
        Some(signal) if REQUESTS.iter().any(|&request| signal == request as i32) => {
            stop.request();
            return Ok(None);
        }
        Some(signal) => return Err(failed(cell, &format!("signal {signal} ended its process"))),
        None => {}
    }
    // One whose packets could not be written has a record all the same.
    if output.stdout.is_empty() || output.status.code() == Some(FAILED) {
        return Err(failed(cell, &String::from_utf8_lossy(&output.stderr)));
    }
    Ok(Some((cell, output)))
}

/// Waits for what a cell tells, which it does at its end, and passes the request to stop on to it.
fn finish(child: Child, stop: &Stop) -> io::Result<Output> {
    if let Some(told) = &child.stdout
        && stop.wait_for(told).is_err()
        && let Ok(id) = i32::try_from(child.id())
    {
        // Its end has not been asked for, so the number is its own whatever became of it.
        let _ = kill(Pid::from_raw(id), Signal::SIGTERM);
    }
    child.wait_with_output()
}

/// What a cell told.
fn read(cell: CellPlan, output: &Output, plan: &MatrixPlan) -> Result<Cell, Failure> {
    let record = String::from_utf8_lossy(&output.stdout);
    let varies = cell.scenario.varies().map(crate::lab::Varies::reason);
    let read =
        Cell::from_record(&record, varies).map_err(|error| failed(cell, &error.to_string()))?;
    Ok(read.captured_in(capture_of(cell, plan).map(|path| path.display().to_string())))
}

/// The file for a cell's packets.
fn capture_of(
    CellPlan { scenario, closer, linger }: CellPlan,
    plan: &MatrixPlan,
) -> Option<PathBuf> {
    plan.write.as_ref().map(|folder| folder.join(format!("{scenario}-{closer}-{linger}.pcap")))
}

/// Why a cell failed, in its own words: those of a failure of closecheck's have a hint of their own.
fn failed(CellPlan { scenario, closer, linger }: CellPlan, said: &str) -> Failure {
    let said = said.trim();
    let (reason, hint) = match said.split_once("\n(hint: ") {
        Some((reason, hint)) => (reason, hint.strip_suffix(')').map(str::to_owned)),
        None => (said, None),
    };
    Failure::Cell {
        cell: format!("{scenario}, closed by the {closer}, linger {linger}"),
        reason: reason.strip_prefix("closecheck: error: ").unwrap_or(reason).to_owned(),
        hint,
    }
}
