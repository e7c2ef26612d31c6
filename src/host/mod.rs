//! What is around the process: standard error and the log. Knows nothing of ours: no connection, no configuration.
pub mod inherit;
pub mod log;
pub mod manager;
pub mod parcel;
pub mod stderr;
