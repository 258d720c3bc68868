//! The calendars from outside: against a scripted Cal.com on a local port, and on their own.

mod accounts;
mod bookings;
mod builtin;
mod cache;
mod changes;
mod deadlines;
mod double;
mod isolation;
mod lookups;
mod people;
mod refusals;
mod slots;
