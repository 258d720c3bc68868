//! The whole gateway in one process, with time by hand and a simulated outside.

mod bad_input;
mod binary;
mod booking;
mod calcom;
mod calendar_news;
mod call_timeline;
mod catch_up;
mod changes;
mod composite;
mod crash;
mod events;
mod faults;
mod handover;
mod health;
mod house;
mod isolation;
mod kill;
mod leaks;
mod outage;
mod outbox;
mod privacy;
mod protections;
mod reach;
mod replicas;
mod simulation;
mod tidy;
