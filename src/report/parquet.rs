//! Parquet: the record flattened into typed columns, with lists where it has lists.
//!
//! A row group holds 65,536 connections in the order of their first packets, so that what is asked of an hour is
//! found by the groups' statistics. Times are nanoseconds in UTC; words are in dictionaries. `docs/parquet.md` has
//! what can be asked of the columns.

use std::fmt;
use std::io::{self, Write};
use std::sync::Arc;

use parquet::basic::{Compression, ZstdLevel};
use parquet::data_type::{
    BoolType, ByteArray, ByteArrayType, DataType, DoubleType, Int32Type, Int64Type,
};
use parquet::file::properties::WriterProperties;
use parquet::file::writer::{SerializedFileWriter, SerializedRowGroupWriter};
use parquet::schema::parser::parse_message_type;
use serde_json::Value;

use super::Record;

/// Connections in a row group.
const GROUP: usize = 1 << 16;
/// How long an hour is, in nanoseconds.
const HOUR: i64 = 3_600_000_000_000;

/// What a column holds; all but numbers that are always there may be null.
#[derive(Clone, Copy, Debug)]
enum Kind {
    Text,
    /// A port.
    Port,
    Number,
    Truth,
    Seconds,
    /// The whole hour in which a time lies.
    Hour,
    Time,
    /// A list of texts.
    Texts,
    /// One field of a list of groups, with the number that it is where it is not there.
    Of(Item),
}

/// A field of the groups in a list.
#[derive(Clone, Copy, Debug)]
enum Item {
    Text(&'static str),
    /// Of `or` where it is not there.
    Number {
        name: &'static str,
        or: i64,
    },
}

/// Name, place in the record's JSON, and kind. Fields of one list stand together.
const COLUMNS: &[(&str, &str, Kind)] = &[
    ("id", "/id", Kind::Number),
    ("file", "/file", Kind::Text),
    ("hour", "/start", Kind::Hour),
    ("start", "/start", Kind::Time),
    ("end", "/end", Kind::Time),
    ("client_ip", "/client/ip", Kind::Text),
    ("client_port", "/client/port", Kind::Port),
    ("server_ip", "/server/ip", Kind::Text),
    ("server_port", "/server/port", Kind::Port),
    ("outer_tunnel", "/outer/tunnel", Kind::Text),
    ("outer_source", "/outer/source", Kind::Text),
    ("outer_destination", "/outer/destination", Kind::Text),
    ("outer_id", "/outer/id", Kind::Number),
    ("orientation", "/orientation", Kind::Text),
    ("opening", "/opening", Kind::Text),
    ("verdict", "/close/verdict", Kind::Text),
    ("by", "/close/by", Kind::Text),
    ("shape", "/close/shape", Kind::Text),
    ("cause", "/close/cause", Kind::Text),
    ("confidence", "/close/confidence", Kind::Text),
    ("stage", "/close/stage", Kind::Text),
    ("pattern", "/close/pattern", Kind::Text),
    ("complete", "/close/complete", Kind::Truth),
    ("gaps", "/close/gaps", Kind::Texts),
    ("seconds", "/close/seconds", Kind::Seconds),
    ("evidence", "/close/evidence", Kind::Of(Item::Number { name: "file", or: 1 })),
    ("evidence", "/close/evidence", Kind::Of(Item::Number { name: "frame", or: 0 })),
    ("evidence", "/close/evidence", Kind::Of(Item::Text("text"))),
    ("rule", "/close/rule/id", Kind::Number),
    ("rule_citation", "/close/rule/citation", Kind::Text),
    ("states_client", "/states/client", Kind::Texts),
    ("states_server", "/states/server", Kind::Texts),
    ("time_wait", "/time_wait/ends", Kind::Texts),
    ("packets_client", "/packets/client", Kind::Number),
    ("packets_server", "/packets/server", Kind::Number),
    ("bytes_client", "/bytes/client", Kind::Number),
    ("bytes_server", "/bytes/server", Kind::Number),
    ("at_risk_client", "/at_risk/client", Kind::Number),
    ("at_risk_server", "/at_risk/server", Kind::Number),
    ("zeek_conn_state", "/zeek/conn_state", Kind::Text),
    ("zeek_history", "/zeek/history", Kind::Text),
    ("notes", "/notes", Kind::Of(Item::Text("kind"))),
    ("notes", "/notes", Kind::Of(Item::Number { name: "count", or: 0 })),
];

/// A file while it is written.
pub(super) struct Document {
    writer: SerializedFileWriter<Vec<u8>>,
    rows: Vec<Record>,
}

impl fmt::Debug for Document {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Document").field("rows", &self.rows.len()).finish_non_exhaustive()
    }
}

