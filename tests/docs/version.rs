//! One version everywhere: the crates, the manual, README, the changelogs of the source and of the Debian package.

use std::fs;

use super::promises::root;

const VERSION: &str = env!("CARGO_PKG_VERSION");

fn text_of(file: &str) -> String {
    fs::read_to_string(root().join(file)).unwrap_or_else(|error| panic!("{file}: {error}"))
}

#[test]
fn crates_and_manual_have_the_same_version() {
    assert!(
        text_of("engine/Cargo.toml").contains(&format!("\nversion = \"{VERSION}\"\n")),
        "engine/Cargo.toml"
    );
    let mut pages = 0;
    for entry in fs::read_dir(root().join("man")).unwrap() {
        let page = entry.unwrap().path();
        let text = fs::read_to_string(&page).unwrap();
        assert_eq!(text.lines().nth(2), Some(format!(".Os ipcd {VERSION}").as_str()), "{}", page.display());
        pages += 1;
    }
    assert!(pages >= 5, "{pages}");
}

/// What is not released yet is under [Unreleased], above the version.
#[test]
fn changelogs_and_readme_have_the_version_and_one_day() {
    let changelog = text_of("CHANGELOG.md");
    let headings = changelog.lines().filter_map(|line| line.strip_prefix("## ["));
    let newest =
        headings.map(|heading| heading.split_once(']').unwrap()).find(|(name, _)| *name != "Unreleased");
    let (version, day) = newest.expect("a version");
    assert_eq!(version, VERSION, "CHANGELOG.md");

    let debian = text_of("packaging/debian/changelog");
    assert!(debian.starts_with(&format!("ipcd ({VERSION}-")), "packaging/debian/changelog");
    let package = debian.split(['(', ')']).nth(1).unwrap();
    assert!(text_of("README.md").contains(&format!("./ipcd_{package}_amd64.deb")), "README.md");
    let signature = debian.lines().find(|line| line.starts_with(" -- ")).unwrap();
    let stamp = signature.split_once(">  ").unwrap().1;
    let stamp = jiff::fmt::rfc2822::parse(stamp).expect("the right day of the week, too");
    assert_eq!(day, format!(" - {}", stamp.strftime("%F")), "CHANGELOG.md and packaging/debian/changelog");
}
