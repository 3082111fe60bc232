//! Sorts more lines than memory holds: in parts, which are then merged from temporary files.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read, Seek, Write};

/// Bytes of lines that are sorted in memory.
const MEMORY: usize = 16 << 20;
/// Temporary files that are merged into one, and those into one again: what is written is written again only for 64 times
/// as much.
const FAN_IN: usize = 64;
/// Bytes of each of them that are in memory while they are merged.
const BUFFER: usize = 1 << 16;

/// A line and what it is sorted by; equal ones are sorted by their text.
pub(super) type Keyed = (i64, Vec<u8>);

/// Takes lines in any order.
#[derive(Debug)]
pub(super) struct Sorter {
    lines: Vec<Keyed>,
    held: usize,
    memory: usize,
    /// Temporary files of sorted lines: of what was in memory, then of 64 of these, and so on.
    levels: Vec<Vec<File>>,
}

impl Sorter {
    pub(super) fn new() -> Sorter {
        Sorter { lines: Vec::new(), held: 0, memory: MEMORY, levels: Vec::new() }
    }

    pub(super) fn push(&mut self, mut line: Keyed) -> io::Result<()> {
        line.1.shrink_to_fit();
        self.held += line.1.len() + size_of::<Keyed>();
        self.lines.push(line);
        if self.held < self.memory {
            return Ok(());
        }
        self.held = 0;
        self.lines.sort_unstable();
        let mut run = write_run(self.lines.drain(..).map(Ok))?;
        for level in &mut self.levels {
            level.push(run);
            if level.len() < FAN_IN {
                return Ok(());
            }
            run = write_run(merge(level.drain(..), Vec::new())?)?;
        }
        self.levels.push(vec![run]);
        Ok(())
    }

    /// The lines in order.
    pub(super) fn sorted(mut self) -> io::Result<impl Iterator<Item = io::Result<Keyed>>> {
        self.lines.sort_unstable();
        merge(self.levels.into_iter().flatten(), self.lines)
    }
}

/// Lines of a temporary file or of memory.
type Lines = Box<dyn Iterator<Item = io::Result<Keyed>>>;

/// Writes sorted lines to a temporary file, which is gone once it is closed.
fn write_run(lines: impl Iterator<Item = io::Result<Keyed>>) -> io::Result<File> {
    let mut out = BufWriter::with_capacity(BUFFER, tempfile::tempfile()?);
    for line in lines {
        let (key, line) = line?;
        out.write_all(&key.to_le_bytes())?;
        out.write_all(&(line.len() as u64).to_le_bytes())?;
        out.write_all(&line)?;
    }
    let mut file = out.into_inner().map_err(io::IntoInnerError::into_error)?;
    file.rewind()?;
    Ok(file)
}

fn read_run(file: File) -> Lines {
    let mut input = BufReader::with_capacity(BUFFER, file);
    Box::new(std::iter::from_fn(move || read_line(&mut input).transpose()))
}

fn read_line(input: &mut impl Read) -> io::Result<Option<Keyed>> {
    let mut number = [0; 8];
    match input.read_exact(&mut number) {
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
        read => read?,
    }
    let key = i64::from_le_bytes(number);
    input.read_exact(&mut number)?;
    let mut line = vec![0; usize::try_from(u64::from_le_bytes(number)).unwrap_or(usize::MAX)];
    input.read_exact(&mut line)?;
    Ok(Some((key, line)))
}

fn merge(
    runs: impl IntoIterator<Item = File>,
    last: Vec<Keyed>,
) -> io::Result<impl Iterator<Item = io::Result<Keyed>>> {
    let last: Lines = Box::new(last.into_iter().map(Ok));
    let mut sources: Vec<Lines> = runs.into_iter().map(read_run).chain([last]).collect();
    let mut queue = BinaryHeap::with_capacity(sources.len());
    for (index, source) in sources.iter_mut().enumerate() {
        if let Some(line) = source.next() {
            queue.push(Reverse((line?, index)));
        }
    }
    Ok(std::iter::from_fn(move || {
        let Reverse((line, index)) = queue.pop()?;
        match sources.get_mut(index)?.next() {
            Some(Ok(next)) => queue.push(Reverse((next, index))),
            Some(Err(error)) => return Some(Err(error)),
            None => {}
        }
        Some(Ok(line))
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_fit_into_memory_is_sorted_all_the_same() {
        let mut rng = fastrand::Rng::with_seed(3);
        let mut lines: Vec<Keyed> =
            (0..5000).map(|_| (rng.i64(-50..50), rng.u32(..).to_string().into_bytes())).collect();
        let mut sorter = Sorter { memory: 500, ..Sorter::new() };
        for line in &lines {
            sorter.push(line.clone()).unwrap();
        }
        let levels: Vec<usize> = sorter.levels.iter().map(Vec::len).collect();
        assert!(levels.len() == 2 && levels[0] > 0, "{levels:?}");
        lines.sort();
        let sorted: Vec<Keyed> = sorter.sorted().unwrap().map(Result::unwrap).collect();
        assert_eq!(sorted, lines);
    }
}
