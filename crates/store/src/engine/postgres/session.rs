//! One connection to PostgreSQL: its prepared statements, and what its errors mean for the transaction.

use std::collections::HashMap;
use std::error::Error as _;
use std::io::Write as _;
use std::sync::Arc;

use bytes::BytesMut;
use frontdesk_core::ports::StoreError;
use postgres::error::{Severity, SqlState};
use postgres::fallible_iterator::FallibleIterator as _;
use postgres::types::{IsNull, ToSql, Type, to_sql_checked};
use postgres::{Client, NoTls, Statement};

use super::address::Address;
use crate::engine::{Arg, Row, Value, listed, quoted};
use crate::vault::encode_hex;

/// What every session promises: nothing of ours takes longer, and a process that hangs holds nobody up.
const BOUNDS: &str = "SET statement_timeout = '10s'; SET lock_timeout = '5s'; \
                      SET idle_in_transaction_session_timeout = '30s'; SET client_min_messages = warning";

/// What an error leaves to be done with the transaction that it ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Then {
    /// Another transaction was in the way; run again, there is an order in which both happen.
    Again,
    /// A constraint spoke: run again, and the question before the statement sees what it saw.
    Ask,
    /// The statements have to be prepared anew: a newer release changed their tables.
    Anew,
    /// The connection is gone, and nothing was committed.
    Lost,
    /// Somebody holds a lock for longer than this transaction may wait for it.
    Later,
    /// Nothing: it is as the error says.
    Nothing,
}

/// A prepared statement with the names of its columns.
#[derive(Clone)]
struct Known {
    statement: Statement,
    columns: Arc<[Box<str>]>,
}

pub(crate) struct Session {
    client: Client,
    known: HashMap<&'static str, Known>,
    /// What the first error of this transaction leaves to be done.
    then: Option<Then>,
}

impl Session {
    pub(crate) fn open(address: &Address) -> Result<Self, StoreError> {
        let connected = match &address.tls {
            None => address.config.connect(NoTls),
            Some(tls) => address.config.connect(tls.clone()),
        };
        let not_reached = |error: postgres::Error| match classify(&error) {
            (true, _) => StoreError::Busy(Box::new(NotReached(address.to_string(), error))),
            (false, _) => StoreError::Broken(Box::new(NotReached(address.to_string(), error))),
        };
        let mut client = connected.map_err(not_reached)?;
        client.batch_execute(BOUNDS).map_err(not_reached)?;
        Ok(Self { client, known: HashMap::new(), then: None })
    }

    pub(crate) fn run(&mut self, sql: &'static str, args: &[Arg<'_>]) -> Result<u64, StoreError> {
        let known = self.known(sql)?;
        let touched = self.client.execute(&known.statement, &given(args));
        touched.map_err(|error| self.failed(error))
    }

    pub(crate) fn all(&mut self, sql: &'static str, args: &[Arg<'_>]) -> Result<Vec<Row>, StoreError> {
        let known = self.known(sql)?;
        let rows = self.client.query(&known.statement, &given(args)).map_err(|error| self.failed(error))?;
        let mut found = Vec::with_capacity(rows.len());
        for row in rows {
            let values = (0..known.columns.len()).map(|at| value(&row, at)).collect::<Result<_, _>>();
            found.push(Row { columns: known.columns.clone(), values: values.map_err(|error| self.failed(error))? });
        }
        Ok(found)
    }

    /// Statements without arguments and without rows: also begins and ends transactions.
    pub(crate) fn script(&mut self, script: &str) -> Result<(), StoreError> {
        self.client.batch_execute(script).map_err(|error| self.failed(error))
    }

    pub(crate) fn each<E: From<StoreError>>(
        &mut self,
        sql: &str,
        mut each: impl FnMut(Vec<Value>) -> Result<(), E>,
    ) -> Result<(), E> {
        // The server sends as fast as it is read: no more than a few rows are ever here.
        let none: [&(dyn ToSql + Sync); 0] = [];
        let mut rows = self.client.query_raw(sql, none).map_err(told)?;
        while let Some(row) = rows.next().map_err(told)? {
            each((0..row.len()).map(|at| value(&row, at)).collect::<Result<_, _>>().map_err(told)?)?;
        }
        Ok(())
    }

    pub(crate) fn fill<E: From<StoreError>>(
        &mut self,
        table: &str,
        columns: &[String],
        mut next: impl FnMut() -> Result<Option<Vec<Value>>, E>,
    ) -> Result<u64, E> {
        let lost = |error: std::io::Error| StoreError::Broken(Box::new(error));
        let sql = format!("COPY {} ({}) FROM STDIN", quoted(table), listed(columns));
        let mut to = self.client.copy_in(&sql).map_err(told)?;
        let mut line = String::new();
        while let Some(row) = next()? {
            line.clear();
            copy_line(&row, &mut line);
            to.write_all(line.as_bytes()).map_err(lost)?;
        }
        Ok(to.finish().map_err(told)?)
    }

    /// Commits. When the connection breaks on the way, nobody knows whether it did.
    pub(crate) fn commit(&mut self) -> Result<(), Commit> {
        self.client.batch_execute("COMMIT").map_err(|error| {
            let is_final = error.as_db_error().is_some_and(|told| told.parsed_severity() == Some(Severity::Error));
            if is_final {
                let (_, then) = classify(&error);
                Commit::Refused(then, self.failed(error))
            } else {
                Commit::Unknown(StoreError::Broken(Box::new(UnknownOutcome(error))))
            }
        })
    }

    /// What the first error of this transaction leaves to be done, if there was one.
    pub(crate) fn trouble(&mut self) -> Option<Then> {
        self.then.take()
    }

    pub(crate) fn forget_statements(&mut self) {
        self.known.clear();
    }

    fn known(&mut self, sql: &'static str) -> Result<Known, StoreError> {
        if let Some(known) = self.known.get(sql) {
            return Ok(known.clone());
        }
        let statement = self.client.prepare(&numbered(sql)).map_err(|error| self.failed(error))?;
        let columns = statement.columns().iter().map(|column| Box::from(column.name())).collect();
        let known = Known { statement, columns };
        self.known.insert(sql, known.clone());
        Ok(known)
    }

    fn failed(&mut self, error: postgres::Error) -> StoreError {
        let (_, then) = classify(&error);
        self.then.get_or_insert(then);
        told(error)
    }
}

