//! The one place with `unsafe`: two things that the kernel gives as a number or an address become what safe code can own,
//! and the C library is told how to keep memory.
//! Each use says why it is sound; `tests/engine/layering.rs` keeps them few and here.
#![allow(unsafe_code)]

pub mod allocator;
pub mod inherit;
pub mod memory;
