//! The engine against a real file: what shares a commit does not share a fate.

use std::sync::mpsc;
use std::sync::{Arc, Mutex};
use std::task::Poll;

use frontdesk_core::ports::StoreError;
use frontdesk_testkit::TempDir;

use super::queue::{Job, Queue};
use super::{Durability, Engine, Tx, args, sqlite};

struct House {
    engine: Engine,
    _folder: TempDir,
}

fn house() -> House {
    let folder = frontdesk_testkit::folder("engine");
    let prepare = |tx: &mut Tx<'_>| tx.script("CREATE TABLE thing (name TEXT NOT NULL UNIQUE) STRICT");
    let engine = sqlite::open(&folder.path().join("engine.db"), prepare).unwrap();
    House { engine, _folder: folder }
}

fn put(name: &'static str) -> impl Fn(&mut Tx<'_>) -> Result<(), StoreError> + Send + 'static {
    move |tx| tx.run("INSERT INTO thing (name) VALUES (?)", args![name]).map(drop)
}

async fn names(engine: &Engine) -> Vec<String> {
    let rows = engine.read(|tx| tx.all("SELECT name FROM thing ORDER BY rowid", &[])).await.unwrap();
    rows.iter()
        .map(|row| match row.get("name") {
            Some(super::Value::Text(name)) => name.clone(),
            other => panic!("a name is a text: {other:?}"),
        })
        .collect()
}

/// Keeps the writer busy until the sender is used or dropped: what is handed over meanwhile waits together.
async fn hold_the_writer(engine: &Engine) -> mpsc::Sender<()> {
    let (go, wait) = mpsc::channel();
    let (begun, has_begun) = tokio::sync::oneshot::channel();
    let (begun, wait) = (Mutex::new(Some(begun)), Mutex::new(wait));
    engine
        .write_later(
            "a test that holds the writer",
            move |_| {
                if let Some(begun) = begun.lock().unwrap().take() {
                    begun.send(()).unwrap();
                }
                // Dropped is as good as told.
                let _ = wait.lock().unwrap().recv();
                Ok(())
            },
            || {},
        )
        .await
        .unwrap();
    has_begun.await.unwrap();
    go
}

/// Hands the future's work over without waiting for the answer.
macro_rules! hand_over {
    ($future:expr) => {{
        let mut future = Box::pin($future);
        assert!(matches!(futures_poll(&mut future).await, Poll::Pending), "the writer is held");
        future
    }};
}

async fn futures_poll<F: Future + Unpin>(future: &mut F) -> Poll<F::Output> {
    std::future::poll_fn(|context| Poll::Ready(std::pin::Pin::new(&mut *future).poll(context))).await
}

#[tokio::test]
async fn what_fails_or_panics_takes_nothing_else_of_its_batch() {
    let house = house();
    let engine = &house.engine;
    let go = hold_the_writer(engine).await;
    let first = hand_over!(engine.write(Durability::Process, put("first")));
    let twice = hand_over!(engine.write(Durability::Power, |tx| {
        put("half")(tx)?;
        put("first")(tx)
    }));
    let panics = hand_over!(engine.write(Durability::Process, |tx| -> Result<(), StoreError> {
        put("of the panic")(tx)?;
        panic!("planted");
    }));
    let undone = hand_over!(engine.write(Durability::Process, |tx| {
        put("not wanted after all")(tx)?;
        Ok(tx.undone(7))
    }));
    let last = hand_over!(engine.write(Durability::Process, put("last")));
    go.send(()).unwrap();

    first.await.unwrap();
    assert!(matches!(twice.await, Err(StoreError::Broken(_))));
    assert!(panics.await.unwrap_err().with_causes().contains("panicked"));
    assert_eq!(undone.await.unwrap(), 7);
    last.await.unwrap();
    assert_eq!(names(engine).await, ["first", "last"]);
}

#[tokio::test]
async fn alone_a_failure_and_a_change_of_mind_leave_nothing_either() {
    let house = house();
    let engine = &house.engine;
    engine.write(Durability::Process, put("there")).await.unwrap();
    let failed = engine
        .write(Durability::Process, |tx| {
            put("half")(tx)?;
            put("there")(tx)
        })
        .await;
    assert!(failed.is_err());
    engine
        .write(Durability::Power, |tx| {
            put("undone")(tx)?;
            Ok(tx.undone(1))
        })
        .await
        .unwrap();
    assert_eq!(names(engine).await, ["there"]);
}

#[tokio::test]
async fn given_up_before_its_turn_it_never_happens() {
    let house = house();
    let engine = &house.engine;
    let go = hold_the_writer(engine).await;
    let kept = hand_over!(engine.write(Durability::Process, put("kept")));
    drop(hand_over!(engine.write(Durability::Process, put("given up"))));
    go.send(()).unwrap();
    kept.await.unwrap();
    assert_eq!(names(engine).await, ["kept"]);
}

#[tokio::test]
async fn what_nobody_waits_for_keeps_its_place_and_says_when_it_is_over() {
    let house = house();
    let engine = &house.engine;
    let order = Arc::new(Mutex::new(Vec::new()));
    let go = hold_the_writer(engine).await;
    for name in ["one", "two", "two", "three"] {
        let order = order.clone();
        engine.write_later("a test", put(name), move || order.lock().unwrap().push(name)).await.unwrap();
    }
    go.send(()).unwrap();
    engine.settled().await.unwrap();
    assert_eq!(*order.lock().unwrap(), ["one", "two", "two", "three"], "also the one that failed is over");
    assert_eq!(names(engine).await, ["one", "two", "three"]);
}

#[tokio::test]
async fn closed_it_finishes_what_it_was_given_and_refuses_the_rest() {
    let house = house();
    let engine = &house.engine;
    let go = hold_the_writer(engine).await;
    engine.write_later("a test", put("handed over"), || {}).await.unwrap();
    go.send(()).unwrap();
    engine.close().await;
    let refused = engine.write(Durability::Process, put("too late")).await;
    assert!(refused.unwrap_err().with_causes().contains("closed"));
    let again = engine.peek(|tx| tx.number("SELECT COUNT(*) FROM thing", &[])).await;
    assert_eq!(again.unwrap(), 1);
}

#[test]
fn a_queue_that_nobody_empties_says_that_it_is_full() {
    let queue = Queue::default();
    let job = || Box::new(Job::deferred("a test", |_: &mut Tx<'_>| Ok(()), Box::new(|| {})));
    let mut taken = 0_u32;
    let refused = loop {
        match queue.push(job()) {
            Ok(()) => taken += 1,
            Err(error) => break error,
        }
    };
    assert_eq!(taken, 8192);
    assert!(matches!(refused, StoreError::Busy(_)), "it passes: {refused:?}");
}
