//! The only place with `unsafe`: it turns what the kernel gives as a number or an address into values that safe code
//! can own, sets an option of the C library's allocator, unmaps pages of the program's files, and calls what no crate offers safely:
//! System V's queues and semaphores, semaphores in shared memory, queued signals, and an io_uring.
//! Each use says why it is sound; `tests/engine/layering.rs` makes sure that they are few and only here.
#![allow(unsafe_code)]

pub mod allocator;
pub mod inherit;
pub mod memory;
pub mod pages;
pub mod queue;
pub mod semaphore;
pub mod signal;
pub mod sysv;
pub mod uring;
