#![doc = include_str!("../../../ARCHITECTURE.md")]

mod activation;
mod alerts;
mod catch_up;
pub mod cli;
pub mod config;
mod courier;
mod handover;
mod health;
mod house;
mod journal;
mod news;
mod operations;
mod serving;
mod spans;
mod standing;
mod system;
mod systemd;
mod tasks;
mod telemetry;
mod tenants;
mod vitals;
mod watch;
pub mod wiring;
