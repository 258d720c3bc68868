//! A log file: written in order, put away when its day is over or it is full, the oldest removed.
//!
//! A file that is put away gets the moment as an ending. Two processes may write to one file (an upgrade): lines
//! are appended whole, and only the file that is still in its place is put away.

use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use jiff::Timestamp;

use crate::config::deployment::log::{Log, Rotate};

/// So much is collected before it is written, at most.
const CHUNK: usize = 1 << 16;
/// The form of the ending.
const MOMENT: &str = "00000000T000000Z";

/// When and how files are put away.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rules {
    rotate: Rotate,
    max_size: u64,
    keep: usize,
}

impl Rules {
    pub(super) fn of(log: &Log) -> Self {
        Self { rotate: log.rotate, max_size: log.max_size, keep: log.keep }
    }
}

/// A file and what is still to be written to it.
pub(super) struct LogFile {
    path: PathBuf,
    rules: Rules,
    file: Option<File>,
    size: u64,
    day: Option<i64>,
    pending: Vec<u8>,
    /// The disk was full in the middle of a line.
    is_torn: bool,
}

impl LogFile {
    pub(super) fn open(path: &Path, rules: Rules) -> io::Result<Self> {
        let mut log = Self {
            path: path.to_owned(),
            rules,
            file: None,
            size: 0,
            day: None,
            pending: Vec::with_capacity(CHUNK),
            is_torn: false,
        };
        log.reopen()?;
        Ok(log)
    }

    /// Takes the file that is at the path now; where that cannot be opened, goes on with the one it has.
    pub(super) fn reopen(&mut self) -> io::Result<()> {
        if let Some(folder) = self.path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
            std::fs::create_dir_all(folder)?;
        }
        let file = OpenOptions::new().append(true).create(true).mode(0o640).open(&self.path)?;
        let metadata = file.metadata()?;
        self.size = metadata.len();
        // Whatever is in it was written when it was last touched.
        self.day = (self.size > 0).then(|| metadata.mtime().div_euclid(86_400));
        self.file = Some(file);
        Ok(())
    }

    /// Takes a whole line; returns how many lines were lost over it.
    pub(super) fn push(&mut self, at: Timestamp, line: &str) -> u64 {
        let mut lost = 0;
        if self.is_due(at, line.len()) {
            lost += self.write();
            self.put_away(at);
        }
        self.day = Some(day_of(at));
        self.pending.extend_from_slice(line.as_bytes());
        if self.pending.len() >= CHUNK {
            lost += self.write();
        }
        lost
    }

    fn is_due(&self, at: Timestamp, more: usize) -> bool {
        let size = self.size + self.pending.len() as u64;
        let is_full = size > 0 && size + more as u64 > self.rules.max_size;
        match self.rules.rotate {
            Rotate::Never => false,
            Rotate::Size => is_full,
            Rotate::Daily => is_full || (size > 0 && self.day.is_some_and(|day| day < day_of(at))),
        }
    }

    /// Writes what was taken; returns how many lines the disk did not take.
    pub(super) fn write(&mut self) -> u64 {
        if self.pending.is_empty() {
            return 0;
        }
        // A file that could not be opened may be possible now.
        let is_open = self.file.is_some() || self.reopen().is_ok();
        let mut written = 0;
        if let Some(file) = self.file.as_mut().filter(|_| is_open) {
            if self.is_torn && file.write_all(b"\n").is_ok() {
                self.is_torn = false;
            }
            while !self.is_torn && written < self.pending.len() {
                match file.write(&self.pending[written..]) {
                    Ok(0) => break,
                    Ok(count) => written += count,
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                    Err(_) => break,
                }
            }
        }
        let rest = &self.pending[written..];
        let lost = rest.iter().filter(|byte| **byte == b'\n').count();
        self.is_torn |= lost > 0 && written > 0 && self.pending.get(written - 1) != Some(&b'\n');
        self.size += written as u64;
        self.pending.clear();
        lost as u64
    }

    fn put_away(&mut self, at: Timestamp) {
        let is_in_place = match (&self.file, self.path.metadata()) {
            (Some(file), Ok(there)) => file.metadata().is_ok_and(|mine| (mine.dev(), mine.ino()) == (there.dev(), there.ino())),
            _ => false,
        };
        if is_in_place {
            let ending = at.strftime("%Y%m%dT%H%M%SZ").to_string();
            let name = |number: u32| if number == 0 { ending.clone() } else { format!("{ending}-{number:03}") };
            let free = (0..1000).map(|number| self.put_away_as(&name(number))).find(|path| !path.exists());
            // Not renamed is not lost: it grows on.
            if let Some(free) = free {
                let _ = std::fs::rename(&self.path, free);
            }
            let _ = self.remove_oldest();
        }
        if self.reopen().is_err() {
            self.day = Some(day_of(at));
        }
    }

    fn put_away_as(&self, ending: &str) -> PathBuf {
        let mut name = self.path.as_os_str().to_owned();
        name.push(".");
        name.push(ending);
        PathBuf::from(name)
    }

    fn remove_oldest(&self) -> io::Result<()> {
        let folder = self.path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let Some(own) = self.path.file_name().and_then(|name| name.to_str()) else { return Ok(()) };
        let is_ours = |name: &String| {
            let ending = name.strip_prefix(own).and_then(|rest| rest.strip_prefix('.'));
            ending.is_some_and(|ending| {
                let moment = ending.get(..MOMENT.len()).unwrap_or_default();
                let fits = |(byte, like): (u8, u8)| if like == b'0' { byte.is_ascii_digit() } else { byte == like };
                moment.len() == MOMENT.len() && moment.bytes().zip(MOMENT.bytes()).all(fits)
            })
        };
        let mut names = Vec::new();
        for entry in std::fs::read_dir(folder)? {
            names.extend(entry?.file_name().into_string().ok().filter(is_ours));
        }
        names.sort();
        names.truncate(names.len().saturating_sub(self.rules.keep));
        for name in names {
            std::fs::remove_file(folder.join(name))?;
        }
        Ok(())
    }
}

