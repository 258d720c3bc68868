//! A real PostgreSQL on a free port, in a folder of its own, gone with the test.
//!
//! What `initdb` makes is kept in the temporary folder and copied for every server, so that a start costs a
//! part of a second. Nothing of the environment reaches the server or its client: no `PG…` and no
//! `DATABASE_URL` can lead a test to a database that somebody needs.

use std::fs::{self, File, Permissions};
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use tempfile::TempDir;

/// How often a server that starts is looked at, ten milliseconds apart.
const LOOKS: u32 = 3000;
/// Who owns everything in it.
const OWNER: &str = "frontdesk_test";
/// What every database made here says of itself.
const MARKER: &str = "made by a test of frontdesk; may be lost at any time";

/// What a server is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Fast,
    Syncs,
    Encrypts,
}

/// A server that only this test talks to.
pub struct PostgresServer {
    port: u16,
    folder: TempDir,
    kind: Kind,
    child: Option<Child>,
    databases: AtomicU32,
}

impl PostgresServer {
    /// Starts one that never waits for the disk: what it wrote survives its own death, not the machine's.
    ///
    /// # Panics
    /// When PostgreSQL is not installed or does not answer within thirty seconds: a test that needs it must
    /// not pass without it.
    pub fn start() -> Self {
        Self::with(Kind::Fast)
    }

    /// Starts one that waits for the disk as production does, for tests that kill it.
    pub fn that_syncs() -> Self {
        Self::with(Kind::Syncs)
    }

    /// One that the tests of this process share while any of them has it.
    pub fn shared() -> Arc<Self> {
        static SHARED: Mutex<Weak<PostgresServer>> = Mutex::new(Weak::new());
        let mut shared = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
        shared.upgrade().unwrap_or_else(|| {
            let server = Arc::new(Self::start());
            *shared = Arc::downgrade(&server);
            server
        })
    }

    /// Starts one that also speaks TLS.
    pub fn that_encrypts() -> Self {
        Self::with(Kind::Encrypts)
    }

    /// The file with its certificate.
    pub fn certificate(&self) -> PathBuf {
        self.folder.path().join("server.crt")
    }

    fn with(kind: Kind) -> Self {
        let template = template();
        let folder = crate::folder("postgres");
        own_folder(folder.path());
        let copied = as_owner("cp", &["-a", "--reflink=auto", "--"])
            .arg(template.join("."))
            .arg(folder.path())
            .status()
            .expect("cp is installed");
        assert!(copied.success(), "the template is copied");
        if kind == Kind::Encrypts {
            make_certificate(folder.path());
        }
        let mut server = Self { port: 0, folder, kind, child: None, databases: AtomicU32::new(0) };
        for _ in 0..20 {
            server.port =
                TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port").local_addr().expect("its address").port();
            if server.try_start() {
                return server;
            }
        }
        panic!("postgres did not start on any port");
    }

    /// A fresh, empty database; its address for the owner of everything.
    pub fn database(&self) -> String {
        let name = format!("frontdesk_test_{}", self.databases.fetch_add(1, Ordering::Relaxed));
        self.psql("postgres", &format!("CREATE DATABASE {name}"));
        self.psql("postgres", &format!("COMMENT ON DATABASE {name} IS '{MARKER}'"));
        self.url(OWNER, &name)
    }

    /// Where `role` finds `database`.
    pub fn url(&self, role: &str, database: &str) -> String {
        format!("postgres://{role}@127.0.0.1:{}/{database}", self.port)
    }

    /// What `psql` prints for `sql` in the database at `url`, as the owner of everything.
    ///
    /// # Panics
    /// When the statement fails, and when the database was not made by [`Self::database`].
    pub fn run(&self, url: &str, sql: &str) -> String {
        let name = url.rsplit('/').next().expect("a name");
        let quoted = name.replace('\'', "''");
        let marker = self.psql(
            "postgres",
            &format!("SELECT shobj_description(oid, 'pg_database') FROM pg_database WHERE datname = '{quoted}'"),
        );
        assert_eq!(marker, MARKER, "{name} is not a database of this test");
        self.psql(name, sql)
    }