fn told(error: postgres::Error) -> StoreError {
    let (is_passing, _) = classify(&error);
    if is_passing { StoreError::Busy(Box::new(Told(error))) } else { StoreError::Broken(Box::new(Told(error))) }
}

/// A row in the text form of COPY.
fn copy_line(row: &[Value], line: &mut String) {
    use std::fmt::Write as _;

    for (index, value) in row.iter().enumerate() {
        if index > 0 {
            line.push('\t');
        }
        match value {
            Value::Null => line.push_str("\\N"),
            Value::Int(number) => {
                let _ = write!(line, "{number}");
            }
            Value::Text(text) => text.chars().for_each(|letter| match letter {
                '\\' => line.push_str("\\\\"),
                '\n' => line.push_str("\\n"),
                '\r' => line.push_str("\\r"),
                '\t' => line.push_str("\\t"),
                // As everywhere: PostgreSQL's texts hold no NUL.
                '\0' => line.push('\u{fffd}'),
                letter => line.push(letter),
            }),
            Value::Blob(bytes) => {
                line.push_str("\\\\x");
                line.push_str(&encode_hex(bytes));
            }
        }
    }
    line.push('\n');
}

/// How a commit did not come about.
pub(crate) enum Commit {
    /// The server took the transaction back.
    Refused(Then, StoreError),
    /// The connection broke between the question and the answer.
    Unknown(StoreError),
}