fn day_of(at: Timestamp) -> i64 {
    at.as_second().div_euclid(86_400)
}

#[cfg(test)]
mod tests {
    use frontdesk_testkit::TempDir;

    use super::*;

    fn rules(rotate: Rotate, max_size: u64, keep: usize) -> Rules {
        Rules { rotate, max_size, keep }
    }

    fn at(text: &str) -> Timestamp {
        text.parse().expect("a time")
    }

    fn files(folder: &TempDir) -> Vec<(String, String)> {
        let mut found: Vec<(String, String)> = std::fs::read_dir(folder.path())
            .expect("a folder")
            .map(|entry| entry.expect("an entry"))
            .map(|entry| (entry.file_name().into_string().expect("text"), std::fs::read_to_string(entry.path()).expect("text")))
            .collect();
        found.sort();
        found
    }

    #[test]
    fn a_day_that_is_over_is_put_away_and_only_so_many_are_kept() {
        let folder = frontdesk_testkit::folder("log");
        let path = folder.path().join("desk.log");
        std::fs::write(folder.path().join("desk.log.notes"), "a person's").expect("written");
        let mut log = LogFile::open(&path, rules(Rotate::Daily, 1 << 20, 2)).expect("open");
        for day in 12..=16 {
            assert_eq!(log.push(at(&format!("2026-03-{day}T23:59:59Z")), &format!("{day}\n")), 0);
            assert_eq!(log.write(), 0);
        }
        let found = files(&folder);
        let names: Vec<&str> = found.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["desk.log", "desk.log.20260315T235959Z", "desk.log.20260316T235959Z", "desk.log.notes"]);
        assert_eq!((found[0].1.as_str(), found[1].1.as_str(), found[2].1.as_str()), ("16\n", "14\n", "15\n"));
    }

    #[test]
    fn a_full_file_is_put_away_before_the_line_that_does_not_fit() {
        let folder = frontdesk_testkit::folder("log");
        let path = folder.path().join("deep/desk.log");
        let mut log = LogFile::open(&path, rules(Rotate::Size, 10, 9)).expect("open");
        for line in ["12345\n", "678\n", "9\n", "a line longer than all\n", "x\n"] {
            assert_eq!(log.push(at("2026-03-12T10:00:00Z"), line), 0);
        }
        assert_eq!(log.write(), 0);
        let deep = std::fs::read_dir(folder.path().join("deep")).expect("a folder");
        let mut texts: Vec<String> =
            deep.map(|it| std::fs::read_to_string(it.expect("an entry").path()).expect("text")).collect();
        texts.sort();
        assert_eq!(texts, ["12345\n678\n", "9\n", "a line longer than all\n", "x\n"]);
    }

    #[test]
    fn a_file_that_somebody_moved_is_left_and_its_place_is_taken_when_told() {
        let folder = frontdesk_testkit::folder("log");
        let path = folder.path().join("desk.log");
        let mut log = LogFile::open(&path, rules(Rotate::Size, 4, 9)).expect("open");
        log.push(at("2026-03-12T10:00:00Z"), "one\n");
        log.write();
        std::fs::rename(&path, folder.path().join("desk.log.1")).expect("moved");
        log.push(at("2026-03-12T10:00:00Z"), "two\n");
        log.write();
        assert_eq!(files(&folder), [("desk.log", "two\n"), ("desk.log.1", "one\n")].map(|(a, b)| (a.to_owned(), b.to_owned())));
        let mut left = LogFile::open(&path, rules(Rotate::Never, 4, 9)).expect("open");
        std::fs::rename(&path, folder.path().join("desk.log.2")).expect("moved");
        left.push(at("2026-03-12T10:00:00Z"), "three\n");
        left.write();
        left.reopen().expect("open");
        left.push(at("2026-03-12T10:00:00Z"), "four\n");
        left.write();
        let found = files(&folder);
        assert_eq!((found[0].1.as_str(), found[2].1.as_str()), ("four\n", "two\nthree\n"));
    }

    #[test]
    fn what_a_full_disk_does_not_take_is_counted_and_nothing_stops() {
        // The device takes nothing, as a full disk does.
        let mut log = LogFile::open(Path::new("/dev/full"), rules(Rotate::Never, 1 << 20, 9)).expect("open");
        for _ in 0..3 {
            assert_eq!(log.push(at("2026-03-12T10:00:00Z"), "a line\n"), 0);
        }
        assert_eq!(log.write(), 3);
        assert_eq!(log.write(), 0);
    }
}
