//! The whole gateway in one process, with time by hand and a simulated outside.

mod bad_input;
mod booking;
mod calcom;
mod changes;
mod events;
mod house;
mod isolation;
mod tidy;
