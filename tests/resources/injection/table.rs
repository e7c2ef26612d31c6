//! Which system calls fail, and how: every call that the daemon makes, with each errno under ERRORS in its Linux man page.

/// One or more calls with the same errors.
pub struct Row {
    /// Their names, as strace knows them.
    pub calls: &'static str,
    pub errnos: &'static str,
}

/// The last argument says which errnos are left out, and why.
const fn row(calls: &'static str, errnos: &'static str, _but: &'static str) -> Row {
    Row { calls, errnos }
}

/// Why EAGAIN is missing for a descriptor that is watched by edges.
const EDGE: &str = "EAGAIN: the kernel says it only when nothing is there (or fits), and tells of the edge that ends it; \
                    injected, no edge follows, and waiting for one is right";

const WRITTEN: &str = "EBADF EDESTADDRREQ EDQUOT EFAULT EFBIG EINTR EINVAL EIO ENOSPC EPERM EPIPE ECONNRESET";
const OPENED: &str = "EACCES EBADF EBUSY EDQUOT EEXIST EFAULT EFBIG EINTR EINVAL EISDIR ELOOP EMFILE ENAMETOOLONG \
                      ENFILE ENODEV ENOENT ENOMEM ENOSPC ENOTDIR ENXIO EOPNOTSUPP EOVERFLOW EPERM EROFS ETXTBSY EAGAIN";
const CHANGED: &str =
    "EACCES EBADF EFAULT EINVAL EIO ELOOP ENAMETOOLONG ENOENT ENOMEM ENOTDIR EOPNOTSUPP EPERM EROFS";
const LOOKED_AT: &str = "EACCES EBADF EFAULT EINVAL ELOOP ENAMETOOLONG ENOENT ENOMEM ENOTDIR EOVERFLOW";
const OPTION: &str = "EBADF EFAULT EINVAL ENOPROTOOPT ENOTSOCK";

