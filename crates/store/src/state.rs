//! What must be shared and fast: in this process, or over all replicas on Redis.

mod memory;
mod redis;

pub use memory::{KeptWindow, MemoryState};
pub use redis::{OpenError as RedisOpenError, RedisClock, RedisState};
