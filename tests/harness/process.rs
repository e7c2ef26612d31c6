//! What all tests of a process share: its addresses, and its limit on open files.

use std::net::Ipv4Addr;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixListener};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Addresses of one process: many more than it has tests.
const BLOCK: u32 = 4096;

/// Blocks in 127.1.0.0 to 127.254.255.255; people use addresses in 127.0.0.0/16.
const BLOCKS: u32 = 254 * (0x1_0000 / BLOCK);

/// The addresses of this process, while it runs.
struct Block {
    first: Ipv4Addr,
    taken: AtomicU32,
    _claim: UnixListener,
}

impl Block {
    /// Reserves addresses that no other process uses, with an abstract socket name. The kernel frees the name when the process
    /// ends. A network namespace has its own loopback, and its own names.
    fn claim() -> Block {
        let (first, count) = (std::process::id(), BLOCKS);
        for number in (0..count).map(|step| (first + step) % count) {
            let address = Ipv4Addr::from_bits(Ipv4Addr::new(127, 1, 0, 0).to_bits() + number * BLOCK);
            let name = SocketAddr::from_abstract_name(format!("ipcd-tests-{address}")).unwrap();
            if let Ok(claim) = UnixListener::bind_addr(&name) {
                return Block { first: address, taken: AtomicU32::new(0), _claim: claim };
            }
        }
        panic!("all {BLOCKS} blocks of addresses in 127.0.0.0/8 are claimed by other tests");
    }
}

/// An address that no other test uses, in this process or in another.
pub fn address() -> Ipv4Addr {
    static MINE: OnceLock<Block> = OnceLock::new();
    let block = MINE.get_or_init(|| {
        raise_open_files();
        Block::claim()
    });
    let number = 1 + block.taken.fetch_add(1, Ordering::Relaxed); // 127.1.0.0 looks like a network
    assert!(number < BLOCK, "more tests than addresses");
    Ipv4Addr::from_bits(block.first.to_bits() + number)
}

/// Held by a test that opens thousands of files: two at the same time could exceed the limit.
pub fn by_the_thousand() -> MutexGuard<'static, ()> {
    static ONE: Mutex<()> = Mutex::new(());
    ONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Raises the limit on open files, which many tests share. Child processes inherit it.
fn raise_open_files() {
    let limit = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit }).unwrap();
}
