//! The whole gateway in one process, with time by hand and a simulated outside.

mod bad_input;
mod binary;
mod booking;
mod calcom;
mod changes;
mod crash;
mod events;
mod house;
mod isolation;
mod leaks;
mod outbox;
mod protections;
mod tidy;
