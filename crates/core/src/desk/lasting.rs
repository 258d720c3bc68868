//! Work that outlasts whoever waits for it. As long as somebody does it is a part of their task, for a task of its
//! own would cost a hand-over between threads for every request; when they go, it is given one.

use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::runtime::Handle;

/// Work that goes on in a task of its own when this is dropped before its end.
pub(super) struct Lasting<F>(Option<Pin<Box<F>>>)
where
    F: Future<Output: Send> + Send + 'static;

impl<F> Lasting<F>
where
    F: Future<Output: Send> + Send + 'static,
{
    pub(super) fn of(work: F) -> Self {
        Self(Some(Box::pin(work)))
    }
}

impl<F> Future for Lasting<F>
where
    F: Future<Output: Send> + Send + 'static,
{
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        // Like any future, it is not polled after its end.
        let Some(work) = &mut self.0 else { return Poll::Pending };
        let answer = work.as_mut().poll(context);
        if answer.is_ready() {
            self.0 = None;
        }
        answer
    }
}

impl<F> Drop for Lasting<F>
where
    F: Future<Output: Send> + Send + 'static,
{
    #[expect(
        clippy::disallowed_methods,
        reason = "the one place where the desk detaches work; each task ends by its own deadline"
    )]
    fn drop(&mut self) {
        // Without a runtime the process is on its way out, and nothing goes on.
        if let Some(work) = self.0.take()
            && let Ok(runtime) = Handle::try_current()
        {
            runtime.spawn(work);
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::sync::oneshot;

    use super::*;

    #[tokio::test]
    async fn waited_for_it_answers_and_left_alone_it_goes_on() {
        assert_eq!(Lasting::of(async { 7 }).await, 7);

        let (go, gone) = oneshot::channel::<()>();
        let (tell, told) = oneshot::channel();
        let mut work = Lasting::of(async move {
            gone.await.expect("told to go on");
            tell.send("done").expect("heard");
        });
        let begun = std::future::poll_fn(|context| Poll::Ready(Pin::new(&mut work).poll(context).is_pending())).await;
        assert!(begun, "it waits");
        drop(work);
        go.send(()).expect("it is still there");
        assert_eq!(told.await, Ok("done"));

        let (tell, told) = oneshot::channel();
        drop(Lasting::of(async move { tell.send("never polled before") }));
        assert_eq!(told.await, Ok("never polled before"));
    }
}