impl Document {
    pub(super) fn begin() -> io::Result<Document> {
        let schema = parse_message_type(&schema()).map_err(io::Error::other)?;
        let properties = WriterProperties::builder()
            .set_compression(Compression::ZSTD(ZstdLevel::default()))
            .set_created_by(concat!("closecheck ", env!("CARGO_PKG_VERSION")).to_owned())
            .build();
        let writer = SerializedFileWriter::new(Vec::new(), Arc::new(schema), Arc::new(properties));
        Ok(Document { writer: writer.map_err(io::Error::other)?, rows: Vec::new() })
    }

    pub(super) fn connection(&mut self, record: Record, out: &mut dyn Write) -> io::Result<()> {
        self.rows.push(record);
        if self.rows.len() == GROUP { self.write_group(out) } else { Ok(()) }
    }

    pub(super) fn finish(mut self, out: &mut dyn Write) -> io::Result<()> {
        if !self.rows.is_empty() {
            self.write_group(out)?;
        }
        self.writer.finish().map_err(io::Error::other)?;
        self.hand_over(out)
    }

    fn write_group(&mut self, out: &mut dyn Write) -> io::Result<()> {
        let mut rows = std::mem::take(&mut self.rows);
        rows.sort_unstable_by_key(|record| (record.start, record.id));
        let mut columns: Vec<Column> = COLUMNS.iter().map(|(_, _, kind)| kind.column()).collect();
        for record in rows {
            let value = serde_json::to_value(record)?;
            for ((_, place, kind), column) in COLUMNS.iter().zip(&mut columns) {
                column.add(*kind, value.pointer(place).unwrap_or(&Value::Null));
            }
        }
        let mut group = self.writer.next_row_group().map_err(io::Error::other)?;
        for column in &columns {
            column.write(&mut group).map_err(io::Error::other)?;
        }
        group.close().map_err(io::Error::other)?;
        self.hand_over(out)
    }

    /// Passes on what the writer has made so far; it keeps count of the bytes by itself.
    fn hand_over(&mut self, out: &mut dyn Write) -> io::Result<()> {
        self.writer.flush()?;
        out.write_all(&std::mem::take(self.writer.inner_mut()))
    }
}

/// The columns in Parquet's own words.
fn schema() -> String {
    let mut text = "message connection {".to_owned();
    for list in COLUMNS.chunk_by(|(a, _, _), (b, _, _)| a == b) {
        let Some((name, _, kind)) = list.first() else { continue };
        text += &match kind {
            Kind::Text => format!("optional binary {name} (STRING);"),
            Kind::Port => format!("optional int32 {name} (INTEGER(16,false));"),
            Kind::Number => format!("optional int64 {name};"),
            Kind::Truth => format!("optional boolean {name};"),
            Kind::Seconds => format!("optional double {name};"),
            Kind::Hour | Kind::Time => {
                format!("optional int64 {name} (TIMESTAMP(NANOS,true));")
            }
            Kind::Texts => {
                format!(
                    "required group {name} (LIST) {{ repeated group list {{ required binary element (STRING); }} }}"
                )
            }
            Kind::Of(_) => {
                let fields: String = list.iter().map(|(_, _, kind)| kind.field()).collect();
                format!(
                    "required group {name} (LIST) {{ repeated group list {{ required group element {{ {fields} }} }} }}"
                )
            }
        };
    }
    text + "}"
}

impl Kind {
    fn field(self) -> String {
        match self {
            Kind::Of(Item::Text(name)) => format!("required binary {name} (STRING);"),
            Kind::Of(Item::Number { name, .. }) => format!("required int64 {name};"),
            _ => String::new(),
        }
    }

