//! The real binary under load, and the tenants that it serves.

use std::fmt::Write as _;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use frontdesk_testkit::TempDir;
use tokio::net::{TcpListener, TcpStream};

use crate::STAFF;
use crate::load::{KEY, now, say};

/// No limit is reached: what is measured is that all of them are asked.
pub(crate) const LIMITS: &str = "[rate_limit]\nbooking = \"1000000/min\"\navailability = \"1000000/min\"\nhealth = \"1000000/min\"\ncall = \"1000000/min\"\ndefault = \"1000000/min\"\ncalendar = \"1000000/min\"\n";

/// The real binary, stopped when dropped.
pub(crate) struct Gateway {
    pub(crate) child: Child,
    pub(crate) folder: TempDir,
    pub(crate) address: String,
}

impl Drop for Gateway {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Gateway {
    pub(crate) async fn start(state: &str, tenants: &[(String, String)]) -> Self {
        let folder = frontdesk_testkit::folder("bench");
        let port = TcpListener::bind("127.0.0.1:0").await.expect("a port").local_addr().expect("an address").port();
        let address = format!("127.0.0.1:{port}");
        let config = format!(
            "[server]\nlisten = \"{address}\"\npublic_url = \"http://{address}\"\n[store]\nurl = \"sqlite:{0}/frontdesk.db\"\n[secrets]\nmaster_key = \"file:{0}/master.key\"\n[state]\nurl = \"{state}\"\n[log]\nfile = \"{0}/frontdesk.log\"\n{LIMITS}",
            folder.path().display()
        );
        std::fs::write(folder.path().join("frontdesk.toml"), config).expect("written");
        let binary = env!("CARGO_BIN_EXE_frontdesk");
        for (name, text) in tenants {
            std::fs::write(folder.path().join(name), text).expect("written");
            let applied = Command::new(binary)
                .args(["tenant", "apply"])
                .arg(folder.path().join(name))
                .arg("--config")
                .arg(folder.path().join("frontdesk.toml"))
                .stdout(Stdio::null())
                .status();
            assert!(applied.is_ok_and(|status| status.success()), "{name} is applied");
        }
        let log = std::fs::File::create(folder.path().join("log")).expect("a log");
        let began = now();
        let child = Command::new(binary)
            .arg("serve")
            .arg("--config")
            .arg(folder.path().join("frontdesk.toml"))
            .stderr(log)
            .spawn()
            .expect("started");
        let gateway = Self { child, folder, address };
        while TcpStream::connect(&gateway.address).await.is_err() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        say(&format!(
            "start to accepting connections{:>15} ms, {:.1} MiB resident",
            began.elapsed().as_millis(),
            gateway.resident()
        ));
        gateway
    }

    /// MiB.
    pub(crate) fn resident(&self) -> f64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap_or_default();
        let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap_or("");
        line.split_whitespace().nth(1).and_then(|kib| kib.parse::<f64>().ok()).unwrap_or(0.0) / 1024.0
    }

    /// Seconds of processor time so far.
    pub(crate) fn cpu(&self) -> f64 {
        cpu_of(self.child.id())
    }

    /// Switches everything that can be, and waits until that is known.
    pub(crate) async fn switch_all(&self, state: &str) {
        for name in ["cache_isolation", "log_sanitizer", "circuit_breaker", "rate_limit", "performance", "business_hours"] {
            self.switch(name, state).await;
        }
    }

    pub(crate) async fn switch(&self, name: &str, state: &str) {
        {
            let set = Command::new(env!("CARGO_BIN_EXE_frontdesk"))
                .args(["feature", "set", name, state, "--config"])
                .arg(self.folder.path().join("frontdesk.toml"))
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .status();
            assert!(set.is_ok_and(|status| status.success()), "{name} is switched");
        }
        tokio::time::sleep(Duration::from_millis(600)).await;
    }
}

/// Seconds of processor time of a process so far, of the threads that it has, to the nanosecond.
pub(crate) fn cpu_of(process: u32) -> f64 {
    let threads = std::fs::read_dir(format!("/proc/{process}/task")).into_iter().flatten().flatten();
    let spent = threads.map(|thread| {
        let stat = std::fs::read_to_string(thread.path().join("schedstat")).unwrap_or_default();
        stat.split_whitespace().next().and_then(|nanoseconds| nanoseconds.parse::<f64>().ok()).unwrap_or(0.0)
    });
    spent.sum::<f64>() / 1e9
}

/// A practice of eight with the built-in calendar, open at all times.
pub(crate) fn builtin(number: usize) -> String {
    let mut text = format!(
        "slug = \"builtin{number}\"\nname = \"Bench\"\ntime_zone = \"Europe/Berlin\"\nlanguage = \"de\"\n[retell]\napi_key = \"{KEY}\"\n[calendar]\nkind = \"builtin\"\n[hours]\n{}\n[policy]\nhorizon = \"700d\"\n[[services]]\nname = \"Beratung\"\nminutes = 15\n",
        ["mon", "tue", "wed", "thu", "fri", "sat", "sun"].map(|day| format!("{day} = [\"00:00-24:00\"]")).join("\n")
    );
    for person in 0..STAFF {
        let _ = write!(text, "[[staff]]\nname = \"Person {person}\"\nservices = [\"Beratung\"]\n");
    }
    text
}
