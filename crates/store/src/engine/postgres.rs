//! PostgreSQL: the database that any number of gateways share.
//!
//! A few threads read, several write, each over a connection of its own that it makes again when it breaks.
//! Every closure is one transaction. Writes are serialisable: PostgreSQL refuses what has no place in any
//! order, and the thread runs it again; only a commit whose answer did not arrive is never repeated.

pub(crate) mod address;
pub(crate) mod session;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use frontdesk_core::ports::StoreError;

use self::address::Address;
use self::session::{Commit, Session, Then};
use super::queue::{Queue, Work};
use super::{Durability, Engine, On, Tx};

/// How many threads read.
const READERS: usize = 4;
/// How many threads write what somebody waits for.
const WRITERS: usize = 8;
/// How often a transaction is run that others were in the way of.
const MOST_TRIES: u32 = 20;
/// How long a thread waits between two tries, at most.
const LONGEST_STEP: Duration = Duration::from_millis(20);
/// How often one is run that a constraint stopped: the second run sees what the first ran into.
const MOST_ASKED: u32 = 3;
/// Whoever brings the schema forward holds this lock; others wait, and find it done. Any number would do.
const SCHEMA_LOCK: &str = "SELECT pg_advisory_xact_lock(7235419066421)";
/// How long a change of the schema waits for a lock, each time.
const SCHEMA_WAITS: &str = "SET LOCAL lock_timeout = '1s'";
/// How often it tries, a second apart.
const MOST_TURNS: u32 = 40;
/// Whoever was in others' way once waits in one line with its like, of all gateways, before it looks again:
/// trying all at once would only be in the way again.
const LINE_LOCK: &str = "SELECT pg_advisory_lock(7235419066422)";

