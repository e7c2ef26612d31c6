//! Every reason to drop something has its words in the manual, and its name in the manual and the schema.

use std::fs;
use std::path::Path;

use ipcd::engine::message::Dropped;

fn page(name: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(name)).unwrap()
}

#[test]
fn manual_and_schema_list_every_drop_reason() {
    let (daemon, protocol) = (page("man/ipcd.8"), page("man/ipcd-protocol.7"));
    let schema: serde_json::Value = serde_json::from_str(&page("docs/status.schema.json")).unwrap();
    let service = &schema["properties"]["services"]["items"]["properties"];
    let reasons = &service["dropped_by_reason"]["properties"];
    for why in Dropped::ALL {
        // For a FIFO, drops are counted and not logged.
        let is_told = why == Dropped::Unread || daemon.contains(&format!(".It Li \"{why}\"\n"));
        assert!(is_told, "man/ipcd.8 lacks: {why}");
        let mut names = protocol.split(|c: char| !(c.is_ascii_lowercase() || c == '_'));
        assert!(names.any(|name| name == why.name()), "man/ipcd-protocol.7 lacks: {}", why.name());
        assert!(reasons[why.name()].is_object(), "docs/status.schema.json lacks: {}", why.name());
    }
    assert_eq!(reasons.as_object().unwrap().len(), Dropped::ALL.len());
}
