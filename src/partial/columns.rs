//! Partial records as Parquet: the line of each, whole, and beside it in typed columns what engines group, sort and
//! prune by.
//!
//! A line of a file has no key: there the columns of the key are null. What is read is the column `line` alone, of a
//! file that anyone may have written, in any order and with other columns beside it.

use std::fmt;
use std::io::{self, Write};
use std::sync::Arc;

use parquet::basic::{Compression, Type, ZstdLevel};
use parquet::column::reader::{ColumnReader, get_typed_column_reader};
use parquet::data_type::{ByteArray, ByteArrayType, DataType, Int32Type, Int64Type};
use parquet::errors::ParquetError;
use parquet::file::properties::WriterProperties;
use parquet::file::reader::{ChunkReader, FileReader, SerializedFileReader};
use parquet::file::writer::{SerializedFileWriter, SerializedRowGroupWriter};
use parquet::schema::parser::parse_message_type;
use parquet::schema::types::ColumnPath;

use super::{FileLine, Key, Line, TraceLine};

/// Bytes of lines in a row group.
const GROUP: usize = 16 << 20;
/// Lines that are taken from a column at a time.
const TAKEN: usize = 256;
/// The column that has the line.
const LINE: &str = "line";
/// Times are in nanoseconds since 1970, as plain numbers: there are engines that read no other nanoseconds.
const SCHEMA: &str = "message partial {
    optional binary low_ip (STRING);
    optional int32 low_port (INTEGER(16,false));
    optional binary high_ip (STRING);
    optional int32 high_port (INTEGER(16,false));
    optional int64 network;
    optional int64 first;
    optional int64 last;
    required int64 packets;
    required binary line (STRING);
}";

/// A file while it is written.
pub struct Columns {
    writer: SerializedFileWriter<Vec<u8>>,
    rows: Rows,
}

impl fmt::Debug for Columns {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Columns").field("held", &self.rows.held).finish_non_exhaustive()
    }
}

impl Columns {
    /// Begins a file.
    ///
    /// # Errors
    /// Whatever the library says of the schema.
    pub fn begin() -> io::Result<Columns> {
        let schema = parse_message_type(SCHEMA).map_err(io::Error::other)?;
        let properties = WriterProperties::builder()
            .set_compression(Compression::ZSTD(ZstdLevel::default()))
            .set_column_dictionary_enabled(ColumnPath::from(LINE), false)
            .set_created_by(concat!("closecheck ", env!("CARGO_PKG_VERSION")).to_owned())
            .build();
        let writer = SerializedFileWriter::new(Vec::new(), Arc::new(schema), Arc::new(properties));
        Ok(Columns { writer: writer.map_err(io::Error::other)?, rows: Rows::default() })
    }

    /// Adds a line, and writes what is enough for a row group.
    ///
    /// # Errors
    /// Whatever `out` says.
    pub fn add(&mut self, line: &Line, out: &mut dyn Write) -> io::Result<()> {
        match line {
            Line::Trace(line) => self.rows.add_trace(line),
            Line::File(line) => self.rows.add_file(line),
        }
        self.rows.add_text(serde_json::to_vec(&line.sealed()?)?);
        if self.rows.held < GROUP { Ok(()) } else { self.write_group(out) }
    }

    /// Writes the rest.
    ///
    /// # Errors
    /// Whatever `out` says.
    pub fn finish(mut self, out: &mut dyn Write) -> io::Result<()> {
        if self.rows.held > 0 {
            self.write_group(out)?;
        }
        self.writer.finish().map_err(io::Error::other)?;
        self.hand_over(out)
    }

    fn write_group(&mut self, out: &mut dyn Write) -> io::Result<()> {
        let rows = std::mem::take(&mut self.rows);
        let mut group = self.writer.next_row_group().map_err(io::Error::other)?;
        rows.write(&mut group).map_err(io::Error::other)?;
        group.close().map_err(io::Error::other)?;
        self.hand_over(out)
    }

    /// Passes on what the writer has made so far; it keeps count of the bytes by itself.
    fn hand_over(&mut self, out: &mut dyn Write) -> io::Result<()> {
        self.writer.flush()?;
        out.write_all(&std::mem::take(self.writer.inner_mut()))
    }
}

/// The rows of a group, a column each; what may be null has a value where it is there.
#[derive(Debug, Default)]
struct Rows {
    held: usize,
    low: (Column<ByteArray>, Column<i32>),
    high: (Column<ByteArray>, Column<i32>),
    network: Column<i64>,
    first: Column<i64>,
    last: Column<i64>,
    packets: Column<i64>,
    lines: Column<ByteArray>,
}

#[derive(Debug)]
struct Column<T> {
    values: Vec<T>,
    defined: Vec<i16>,
}

