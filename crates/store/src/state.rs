//! What replicas share: windows and breakers on Redis. The form in memory is the core's.

mod redis;

pub use redis::{OpenError as RedisOpenError, RedisClock, RedisState};
