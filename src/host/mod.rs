//! The surroundings of the process: the service manager, standard error, the log. Knows no connection and no configuration.
pub mod fd_bundle;
pub mod foreign;
pub mod hosts;
pub mod interfaces;
pub mod log;
pub mod log_file;
pub mod manager;
pub mod mappings;
pub mod namespace;
pub mod raw;
pub mod reopen;
pub mod stderr;
pub mod terminal;
pub mod time;
pub mod user;
