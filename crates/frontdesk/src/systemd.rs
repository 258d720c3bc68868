//! What systemd is told, and the socket that it may hand over; without systemd nothing of it happens.

use std::net::TcpListener;
use std::time::Duration;

use listenfd::ListenFd;
use sd_notify::NotifyState;

/// The socket that systemd opened for us, if it did. Has to be asked before there is a second thread.
pub(crate) fn socket() -> Result<Option<TcpListener>, String> {
    let mut given = ListenFd::from_env();
    match given.len() {
        0 => Ok(None),
        1 => {
            let listener = given.take_tcp_listener(0);
            listener.map_err(|error| format!("the socket from systemd (LISTEN_FDS) is none of TCP: {error}"))
        }
        many => Err(format!("{many} sockets came from systemd (LISTEN_FDS); the gateway serves one")),
    }
}

/// Requests are answered, by a configuration of that revision.
pub(crate) fn ready(revision: &str) {
    let status = format!("serving, configuration {revision}");
    tell(&[NotifyState::Ready, NotifyState::Status(&status)]);
}

/// A configuration is being read; [`ready`] ends it, whichever is in force then.
pub(crate) fn reloading() {
    match NotifyState::monotonic_usec_now() {
        Ok(now) => tell(&[NotifyState::Reloading, now]),
        Err(error) => tracing::debug!(%error, "the monotonic clock does not answer"),
    }
}

/// Another process serves from now on.
pub(crate) fn handed_over(process: u32) {
    tell(&[NotifyState::MainPid(process)]);
}

/// The last requests are served.
pub(crate) fn stopping() {
    tell(&[NotifyState::Stopping, NotifyState::Status("finishing what runs")]);
}

/// Still alive.
pub(crate) fn alive() {
    tell(&[NotifyState::Watchdog]);
}

/// How often that has to be said, if at all; twice as often as systemd asks for.
pub(crate) fn watchdog() -> Option<Duration> {
    sd_notify::watchdog_enabled().map(|within| within / 2).filter(|every| !every.is_zero())
}

fn tell(state: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(state) {
        tracing::warn!(%error, "systemd cannot be told how this process stands");
    }
}
