//! The same table as in ipcd.

#[path = "../build/prototypes.rs"]
mod prototypes;

fn main() -> std::io::Result<()> {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed=../build");
    prototypes::write()
}
