//! The engine on a real server: what breaks passes, what is refused is run again, what is unknown is said.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, mpsc};

use frontdesk_core::ports::StoreError;
use frontdesk_core::sensitive::Secret;
use frontdesk_testkit::postgres::PostgresServer;
use futures_util::FutureExt as _;
use futures_util::future::join_all;

use super::address::Address;
use super::start;
use crate::engine::{Durability, Engine, Tx, Value, args};

struct House {
    engine: Arc<Engine>,
    server: PostgresServer,
    url: String,
}

fn on(url: &str) -> Engine {
    start(&Address::parse(&Secret::new(url)).unwrap()).unwrap()
}

fn house(server: PostgresServer) -> House {
    let url = server.database();
    server.run(&url, "CREATE TABLE thing (name TEXT NOT NULL UNIQUE, count BIGINT NOT NULL DEFAULT 0)");
    House { engine: Arc::new(on(&url)), server, url }
}

fn put(name: &'static str) -> impl Fn(&mut Tx<'_>) -> Result<(), StoreError> + Send + 'static {
    move |tx| tx.run("INSERT INTO thing (name) VALUES (?)", args![name]).map(drop)
}

async fn names(engine: &Engine) -> Vec<String> {
    let rows = engine.read(|tx| tx.all("SELECT name FROM thing ORDER BY name", &[])).await.unwrap();
    rows.iter()
        .map(|row| match row.get("name") {
            Some(Value::Text(name)) => name.clone(),
            other => panic!("a name is a text: {other:?}"),
        })
        .collect()
}

#[tokio::test]
async fn a_failure_a_panic_and_a_change_of_mind_leave_nothing() {
    let house = house(PostgresServer::start());
    let engine = &house.engine;
    engine.write(Durability::Power, put("there")).await.unwrap();
    let failed = engine.write(Durability::Process, |tx| {
        put("half")(tx)?;
        put("there")(tx)
    });
    assert!(matches!(failed.await, Err(StoreError::Broken(_))));
    let panicked = engine.write(Durability::Process, |tx| -> Result<(), StoreError> {
        put("of the panic")(tx)?;
        panic!("planted");
    });
    assert!(panicked.await.unwrap_err().with_causes().contains("panicked"));
    let undone = engine.write(Durability::Process, |tx| {
        put("not wanted after all")(tx)?;
        Ok(tx.undone(7))
    });
    assert_eq!(undone.await.unwrap(), 7);
    let ignored = engine.write(Durability::Process, |tx| {
        put("before the error")(tx)?;
        let _ = put("there")(tx);
        Ok(())
    });
    assert!(ignored.await.is_err(), "nothing is kept after an error, whoever overlooks it");
    engine.write(Durability::Process, put("last")).await.unwrap();
    assert_eq!(names(engine).await, ["last", "there"]);
}

#[tokio::test]
async fn what_cannot_both_happen_happens_one_after_the_other() {
    let house = house(PostgresServer::start());
    house.engine.write(Durability::Process, put("counter")).await.unwrap();
    // Reads and writes apart, as our closures do: without an order, additions would be lost.
    let add = |tx: &mut Tx<'_>| {
        let before = tx.number("SELECT count FROM thing WHERE name = ?", args!["counter"])?;
        tx.run("UPDATE thing SET count = ? WHERE name = ?", args![before + 1, "counter"]).map(drop)
    };
    let (one, other) = (on(&house.url), on(&house.url));
    let both = [&one, &other];
    let mut open: Vec<usize> = (0..200).collect();
    while !open.is_empty() {
        // Whom twenty tries did not help is told that it passes, and comes again.
        let done = join_all(open.iter().map(|at| both[at % 2].write(Durability::Process, add))).await;
        let mut results = done.into_iter();
        open.retain(|_| match results.next().unwrap() {
            Ok(()) => false,
            Err(StoreError::Busy(_)) => true,
            Err(other) => panic!("{other:?}"),
        });
    }
    assert_eq!(one.peek(|tx| tx.number("SELECT count FROM thing", &[])).await.unwrap(), 200);
}

#[tokio::test]
async fn given_up_before_its_turn_it_never_happens() {
    let house = house(PostgresServer::start());
    let engine = &house.engine;
    let (go, wait) = mpsc::channel::<()>();
    let (wait, begun) = (Arc::new(Mutex::new(wait)), Arc::new(AtomicU32::new(0)));
    let hold = || {
        let (wait, begun) = (wait.clone(), begun.clone());
        engine.write(Durability::Process, move |_| {
            begun.fetch_add(1, Ordering::SeqCst);
            // Dropped is as good as told.
            let _ = wait.lock().unwrap().recv();
            Ok(())
        })
    };
    let mut busy = Box::pin(join_all((0..super::WRITERS).map(|_| hold())));
    assert!((&mut busy).now_or_never().is_none());
    while begun.load(Ordering::SeqCst) < u32::try_from(super::WRITERS).unwrap() {
        tokio::task::yield_now().await;
    }
    let given_up = engine.write(Durability::Process, put("given up"));
    assert!(given_up.now_or_never().is_none(), "all writers are held");
    drop(go);
    assert!(busy.await.iter().all(Result::is_ok));
    engine.write(Durability::Process, put("kept")).await.unwrap();
    engine.close().await;
    assert_eq!(house.server.run(&house.url, "SELECT name FROM thing"), "kept");
}

