//! What callers say: dates, times, services, names and e-mail addresses as speech recognition gives
//! them, German and English. Nothing is guessed: two usual readings are a question.

mod date;
pub mod person;
pub mod service;
pub mod text;
mod time;
pub mod when;
pub mod words;
