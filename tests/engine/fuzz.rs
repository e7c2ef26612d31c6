//! The committed inputs of the fuzzer break no claim, and neither do many random mutants of them. `cargo +nightly fuzz run CLAIM`
//! searches for more. `IPCD_MUTANTS` sets how many mutants of each input there are.

use std::fs;
use std::mem;
use std::path::{Path, PathBuf};

#[path = "../../fuzz/claims.rs"]
mod claims;

use claims::CLAIMS;
use ipcd::engine::record::{Record, reader};

/// Mutants of each input; a fuzzer makes millions, guided by the code that they reach.
const MUTANTS: u64 = 600;

/// A mutant for a claim about TLS is a handshake or several: as many fewer of them.
const MUTANTS_FOR_ONE_OF_RECORDS: u64 = 6;

/// The claims about shared rooms.
const OF_NATS: [&str; 2] =
    ["server_is_heard_the_same_at_every_cut", "uplink_keeps_its_bounds_whatever_a_server_says"];

/// The claims about TLS.
const OF_TLS: [&str; 2] =
    ["changed_records_never_say_what_was_not_said", "strange_records_are_refused_the_same_at_every_cut"];

fn directory(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz").join(name)
}

fn inputs(claim: &str) -> Vec<(PathBuf, Vec<u8>)> {
    let entries =
        fs::read_dir(directory("seeds").join(claim)).unwrap_or_else(|error| panic!("{claim}: {error}"));
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths.into_iter().map(|path| (path.clone(), fs::read(path).unwrap())).collect()
}

/// A pseudorandom number (splitmix64).
fn next(state: &mut u64) -> usize {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mixed = (*state ^ (*state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    (mixed ^ (mixed >> 31)) as usize
}

/// The input with some bytes changed, removed, repeated or added.
fn mutant(input: &[u8], state: &mut u64) -> Vec<u8> {
    const INTERESTING: &[u8] = b"\n\r \x000-{}\"[]=:/\xff";
    let mut bytes = input.to_vec();
    for _ in 0..=next(state) % 4 {
        let at = next(state) % (bytes.len() + 1);
        match next(state) % 5 {
            0 if at < bytes.len() => bytes[at] ^= 1 << (next(state) % 8),
            1 if at < bytes.len() => drop(bytes.remove(at)),
            2 => bytes.insert(at, next(state) as u8),
            3 => bytes.insert(at, INTERESTING[next(state) % INTERESTING.len()]),
            _ => {
                let end = at + next(state) % (bytes.len() - at + 1).min(16);
                let piece = bytes[at..end].to_vec();
                bytes.splice(at..at, piece);
            }
        }
    }
    bytes
}

#[test]
fn all_seeds_and_findings_hold() {
    for (claim, check) in CLAIMS {
        let inputs = inputs(claim);
        assert!(!inputs.is_empty(), "{claim} has seeds");
        for (path, bytes) in inputs {
            println!("{}", path.display());
            check(&bytes);
        }
    }
}

#[test]
fn seed_records_have_readable_versions() {
    let mut of_pieces = 0;
    for (path, bytes) in inputs("record_is_refused_or_restored") {
        match serde_json::from_slice::<Record>(&bytes) {
            Ok(_) => {}
            Err(_) => {
                let read = reader::read(&bytes);
                assert!(read.is_ok(), "{}: {}", path.display(), read.unwrap_err());
                of_pieces += 1;
            }
        }
    }
    assert!(of_pieces > 0, "the version that is written is among them");
}

/// Prints a mutant if its check panics.
struct Told<'a> {
    path: &'a Path,
    number: u64,
    mutant: &'a [u8],
}

impl Drop for Told<'_> {
    fn drop(&mut self) {
        println!("{} mutant {}: {}", self.path.display(), self.number, self.mutant.escape_ascii());
    }
}

#[test]
fn mutated_seeds_hold() {
    let all = std::env::var("IPCD_MUTANTS").map_or(MUTANTS, |text| text.parse().expect("a number"));
    for (claim, check) in CLAIMS {
        for (path, bytes) in inputs(claim) {
            let mut state = bytes.len() as u64;
            let mutants = if claim.contains("_records_") { all / MUTANTS_FOR_ONE_OF_RECORDS } else { all };
            for number in 0..mutants {
                let mutant = mutant(&bytes, &mut state);
                // Told only of one that fails: to print each takes longer than to check it.
                let told = Told { path: &path, number, mutant: &mutant };
                check(&mutant);
                mem::forget(told);
            }
        }
    }
}

#[test]
fn claims_and_targets_correspond() {
    let mut targets: Vec<String> = fs::read_dir(directory("fuzz_targets"))
        .unwrap()
        .map(|entry| entry.unwrap().path().file_stem().unwrap().to_str().unwrap().to_owned())
        .collect();
    targets.retain(|target| cfg!(feature = "nats") || !OF_NATS.contains(&target.as_str()));
    targets.retain(|target| cfg!(feature = "tls") || !OF_TLS.contains(&target.as_str()));
    targets.sort();
    let mut claims: Vec<&str> = CLAIMS.iter().map(|(name, _)| *name).collect();
    claims.sort_unstable();
    assert_eq!(targets, claims);
    let manifest = fs::read_to_string(directory("Cargo.toml")).unwrap();
    for claim in claims {
        assert!(manifest.contains(&format!("name = \"{claim}\"")), "{claim} is in fuzz/Cargo.toml");
        let target = fs::read_to_string(directory("fuzz_targets").join(format!("{claim}.rs"))).unwrap();
        assert!(target.contains(&format!("::{claim}(")), "{claim}");
    }
}
