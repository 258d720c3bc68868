//! The machine: room on disks, memory, load, open files.

use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use frontdesk_http::Finding;
use frontdesk_store::Place;

use super::{Check, Subject, Vantage};
use crate::config::deployment::HealthRules;
use crate::config::secrets::SecretSource;
use crate::operations::resident_bytes;

/// Used open files in percent from where on they run out.
const FILES_PERCENT: u64 = 80;

pub(super) async fn machine(subject: &Subject) -> Vec<Finding> {
    let (folders, rules, from) = (folders(subject), subject.config.health, subject.from);
    let looked = tokio::task::spawn_blocking(move || {
        let mut found = disks(&folders, &rules);
        found.extend([memory(&rules), load(&rules)]);
        if from == Vantage::Gateway {
            found.push(files());
        }
        found
    });
    looked.await.unwrap_or_default()
}

/// Where something is written: the store, the master key, the log if it is a file or the journal's.
fn folders(subject: &Subject) -> Vec<(&'static str, PathBuf)> {
    let folder = |file: &Path| match file.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder.to_owned(),
        _ => PathBuf::from("."),
    };
    let mut folders = Vec::new();
    if let Place::File(file) = &subject.place {
        folders.push(("the store", folder(file)));
    }
    if let SecretSource::File(file) = &subject.config.master_key {
        folders.push(("the master key", folder(file)));
    }
    match std::fs::read_link("/proc/self/fd/2") {
        Ok(log) if log.is_file() => folders.push(("the log", folder(&log))),
        _ => folders.push(("the log", PathBuf::from("/var/log"))),
    }
    let log = &subject.config.log;
    folders.extend(log.file.iter().chain(log.channels.values()).map(|file| ("the log", folder(file))));
    // What is not there yet is made in the nearest folder that is.
    for (_, folder) in &mut folders {
        let nearest = folder.ancestors().find(|it| it.exists()).map(Path::to_owned);
        *folder = nearest.unwrap_or_else(|| PathBuf::from("."));
    }
    folders
}

