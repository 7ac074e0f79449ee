//! Rows of prices in CSV, NDJSON or a JSON array, read as bytes arrive, with bounded memory.

use csv_core::{ReadRecordResult, Reader};
use serde_json::Value;

use super::draft::PriceDraft;
use crate::model::RawPayload;

/// The longest row, in bytes. A longer one is reported and passed over.
pub const MAX_ROW_BYTES: usize = 256 * 1024;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RowFormat {
    Csv,
    Ndjson,
    /// One JSON array of objects.
    JsonArray,
}

/// Which column holds what, and what stands in for columns that are not there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Columns {
    pub symbol: String,
    pub price: String,
    pub volume: String,
    pub time: String,
    pub id: String,
    /// The symbol of all rows; the symbol column is not read then.
    pub fixed_symbol: Option<String>,
    pub fixed_source: Option<String>,
    pub fixed_currency: Option<String>,
    /// Columns that somebody asked for by name: a file without one is refused.
    pub required: Vec<String>,
    /// Refuse columns and fields that mean nothing here.
    pub refuse_unknown: bool,
    /// Read a negative volume as its size: venues mark the side of a trade by the sign.
    pub unsigned_volume: bool,
}

impl Default for Columns {
    fn default() -> Self {
        Self {
            symbol: "symbol".into(),
            price: "price".into(),
            volume: "volume".into(),
            time: "timestamp".into(),
            id: "external_id".into(),
            fixed_symbol: None,
            fixed_source: None,
            fixed_currency: None,
            required: Vec::new(),
            refuse_unknown: false,
            unsigned_volume: false,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Field {
    Symbol,
    Price,
    Volume,
    Time,
    Id,
    Source,
    Currency,
    Raw,
}

impl Columns {
    fn field(&self, name: &str) -> Option<Field> {
        let fields = [
            (self.symbol.as_str(), Field::Symbol),
            (self.price.as_str(), Field::Price),
            (self.volume.as_str(), Field::Volume),
            (self.time.as_str(), Field::Time),
            (self.id.as_str(), Field::Id),
            ("source", Field::Source),
            ("currency", Field::Currency),
            ("raw_data", Field::Raw),
        ];
        fields.into_iter().find(|(known, _)| *known == name).map(|(_, field)| field)
    }

    fn finish(&self, mut draft: PriceDraft) -> PriceDraft {
        if self.fixed_symbol.is_some() {
            draft.symbol.clone_from(&self.fixed_symbol);
        }
        if self.fixed_source.is_some() {
            draft.source.clone_from(&self.fixed_source);
        }
        if self.fixed_currency.is_some() {
            draft.currency.clone_from(&self.fixed_currency);
        }
        if self.unsigned_volume
            && let Some(volume) = &mut draft.volume
            && let Some(size) = volume.strip_prefix('-')
        {
            *volume = size.to_owned();
        }
        draft
    }
}

/// One row, or why it is none. Lines count from 1 and include the header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    pub line: u64,
    pub draft: Result<PriceDraft, String>,
}

/// The file as a whole cannot be read: nothing behind this point was.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Unreadable(pub String);

/// Turns bytes into rows. Feed it with [`RowReader::feed`] and end with [`RowReader::finish`].
pub struct RowReader {
    columns: Columns,
    state: State,
}

enum State {
    Csv(Box<CsvState>),
    Ndjson(Lines),
    JsonArray(ArraySplitter),
}

impl RowReader {
    pub fn new(format: RowFormat, columns: Columns) -> Self {
        let state = match format {
            RowFormat::Csv => State::Csv(Box::default()),
            RowFormat::Ndjson => State::Ndjson(Lines::default()),
            RowFormat::JsonArray => State::JsonArray(ArraySplitter::default()),
        };
        Self { columns, state }
    }

    /// Takes the next bytes; complete rows go to `rows`.
    ///
    /// # Errors
    /// When the file as a whole is not what was announced.
    pub fn feed(&mut self, bytes: &[u8], rows: &mut Vec<Row>) -> Result<(), Unreadable> {
        match &mut self.state {
            State::Csv(state) => state.feed(bytes, &self.columns, rows),
            State::Ndjson(lines) => {
                lines.feed(bytes, |line, text| rows.push(json_row(line, text, &self.columns)));
                Ok(())
            }
            State::JsonArray(splitter) => splitter.feed(bytes, |index, text| {
                rows.push(json_row(index, text, &self.columns));
            }),
        }
    }

    /// Says that no more bytes come.
    ///
    /// # Errors
    /// When the file ends where it may not, or had no header.
    pub fn finish(mut self, rows: &mut Vec<Row>) -> Result<(), Unreadable> {
        match &mut self.state {
            State::Csv(state) => state.finish(&self.columns, rows),
            State::Ndjson(lines) => {
                lines.finish(|line, text| rows.push(json_row(line, text, &self.columns)));
                Ok(())
            }
            State::JsonArray(splitter) => splitter.finish(),
        }
    }
}

struct CsvState {
    reader: Reader,
    /// What each column means; none before the header was read.
    header: Option<Vec<Option<Field>>>,
    output: Vec<u8>,
    ends: Vec<usize>,
    n_output: usize,
    n_ends: usize,
    too_long: bool,
    n_bytes: u64,
}

impl Default for CsvState {
    fn default() -> Self {
        Self {
            reader: Reader::new(),
            header: None,
            output: vec![0; 1_024],
            ends: vec![0; 64],
            n_output: 0,
            n_ends: 0,
            too_long: false,
            n_bytes: 0,
        }
    }
}

impl CsvState {
    fn feed(
        &mut self,
        mut bytes: &[u8],
        columns: &Columns,
        rows: &mut Vec<Row>,
    ) -> Result<(), Unreadable> {
        // An empty slice tells csv-core that the file has ended.
        while !bytes.is_empty() {
            let n_read = self.step(bytes, columns, rows)?;
            bytes = &bytes[n_read..];
        }
        Ok(())
    }

    fn finish(&mut self, columns: &Columns, rows: &mut Vec<Row>) -> Result<(), Unreadable> {
        if self.n_bytes > 0 {
            let n_before = rows.len();
            self.step(&[], columns, rows)?;
            if rows.len() == n_before {
                self.step(&[], columns, rows)?;
            }
        }
        if self.header.is_none() {
            return Err(Unreadable("the file is empty: it needs a header line".into()));
        }
        Ok(())
    }

    fn step(
        &mut self,
        bytes: &[u8],
        columns: &Columns,
        rows: &mut Vec<Row>,
    ) -> Result<usize, Unreadable> {
        let line = self.reader.line();
        let (result, n_read, n_output, n_ends) = self.reader.read_record(
            bytes,
            &mut self.output[self.n_output..],
            &mut self.ends[self.n_ends..],
        );
        self.n_bytes += n_read as u64;
        self.n_output += n_output;
        self.n_ends += n_ends;
        match result {
            ReadRecordResult::InputEmpty | ReadRecordResult::End => {}
            ReadRecordResult::OutputFull if self.output.len() < MAX_ROW_BYTES => {
                self.output.resize(self.output.len() * 2, 0);
            }
            ReadRecordResult::OutputEndsFull if self.ends.len() < MAX_ROW_BYTES / 16 => {
                self.ends.resize(self.ends.len() * 2, 0);
            }
            ReadRecordResult::OutputFull | ReadRecordResult::OutputEndsFull => {
                // Go on reading to the end of the row, but keep none of it.
                self.too_long = true;
                (self.n_output, self.n_ends) = (0, 0);
            }
            ReadRecordResult::Record => {
                let outcome = self.record(line, columns);
                (self.n_output, self.n_ends, self.too_long) = (0, 0, false);
                rows.extend(outcome?);
            }
        }
        Ok(n_read)
    }

    fn record(&mut self, line: u64, columns: &Columns) -> Result<Option<Row>, Unreadable> {
        if self.too_long {
            if self.header.is_none() {
                return Err(Unreadable(format!("the header has more than {MAX_ROW_BYTES} bytes")));
            }
            return Ok(Some(too_long(line)));
        }
        let Ok(text) = std::str::from_utf8(&self.output[..self.n_output]) else {
            return match &self.header {
                None => Err(Unreadable("the file is not text in UTF-8".into())),
                Some(_) => {
                    Ok(Some(Row { line, draft: Err("the row is not text in UTF-8".into()) }))
                }
            };
        };
        let mut start = 0;
        let cells: Vec<&str> = self.ends[..self.n_ends]
            .iter()
            .map(|end| {
                let cell = text.get(start..*end).unwrap_or_default();
                start = *end;
                cell
            })
            .collect();
        let Some(header) = &self.header else {
            self.header = Some(read_header(&cells, columns)?);
            return Ok(None);
        };
        if cells.len() != header.len() {
            let detail = format!("the row has {} cells, the header {}", cells.len(), header.len());
            return Ok(Some(Row { line, draft: Err(detail) }));
        }
        let mut draft = PriceDraft::default();
        for (cell, field) in cells.into_iter().zip(header) {
            if let Some(field) = field
                && !cell.is_empty()
            {
                put(&mut draft, *field, cell.trim().to_owned());
            }
        }
        Ok(Some(Row { line, draft: Ok(columns.finish(draft)) }))
    }
}

fn read_header(cells: &[&str], columns: &Columns) -> Result<Vec<Option<Field>>, Unreadable> {
    let names: Vec<&str> =
        cells.iter().map(|cell| cell.trim().trim_start_matches('\u{feff}')).collect();
    let shown = || names.iter().take(20).copied().collect::<Vec<_>>().join(", ");
    let mut needed: Vec<&str> = columns.required.iter().map(String::as_str).collect();
    needed.push(&columns.price);
    if columns.fixed_symbol.is_none() {
        needed.push(&columns.symbol);
    }
    if let Some(missing) = needed.into_iter().find(|name| !names.contains(name)) {
        return Err(Unreadable(format!("there is no column `{missing}`; there are: {}", shown())));
    }
    names
        .iter()
        .map(|name| match columns.field(name) {
            None if columns.refuse_unknown => {
                Err(Unreadable(format!("the column `{name}` means nothing here")))
            }
            field => Ok(field),
        })
        .collect()
}

fn put(draft: &mut PriceDraft, field: Field, text: String) {
    match field {
        Field::Symbol => draft.symbol = Some(text),
        Field::Price => draft.price = Some(text),
        Field::Volume => draft.volume = Some(text),
        Field::Time => draft.timestamp = Some(text),
        Field::Id => draft.external_id = Some(text),
        Field::Source => draft.source = Some(text),
        Field::Currency => draft.currency = Some(text),
        Field::Raw => draft.raw = Some(RawPayload(text.into())),
    }
}

/// Cuts bytes at line ends; lines that are too long are passed over.
#[derive(Default)]
struct Lines {
    buffer: Vec<u8>,
    too_long: bool,
    n_lines: u64,
}

impl Lines {
    fn feed(&mut self, bytes: &[u8], mut line: impl FnMut(u64, Result<&str, Row>)) {
        let mut rest = bytes;
        while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
            self.keep(&rest[..end]);
            self.finish(&mut line);
            rest = &rest[end + 1..];
        }
        self.keep(rest);
    }

    fn keep(&mut self, bytes: &[u8]) {
        self.too_long |= self.buffer.len() + bytes.len() > MAX_ROW_BYTES;
        if self.too_long {
            self.buffer.clear();
        } else {
            self.buffer.extend_from_slice(bytes);
        }
    }

    fn finish(&mut self, mut line: impl FnMut(u64, Result<&str, Row>)) {
        self.n_lines += 1;
        if self.too_long {
            line(self.n_lines, Err(too_long(self.n_lines)));
        } else {
            match std::str::from_utf8(&self.buffer) {
                Ok(text) if text.trim().is_empty() => {}
                Ok(text) => line(self.n_lines, Ok(text)),
                Err(_) => {
                    let draft = Err("the row is not text in UTF-8".into());
                    line(self.n_lines, Err(Row { line: self.n_lines, draft }));
                }
            }
        }
        self.buffer.clear();
        self.too_long = false;
    }
}

fn too_long(line: u64) -> Row {
    Row { line, draft: Err(format!("the row has more than {MAX_ROW_BYTES} bytes")) }
}

/// Cuts a JSON array into its elements without parsing them.
#[derive(Default)]
struct ArraySplitter {
    element: Vec<u8>,
    n_elements: u64,
    depth: u32,
    in_string: bool,
    escaped: bool,
    stage: Stage,
}

#[derive(Default, PartialEq, Eq)]
enum Stage {
    #[default]
    Before,
    Inside,
    After,
}

impl ArraySplitter {
    fn feed(
        &mut self,
        bytes: &[u8],
        mut element: impl FnMut(u64, Result<&str, Row>),
    ) -> Result<(), Unreadable> {
        for byte in bytes.iter().copied() {
            match self.stage {
                Stage::Before if byte == b'[' => self.stage = Stage::Inside,
                Stage::Inside => self.inside(byte, &mut element)?,
                _ if byte.is_ascii_whitespace() => {}
                _ => return Err(Unreadable("the body is not a JSON array of prices".into())),
            }
        }
        Ok(())
    }

