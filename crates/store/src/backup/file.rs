//! The file of a backup: a manifest, the rows of every table, a digest of both; a line each.
//!
//! It is text that belongs to no database: `head -1` is the manifest as JSON, every other line a row as a JSON
//! list, the last one the SHA-256 of all before it. A file that is not whole has no such line.

use std::fs::{File, OpenOptions};
use std::io::{BufRead as _, BufReader, BufWriter, ErrorKind, Read as _, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use ring::digest::{Context, SHA256};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::BackupError;
use crate::engine::Value;
use crate::vault::encode_hex;

/// The form of the file; a later one is refused.
const FORMAT: u32 = 1;
/// So much of the end holds the last line.
const TAIL: u64 = 256;

/// What a backup says of itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// The form of the file.
    pub frontdesk_backup: u32,
    /// The release that wrote it.
    pub release: String,
    /// The moment that it shows.
    pub taken_at: Timestamp,
    /// The database that it was taken from: `sqlite` or `postgres`.
    pub database: String,
    /// How many migrations had made the schema.
    pub migration: usize,
    /// Their digests.
    pub migrations: Vec<String>,
    /// The fingerprint of the schema, as health shows it.
    pub schema: String,
    /// The fingerprint of the master key that seals the secrets in it; the key itself is nowhere in it.
    pub master_key: Option<String>,
    /// Its tables in order.
    pub tables: Vec<TableRows>,
}

/// A table of a backup.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TableRows {
    /// Its name.
    pub name: String,
    /// What each row holds, in order.
    pub columns: Vec<String>,
    /// How many rows there are.
    pub rows: u64,
}

impl Manifest {
    pub(super) fn form() -> u32 {
        FORMAT
    }

    /// All rows.
    pub fn rows(&self) -> u64 {
        self.tables.iter().map(|table| table.rows).sum()
    }
}

/// A backup that is being written. Nobody but its owner may read it, and until it is whole it has another name.
pub(super) struct Writing {
    to: PathBuf,
    part: PathBuf,
    file: BufWriter<File>,
    digest: Context,
    bytes: u64,
    is_whole: bool,
}

impl Writing {
    pub(super) fn begin(to: &Path, mark: &str) -> Result<Self, BackupError> {
        if to.symlink_metadata().is_ok() {
            return Err(BackupError::Exists(to.to_owned()));
        }
        let part = super::beside(to, &format!("part-{mark}"));
        let made = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&part);
        let file = made.map_err(|error| BackupError::File(part.clone(), error))?;
        let (file, digest) = (BufWriter::with_capacity(1 << 16, file), Context::new(&SHA256));
        Ok(Self { to: to.to_owned(), part, file, digest, bytes: 0, is_whole: false })
    }

    pub(super) fn line(&mut self, text: &str) -> Result<(), BackupError> {
        for part in [text.as_bytes(), b"\n"] {
            self.digest.update(part);
            self.bytes += part.len() as u64;
            self.file.write_all(part).map_err(|error| BackupError::File(self.part.clone(), error))?;
        }
        Ok(())
    }

    pub(super) fn row(&mut self, values: &[Value]) -> Result<(), BackupError> {
        let cells: Vec<serde_json::Value> = values
            .iter()
            .map(|value| match value {
                Value::Null => serde_json::Value::Null,
                Value::Int(number) => json!(number),
                Value::Text(text) => json!(text),
                Value::Blob(bytes) => json!({ "hex": encode_hex(bytes) }),
            })
            .collect();
        self.line(&serde_json::Value::Array(cells).to_string())
    }

    /// Puts it on the disk under its name; returns its length and its digest.
    pub(super) fn finish(mut self) -> Result<(u64, String), BackupError> {
        let digest = encode_hex(self.digest.clone().finish().as_ref());
        self.line(&json!({ "sha256": digest }).to_string())?;
        let failed = |error| BackupError::File(self.to.clone(), error);
        self.file.flush().map_err(failed)?;
        self.file.get_ref().sync_all().map_err(failed)?;
        std::fs::rename(&self.part, &self.to).map_err(failed)?;
        super::sync_folder(&self.to).map_err(failed)?;
        self.is_whole = true;
        Ok((self.bytes, digest))
    }
}

impl Drop for Writing {
    fn drop(&mut self) {
        if !self.is_whole {
            let _ = std::fs::remove_file(&self.part);
        }
    }
}

/// A backup that is whole and unchanged: that was looked at before anything is read from it.
pub(super) struct Reading {
    pub(super) manifest: Manifest,
    pub(super) digest: String,
    path: PathBuf,
    rest: BufReader<File>,
}

