//! The C library's treatment of large blocks.

/// The size from which a block has its own pages, in bytes (mallopt(3), M_MMAP_THRESHOLD).
#[cfg(all(target_os = "linux", target_env = "gnu"))]
const PAGES_OF_ITS_OWN_BYTES: i32 = 32 * 1024;

/// Gives each block as large as a full queue its own pages: they are returned when the block is freed, without gaps between
/// other blocks. By default glibc raises this threshold when the first such block is freed, and queues of 256 MiB in total
/// then took up to 444 MiB; with this call, 245. Call it once, before there are queues. Other C libraries are not affected.
pub fn give_large_blocks_their_own_pages() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    // SAFETY: mallopt(3) takes two numbers and changes what later allocations do; it touches no memory of ours. No other
    // thread of this process allocates meanwhile: there is none.
    unsafe {
        nix::libc::mallopt(nix::libc::M_MMAP_THRESHOLD, PAGES_OF_ITS_OWN_BYTES);
    }
}

/// Returns the pages that lie free between blocks (malloc_trim(3)): glibc by itself returns only those at the end of its
/// heap, where one block holds back all below. It visits all free blocks: a few milliseconds after thousands of connections. Other
/// C libraries are not affected.
pub fn return_free_pages() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    // SAFETY: malloc_trim(3) takes a number and changes no block that is in use. No other thread of this process allocates
    // meanwhile: there is none.
    unsafe {
        nix::libc::malloc_trim(0);
    }
}
