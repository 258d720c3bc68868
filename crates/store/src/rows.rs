//! Rows to domain values and back; a row that cannot be read back names its table and column.

use frontdesk_core::ports::StoreError;
use jiff::Timestamp;
use sqlx::Row as _;
use sqlx::sqlite::SqliteRow;

/// Milliseconds since the epoch.
pub(crate) fn ms(at: Timestamp) -> i64 {
    at.as_millisecond()
}

/// Classifies what sqlx says: a busy database is passing, the rest is not.
pub(crate) fn failed(error: sqlx::Error) -> StoreError {
    let busy = match &error {
        sqlx::Error::PoolTimedOut => true,
        sqlx::Error::Database(database) => matches!(database.code().as_deref(), Some("5" | "6" | "261" | "517")),
        _ => false,
    };
    if busy { StoreError::Busy(Box::new(error)) } else { StoreError::Broken(Box::new(error)) }
}

/// A row of `table`, for errors that say where.
pub(crate) struct Reading<'r> {
    pub(crate) table: &'static str,
    pub(crate) row: &'r SqliteRow,
}

impl Reading<'_> {
    pub(crate) fn corrupt(&self, column: &'static str) -> StoreError {
        StoreError::Corrupt { table: self.table, column }
    }

    pub(crate) fn text(&self, column: &'static str) -> Result<String, StoreError> {
        self.row.try_get(column).map_err(|_| self.corrupt(column))
    }

    pub(crate) fn text_or_none(&self, column: &'static str) -> Result<Option<String>, StoreError> {
        self.row.try_get(column).map_err(|_| self.corrupt(column))
    }

    pub(crate) fn number(&self, column: &'static str) -> Result<i64, StoreError> {
        self.row.try_get(column).map_err(|_| self.corrupt(column))
    }

    pub(crate) fn number_or_none(&self, column: &'static str) -> Result<Option<i64>, StoreError> {
        self.row.try_get(column).map_err(|_| self.corrupt(column))
    }

    pub(crate) fn instant(&self, column: &'static str) -> Result<Timestamp, StoreError> {
        Timestamp::from_millisecond(self.number(column)?).map_err(|_| self.corrupt(column))
    }

    pub(crate) fn instant_or_none(&self, column: &'static str) -> Result<Option<Timestamp>, StoreError> {
        self.number_or_none(column)?.map(|ms| Timestamp::from_millisecond(ms).map_err(|_| self.corrupt(column))).transpose()
    }

    pub(crate) fn json<T: serde::de::DeserializeOwned>(&self, column: &'static str) -> Result<T, StoreError> {
        serde_json::from_str(&self.text(column)?).map_err(|_| self.corrupt(column))
    }

    pub(crate) fn parsed<T>(&self, column: &'static str, parse: impl Fn(&str) -> Option<T>) -> Result<T, StoreError> {
        parse(&self.text(column)?).ok_or_else(|| self.corrupt(column))
    }

    pub(crate) fn parsed_or_none<T>(
        &self,
        column: &'static str,
        parse: impl Fn(&str) -> Option<T>,
    ) -> Result<Option<T>, StoreError> {
        self.text_or_none(column)?.map(|text| parse(&text).ok_or_else(|| self.corrupt(column))).transpose()
    }
}

/// JSON of a domain value. INVARIANT: our own types always serialise; an error is still no panic.
pub(crate) fn to_json<T: serde::Serialize>(value: &T) -> Result<String, StoreError> {
    serde_json::to_string(value).map_err(|error| StoreError::Broken(Box::new(error)))
}
