//! Packs the page: each file in `web/` is built into the program as it lies there, and compressed with gzip where that is
//! shorter. Nothing that is compressed lies in the repository. Without the feature `page` there is nothing to pack.

use std::io;

fn main() -> io::Result<()> {
    println!("cargo::rerun-if-changed=build.rs");
    #[cfg(feature = "page")]
    page::pack()?;
    Ok(())
}

#[cfg(feature = "page")]
mod page {
    use std::env;
    use std::fs;
    use std::io::{self, Write as _};
    use std::path::{Path, PathBuf};

    use flate2::Compression;
    use flate2::write::GzEncoder;

    pub fn pack() -> io::Result<()> {
        println!("cargo::rerun-if-changed=web");
        let directory = |name: &str| env::var_os(name).map(PathBuf::from).ok_or(io::ErrorKind::NotFound);
        let (web, out) = (directory("CARGO_MANIFEST_DIR")?.join("web"), directory("OUT_DIR")?);
        let mut files = Vec::new();
        collect(&web, &mut files)?;
        files.sort();
        let mut table = String::from("[\n");
        for (at, file) in files.iter().enumerate() {
            let path = file.strip_prefix(&web).map_err(io::Error::other)?;
            let plain = fs::read(file)?;
            let gzip = compressed(&plain)?;
            let packed = out.join(format!("{at}.gz"));
            fs::write(&packed, if gzip.len() < plain.len() { &gzip[..] } else { &[] })?;
            table.push_str(&format!("({path:?}, include_bytes!({file:?}), include_bytes!({packed:?})),\n"));
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
