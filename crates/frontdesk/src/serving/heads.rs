//! A connection on which no head of a request takes for ever to arrive.
//!
//! WHY NOT hyper's own limit: it runs from the end of one request on, so it would close connections that are kept
//! between the functions of a call, under the hands of whoever sends the next one.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Sleep, sleep};

/// The stream of a connection, with a limit for heads.
pub(super) struct Heads<S> {
    stream: S,
    within: Duration,
    /// How many requests have begun, and how many of them are worked on.
    begun: Arc<AtomicUsize>,
    at_work: Arc<AtomicUsize>,
    seen: usize,
    /// Runs while a head is awaited.
    limit: Option<Pin<Box<Sleep>>>,
}

impl<S> Heads<S> {
    pub(super) fn on(stream: S, within: Duration, begun: Arc<AtomicUsize>, at_work: Arc<AtomicUsize>) -> Self {
        // Who connects has something to ask.
        Self { stream, within, begun, at_work, seen: 0, limit: Some(Box::pin(sleep(within))) }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Heads<S> {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let begun = self.begun.load(Ordering::Relaxed);
        if begun != self.seen {
            (self.seen, self.limit) = (begun, None);
        }
        let before = into.filled().len();
        if let Poll::Ready(read) = Pin::new(&mut self.stream).poll_read(context, into) {
            // While a request is worked on it is its body that arrives, which has a limit of its own.
            if into.filled().len() > before && self.limit.is_none() && self.at_work.load(Ordering::Relaxed) == 0 {
                self.limit = Some(Box::pin(sleep(self.within)));
            }
            return Poll::Ready(read);
        }
        match &mut self.limit {
            Some(limit) => limit.as_mut().poll(context).map(|()| Err(io::ErrorKind::TimedOut.into())),
            None => Poll::Pending,
        }
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Heads<S> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        pieces: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(context, pieces)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}