/// One finding for each disk.
fn disks(folders: &[(&'static str, PathBuf)], rules: &HealthRules) -> Vec<Finding> {
    let mut seen: Vec<u64> = Vec::new();
    let mut found = Vec::new();
    for (what, folder) in folders {
        let Ok(device) = std::fs::metadata(folder).map(|it| it.dev()) else { continue };
        if seen.contains(&device) {
            continue;
        }
        seen.push(device);
        if let Ok(disk) = rustix::fs::statvfs(folder) {
            let blocks = (disk.f_blocks.saturating_sub(disk.f_bfree), disk.f_bavail, disk.f_frsize);
            let inodes = (disk.f_files.saturating_sub(disk.f_ffree), disk.f_favail);
            found.push(disk_finding(what, folder, blocks, inodes, rules));
        }
    }
    found
}

fn disk_finding(
    what: &str,
    folder: &Path,
    (used, free, block): (u64, u64, u64),
    (inodes, free_inodes): (u64, u64),
    rules: &HealthRules,
) -> Finding {
    let name = Check::Disk.name();
    let (full, worn) = (percent(used, used.saturating_add(free)), percent(inodes, inodes.saturating_add(free_inodes)));
    let folder = std::path::absolute(folder).unwrap_or_else(|_| folder.to_owned());
    let seen = format!(
        "{}: {} free, {full} % used; inodes {worn} % used; warned of from {} % on",
        folder.display(),
        bytes(free.saturating_mul(block)),
        rules.disk_percent
    );
    let most = u64::from(rules.disk_percent);
    let advice = "make room there, or move what fills it: on a full disk no booking can be confirmed";
    if full >= most {
        return Finding::warn(name, format!("The disk of {what} is {full} % full."), seen, advice);
    }
    if worn >= most {
        let says = format!("The disk of {what} has used {worn} % of its inodes.");
        return Finding::warn(name, says, seen, "delete small files there: no new one can be made when they run out");
    }
    Finding::ok(name, format!("The disk of {what} has room.")).seen(seen)
}

fn memory(rules: &HealthRules) -> Finding {
    let name = Check::Memory.name();
    let Ok(text) = std::fs::read_to_string("/proc/meminfo") else { return unknown(Check::Memory) };
    let kib = |key: &str| text.lines().find_map(|line| line.strip_prefix(key)?.split_whitespace().next()?.parse::<u64>().ok());
    let (Some(total), Some(free)) = (kib("MemTotal:"), kib("MemAvailable:")) else { return unknown(Check::Memory) };
    let mut used = percent(total.saturating_sub(free), total);
    let mut seen = format!("{used} % of {} used", bytes(total * 1024));
    // A container may have less than the machine.
    let group = |file: &str| std::fs::read_to_string(format!("/sys/fs/cgroup/{file}")).ok()?.trim().parse::<u64>().ok();
    if let (Some(now), Some(most)) = (group("memory.current"), group("memory.max")) {
        let reclaimable = std::fs::read_to_string("/sys/fs/cgroup/memory.stat").ok();
        let cache =
            reclaimable.and_then(|text| text.lines().find_map(|it| it.strip_prefix("inactive_file ")?.parse::<u64>().ok()));
        let own = percent(now.saturating_sub(cache.unwrap_or(0)), most);
        seen = format!("{seen}; {own} % of the {} of this container", bytes(most));
        used = used.max(own);
    }
    let seen = format!("{seen}; this process {}; warned of from {} % on", bytes(resident_bytes()), rules.memory_percent);
    if used >= u64::from(rules.memory_percent) {
        let advice = "find what uses it (frontdesk itself needs some tens of MiB), or give the machine more";
        return Finding::warn(name, format!("The memory is {used} % used."), seen, advice);
    }
    Finding::ok(name, "There is memory.").seen(seen)
}

fn load(rules: &HealthRules) -> Finding {
    let name = Check::Load.name();
    let text = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let mut means = text.split_whitespace().filter_map(|word| word.parse::<f64>().ok());
    let (Some(one), Some(five), Some(fifteen)) = (means.next(), means.next(), means.next()) else { return unknown(Check::Load) };
    let cores = std::thread::available_parallelism().ok().and_then(|cores| u32::try_from(cores.get()).ok()).unwrap_or(1);
    let seen = format!(
        "{one:.2} {five:.2} {fifteen:.2} over 1, 5, 15 min on {cores} processors; warned of from {} each on",
        rules.load_per_core
    );
    let most = f64::from(rules.load_per_core) * f64::from(cores);
    // A moment of work is what a machine is for.
    if one >= most && fifteen >= most {
        let advice = "find what works there (top), or give the machine more processors: callers wait for each answer";
        return Finding::warn(name, "The machine has had too much to do for a quarter of an hour.", seen, advice);
    }
    Finding::ok(name, "The machine keeps up.").seen(seen)
}

fn files() -> Finding {
    match open_files() {
        None => unknown(Check::OpenFiles),
        Some((used, most)) => files_finding(Check::OpenFiles, "This gateway", used, most),
    }
}

/// Open files of a process against what it may open.
pub(super) fn files_finding(check: Check, who: &str, used: u64, most: u64) -> Finding {
    let seen = format!("{used} of {most}");
    if percent(used, most) >= FILES_PERCENT {
        let advice = "raise LimitNOFILE of its service (ulimit -n), then restart it: without files it takes no connection";
        return Finding::warn(check.name(), format!("{who} has nearly all files open that it may."), seen, advice);
    }
    Finding::ok(check.name(), format!("{who} may open more files.")).seen(seen)
}

/// How many files this process has open, and may have.
pub(crate) fn open_files() -> Option<(u64, u64)> {
    let used = std::fs::read_dir("/proc/self/fd").ok()?.count();
    let limits = std::fs::read_to_string("/proc/self/limits").ok()?;
    let most = limits.lines().find_map(|line| line.strip_prefix("Max open files")?.split_whitespace().next()?.parse().ok());
    Some((u64::try_from(used).ok()?, most?))
}

fn unknown(check: Check) -> Finding {
    Finding::ok(check.name(), format!("{} cannot be looked at on this system.", check.name()))
}

/// Rounded up, as `df` does.
fn percent(part: u64, whole: u64) -> u64 {
    if whole == 0 { 0 } else { (u128::from(part) * 100).div_ceil(u128::from(whole)).try_into().unwrap_or(100) }
}

fn bytes(bytes: u64) -> String {
    const MIB: u64 = 1024 * 1024;
    match bytes / MIB {
        few @ 0..10_240 => format!("{few} MiB"),
        many => format!("{} GiB", many / 1024),
    }
}

#[cfg(test)]
mod tests {
    use frontdesk_http::Severity;

    use super::*;
    use crate::config::deployment::DeploymentConfig;

    #[test]
    fn a_disk_is_full_by_its_blocks_or_by_its_inodes() {
        let rules = DeploymentConfig::default().health;
        let look = |blocks, inodes| disk_finding("the store", Path::new("/data"), blocks, inodes, &rules);
        assert_eq!(look((79, 21, 4096), (1, 99)).severity, Severity::Ok);
        let full = look((80, 20, 1024 * 1024), (1, 99));
        assert_eq!((full.severity, full.says.as_str()), (Severity::Warn, "The disk of the store is 80 % full."));
        assert!(full.evidence.starts_with("/data: 20 MiB free, 80 % used"), "{}", full.evidence);
        assert!(look((1, 99, 4096), (95, 5)).says.contains("95 % of its inodes"));
        assert_eq!(look((1, 99, 4096), (0, 0)).severity, Severity::Ok, "some disks do not count inodes");
    }

    #[test]
    fn files_run_out_before_there_are_none() {
        assert_eq!(files_finding(Check::OpenFiles, "This gateway", 79, 100).severity, Severity::Ok);
        assert_eq!(files_finding(Check::OpenFiles, "This gateway", 80, 100).severity, Severity::Warn);
        assert!(open_files().is_some_and(|(used, most)| used > 0 && used <= most));
    }
}