/// Runs `work` as one transaction that no other gateway's schema work overlaps. Where somebody holds a lock that it
/// wants (a backup reads everything in one transaction), it lets go of all and tries again: whoever asks for the same
/// table meanwhile waits in line behind it, for [`SCHEMA_WAITS`] at most.
pub(crate) fn alone<T>(session: &mut Session, work: impl Fn(&mut Tx<'_>) -> Result<T, StoreError>) -> Result<T, StoreError> {
    // As another one may do the same right now, patience is longer than for a visit.
    session.script("SET statement_timeout = '60s'; SET lock_timeout = '60s'")?;
    let mut turns = 1;
    loop {
        let mut has_begun = false;
        let answer = alone_at_length(session, |tx| {
            has_begun = true;
            tx.script(SCHEMA_WAITS)?;
            work(tx)
        });
        if answer.is_ok() || turns == MOST_TURNS || !has_begun || session.trouble() != Some(Then::Later) {
            return answer;
        }
        session.script("ROLLBACK")?;
        give_way();
        turns += 1;
    }
}

/// The same, within the bounds that the session has.
pub(crate) fn alone_at_length<T, E: From<StoreError>>(
    session: &mut Session,
    work: impl FnOnce(&mut Tx<'_>) -> Result<T, E>,
) -> Result<T, E> {
    session.script("BEGIN")?;
    session.script(SCHEMA_LOCK)?;
    let answer = work(&mut Tx::on(On::Postgres(session)))?;
    session.script("COMMIT")?;
    Ok(answer)
}

/// Starts the threads; they connect when they are first needed.
pub(crate) fn start(address: &Address) -> Result<Engine, StoreError> {
    let (reads, writes, later) = (Arc::new(Queue::default()), Arc::new(Queue::default()), Arc::new(Queue::default()));
    let mut threads = Vec::with_capacity(READERS + WRITERS + 1);
    let kinds = [("store-reader", &reads, READERS), ("store-writer", &writes, WRITERS), ("store-later", &later, 1)];
    for (name, queue, count) in kinds {
        for _ in 0..count {
            let (queue, address) = (Arc::clone(queue), address.clone());
            let is_reader = name == "store-reader";
            threads.push(super::spawn(name, move || {
                let mut line = Line { address, session: None, waits_in_line: false, is_first: false };
                while let Some(work) = queue.take() {
                    if is_reader { line.visit(work, Line::read) } else { line.visit(work, Line::write) }
                }
            })?);
        }
    }
    Ok(Engine::of_server(reads, writes, later, threads))
}

/// A thread's connection.
struct Line {
    address: Address,
    session: Option<Session>,
    /// Whether what it works on was in others' way before.
    waits_in_line: bool,
    /// Whether it is at the head of the line.
    is_first: bool,
}

/// A try that came to nothing.
struct Failed {
    then: Then,
    /// What the work has to hear, where it does not know it itself.
    error: Option<StoreError>,
}

impl Failed {
    fn told(then: Then, error: StoreError) -> Self {
        Self { then, error: Some(error) }
    }
}

impl Line {
    /// Does `work` and answers it; again and again where that is what it takes.
    fn visit(&mut self, mut work: Box<dyn Work>, attempt: fn(&mut Self, &mut dyn Work) -> Result<(), Failed>) {
        let (mut tries, mut asked, mut lost) = (0, 0, 0);
        // Nothing has happened before a try succeeded: who went away in between is not served.
        while work.is_wanted() {
            let Err(Failed { then, error }) = attempt(self, &mut *work) else { break };
            let is_worth_it = match then {
                Then::Again => {
                    tries += 1;
                    tries < MOST_TRIES
                }
                Then::Ask => {
                    asked += 1;
                    asked < MOST_ASKED
                }
                // A connection that broke since its last use is made again once; a server that is gone shows then.
                Then::Lost | Then::Anew => {
                    lost += 1;
                    lost < 2
                }
                Then::Later | Then::Nothing => false,
            };
            match then {
                Then::Lost => self.forget_session(),
                Then::Anew => self.session.iter_mut().for_each(Session::forget_statements),
                Then::Again | Then::Ask | Then::Later | Then::Nothing => {}
            }
            if !is_worth_it {
                if let Some(error) = error {
                    work.fail(error);
                }
                break;
            }
            if then == Then::Again {
                self.waits_in_line = true;
                step_aside(tries);
            }
        }
        self.leave_the_line();
        work.answer();
    }

    fn session(&mut self) -> Result<&mut Session, Failed> {
        if self.session.is_none() {
            // Not reached is not worth a second look: whoever asks is waiting.
            self.session = Some(Session::open(&self.address).map_err(|error| Failed::told(Then::Nothing, error))?);
        }
        self.session.as_mut().ok_or(Failed { then: Then::Nothing, error: None })
    }

    fn write(&mut self, work: &mut dyn Work) -> Result<(), Failed> {
        let (waits_in_line, is_first) = (self.waits_in_line, self.is_first);
        let session = self.session()?;
        if waits_in_line && !is_first {
            begin_with(session, LINE_LOCK)?;
            self.is_first = true;
        }
        let session = self.session()?;
        // Off, a commit is in the server's memory when it returns: that survives our death, not the server's.
        let begin = match work.durability() {
            Durability::Process => "BEGIN ISOLATION LEVEL SERIALIZABLE; SET LOCAL synchronous_commit = off",
            Durability::Power => "BEGIN ISOLATION LEVEL SERIALIZABLE; SET LOCAL synchronous_commit = on",
        };
        begin_with(session, begin)?;
        let is_kept = work.run(&mut Tx::on(On::Postgres(session)));
        if let Some(then) = session.trouble() {
            return self.take_back(then, is_kept);
        }
        if !is_kept {
            self.roll_back();
            return Ok(());
        }
        match session.commit() {
            Ok(()) => Ok(()),
            Err(Commit::Refused(then, error)) => {
                // The server has ended the transaction already.
                session.trouble();
                Err(Failed::told(then, error))
            }
            Err(Commit::Unknown(error)) => {
                self.forget_session();
                Err(Failed::told(Then::Nothing, error))
            }
        }
    }

    fn read(&mut self, work: &mut dyn Work) -> Result<(), Failed> {
        let session = self.session()?;
        let is_one_state = work.wants_one_state();
        if is_one_state {
            begin_with(session, "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")?;
        }
        work.run(&mut Tx::on(On::Postgres(session)));
        if let Some(then) = session.trouble() {
            if is_one_state {
                return self.take_back(then, false);
            }
            return Err(Failed { then, error: None });
        }
        if is_one_state {
            // It only read: whatever becomes of the end of it, the answer stands.
            self.roll_back();
        }
        Ok(())
    }

    /// After an error inside: nothing of the transaction stays.
    fn take_back(&mut self, then: Then, is_kept: bool) -> Result<(), Failed> {
        if then != Then::Lost {
            self.roll_back();
        }
        // Who kept going after an error must not believe in it.
        Err(Failed { then, error: is_kept.then(|| StoreError::Broken(Box::new(Ignored))) })
    }

    /// With a connection goes its place in the line.
    fn forget_session(&mut self) {
        self.session = None;
        self.is_first = false;
    }

    fn leave_the_line(&mut self) {
        self.waits_in_line = false;
        if std::mem::take(&mut self.is_first)
            && self.session.as_mut().is_some_and(|session| session.script("SELECT pg_advisory_unlock_all()").is_err())
        {
            self.forget_session();
        }
    }

    fn roll_back(&mut self) {
        // A connection that cannot even do that is made anew.
        if self.session.as_mut().is_some_and(|session| session.script("ROLLBACK").is_err()) {
            self.forget_session();
        }
    }
}

/// Lets a commit finish that is in the way: a little longer each time.
#[expect(clippy::disallowed_methods, reason = "this thread is the database's own and has nothing else to do")]
fn step_aside(tries: u32) {
    std::thread::sleep(LONGEST_STEP.min(Duration::from_micros(250) * 2_u32.pow(tries.min(10) - 1)));
}

/// Lets those pass who waited behind a change of the schema.
#[expect(clippy::disallowed_methods, reason = "this thread is there to wait")]
fn give_way() {
    std::thread::sleep(Duration::from_secs(1));
}

fn begin_with(session: &mut Session, begin: &str) -> Result<(), Failed> {
    session.script(begin).map_err(|error| Failed::told(session.trouble().unwrap_or(Then::Nothing), error))
}

#[derive(Debug, thiserror::Error)]
#[error("a visit went on after an error of the database")]
struct Ignored;
