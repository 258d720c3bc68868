//! The domain: what a call, a slot, a hold and a booking are, and the rules between them.
//!
//! Reading order: [`ids`] and [`sensitive`] are the small words; [`tenant`] is who is asking;
//! [`call`] is the conversation; [`slot`] and [`booking`] are what is given away; [`speech`] is what
//! callers say and [`reply`] what they hear; [`ports`] is what the desk needs of the world; [`desk`]
//! holds the use cases, one file each; [`outcome`] is everything a use case may end in; [`outbox`] is what
//! others hear of it and [`message`] in which words. The decisions of
//! the protections are functions of state and time: [`window`], [`breaker`], [`limits`], [`protection`]. How all of it
//! does, in numbers, is [`vitals`]; when a person is told of it, [`alert`].
//!
//! **Architecture invariant:** this crate performs no I/O. It names no HTTP framework, no SQL and no
//! file; of tokio it uses clocks, channels and tasks only.

pub mod account;
pub mod alert;
pub mod booking;
pub mod breaker;
pub mod calendar_news;
pub mod call;
pub mod call_facts;
mod call_log;
pub mod caught;
pub mod clock;
pub mod deadline;
pub mod desk;
pub mod harm;
pub mod holidays;
pub mod hours;
pub mod ics;
pub mod ids;
pub mod journal;
pub mod limits;
pub mod message;
pub mod meter;
pub mod outbox;
pub mod outcome;
mod part;
pub mod policy;
pub mod polls;
pub mod ports;
pub mod protection;
pub mod redact;
pub mod reply;
pub mod sensitive;
mod settlement;
pub mod shared;
pub mod slot;
pub mod spans;
pub mod speech;
pub mod spoken;
pub mod tenant;
pub mod vitals;
pub mod window;
