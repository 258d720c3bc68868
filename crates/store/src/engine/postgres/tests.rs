//! The engine on a real server: what breaks passes, what is refused is run again, what is unknown is said.
