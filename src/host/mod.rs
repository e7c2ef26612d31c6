//! What is around the process: the service manager and what it hands over, standard error, the log. Knows nothing of ours: no connection, no configuration.
pub mod fd_bundle;
pub mod foreign;
pub mod hosts;
pub mod log;
pub mod log_file;
pub mod manager;
pub mod raw;
pub mod stderr;
pub mod terminal;
pub mod time;
pub mod user;
