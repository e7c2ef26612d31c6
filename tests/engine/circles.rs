//! No two files import each other, and there is no circle of files. An import counts for the file that defines the name, so a file
//! that only re-exports names is in no circle.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use crate::layering::{code, modules};

/// A module as its path from the crate's root; the client's begins with `bin`.
type Module = Vec<String>;

fn segments(path: &str) -> Vec<String> {
    path.split("::").filter(|segment| !segment.is_empty()).map(str::to_owned).collect()
}

fn module_of(path: &Path) -> Module {
    let mut module: Module =
        path.with_extension("").iter().map(|part| part.to_str().unwrap().to_owned()).collect();
    if module[0] == "bin" {
        module.remove(1); // this is `ipcctl`
    }
    if ["mod", "main"].contains(&module.last().unwrap().as_str()) && module.len() > 1 {
        module.pop();
    }
    module
}

/// The paths of a `use`, one by one: `a::{b, c::D}` is `a::b` and `a::c::D`.
fn expand(tree: &str) -> Vec<String> {
    let Some(open) = tree.find('{') else { return vec![tree.to_owned()] };
    let (mut depth, mut part, mut parts) = (0, String::new(), Vec::new());
    for c in tree[open + 1..].chars() {
        match c {
            '}' if depth == 0 => break,
            ',' if depth == 0 => parts.push(std::mem::take(&mut part)),
            _ => {
                depth += i32::from(c == '{') - i32::from(c == '}');
                part.push(c);
            }
        }
    }
    parts.push(part);
    let parts = parts.iter().filter(|part| !part.is_empty());
    parts.flat_map(|part| expand(part)).map(|rest| format!("{}{rest}", &tree[..open])).collect()
}

/// One file: the names that it brings into scope, and every path that it mentions.
struct File {
    scope: BTreeMap<String, String>,
    paths: BTreeSet<String>,
    globs: Vec<String>,
}

impl File {
    fn read(code: &str) -> File {
        let mut file = File { scope: BTreeMap::new(), paths: BTreeSet::new(), globs: Vec::new() };
        let mut body = String::new();
        for (number, statement) in code.split("use ").enumerate() {
            let is_word = body.is_empty() || body.ends_with(|c: char| c.is_whitespace() || c == '(');
            let is_use = number > 0 && is_word;
            let (tree, rest) = match statement.split_once(';') {
                Some((tree, rest)) if is_use => (tree, rest),
                _ => ("", statement),
            };
            body.push_str(rest);
            for path in expand(&tree.split_whitespace().collect::<Vec<_>>().join(" ").replace(", ", ",")) {
                let (path, name) = path.split_once(" as ").unwrap_or((&path, ""));
                let path = path.replace(' ', "");
                let path = path.trim_end_matches("::self");
                if let Some(glob) = path.strip_suffix("::*") {
                    file.globs.push(glob.to_owned());
                } else if !path.is_empty() {
                    let name = if name.is_empty() { path.rsplit("::").next().unwrap() } else { name };
                    file.scope.insert(name.to_owned(), path.to_owned());
                    file.paths.insert(path.to_owned());
                }
            }
        }
        // The path of a visibility, `pub(in PATH)`, is not an import.
        let pieces = body.split("pub(in ").enumerate();
        let body: String = pieces
            .map(|(number, piece)| if number == 0 { piece } else { piece.split_once(')').unwrap().1 })
            .collect();
        let words = body.split(|c: char| !(c.is_alphanumeric() || c == '_' || c == ':'));
        file.paths.extend(words.filter(|word| word.contains("::")).map(str::to_owned));
        file
    }
}

struct Files(BTreeMap<Module, File>);

impl Files {
    /// The module to which a path leads from `from`, and the name that it takes from there.
    fn find(&self, from: &Module, path: &str) -> Option<(Module, Option<String>)> {
        let mut path = segments(path);
        let first = path.first()?.clone();
        let mut module = match first.as_str() {
            "crate" | "ipcd" => {
                path.remove(0);
                if first == "crate" && from[0] == "bin" { vec!["bin".to_owned()] } else { Vec::new() }
            }
            "self" => {
                path.remove(0);
                from.clone()
            }
            "super" => {
                let count = path.iter().take_while(|segment| *segment == "super").count();
                path.drain(..count);
                from[..from.len().checked_sub(count)?].to_vec()
            }
            _ => from.clone(),
        };
        let outset = module.len();
        while let Some(next) = path.first() {
            let below = module.iter().chain([next]).cloned().collect::<Module>();
            if !self.0.contains_key(&below) {
                break;
            }
            module = below;
            path.remove(0);
        }
        let is_relative = !["crate", "ipcd", "self", "super"].contains(&first.as_str());
        if is_relative && module.len() == outset {
            return None; // it is in another crate, or in scope through a `use` that counts
        }
        Some((module, path.first().cloned()))
    }