#[tokio::test]
async fn what_nobody_waits_for_keeps_its_order_and_is_written_before_the_end() {
    let house = house(PostgresServer::start());
    let engine = &house.engine;
    let order = Arc::new(Mutex::new(Vec::new()));
    for name in ["one", "two", "two", "three"] {
        let order = order.clone();
        engine.write_later("a test", put(name), move || order.lock().unwrap().push(name)).await.unwrap();
    }
    engine.settled().await.unwrap();
    assert_eq!(*order.lock().unwrap(), ["one", "two", "two", "three"], "also the one that failed is over");
    engine.write_later("a test", put("zero"), || {}).await.unwrap();
    engine.close().await;
    assert_eq!(house.server.run(&house.url, "SELECT string_agg(name, ' ' ORDER BY name) FROM thing"), "one three two zero");
    let refused = engine.write(Durability::Process, put("too late")).await;
    assert!(refused.unwrap_err().with_causes().contains("closed"));
}

#[tokio::test]
async fn a_server_that_restarts_passes() {
    let mut house = house(PostgresServer::that_syncs());
    let engine = house.engine.clone();
    engine.write(Durability::Power, put("before")).await.unwrap();
    assert_eq!(names(&engine).await, ["before"]);
    house.server.stop();
    for _ in 0..3 {
        let write = engine.write(Durability::Power, put("meanwhile")).await;
        assert!(matches!(write, Err(StoreError::Busy(_))), "{write:?}");
        let read = engine.read(|tx| tx.number("SELECT COUNT(*) FROM thing", &[])).await;
        assert!(matches!(read, Err(StoreError::Busy(_))), "{read:?}");
        let peek = engine.peek(|tx| tx.number("SELECT COUNT(*) FROM thing", &[])).await;
        assert!(matches!(peek, Err(StoreError::Busy(_))), "{peek:?}");
    }
    house.server.start_again();
    engine.write(Durability::Power, put("after")).await.unwrap();
    assert_eq!(names(&engine).await, ["after", "before"]);
}

#[tokio::test]
async fn a_table_that_grows_a_column_meanwhile_is_read_on() {
    let house = house(PostgresServer::start());
    let engine = &house.engine;
    engine.write(Durability::Process, put("there")).await.unwrap();
    let wide = || engine.read(|tx| Ok(tx.all("SELECT * FROM thing", &[])?[0].values.len()));
    for _ in 0..super::READERS {
        assert_eq!(wide().await.unwrap(), 2);
    }
    house.server.run(&house.url, "ALTER TABLE thing ADD COLUMN more TEXT");
    for _ in 0..super::READERS {
        assert_eq!(wide().await.unwrap(), 3);
    }
}

/// What becomes of the commit after which the connection breaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Cut {
    Before,
    After,
}

/// A way to the server that breaks when a commit passes.
fn way(to: u16, cut: Arc<Mutex<Option<Cut>>>) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for client in listener.incoming() {
            let (mut client, mut server) = (client.unwrap(), TcpStream::connect(("127.0.0.1", to)).unwrap());
            let (mut back, mut forth) = (server.try_clone().unwrap(), client.try_clone().unwrap());
            let is_mute = Arc::new(AtomicU32::new(0));
            let (mute, cut) = (is_mute.clone(), cut.clone());
            std::thread::spawn(move || {
                let mut bytes = [0; 4096];
                while let Ok(count @ 1..) = back.read(&mut bytes) {
                    if mute.load(Ordering::SeqCst) == 1 {
                        break;
                    }
                    forth.write_all(&bytes[..count]).unwrap();
                }
                let _ = (forth.shutdown(Shutdown::Both), back.shutdown(Shutdown::Both));
            });
            std::thread::spawn(move || {
                let mut bytes = [0; 4096];
                while let Ok(count @ 1..) = client.read(&mut bytes) {
                    let is_commit = bytes[..count].windows(6).any(|window| window == b"COMMIT");
                    let cut = if is_commit { cut.lock().unwrap().take() } else { None };
                    is_mute.store(u32::from(cut.is_some()), Ordering::SeqCst);
                    if cut == Some(Cut::Before) {
                        break;
                    }
                    if server.write_all(&bytes[..count]).is_err() {
                        break;
                    }
                }
                if is_mute.load(Ordering::SeqCst) == 0 {
                    let _ = server.shutdown(Shutdown::Both);
                }
                let _ = (client.shutdown(Shutdown::Both), server.shutdown(Shutdown::Write));
            });
        }
    });
    port
}

#[tokio::test]
async fn a_commit_without_an_answer_is_an_error_and_never_repeated() {
    for (how, there) in [(Cut::Before, "after"), (Cut::After, "after lost")] {
        let house = house(PostgresServer::start());
        let cut = Arc::new(Mutex::new(None));
        let port: u16 = house.url.rsplit(':').next().unwrap().split('/').next().unwrap().parse().unwrap();
        let engine = on(&house.url.replace(&port.to_string(), &way(port, cut.clone()).to_string()));
        *cut.lock().unwrap() = Some(how);
        let runs = Arc::new(AtomicU32::new(0));
        let counted = runs.clone();
        let lost = engine.write(Durability::Power, move |tx| {
            counted.fetch_add(1, Ordering::SeqCst);
            put("lost")(tx)
        });
        let error = lost.await.unwrap_err();
        assert!(error.with_causes().contains("whether it did is not known"), "{how:?}: {}", error.with_causes());
        assert_eq!(runs.load(Ordering::SeqCst), 1, "{how:?}");
        engine.write(Durability::Power, put("after")).await.unwrap();
        assert_eq!(house.server.run(&house.url, "SELECT string_agg(name, ' ' ORDER BY name) FROM thing"), there, "{how:?}");
    }
}