    fn column(self) -> Column {
        let cells = match self {
            Kind::Text | Kind::Texts | Kind::Of(Item::Text(_)) => Cells::Texts(Vec::new()),
            Kind::Port => Cells::Ports(Vec::new()),
            Kind::Number | Kind::Hour | Kind::Time | Kind::Of(Item::Number { .. }) => {
                Cells::Numbers(Vec::new())
            }
            Kind::Truth => Cells::Truths(Vec::new()),
            Kind::Seconds => Cells::Seconds(Vec::new()),
        };
        let is_list = matches!(self, Kind::Texts | Kind::Of(_));
        Column { cells, is_list, defined: Vec::new(), repeated: Vec::new() }
    }
}

/// A column of a row group: the values that are there, and for each place whether there is one, and whether it
/// is another of the same row.
#[derive(Debug)]
struct Column {
    cells: Cells,
    is_list: bool,
    defined: Vec<i16>,
    repeated: Vec<i16>,
}

#[derive(Debug)]
enum Cells {
    Texts(Vec<ByteArray>),
    Ports(Vec<i32>),
    Numbers(Vec<i64>),
    Truths(Vec<bool>),
    Seconds(Vec<f64>),
}

impl Column {
    fn add(&mut self, kind: Kind, value: &Value) {
        let one = std::slice::from_ref(value);
        let values =
            if self.is_list { value.as_array().map_or(&[][..], Vec::as_slice) } else { one };
        for (nth, value) in values.iter().enumerate() {
            let is_there = self.cells.push(kind, value);
            self.defined.push(is_there.into());
            self.repeated.push((nth > 0).into());
        }
        if values.is_empty() {
            self.defined.push(0);
            self.repeated.push(0);
        }
    }

    fn write(
        &self,
        group: &mut SerializedRowGroupWriter<'_, Vec<u8>>,
    ) -> parquet::errors::Result<()> {
        match &self.cells {
            Cells::Texts(values) => self.write_as::<ByteArrayType>(values, group),
            Cells::Ports(values) => self.write_as::<Int32Type>(values, group),
            Cells::Numbers(values) => self.write_as::<Int64Type>(values, group),
            Cells::Truths(values) => self.write_as::<BoolType>(values, group),
            Cells::Seconds(values) => self.write_as::<DoubleType>(values, group),
        }
    }

    fn write_as<T: DataType>(
        &self,
        values: &[T::T],
        group: &mut SerializedRowGroupWriter<'_, Vec<u8>>,
    ) -> parquet::errors::Result<()> {
        let Some(mut column) = group.next_column()? else { return Ok(()) };
        let repeated = self.is_list.then_some(self.repeated.as_slice());
        column.typed::<T>().write_batch(values, Some(&self.defined), repeated)?;
        column.close()
    }
}

impl Cells {
    /// Adds what is there, and says whether there was something.
    fn push(&mut self, kind: Kind, value: &Value) -> bool {
        match self {
            Cells::Texts(texts) => {
                let field =
                    if let Kind::Of(Item::Text(name)) = kind { &value[name] } else { value };
                add(texts, field.as_str().map(ByteArray::from))
            }
            Cells::Ports(ports) => {
                add(ports, value.as_i64().and_then(|port| i32::try_from(port).ok()))
            }
            Cells::Numbers(numbers) => add(numbers, number(kind, value)),
            Cells::Truths(truths) => add(truths, value.as_bool()),
            Cells::Seconds(seconds) => add(seconds, value.as_f64()),
        }
    }
}

fn add<T>(cells: &mut Vec<T>, cell: Option<T>) -> bool {
    let before = cells.len();
    cells.extend(cell);
    cells.len() > before
}

fn number(kind: Kind, value: &Value) -> Option<i64> {
    let time = || {
        let time: jiff::Timestamp = value.as_str()?.parse().ok()?;
        i64::try_from(time.as_nanosecond()).ok()
    };
    match kind {
        Kind::Time => time(),
        Kind::Hour => time().map(|time| time.div_euclid(HOUR).saturating_mul(HOUR)),
        Kind::Of(Item::Number { name, or }) => Some(value[name].as_i64().unwrap_or(or)),
        Kind::Number => value.as_u64().map(|number| i64::try_from(number).unwrap_or(i64::MAX)),
        Kind::Text | Kind::Port | Kind::Truth | Kind::Seconds | Kind::Texts => None,
        Kind::Of(Item::Text(_)) => None,
    }
}
