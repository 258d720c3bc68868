//! Rules held against what they are for: recorded incidents, and days on which nothing is wrong.

mod incidents;
mod quiet;
mod rules;
mod world;
