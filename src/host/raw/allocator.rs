//! How the C library's allocator keeps large pieces.

/// From how many bytes on a piece has pages of its own (mallopt(3), M_MMAP_THRESHOLD).
const PAGES_OF_ITS_OWN_BYTES: i32 = 32 * 1024;

/// Gives each piece that is as large as a full queue pages of its own: they go back when it does, and none is left between
/// pieces that stay. By itself glibc raises this bound with the first such piece that is freed, and queues of 256 MiB in all
/// then took up to 444 MiB; with it, 245. To be called once, before there are queues. Other C libraries do as they do.
pub fn give_large_pieces_their_own_pages() {
    #[cfg(target_env = "gnu")]
    // SAFETY: mallopt(3) takes two numbers and changes what later allocations do; it touches no memory of ours. No other
    // thread of this process allocates meanwhile: there is none.
    unsafe {
        nix::libc::mallopt(nix::libc::M_MMAP_THRESHOLD, PAGES_OF_ITS_OWN_BYTES);
    }
}