impl Reading {
    pub(super) fn open(path: &Path) -> Result<Self, BackupError> {
        let failed = |error| BackupError::File(path.to_owned(), error);
        let mut file = File::open(path).map_err(failed)?;
        let length = file.metadata().map_err(failed)?.len();
        // What it is comes first, so that a wrong file is not called a broken backup.
        let mut start = Vec::new();
        (&file).take(64).read_to_end(&mut start).map_err(failed)?;
        if !start.starts_with(b"{\"frontdesk_backup\":") {
            return Err(BackupError::Foreign(path.to_owned()));
        }
        let digest = checked(&mut file, length, path)?;
        file.seek(SeekFrom::Start(0)).map_err(failed)?;
        let mut rest = BufReader::with_capacity(1 << 16, file);
        let mut line = String::new();
        rest.read_line(&mut line).map_err(failed)?;
        let form: Form = serde_json::from_str(&line).map_err(|_| BackupError::Damaged(path.to_owned()))?;
        if form.frontdesk_backup != FORMAT {
            return Err(BackupError::Form(form.frontdesk_backup));
        }
        let manifest = serde_json::from_str(&line).map_err(|_| BackupError::Damaged(path.to_owned()))?;
        Ok(Self { manifest, digest, path: path.to_owned(), rest })
    }

    /// The next row, which has `width` columns.
    pub(super) fn row(&mut self, width: usize) -> Result<Vec<Value>, BackupError> {
        let mut line = String::new();
        self.rest.read_line(&mut line).map_err(|error| BackupError::File(self.path.clone(), error))?;
        let cells: Vec<serde_json::Value> = serde_json::from_str(&line).map_err(|_| self.damaged())?;
        let values: Option<Vec<Value>> = cells.into_iter().map(value).collect();
        values.filter(|values| values.len() == width).ok_or_else(|| self.damaged())
    }

    fn damaged(&self) -> BackupError {
        BackupError::Damaged(self.path.clone())
    }
}

#[derive(Deserialize)]
struct Form {
    frontdesk_backup: u32,
}

/// The digest that the last line says, if that is the one of everything before it.
fn checked(file: &mut File, length: u64, path: &Path) -> Result<String, BackupError> {
    let failed = |error: std::io::Error| match error.kind() {
        ErrorKind::UnexpectedEof => BackupError::Damaged(path.to_owned()),
        _ => BackupError::File(path.to_owned(), error),
    };
    let damaged = || BackupError::Damaged(path.to_owned());
    let mut tail = Vec::new();
    file.seek(SeekFrom::Start(length.saturating_sub(TAIL))).map_err(failed)?;
    file.read_to_end(&mut tail).map_err(failed)?;
    let body = tail.strip_suffix(b"\n").ok_or_else(damaged)?;
    let start = body.iter().rposition(|byte| *byte == b'\n').ok_or_else(damaged)? + 1;
    let last: serde_json::Value = serde_json::from_slice(&body[start..]).map_err(|_| damaged())?;
    let said = last["sha256"].as_str().ok_or_else(damaged)?;
    let before = length - (tail.len() - start) as u64;

    file.seek(SeekFrom::Start(0)).map_err(failed)?;
    let (mut digest, mut left, mut buffer) = (Context::new(&SHA256), before, vec![0; 1 << 16]);
    while left > 0 {
        let most = buffer.len().min(usize::try_from(left).unwrap_or(usize::MAX));
        let read = file.read(&mut buffer[..most]).map_err(failed)?;
        if read == 0 {
            return Err(damaged());
        }
        digest.update(&buffer[..read]);
        left -= read as u64;
    }
    let found = encode_hex(digest.finish().as_ref());
    if found == said { Ok(found) } else { Err(damaged()) }
}

fn value(cell: serde_json::Value) -> Option<Value> {
    Some(match cell {
        serde_json::Value::Null => Value::Null,
        serde_json::Value::Number(number) => Value::Int(number.as_i64()?),
        serde_json::Value::String(text) => Value::Text(text),
        serde_json::Value::Object(map) => Value::Blob(bytes(map.get("hex")?.as_str()?)?),
        serde_json::Value::Bool(_) | serde_json::Value::Array(_) => return None,
    })
}

fn bytes(hex: &str) -> Option<Vec<u8>> {
    if !hex.is_ascii() || !hex.len().is_multiple_of(2) {
        return None;
    }
    (0..hex.len() / 2).map(|index| u8::from_str_radix(hex.get(index * 2..index * 2 + 2)?, 16).ok()).collect()
}
