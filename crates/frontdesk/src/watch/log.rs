//! What was written to the logs meanwhile, read for what must not be in it: the secrets that the store holds, word for
//! word, and whatever the redactor would find.

use std::fs::File;
use std::io::{BufRead as _, BufReader, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};

use frontdesk_core::redact::{Depth, Redactor};
use frontdesk_core::sensitive::Secret;
use frontdesk_core::tenant::Tenant;
use serde_json::Value;

use super::Holds;

/// Lines of a file, at most; who writes more in a watch reads them otherwise.
const MOST_LINES: u64 = 2_000_000;

/// What the logs held.
#[derive(Debug, Default)]
pub(crate) struct Log {
    files: Vec<(PathBuf, u64)>,
    lines: u64,
    known: usize,
    /// How many lines hold a secret, or something that should have been redacted; where the first one is.
    found: u64,
    first: Option<String>,
    unreadable: Option<String>,
}

impl Log {
    /// From here on in these files, or from their beginning.
    pub(crate) fn of(files: Vec<PathBuf>, from_beginning: bool) -> Self {
        let length = |path: &Path| if from_beginning { 0 } else { std::fs::metadata(path).map_or(0, |it| it.len()) };
        Self { files: files.into_iter().map(|path| (path.clone(), length(&path))).collect(), ..Self::default() }
    }

    /// The files that processes of this machine write their log to; pipes and sockets, as systemd's, are none.
    pub(crate) fn files_of(processes: &[u32]) -> Vec<PathBuf> {
        let link = |process: &u32| std::fs::read_link(format!("/proc/{process}/fd/2")).ok();
        let mut files: Vec<PathBuf> = processes.iter().filter_map(link).filter(|path| path.is_file()).collect();
        files.sort();
        files.dedup();
        files
    }

    /// Reads what came since the beginning.
    pub(crate) fn read(&mut self, redactor: &Redactor, tenants: &[std::sync::Arc<Tenant>]) {
        let secrets: Vec<&str> =
            tenants.iter().flat_map(|it| secrets_of(it)).map(Secret::expose).filter(|it| it.len() >= 8).collect();
        self.known = secrets.len();
        for (path, from) in std::mem::take(&mut self.files) {
            if let Err(error) = self.read_file(&path, from, redactor, &secrets) {
                self.unreadable = Some(format!("{} cannot be read: {error}", path.display()));
            }
            self.files.push((path, from));
        }
    }

    fn read_file(&mut self, path: &Path, from: u64, redactor: &Redactor, secrets: &[&str]) -> std::io::Result<()> {
        let mut file = File::open(path)?;
        // A file that is shorter than it was is another one.
        let from = if file.metadata()?.len() < from { 0 } else { from };
        file.seek(SeekFrom::Start(from))?;
        for (number, line) in BufReader::new(file).split(b'\n').enumerate() {
            let line = line?;
            let line = String::from_utf8_lossy(&line);
            self.lines += 1;
            if secrets.iter().any(|secret| line.contains(secret)) || is_dirty(redactor, &line) {
                self.found += 1;
                self.first.get_or_insert_with(|| format!("line {} since the beginning, {}", number + 1, path.display()));
            }
            if self.lines >= MOST_LINES {
                break;
            }
        }
        Ok(())
    }

    /// Whether it is clean, and what that is known by.
    pub(super) fn verdict(&self) -> (Holds, String) {
        if let Some(why) = &self.unreadable {
            return (Holds::Unknown, why.clone());
        }
        if self.files.is_empty() {
            let why = "the gateways' log is no file that can be read here: name it with --log FILE";
            return (Holds::Unknown, why.to_owned());
        }
        let (lines, known) = (self.lines, self.known);
        match (lines, self.found, &self.first) {
            (0, _, _) => (Holds::Unknown, "nothing was written to the log".to_owned()),
            (_, 0, _) => (
                Holds::Yes,
                format!(
                    "{lines} lines read: none of {known} stored secrets, and nothing that looks like one or like a person's data"
                ),
            ),
            (_, found, first) => (Holds::No, format!("{found} of {lines} lines; the first: {}", first.as_deref().unwrap_or(""))),
        }
    }
}

fn secrets_of(tenant: &Tenant) -> impl Iterator<Item = &Secret> {
    let it = &tenant.secrets;
    [&it.retell_api_key, &it.retell_previous_api_key, &it.calcom_api_key, &it.calcom_webhook_secret].into_iter().flatten()
}

/// Whether the redactor would still change it. Times and numbers of our own lines are none of a person's.
fn is_dirty(redactor: &Redactor, line: &str) -> bool {
    match serde_json::from_str::<Value>(line) {
        Ok(Value::Object(fields)) => fields.iter().any(|(name, value)| match value {
            Value::String(text) if name == "message" => redactor.text(text, Depth::Everything) != text.as_str(),
            Value::String(text) if name != "timestamp" => redactor.field(name, text, Depth::Everything) != text.as_str(),
            _ => false,
        }),
        _ => redactor.text(line, Depth::KeysOnly) != line,
    }
}