#[derive(Debug, thiserror::Error)]
#[error("the connection broke while it committed: whether it did is not known")]
struct UnknownOutcome(#[source] postgres::Error);

#[derive(Debug, thiserror::Error)]
#[error("{0} cannot be reached")]
struct NotReached(String, #[source] postgres::Error);

/// What the server told, without the details: those quote rows.
#[derive(Debug, thiserror::Error)]
struct Told(postgres::Error);

impl std::fmt::Display for Told {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.0.as_db_error() {
            Some(told) => write!(f, "{} ({})", told.message(), told.code().code()),
            None => {
                write!(f, "{}", self.0)?;
                self.0.source().map_or(Ok(()), |cause| write!(f, ": {cause}"))
            }
        }
    }
}

/// Whether an error passes by itself, and what it leaves to be done.
fn classify(error: &postgres::Error) -> (bool, Then) {
    let Some(state) = error.code() else {
        // Without a word of the server: the connection, or a value that does not fit its column.
        let by_itself = error.is_closed() || error.source().is_some_and(|cause| cause.is::<std::io::Error>());
        return if by_itself { (true, Then::Lost) } else { (false, Then::Nothing) };
    };
    match state {
        state if *state == SqlState::T_R_SERIALIZATION_FAILURE || *state == SqlState::T_R_DEADLOCK_DETECTED => {
            (true, Then::Again)
        }
        state if *state == SqlState::EXCLUSION_VIOLATION || *state == SqlState::UNIQUE_VIOLATION => (false, Then::Ask),
        state if *state == SqlState::FEATURE_NOT_SUPPORTED => (true, Then::Anew),
        state if *state == SqlState::LOCK_NOT_AVAILABLE => (true, Then::Later),
        state if *state == SqlState::QUERY_CANCELED => (true, Then::Nothing),
        // It became somebody's copy: another server takes writes now.
        state if *state == SqlState::READ_ONLY_SQL_TRANSACTION => (true, Then::Lost),
        state => match state.code().as_bytes() {
            // Connections; resources; operators: all of them end the connection and pass.
            [b'0', b'8', ..] | [b'5', b'3', ..] | [b'5', b'7', b'P', ..] | b"25P03" => (true, Then::Lost),
            _ => (false, Then::Nothing),
        },
    }
}

fn given<'a>(args: &'a [Arg<'_>]) -> Vec<&'a (dyn ToSql + Sync)> {
    args.iter().map(|arg| arg as &(dyn ToSql + Sync)).collect()
}

/// `?` and `?1` as PostgreSQL writes them.
fn numbered(sql: &str) -> String {
    let mut text = String::with_capacity(sql.len() + 16);
    let (mut count, mut is_quoted) = (0_u32, false);
    let mut rest = sql.chars().peekable();
    while let Some(letter) = rest.next() {
        is_quoted ^= letter == '\'';
        if letter != '?' || is_quoted {
            text.push(letter);
            continue;
        }
        text.push('$');
        if !rest.peek().is_some_and(char::is_ascii_digit) {
            count += 1;
            text.push_str(&count.to_string());
        }
    }
    text
}

fn value(row: &postgres::Row, at: usize) -> Result<Value, postgres::Error> {
    let kind = row.columns()[at].type_();
    let whole = |number: Option<i64>| number.map_or(Value::Null, Value::Int);
    Ok(match *kind {
        Type::INT8 => whole(row.try_get(at)?),
        Type::INT4 => whole(row.try_get::<_, Option<i32>>(at)?.map(i64::from)),
        Type::INT2 => whole(row.try_get::<_, Option<i16>>(at)?.map(i64::from)),
        Type::BOOL => whole(row.try_get::<_, Option<bool>>(at)?.map(i64::from)),
        Type::BYTEA => row.try_get::<_, Option<Vec<u8>>>(at)?.map_or(Value::Null, Value::Blob),
        _ => row.try_get::<_, Option<String>>(at)?.map_or(Value::Null, Value::Text),
    })
}

#[derive(Debug, thiserror::Error)]
#[error("a value of ours does not fit a {0}")]
struct Misfit(Type);

impl ToSql for Arg<'_> {
    fn to_sql(&self, kind: &Type, out: &mut BytesMut) -> Result<IsNull, Box<dyn std::error::Error + Sync + Send>> {
        let misfit = || Box::new(Misfit(kind.clone()));
        match (self, kind) {
            (Arg::Null, _) => Ok(IsNull::Yes),
            (Arg::Int(number), &Type::INT8) => number.to_sql(kind, out),
            (Arg::Int(number), &Type::INT4) => i32::try_from(*number).map_err(|_| misfit())?.to_sql(kind, out),
            (Arg::Int(number), &Type::INT2) => i16::try_from(*number).map_err(|_| misfit())?.to_sql(kind, out),
            (Arg::Int(number), &Type::BOOL) => (*number != 0).to_sql(kind, out),
            (Arg::Text(text), &Type::TEXT | &Type::VARCHAR | &Type::NAME) => {
                // PostgreSQL's texts hold no NUL; a caller's odd byte must not be a failure.
                if text.contains('\0') {
                    return text.replace('\0', "\u{fffd}").as_str().to_sql(kind, out);
                }
                text.as_ref().to_sql(kind, out)
            }
            (Arg::Blob(bytes), &Type::BYTEA) => bytes.as_ref().to_sql(kind, out),
            _ => Err(misfit()),
        }
    }

    fn accepts(_: &Type) -> bool {
        true
    }

    to_sql_checked!();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_is_copied_so_that_it_is_read_as_it_was() {
        let mut line = String::new();
        let row = [
            Value::Null,
            Value::Int(-7),
            Value::Text("a\tb\\N\nc\0".to_owned()),
            Value::Blob(vec![0, 255]),
            Value::Text(String::new()),
        ];
        copy_line(&row, &mut line);
        assert_eq!(line, "\\N\t-7\ta\\tb\\\\N\\nc\u{fffd}\t\\\\x00ff\t\n");
    }

    #[test]
    fn marks_are_numbered_in_order_or_as_they_say() {
        assert_eq!(numbered("a = ? AND b = ?"), "a = $1 AND b = $2");
        assert_eq!(numbered("a = ?2 OR b = ?1 OR c = ?12"), "a = $2 OR b = $1 OR c = $12");
        assert_eq!(numbered("a = '?' AND b = ?"), "a = '?' AND b = $1");
    }
}