    /// The file that defines the name of a path.
    fn definition(&self, from: &Module, path: &str) -> Option<Module> {
        let (mut module, mut name) = self.find(from, path)?;
        for _ in 0..8 {
            let Some(asked) = name.take() else { break };
            let Some(file) = self.0.get(&module) else { break };
            let next = match file.scope.get(&asked) {
                Some(path) => self.find(&module, path),
                None => file
                    .globs
                    .iter()
                    .filter_map(|glob| self.find(&module, glob))
                    .map(|(module, _)| (module, Some(asked.clone())))
                    .next(),
            };
            match next {
                Some(next) if next.0 != module => (module, name) = next,
                _ => break,
            }
        }
        Some(module)
    }

    fn edges(&self) -> BTreeMap<&Module, BTreeSet<Module>> {
        let targets = |from: &Module, file: &File| {
            let found = file.paths.iter().filter_map(|path| self.definition(from, path));
            found.filter(|to| to != from && self.0.contains_key(to)).collect()
        };
        self.0.iter().map(|(from, file)| (from, targets(from, file))).collect()
    }
}

/// The imports that are part of a circle, one a line.
fn circles(edges: &BTreeMap<&Module, BTreeSet<Module>>) -> String {
    let reached = |from: &Module| {
        let (mut reached, mut next) = (BTreeSet::new(), vec![from.clone()]);
        while let Some(module) = next.pop() {
            let new = edges[&module].iter().filter(|to| reached.insert((*to).clone()));
            next.extend(new.cloned().collect::<Vec<_>>());
        }
        reached
    };
    let reached: BTreeMap<&Module, BTreeSet<Module>> =
        edges.keys().map(|module| (*module, reached(module))).collect();
    let imports = edges.iter().flat_map(|(from, to)| to.iter().map(move |to| (*from, to)));
    let back = imports.filter(|(from, to)| reached[to].contains(*from));
    back.map(|(from, to)| format!("{} imports {}\n", from.join("::"), to.join("::"))).collect()
}

#[test]
fn no_circle_of_files() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let of = |path: &PathBuf| module_of(path.strip_prefix(&root).unwrap());
    let files = Files(modules().iter().map(|(_, path, code)| (of(path), File::read(code))).collect());
    let edges = files.edges();
    let count: usize = edges.values().map(BTreeSet::len).sum();
    assert!(edges.len() > 150 && count > 500, "{} files and {count} imports", edges.len());
    let circles = circles(&edges);
    assert!(circles.is_empty(), "files that import one another:\n{circles}");
}

#[test]
fn circle_of_files_is_found_through_reexports_and_inline_paths() {
    let found = |sources: &[(&str, &str)]| {
        let files = sources.iter().map(|(path, text)| (module_of(Path::new(path)), File::read(&code(text))));
        circles(&Files(files.collect()).edges())
    };
    let room = |use_of_member: &str| {
        found(&[
            ("engine/mod.rs", "mod room;\npub use room::member::Member;\n"),
            ("engine/room/mod.rs", "pub mod log;\npub mod member;\n"),
            ("engine/room/log.rs", use_of_member),
            ("engine/room/member.rs", "use super::log::{self, Log};\npub(in crate::engine) struct Member;\n"),
        ])
    };
    let circle =
        "engine::room::log imports engine::room::member\nengine::room::member imports engine::room::log\n";
    assert_eq!(room("use super::member::Member;\n"), circle);
    assert_eq!(room("use crate::engine::{Member as Other};\n"), circle);
    assert_eq!(room("fn of() -> super::member::Member {}\n"), circle);
    assert_eq!(room("#[cfg(test)]\nmod tests;\n\nuse super::member::Member;\n"), circle);
    let inline = |tests: &str| format!("#[cfg(test)]\nmod tests {{\n    {tests}\n}}\n");
    assert_eq!(room(&format!("{}use super::member::Member;\n", inline("fn of() {}"))), circle);
    assert_eq!(room(&inline("use super::member::Member;")), "");
    assert_eq!(room("use std::member::Member;\n"), "");
}
