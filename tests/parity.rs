//! Parity: what is the same passes, from wherever it is read, and nothing else does.

mod command;
mod damage;
mod kinds;
mod large;
mod workflow;
