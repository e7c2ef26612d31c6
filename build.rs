//! Packs the page: each file in `web/` is built into the program as it lies there, and compressed with gzip where that is
//! shorter, with a tag for each of the two. Nothing that is compressed lies in the repository. Without the feature `page` there is
//! nothing to pack.
//!
//! The table of letters that look alike is packed too.
//!
//! Relocations are packed too, where the C library can read that, and GCC's unwinder is linked statically.

use std::env;
use std::io;
use std::path::Path;
use std::process::Command;

#[path = "build/prototypes.rs"]
mod prototypes;

fn main() -> io::Result<()> {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed=build");
    pack_relocations();
    link_unwinder();
    prototypes::write()?;
    #[cfg(feature = "page")]
    page::pack()?;
    Ok(())
}

/// The addresses that the dynamic linker completes at each start take a quarter of a megabyte, or 10 kB in the packed form, which
/// glibc reads from 2.36 on. Only for this machine: of another one, nothing is known here.
fn pack_relocations() {
    const FIRST: (u32, u32) = (2, 36);
    if is_for_glibc_here() && glibc().is_some_and(|version| version >= FIRST) {
        println!("cargo::rustc-link-arg-bins=-Wl,-z,pack-relative-relocs");
    }
}

/// A panic walks the stack with a part of GCC's library. As a library to load, it takes a twelfth of the start, most of it to look
/// for the processor's abilities, which nobody asks it for; in the program, 25 kB. AddressSanitizer looks for it among the loaded
/// ones.
fn link_unwinder() {
    const ARCHIVE: &str = "libgcc_eh.a";
    let linker = env::var_os("RUSTC_LINKER").unwrap_or_else(|| "cc".into());
    // Of a linker that only rustc knows, nothing is known here.
    let is_unusual = env::var("CARGO_ENCODED_RUSTFLAGS")
        .is_ok_and(|flags| flags.contains("sanitizer") || flags.contains("linker="));
    let is_there =
        |said: Vec<u8>| str::from_utf8(&said).is_ok_and(|path| Path::new(path.trim()).is_absolute());
    let said = Command::new(linker).arg(format!("-print-file-name={ARCHIVE}")).output();
    if is_for_glibc_here() && !is_unusual && said.is_ok_and(|said| is_there(said.stdout)) {
        println!("cargo::rustc-link-lib=static:-bundle,+verbatim={ARCHIVE}");
    }
}

/// Whether the program is for this machine, or one like it, and for glibc.
fn is_for_glibc_here() -> bool {
    env::var_os("HOST") == env::var_os("TARGET")
        && env::var("CARGO_CFG_TARGET_OS").is_ok_and(|os| os == "linux")
        && env::var("CARGO_CFG_TARGET_ENV").is_ok_and(|env| env == "gnu")
}

/// The version of this machine's C library.
fn glibc() -> Option<(u32, u32)> {
    let said = Command::new("getconf").arg("GNU_LIBC_VERSION").output().ok()?.stdout;
    let (major, minor) = str::from_utf8(&said).ok()?.trim().strip_prefix("glibc ")?.split_once('.')?;
    Some((major.parse().ok()?, minor.parse().ok()?))
}

#[cfg(feature = "page")]
mod page {
    use std::env;
    use std::fs;
    use std::io::{self, Write as _};
    use std::path::{Path, PathBuf};

    use flate2::Compression;
    use flate2::write::GzEncoder;
    use sha1_smol::Sha1;

    pub fn pack() -> io::Result<()> {
        println!("cargo::rerun-if-changed=web");
        let directory = |name: &str| env::var_os(name).map(PathBuf::from).ok_or(io::ErrorKind::NotFound);
        let (web, out) = (directory("CARGO_MANIFEST_DIR")?.join("web"), directory("OUT_DIR")?);
        let mut files = Vec::new();
        collect(&web, &mut files)?;
        files.sort();
        let mut table = String::from("[\n");
        for (at, file) in files.iter().enumerate() {
            let name = file.strip_prefix(&web).map_err(io::Error::other)?;
            let path =
                format!("/{}", if name == Path::new("index.html") { Path::new("") } else { name }.display());
            let plain = fs::read(file)?;
            let gzip = compressed(&plain)?;
            let packed = format!("{at}.gz");
            fs::write(out.join(&packed), if gzip.len() < plain.len() { &gzip[..] } else { &[] })?;
            let tag = Sha1::from(&plain).digest();
            let tags = [format!("\"{tag}\""), format!("\"{tag}-gzip\"")];
            // No path of this source tree: cargo also uses this table for another one that is built into the same directory.
            let name = name.display();
            table.push_str(&format!(
                "({path:?}, {tags:?}, include_bytes!(concat!(env!(\"CARGO_MANIFEST_DIR\"), \"/web/{name}\")), \
                 include_bytes!(concat!(env!(\"OUT_DIR\"), \"/{packed}\"))),\n"
            ));
        }
        table.push(']');
        fs::write(out.join("page.rs"), table)
    }

    fn collect(directory: &Path, files: &mut Vec<PathBuf>) -> io::Result<()> {
        for entry in fs::read_dir(directory)? {
            let path = entry?.path();
            match path.is_dir() {
                true => collect(&path, files)?,
                false => files.push(path),
            }
        }
        Ok(())
    }

    /// The same bytes for the same file, whenever it is built: there is no time in it.
    fn compressed(plain: &[u8]) -> io::Result<Vec<u8>> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(plain)?;
        encoder.finish()
    }
}