    /// Makes it die as a crash would, its sessions with it.
    pub fn stop(&mut self) {
        if let Some(mut child) = self.child.take() {
            // SIGQUIT: no farewell and no checkpoint. SIGKILL would leave sessions behind that still serve.
            let _ = Command::new("kill").args(["-QUIT", &child.id().to_string()]).stderr(Stdio::null()).status();
            let _ = child.wait();
        }
    }

    /// Starts it again on the same port, with what it had.
    pub fn start_again(&mut self) {
        assert!(self.try_start(), "postgres starts again");
    }

    fn psql(&self, database: &str, sql: &str) -> String {
        let output = self.try_psql(database, sql);
        assert!(output.status.success(), "{sql}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).trim_end().to_owned()
    }

    fn try_psql(&self, database: &str, sql: &str) -> std::process::Output {
        alone(&mut Command::new(program("psql")))
            .args(["-X", "-w", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-h", "127.0.0.1", "-U", OWNER])
            .args(["-p", &self.port.to_string(), "-d", database, "-c", sql])
            .output()
            .expect("psql is installed")
    }

    fn try_start(&mut self) -> bool {
        let fsync = format!("fsync={}", if self.kind == Kind::Syncs { "on" } else { "off" });
        let ssl = format!("ssl={}", if self.kind == Kind::Encrypts { "on" } else { "off" });
        let port = self.port.to_string();
        let settings =
            ["max_connections=120", "shared_buffers=16MB", "max_wal_senders=0", "wal_level=minimal", "jit=off", &fsync, &ssl];
        let child = as_owner(program("postgres"), &["-p", &port, "-h", "127.0.0.1", "-k", ""])
            .args(settings.iter().flat_map(|setting| ["-c", setting]))
            .arg("-D")
            .arg(self.folder.path())
            .stdout(Stdio::null())
            .stderr(File::create(self.folder.path().join("server.log")).expect("a log"))
            .spawn()
            .expect("postgres is installed");
        self.child = Some(child);
        for _ in 0..LOOKS {
            if self.child.as_mut().is_some_and(|child| child.try_wait().is_ok_and(|ended| ended.is_some())) {
                self.child = None;
                return false;
            }
            if fs::read_to_string(self.folder.path().join("postmaster.pid")).is_ok_and(|text| text.contains("ready"))
                && self.try_psql("postgres", "SELECT 1").status.success()
            {
                return true;
            }
            crate::pause();
        }
        self.stop();
        false
    }
}

impl Drop for PostgresServer {
    fn drop(&mut self) {
        self.stop();
    }
}

/// The folder that `initdb` filled, made by whoever comes first.
fn template() -> PathBuf {
    let version = alone(&mut Command::new(program("postgres"))).arg("--version").output().expect("postgres is installed").stdout;
    let version: String = String::from_utf8_lossy(&version).chars().filter(char::is_ascii_alphanumeric).collect();
    let (user, _) = owner();
    let place = std::env::temp_dir().join(format!("frontdesk-postgres-template-{version}-{user}"));
    let lock = File::create(place.with_extension("lock")).expect("a lock");
    lock.lock().expect("locked");
    if place.exists() {
        assert_eq!(fs::metadata(&place).expect("there").uid(), user, "{} belongs to somebody else", place.display());
        return place;
    }
    let making = place.with_extension(format!("making-{}", std::process::id()));
    own_folder(&making);
    let output =
        as_owner(program("initdb"), &["-A", "trust", "--no-sync", "-E", "UTF8", "--locale=C", "--wal-segsize=1", "-U", OWNER])
            .arg("-D")
            .arg(&making)
            .output()
            .expect("initdb is installed");
    assert!(output.status.success(), "initdb: {}", String::from_utf8_lossy(&output.stderr));
    fs::rename(&making, &place).expect("moved into place");
    place
}

/// A certificate for this machine, signed by itself.
fn make_certificate(folder: &Path) {
    let made = as_owner("openssl", &["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"])
        .args(["-subj", "/CN=frontdesk test", "-addext", "subjectAltName=IP:127.0.0.1"])
        .args(["-addext", "basicConstraints=critical,CA:FALSE", "-days", "3650"])
        .arg("-keyout")
        .arg(folder.join("server.key"))
        .arg("-out")
        .arg(folder.join("server.crt"))
        .stderr(Stdio::null())
        .status()
        .expect("openssl is installed");
    assert!(made.success(), "a certificate is made");
}

/// Makes an empty folder for whom the server runs as.
fn own_folder(folder: &Path) {
    fs::create_dir_all(folder).expect("a folder");
    fs::set_permissions(folder, Permissions::from_mode(0o700)).expect("its owner's alone");
    if is_root() {
        let (user, group) = owner();
        std::os::unix::fs::chown(folder, Some(user), Some(group)).expect("given away");
    }
}

fn is_root() -> bool {
    fs::metadata("/proc/self").is_ok_and(|me| me.uid() == 0)
}

/// Whom the server runs as: PostgreSQL refuses to run as root, so then it is `postgres`, or else `nobody`.
fn owner() -> (u32, u32) {
    let me = fs::metadata("/proc/self").expect("a process");
    if me.uid() != 0 {
        return (me.uid(), me.gid());
    }
    let users = fs::read_to_string("/etc/passwd").expect("users");
    let ids = |name: &str| {
        let fields =
            users.lines().map(|line| line.split(':').collect::<Vec<_>>()).find(|fields| fields.first() == Some(&name))?;
        Some((fields.get(2)?.parse().ok()?, fields.get(3)?.parse().ok()?))
    };
    ids("postgres").or_else(|| ids("nobody")).expect("a user that is not root")
}

/// A command as the owner of the server's files.
fn as_owner(program: impl AsRef<Path>, arguments: &[&str]) -> Command {
    let mut command = if is_root() {
        let (user, group) = owner();
        let mut command = Command::new("setpriv");
        command.args([&format!("--reuid={user}"), &format!("--regid={group}"), "--clear-groups", "--"]).arg(program.as_ref());
        command
    } else {
        Command::new(program.as_ref())
    };
    alone(&mut command).args(arguments).current_dir("/").stdin(Stdio::null());
    command
}

/// Takes everything of the environment away but the way to programs.
fn alone(command: &mut Command) -> &mut Command {
    command.env_clear().env("PATH", path()).env("LC_ALL", "C")
}

#[expect(clippy::disallowed_methods, reason = "where programs are is the machine's business, not the test's")]
fn path() -> std::ffi::OsString {
    std::env::var_os("PATH").unwrap_or_default()
}

/// A program of PostgreSQL: on the path, or where Debian puts it; the newest of several.
fn program(name: &str) -> PathBuf {
    if let Some(found) = std::env::split_paths(&path()).map(|folder| folder.join(name)).find(|file| file.is_file()) {
        return found;
    }
    let versions = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let mut found: Vec<(u32, PathBuf)> = versions
        .filter_map(|version| Some((version.file_name().to_str()?.parse().ok()?, version.path().join("bin").join(name))))
        .filter(|(_, file)| file.is_file())
        .collect();
    found.sort();
    found.pop().map(|(_, file)| file).unwrap_or_else(|| panic!("{name} is not installed: apt-get install postgresql"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_keeps_its_data_over_a_crash_and_touches_no_database_of_others() {
        let mut server = PostgresServer::that_syncs();
        let url = server.database();
        server.run(&url, "CREATE TABLE thing (name TEXT); INSERT INTO thing VALUES ('kept')");
        server.stop();
        server.start_again();
        assert_eq!(server.run(&url, "SELECT name FROM thing"), "kept");
        server.psql("postgres", "CREATE DATABASE somebodys");
        let strange = server.url(OWNER, "somebodys");
        assert!(std::panic::catch_unwind(|| server.run(&strange, "SELECT 1")).is_err());
    }
}
