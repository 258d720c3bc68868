//! The simulation over HTTP: it has to be as strict as what it stands for, or it proves nothing.

mod lifecycle;
mod strictness;
mod wire;
