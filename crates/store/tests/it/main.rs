//! What the ports promise, kept by the store: the same tests serve every store there will be.

mod alerts;
mod claims;
mod glances;
mod house;
mod leases;
mod look;
mod news;
mod outbox;
mod overlap;
mod parts;
mod promises;
mod replicas;
mod revisions;
mod shared;
