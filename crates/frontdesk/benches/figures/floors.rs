//! What the figures stand beside: a row committed, a proxy that does nothing else.

use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use frontdesk_testkit::TempDir;
use tokio::net::{TcpListener, TcpStream};

use crate::gateway::cpu_of;
use crate::load::say;

/// The floor of an acknowledgement: one row on the disk, one answer.
pub(crate) struct OneRow {
    pub(crate) address: String,
}

impl OneRow {
    pub(crate) async fn start(folder: &std::path::Path) -> Self {
        let connection = rusqlite::Connection::open(folder.join("one-row.db")).expect("opened");
        connection.pragma_update(None, "journal_mode", "wal").expect("set");
        connection.pragma_update(None, "synchronous", "full").expect("set");
        connection.execute_batch("CREATE TABLE IF NOT EXISTS event (body TEXT NOT NULL) STRICT").expect("made");
        let connection = Arc::new(std::sync::Mutex::new(connection));
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address").to_string();
        let commit = move |body: String| {
            let connection = Arc::clone(&connection);
            async move {
                let write = move || {
                    let connection = connection.lock().expect("not poisoned");
                    connection.execute("INSERT INTO event (body) VALUES (?)", [&body]).expect("written")
                };
                tokio::task::spawn_blocking(write).await.expect("written").to_string()
            }
        };
        let bare = axum::Router::new().route("/", axum::routing::post(commit));
        #[expect(clippy::disallowed_methods, reason = "the floor of the comparison runs beside the load")]
        tokio::spawn(async move { axum::serve(listener, bare).await });
        Self { address }
    }
}

/// A proxy that does nothing else, for comparison; `None` where it is not installed.
pub(crate) struct Nginx {
    pub(crate) child: Child,
    pub(crate) _folder: TempDir,
    pub(crate) address: String,
}

impl Nginx {
    pub(crate) async fn start(upstream: &str) -> Option<Self> {
        let port = TcpListener::bind("127.0.0.1:0").await.expect("a port").local_addr().expect("an address").port();
        let folder = frontdesk_testkit::folder("bench-nginx");
        let (folder_name, upstream) = (folder.path().display().to_string(), upstream.trim_start_matches("http://"));
        let config = format!(
            "daemon off;\nmaster_process off;\npid {folder_name}/pid;\nerror_log {folder_name}/error.log;\nevents {{ worker_connections 1024; }}\nhttp {{\n access_log {folder_name}/access.log;\n client_body_temp_path {folder_name}/a; proxy_temp_path {folder_name}/b; fastcgi_temp_path {folder_name}/c; uwsgi_temp_path {folder_name}/d; scgi_temp_path {folder_name}/e;\n keepalive_requests 1000000;\n upstream calendar {{ server {upstream}; keepalive 64; keepalive_requests 1000000; }}\n server {{ listen 127.0.0.1:{port}; location / {{ proxy_pass http://calendar; proxy_http_version 1.1; proxy_set_header Connection \"\"; }} }}\n}}\n"
        );
        std::fs::write(folder.path().join("nginx.conf"), config).expect("written");
        let child = Command::new("nginx")
            .arg("-p")
            .arg(folder.path())
            .arg("-c")
            .arg(folder.path().join("nginx.conf"))
            .stderr(Stdio::null())
            .spawn();
        let Ok(child) = child else {
            say("nginx is not installed: its line is left out");
            return None;
        };
        let nginx = Self { child, _folder: folder, address: format!("127.0.0.1:{port}") };
        for _ in 0..500 {
            if TcpStream::connect(&nginx.address).await.is_ok() {
                return Some(nginx);
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        say("nginx did not start: its line is left out");
        None
    }

    pub(crate) fn cpu(&self) -> f64 {
        cpu_of(self.child.id())
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
