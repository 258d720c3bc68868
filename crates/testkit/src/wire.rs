//! A stretch of wire that can be cut: everything goes through to the other side until it is.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};

/// A wire to one address. It ends when it is dropped.
pub struct Wire {
    address: SocketAddr,
    is_cut: Arc<watch::Sender<bool>>,
    listening: JoinHandle<()>,
}

impl Wire {
    /// Lays a wire to `to`, `HOST:PORT`.
    ///
    /// # Panics
    /// When no port is free.
    pub async fn to(to: &str) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a free port");
        let address = listener.local_addr().expect("its address");
        let (cut, is_cut) = watch::channel(false);
        let to = to.to_owned();
        #[expect(clippy::disallowed_methods, reason = "the wire owns its task; it is aborted with it")]
        let listening = tokio::spawn(async move {
            let mut carried = JoinSet::new();
            loop {
                let Ok((mut near, _)) = listener.accept().await else { continue };
                let (to, mut is_cut) = (to.clone(), is_cut.clone());
                carried.spawn(async move {
                    if *is_cut.borrow() {
                        return;
                    }
                    let Ok(mut far) = TcpStream::connect(&to).await else { return };
                    tokio::select! {
                        _ = copy_bidirectional(&mut near, &mut far) => {}
                        _ = is_cut.wait_for(|is_cut| *is_cut) => {}
                    }
                });
                while carried.try_join_next().is_some() {}
            }
        });
        Self { address, is_cut: Arc::new(cut), listening }
    }

    /// Where the near end is.
    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// Ends every connection, and every new one as soon as it comes.
    pub fn cut(&self) {
        self.is_cut.send_replace(true);
    }

    /// As before.
    pub fn mend(&self) {
        self.is_cut.send_replace(false);
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        self.listening.abort();
    }
}
