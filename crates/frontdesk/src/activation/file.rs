//! The configuration file, rewritten so that the next start says what holds now. Written beside it and put in its
//! place, so that nobody ever reads half of it.

use std::fs;
use std::io::{self, Write as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use crate::activation::contents::{is_same, settings};
use crate::config::deployment::DeploymentConfig;
use crate::config::deployment::live::Live;

/// What became of the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Rewritten {
    /// It says what holds.
    Done,
    /// It said so before.
    Same,
    /// There is none: the gateway runs on defaults.
    Absent,
    /// It stays as it is, and why.
    Kept(String),
}

/// Puts `text` in the place of the file.
pub(crate) fn replace(file: &Path, text: &str) -> Rewritten {
    match fs::read_to_string(file) {
        Ok(before) if before == text => Rewritten::Same,
        Ok(_) => match put(file, text) {
            Ok(()) => Rewritten::Done,
            Err(error) => Rewritten::Kept(format!("{} cannot be rewritten: {error}", file.display())),
        },
        Err(error) if error.kind() == io::ErrorKind::NotFound => Rewritten::Absent,
        Err(error) => Rewritten::Kept(format!("{} cannot be read: {error}", file.display())),
    }
}

/// Brings the live sections of the file to `live`, and leaves everything else in it as it stands.
pub(crate) fn bring_to(file: &Path, live: &Live) -> Rewritten {
    let name = file.display().to_string();
    let text = match fs::read_to_string(file) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Rewritten::Absent,
        Err(error) => return Rewritten::Kept(format!("{name} cannot be read: {error}")),
    };
    match patched(&name, &text, live) {
        Some(patched) => replace(file, &patched),
        None => Rewritten::Kept(format!("{name} is written in a way that is not rewritten here")),
    }
}

fn put(file: &Path, text: &str) -> io::Result<()> {
    // Where it is a link, what it leads to is replaced.
    let file = file.canonicalize()?;
    let folder = file.parent().unwrap_or(Path::new("/"));
    let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let beside = folder.join(format!(".{name}.{}", std::process::id()));
    let written = (|| {
        let mut next = fs::File::create_new(&beside)?;
        let model = fs::metadata(&file)?;
        // The gateway may read it by its group alone.
        let own = next.metadata()?;
        if (own.uid(), own.gid()) != (model.uid(), model.gid()) {
            std::os::unix::fs::fchown(&next, Some(model.uid()), Some(model.gid()))?;
        }
        next.set_permissions(model.permissions())?;
        next.write_all(text.as_bytes())?;
        next.sync_all()?;
        fs::rename(&beside, &file)
    })();
    if written.is_err() {
        let _ = fs::remove_file(&beside);
    }
    written
}

/// The text with other live sections: lines that differ are replaced, comments stay. `None` where the result does not
/// say exactly that, and nothing else.
fn patched(name: &str, text: &str, live: &Live) -> Option<String> {
    let before = DeploymentConfig::parse(name, text).ok()?;
    let old = settings(&before.live);
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    for ((key, wanted), (_, was)) in settings(live).iter().zip(&old) {
        if wanted != was {
            let (section, key) = key.split_once('.')?;
            set(&mut lines, section, key, wanted.as_deref());
        }
    }
    let patched = lines.join("\n") + "\n";
    let after = DeploymentConfig::parse(name, &patched).ok()?;
    let others = DeploymentConfig { live: after.live.clone(), ..before };
    (is_same(&after.live, live) && others == after).then_some(patched)
}

