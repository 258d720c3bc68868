//! A simulated Cal.com and a simulated voice platform, for tests only.
//!
//! Reading order: [`calcom`] is the calendar with faults on request, [`retell`] the agent that
//! calls the gateway, [`http_client`] the smallest client that can talk to either, [`openapi`]
//! holds what both sides of a conversation with Cal.com must look like, [`redis`] starts a real Redis,
//! [`smtp`] keeps mail, [`receiver`] keeps webhooks.

pub mod calcom;
pub mod clock;
pub mod http_client;
pub mod openapi;
pub mod receiver;
pub mod redis;
pub mod retell;
pub mod smtp;

mod signature;