    fn inside(
        &mut self,
        byte: u8,
        element: &mut impl FnMut(u64, Result<&str, Row>),
    ) -> Result<(), Unreadable> {
        if self.in_string {
            self.in_string = self.escaped || byte != b'"';
            self.escaped = !self.escaped && byte == b'\\';
        } else {
            match byte {
                b'"' => self.in_string = true,
                b'{' | b'[' => self.depth += 1,
                b'}' | b']' if self.depth > 0 => self.depth -= 1,
                b',' if self.depth == 0 => {
                    if self.element.trim_ascii().is_empty() {
                        return Err(Unreadable("the array has an empty element".into()));
                    }
                    self.end_element(element);
                    return Ok(());
                }
                b']' => {
                    if !self.element.trim_ascii().is_empty() {
                        self.end_element(element);
                    }
                    self.stage = Stage::After;
                    return Ok(());
                }
                _ => {}
            }
        }
        // One byte more than allowed is kept, so that the length tells.
        if self.element.len() <= MAX_ROW_BYTES {
            self.element.push(byte);
        }
        Ok(())
    }

    fn end_element(&mut self, element: &mut impl FnMut(u64, Result<&str, Row>)) {
        self.n_elements += 1;
        let line = self.n_elements;
        if self.element.len() > MAX_ROW_BYTES {
            element(line, Err(too_long(line)));
        } else {
            match std::str::from_utf8(&self.element) {
                Ok(text) => element(line, Ok(text)),
                Err(_) => {
                    let draft = Err("the row is not text in UTF-8".into());
                    element(line, Err(Row { line, draft }));
                }
            }
        }
        self.element.clear();
    }