pub const TABLE: &[Row] = &[
    row(
        "accept4",
        "EBADF ECONNABORTED EFAULT EINTR EINVAL EMFILE ENFILE ENOBUFS ENOMEM ENOTSOCK EOPNOTSUPP EPERM EPROTO \
         ENOSR ESOCKTNOSUPPORT EPROTONOSUPPORT ETIMEDOUT \
         ENETDOWN ENOPROTOOPT EHOSTDOWN ENONET EHOSTUNREACH ENETUNREACH",
        EDGE,
    ),
    row(
        "bind",
        "EACCES EADDRINUSE EBADF EINVAL ENOTSOCK EADDRNOTAVAIL EFAULT ELOOP ENAMETOOLONG ENOENT ENOMEM ENOTDIR EROFS",
        "",
    ),
    row("chmod fchmod", CHANGED, ""),
    row("fchownat", CHANGED, ""),
    // The call is not made, so the descriptor stays open. Linux closes it, whatever close(2) returns.
    row("close", "EBADF EINTR EIO EDQUOT ENOSPC", ""),
    row(
        "connect",
        "EACCES EPERM EADDRINUSE EADDRNOTAVAIL EAFNOSUPPORT EAGAIN EALREADY EBADF ECONNREFUSED EFAULT EINPROGRESS EINTR \
         EISCONN ENETUNREACH ENOTSOCK EPROTOTYPE ETIMEDOUT",
        "",
    ),
    row("epoll_create1", "EINVAL EMFILE ENFILE ENOMEM", ""),
    row(
        "epoll_ctl",
        "EBADF EEXIST EINVAL ELOOP ENOENT ENOMEM ENOSPC",
        "EPERM: it says of what kind the file is, for ever: one that is always ready; of no other is it said",
    ),
    row("epoll_wait", "EBADF EFAULT EINTR EINVAL", ""),
    row(
        "fcntl",
        "EACCES EAGAIN EBUSY EDEADLK EFAULT EINTR EINVAL EMFILE ENOLCK ENOTDIR EPERM",
        "EBADF: a debug build of Rust asks so before each close(2) whether the descriptor is open, and aborts if not",
    ),
    row("flock", "EBADF EINTR EINVAL ENOLCK EAGAIN", ""),
    row("fstat newfstatat statx", LOOKED_AT, ""),
    row(
        "getrandom",
        "EINTR ENOSYS",
        "EAGAIN EFAULT EINVAL: with the standard library's buffer and flags they do not occur, and it takes them for the end",
    ),
    row("getdents64", "EBADF EFAULT EINVAL ENOENT ENOTDIR", ""),
    row("getsockopt setsockopt", OPTION, ""),
    row("ioctl", "EBADF EFAULT EINVAL ENOTTY", ""),
    row("listen", "EADDRINUSE EBADF ENOTSOCK EOPNOTSUPP", ""),
    row("lseek", "EBADF EINVAL ENXIO EOVERFLOW ESPIPE", ""),
    row(
        "mknodat",
        "EACCES EBADF EDQUOT EEXIST EFAULT EINVAL ELOOP ENAMETOOLONG ENOENT ENOMEM ENOSPC ENOTDIR EPERM EROFS",
        "",
    ),
    row("madvise", "EACCES EAGAIN EBADF EINVAL EIO ENOMEM EPERM", ""),
    row("mmap", "EACCES EAGAIN EBADF EINVAL ENFILE ENODEV ENOMEM EOVERFLOW EPERM ETXTBSY", ""),
    row("memfd_create", "EFAULT EINVAL EMFILE ENFILE ENOMEM EPERM", ""),
    row("ftruncate", "EACCES EBADF EFBIG EINTR EINVAL EIO EISDIR EPERM EROFS ETXTBSY", ""),
    row("eventfd2", "EINVAL EMFILE ENFILE ENODEV ENOMEM", ""),
    row("mq_open", "EACCES EEXIST EINVAL EMFILE ENAMETOOLONG ENFILE ENOENT ENOMEM ENOSPC", ""),
    row("mq_unlink", "EACCES ENAMETOOLONG ENOENT", ""),
    row("mq_timedsend", "EBADF EINTR EINVAL EMSGSIZE ETIMEDOUT", EDGE),
    row("mq_timedreceive", "EBADF EINTR EINVAL EMSGSIZE ETIMEDOUT", EDGE),
    row("mq_getsetattr", "EBADF EFAULT EINVAL", ""),
    row("munmap", "EINVAL ENOMEM", ""),
    row("open openat openat2", OPENED, ""),
    row("ppoll", "EFAULT EINTR EINVAL ENOMEM", ""),
    row("prlimit64", "EFAULT EINVAL EPERM ESRCH", ""),
    row("read", "EBADF EFAULT EINTR EINVAL EIO EISDIR ECONNRESET ETIMEDOUT", EDGE),
    row(
        "recvfrom recvmsg",
        "EBADF ECONNREFUSED EFAULT EINTR EINVAL ENOMEM ENOTCONN ENOTSOCK ECONNRESET ETIMEDOUT",
        EDGE,
    ),
    row("rt_sigaction", "EFAULT EINVAL", ""),
    row(
        "sendmsg sendto",
        "EACCES EALREADY EBADF ECONNRESET EDESTADDRREQ EFAULT EINTR EINVAL EISCONN EMSGSIZE ENOBUFS ENOMEM ENOTCONN \
         ENOTSOCK EOPNOTSUPP EPIPE",
        "EAGAIN: as of write; where it comes of a datagram or of the service manager's socket, it has tests of its own",
    ),
    row("shutdown", "EBADF EINVAL ENOTCONN ENOTSOCK", ""),
    row("socket", "EACCES EAFNOSUPPORT EINVAL EMFILE ENFILE ENOBUFS ENOMEM EPROTONOSUPPORT", ""),
    row("socketpair", "EAFNOSUPPORT EFAULT EMFILE ENFILE EOPNOTSUPP EPROTONOSUPPORT", ""),
    row(
        "unlink",
        "EACCES EBUSY EFAULT EINVAL EIO EISDIR ELOOP ENAMETOOLONG ENOENT ENOMEM ENOTDIR EPERM EROFS",
        "",
    ),
    row("write", WRITTEN, EDGE),
];

/// Calls that cannot fail, or whose failure has no visible effect.
pub const NEVER_FAIL: &[&str] = &[
    // They have no error.
    "brk", // the kernel returns the old end instead
    "exit_group",
    "getegid",
    "geteuid",
    "getpid",
    "gettid",
    "uname", // only EFAULT, for a wrong pointer
    "rt_sigreturn",
    "umask",
    // Inside the C library and Rust's runtime, which ignore failures.
    "futex",
    "mprotect",
    "prctl", // libcap, which systemd's NSS module loads if it is installed
    "restart_syscall",
    "rt_sigprocmask",
    "sched_yield", // between two looks at shared memory
    "sigaltstack",
];