fn set(lines: &mut Vec<String>, section: &str, key: &str, value: Option<&str>) {
    let header = format!("[{section}]");
    let is_header = |line: &String| line.split('#').next().unwrap_or("").trim().starts_with('[');
    let Some(begin) = lines.iter().position(|line| line.split('#').next().unwrap_or("").trim() == header) else {
        if let Some(value) = value {
            lines.extend([header, format!("{key} = {value}")]);
        }
        return;
    };
    let end = lines.iter().skip(begin + 1).position(is_header).map_or(lines.len(), |length| begin + 1 + length);
    let is_key = |line: &String| line.trim_start().strip_prefix(key).is_some_and(|rest| rest.trim_start().starts_with('='));
    let found = lines[begin + 1..end].iter().position(is_key).map(|at| begin + 1 + at);
    match (found, value) {
        (Some(at), Some(value)) => {
            let comment = lines[at].split_once('#').map_or(String::new(), |(_, comment)| format!(" #{comment}"));
            lines[at] = format!("{key} = {value}{comment}");
        }
        (Some(at), None) => {
            lines.remove(at);
        }
        (None, Some(value)) => lines.insert(begin + 1, format!("{key} = {value}")),
        (None, None) => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = "# ours\n[server]\nlisten = \"127.0.0.1:1\"\n[rate_limit] # per minute\nbooking = \"30/min\"   # bookings\n\
        [deadlines]\ncheck = \"2s\"\n[circuit_breaker]\nslow_call = \"2s\"\n";

    fn live(text: &str) -> Live {
        DeploymentConfig::parse("f", text).unwrap_or_else(|problems| panic!("{problems}")).live
    }

    #[test]
    fn only_what_differs_is_rewritten_and_comments_stay() {
        let wanted = live(
            "[rate_limit]\nbooking = \"7/min\"\ncancel = \"3/min\"\n[deadlines]\ncheck = \"2s\"\n[protections]\nperformance = \"off\"\n",
        );
        let text = patched("f", FILE, &wanted).expect("patched");
        assert!(text.contains("booking = \"7/min\" # bookings") && text.contains("cancel = \"3/min\""), "{text}");
        assert!(text.contains("# ours") && text.contains("[protections]\nperformance = \"off\""), "{text}");
        assert!(!text.contains("slow_call"), "{text}");
        assert!(is_same(&live(&text), &wanted));
        assert_eq!(patched("f", &text, &live(FILE)).map(|text| is_same(&live(&text), &live(FILE))), Some(true), "and back");
    }

    #[test]
    fn a_file_in_a_form_that_is_not_understood_stays_as_it_is() {
        let wanted = live("[rate_limit]\nbooking = \"7/min\"\n");
        assert_eq!(patched("f", "rate_limit = { booking = \"30/min\" }\n", &wanted), None);
        assert_eq!(patched("f", "rate_limit.booking = \"30/min\"\n", &wanted), None);
    }

    #[test]
    fn a_file_is_replaced_whole_with_its_mode_through_its_link() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = frontdesk_testkit::folder("file");
        let (file, link) = (folder.path().join("real.toml"), folder.path().join("frontdesk.toml"));
        fs::write(&file, "a").expect("written");
        fs::set_permissions(&file, fs::Permissions::from_mode(0o640)).expect("set");
        // Where this may not be given away it is one's own, and stays that.
        let _ = std::os::unix::fs::chown(&file, None, Some(65532));
        let group = fs::metadata(&file).expect("there").gid();
        std::os::unix::fs::symlink(&file, &link).expect("linked");
        assert_eq!(replace(&link, "b"), Rewritten::Done);
        assert_eq!(replace(&link, "b"), Rewritten::Same);
        assert_eq!(fs::read_to_string(&file).expect("read"), "b");
        assert_eq!(fs::metadata(&file).expect("there").permissions().mode() & 0o777, 0o640);
        assert_eq!(fs::metadata(&file).expect("there").gid(), group);
        assert!(fs::symlink_metadata(&link).expect("there").is_symlink());
        assert_eq!(fs::read_dir(folder.path()).expect("a folder").count(), 2, "nothing is left behind");
        assert_eq!(replace(&folder.path().join("none.toml"), "b"), Rewritten::Absent);
        assert!(matches!(replace(folder.path(), "b"), Rewritten::Kept(_)));
    }
}