    fn finish(&self) -> Result<(), Unreadable> {
        match self.stage {
            Stage::After => Ok(()),
            Stage::Before => Err(Unreadable("the body is empty".into())),
            Stage::Inside => Err(Unreadable("the JSON array does not end".into())),
        }
    }
}

fn json_row(line: u64, text: Result<&str, Row>, columns: &Columns) -> Row {
    match text {
        Ok(text) => Row { line, draft: json_draft(text, columns) },
        Err(row) => row,
    }
}

fn json_draft(text: &str, columns: &Columns) -> Result<PriceDraft, String> {
    let fields: serde_json::Map<String, Value> =
        serde_json::from_str(text).map_err(|error| format!("not a JSON object: {error}"))?;
    let mut draft = PriceDraft::default();
    for (name, value) in fields {
        let Some(field) = columns.field(&name) else {
            if columns.refuse_unknown {
                return Err(format!("the field `{name}` means nothing here"));
            }
            continue;
        };
        match value {
            Value::Null => {}
            value if field == Field::Raw => {
                draft.raw = Some(RawPayload(value.to_string().into()));
            }
            Value::String(text) => put(&mut draft, field, text),
            Value::Number(number) => put(&mut draft, field, number.to_string()),
            _ => return Err(format!("the field `{name}` must be a text or a number")),
        }
    }
    Ok(columns.finish(draft))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reads a text in portions of every size, which must not matter.
    fn read(format: RowFormat, columns: &Columns, text: &[u8]) -> Result<Vec<Row>, Unreadable> {
        let mut outcomes = Vec::new();
        for size in [1, 3, 7, text.len().max(1)] {
            let mut rows = Vec::new();
            let mut reader = RowReader::new(format, columns.clone());
            let fed = text.chunks(size).try_for_each(|bytes| reader.feed(bytes, &mut rows));
            outcomes.push(fed.and_then(|()| reader.finish(&mut rows)).map(|()| rows));
        }
        let first = outcomes[0].clone();
        assert!(outcomes.iter().all(|outcome| *outcome == first), "{outcomes:?}");
        first
    }

    fn prices(rows: &[Row]) -> Vec<Result<&str, u64>> {
        rows.iter()
            .map(|row| match &row.draft {
                Ok(draft) => Ok(draft.price.as_deref().unwrap_or("")),
                Err(_) => Err(row.line),
            })
            .collect()
    }

    #[test]
    fn csv_rows_are_mapped_by_their_header() {
        let columns =
            Columns { price: "Close".into(), symbol: "Ticker".into(), ..Columns::default() };
        let text =
            b"Ticker,Date,Close\nAAPL,2000-03-01,130.31\n\"GO,OG\",x,\"1\"\"\"\nshort\nFB,d,9";
        let rows = read(RowFormat::Csv, &columns, text).expect("a file");
        assert_eq!(prices(&rows), [Ok("130.31"), Ok("1\""), Err(4), Ok("9")]);
        assert_eq!(rows[0].draft.as_ref().expect("a draft").symbol.as_deref(), Some("AAPL"));
    }

    #[test]
    fn a_file_without_the_column_is_refused_with_those_it_has() {
        let refused = read(RowFormat::Csv, &Columns::default(), b"symbol,cost\nA,1\n");
        let message = refused.expect_err("no price column").to_string();
        assert_eq!(message, "there is no column `price`; there are: symbol, cost");
        assert!(read(RowFormat::Csv, &Columns::default(), b"").is_err());
    }

    #[test]
    fn json_rows_come_one_a_line_or_in_an_array() {
        let lines =
            b"{\"symbol\":\"A\",\"price\":0.10}\n\n{\"symbol\":\n{\"symbol\":\"B\",\"price\":2}";
        let rows = read(RowFormat::Ndjson, &Columns::default(), lines).expect("lines");
        assert_eq!(prices(&rows), [Ok("0.10"), Err(3), Ok("2")]);
        let array =
            br#" [ {"symbol":"A]\"","price":1}, [1], {"price":2, "raw_data":{"a":[1,2]}} ] "#;
        let rows = read(RowFormat::JsonArray, &Columns::default(), array).expect("an array");
        assert_eq!(prices(&rows), [Ok("1"), Err(2), Ok("2")]);
        for broken in [&b"{}"[..], b"[", b"", b"[{},,{}]", b"[] x"] {
            assert!(read(RowFormat::JsonArray, &Columns::default(), broken).is_err(), "{broken:?}");
        }
    }

    #[test]
    fn a_row_that_never_ends_costs_no_memory_and_one_report() {
        for (format, head, row) in [
            (RowFormat::Csv, &b"symbol,price\n"[..], &b"A,1\n"[..]),
            (RowFormat::Ndjson, b"", b"{\"symbol\":\"A\",\"price\":1}\n"),
        ] {
            let mut rows = Vec::new();
            let mut reader = RowReader::new(format, Columns::default());
            reader.feed(head, &mut rows).expect("a header");
            for _ in 0..64 {
                reader.feed(&[b'x'; 64 * 1024], &mut rows).expect("more of the row");
            }
            reader.feed(b"\n", &mut rows).expect("the end of the row");
            reader.feed(row, &mut rows).expect("a good row");
            reader.finish(&mut rows).expect("an end");
            assert_eq!(rows.len(), 2, "{format:?}");
            assert!(rows[0].draft.is_err() && rows[1].draft.is_ok(), "{format:?}");
        }
    }

    proptest::proptest! {
        #[test]
        fn arbitrary_bytes_never_panic(bytes: Vec<u8>) {
            for format in [RowFormat::Csv, RowFormat::Ndjson, RowFormat::JsonArray] {
                let mut rows = Vec::new();
                let mut reader = RowReader::new(format, Columns::default());
                if reader.feed(&bytes, &mut rows).is_ok() {
                    let _ = reader.finish(&mut rows);
                }
            }
        }
    }
}
