//! Rows to domain values and back; a row that cannot be read back names its table and column.

use frontdesk_core::ports::StoreError;
use jiff::Timestamp;

use crate::engine::{Row, Value};

/// Milliseconds since the epoch.
pub(crate) fn ms(at: Timestamp) -> i64 {
    at.as_millisecond()
}

/// A row of `table`, for errors that say where.
pub(crate) struct Reading<'r> {
    pub(crate) table: &'static str,
    pub(crate) row: &'r Row,
}

impl Reading<'_> {
    pub(crate) fn corrupt(&self, column: &'static str) -> StoreError {
        StoreError::Corrupt { table: self.table, column }
    }

    pub(crate) fn text(&self, column: &'static str) -> Result<String, StoreError> {
        self.text_or_none(column)?.ok_or_else(|| self.corrupt(column))
    }

    pub(crate) fn text_or_none(&self, column: &'static str) -> Result<Option<String>, StoreError> {
        self.str_or_none(column).map(|text| text.map(str::to_owned))
    }

    pub(crate) fn bytes(&self, column: &'static str) -> Result<&[u8], StoreError> {
        match self.row.get(column) {
            Some(Value::Blob(bytes)) => Ok(bytes),
            _ => Err(self.corrupt(column)),
        }
    }

    pub(crate) fn number(&self, column: &'static str) -> Result<i64, StoreError> {
        self.number_or_none(column)?.ok_or_else(|| self.corrupt(column))
    }

    pub(crate) fn number_or_none(&self, column: &'static str) -> Result<Option<i64>, StoreError> {
        match self.row.get(column) {
            Some(Value::Int(number)) => Ok(Some(*number)),
            Some(Value::Null) => Ok(None),
            _ => Err(self.corrupt(column)),
        }
    }

    pub(crate) fn instant(&self, column: &'static str) -> Result<Timestamp, StoreError> {
        Timestamp::from_millisecond(self.number(column)?).map_err(|_| self.corrupt(column))
    }

    pub(crate) fn instant_or_none(&self, column: &'static str) -> Result<Option<Timestamp>, StoreError> {
        self.number_or_none(column)?.map(|ms| Timestamp::from_millisecond(ms).map_err(|_| self.corrupt(column))).transpose()
    }

    pub(crate) fn json<T: serde::de::DeserializeOwned>(&self, column: &'static str) -> Result<T, StoreError> {
        self.parsed(column, |text| serde_json::from_str(text).ok())
    }

    pub(crate) fn parsed<T>(&self, column: &'static str, parse: impl Fn(&str) -> Option<T>) -> Result<T, StoreError> {
        self.str_or_none(column)?.and_then(parse).ok_or_else(|| self.corrupt(column))
    }

    pub(crate) fn parsed_or_none<T>(
        &self,
        column: &'static str,
        parse: impl Fn(&str) -> Option<T>,
    ) -> Result<Option<T>, StoreError> {
        self.str_or_none(column)?.map(|text| parse(text).ok_or_else(|| self.corrupt(column))).transpose()
    }

    fn str_or_none(&self, column: &'static str) -> Result<Option<&str>, StoreError> {
        match self.row.get(column) {
            Some(Value::Text(text)) => Ok(Some(text)),
            Some(Value::Null) => Ok(None),
            _ => Err(self.corrupt(column)),
        }
    }
}

/// JSON of a domain value. INVARIANT: our own types always serialise; an error is still no panic.
pub(crate) fn to_json<T: serde::Serialize>(value: &T) -> Result<String, StoreError> {
    serde_json::to_string(value).map_err(|error| StoreError::Broken(Box::new(error)))
}