impl<T> Default for Column<T> {
    fn default() -> Column<T> {
        Column { values: Vec::new(), defined: Vec::new() }
    }
}

impl<T> Column<T> {
    fn add(&mut self, value: Option<T>) {
        self.defined.push(value.is_some().into());
        self.values.extend(value);
    }

    fn write<D: DataType<T = T>>(
        &self,
        group: &mut SerializedRowGroupWriter<'_, Vec<u8>>,
    ) -> Result<(), ParquetError> {
        let Some(mut column) = group.next_column()? else { return Ok(()) };
        column.typed::<D>().write_batch(&self.values, Some(&self.defined), None)?;
        column.close()
    }
}

impl Rows {
    fn add_trace(&mut self, line: &TraceLine) {
        self.add_key(Some(line.key));
        self.first.add(Some(line.first.nanoseconds()));
        self.last.add(Some(line.last.nanoseconds()));
        self.packets.add(Some(i64::try_from(line.packets).unwrap_or(i64::MAX)));
    }

    fn add_file(&mut self, line: &FileLine) {
        self.add_key(None);
        self.first.add(line.first);
        self.last.add(line.end.map(|mark| mark.due));
        self.packets.add(Some(i64::try_from(line.packets).unwrap_or(i64::MAX)));
    }

    fn add_key(&mut self, key: Option<Key>) {
        for ((ip, port), end) in
            [(&mut self.low, key.map(|key| key.low)), (&mut self.high, key.map(|key| key.high))]
        {
            ip.add(end.map(|end| end.ip.to_string().as_str().into()));
            port.add(end.map(|end| end.port.into()));
        }
        self.network.add(key.and_then(|key| key.network).map(i64::from));
    }

    fn add_text(&mut self, text: Vec<u8>) {
        self.held += text.len();
        self.lines.add(Some(text.into()));
    }

    fn write(&self, group: &mut SerializedRowGroupWriter<'_, Vec<u8>>) -> Result<(), ParquetError> {
        for (ip, port) in [&self.low, &self.high] {
            ip.write::<ByteArrayType>(group)?;
            port.write::<Int32Type>(group)?;
        }
        for numbers in [&self.network, &self.first, &self.last, &self.packets] {
            numbers.write::<Int64Type>(group)?;
        }
        self.lines.write::<ByteArrayType>(group)
    }
}

/// Gives the lines of a file to `take`, each with the number of its row, counted from 1. Holds some lines at a time,
/// and the page that they are in.
///
/// # Errors
/// Why the file cannot be read any further, with the row where there is one, and whatever `take` gives.
pub fn read_lines<E>(
    file: impl ChunkReader + 'static,
    mut take: impl FnMut(u64, &[u8]) -> Result<(), E>,
) -> Result<Result<(), E>, String> {
    let damaged = |error: ParquetError| error.to_string();
    let reader = SerializedFileReader::new(file).map_err(damaged)?;
    let columns = reader.metadata().file_metadata().schema_descr();
    let is_line = |column: &Arc<parquet::schema::types::ColumnDescriptor>| {
        column.path().parts() == [LINE]
            && column.physical_type() == Type::BYTE_ARRAY
            && column.max_rep_level() == 0
    };
    let place = columns.columns().iter().position(is_line);
    let place = place.ok_or_else(|| format!("it has no column `{LINE}` of text"))?;
    let mut row = 0;
    for group in 0..reader.num_row_groups() {
        let group = reader.get_row_group(group).map_err(damaged)?;
        let column = group.get_column_reader(place).map_err(damaged)?;
        let mut lines = Lines::new(column);
        while lines.read().map_err(damaged)? {
            for line in &lines.values {
                row += 1;
                if let Err(error) = take(row, line.data()) {
                    return Ok(Err(error));
                }
            }
            if lines.has_null {
                return Err(format!("row {} has no line", row + 1));
            }
        }
    }
    Ok(Ok(()))
}

/// The lines of a row group, some at a time.
struct Lines {
    column: parquet::column::reader::ColumnReaderImpl<ByteArrayType>,
    values: Vec<ByteArray>,
    defined: Vec<i16>,
    /// A row behind these has none.
    has_null: bool,
}

impl Lines {
    fn new(column: ColumnReader) -> Lines {
        let column = get_typed_column_reader::<ByteArrayType>(column);
        Lines { column, values: Vec::new(), defined: Vec::new(), has_null: false }
    }

    /// Takes the next, and says whether there are any.
    fn read(&mut self) -> Result<bool, ParquetError> {
        self.values.clear();
        self.defined.clear();
        let (rows, values, _) =
            self.column.read_records(TAKEN, Some(&mut self.defined), None, &mut self.values)?;
        if values < rows {
            self.has_null = true;
            let there = self.defined.iter().take_while(|defined| **defined > 0).count();
            self.values.truncate(there);
        }
        Ok(rows > 0)
    }
}
