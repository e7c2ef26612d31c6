//! `shm:///NAME?semaphores`: the classroom's bounded buffer, a shared memory object and three semaphores (shm_overview(7),
//! sem_overview(7)). Options after the question mark give other names and sizes.

use std::path::{Path, PathBuf};

/// Marks a name as that of such a buffer.
const MARK: &str = "?semaphores";

/// The longest name, in bytes without its slash: a file's name has 255 (NAME_MAX), and `sem.` and `_empty` are added.
const NAME_BYTES_MAX: usize = 240;

/// Where the C library keeps shared memory objects and semaphores.
const DIRECTORY: &str = "/dev/shm";

/// The slots of the usual buffer, and the most.
const SLOTS: u32 = 8;
const SLOTS_MAX: u32 = 1024;

/// The bytes of one slot.
const SIZE: u32 = 256;
/// The most bytes of one slot.
pub const SIZE_MAX: u32 = 8192;

/// The two indices before the slots: of the next one to be taken, and of the next one to be filled.
pub const INDEX_BYTES: usize = 8;

/// The names and sizes of one buffer. Names begin with a slash.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layout {
    /// The shared memory object.
    pub object: String,
    /// How many slots it has.
    pub slots: u32,
    /// The bytes of one slot.
    pub size: u32,
    /// The semaphore that counts free slots.
    pub empty: String,
    /// The semaphore that counts filled slots.
    pub full: String,
    /// The semaphore that is 1 when no program uses the object.
    pub mutex: String,
}

/// Whether the text after `shm://` is meant for such a buffer.
pub(super) fn is_meant(rest: &str) -> bool {
    rest.contains(MARK)
}

/// Checks the text after `shm://`, and keeps it as it is.
pub(super) fn parse(rest: &str) -> Result<PathBuf, String> {
    Layout::read(rest).map(|_| PathBuf::from(rest))
}

fn name(what: &str, text: &str) -> Result<String, String> {
    let wrong = |reason: &str| Err(format!("{reason}, for example shm:///board{MARK}"));
    match text.strip_prefix('/') {
        None | Some("" | "." | "..") => {
            wrong(&format!("the name of {what} begins with a slash, and more follows"))
        }
        Some(rest) if rest.contains('/') => wrong(&format!("the name of {what} has no second slash")),
        Some(rest) if rest.chars().any(|c| c.is_control() || matches!(c, '?' | '&')) => {
            wrong("a name has no control characters, question marks and ampersands")
        }
        Some(rest) if rest.len() > NAME_BYTES_MAX => {
            Err(format!("the name of {what} has at most {NAME_BYTES_MAX} bytes, this one has {}", rest.len()))
        }
        Some(_) => Ok(text.to_owned()),
    }
}

fn number(key: &str, text: &str, max: u32) -> Result<u32, String> {
    let number = text.parse().ok().filter(|number| (1..=max).contains(number));
    number.ok_or_else(|| format!("{key} is a number from 1 to {max}, for example {MARK}&{key}={SLOTS}"))
}

impl Layout {
    /// The buffer of an endpoint that was parsed.
    pub fn of(place: &Path) -> Option<Layout> {
        Layout::read(place.to_str()?).ok()
    }

    fn read(rest: &str) -> Result<Layout, String> {
        let (object, options) = rest.split_once(MARK).unwrap_or((rest, ""));
        let object = name("a shared memory object", object)?;
        let semaphore = |end: &str| format!("{object}_{end}");
        let mut layout = Layout {
            slots: SLOTS,
            size: SIZE,
            empty: semaphore("empty"),
            full: semaphore("full"),
            mutex: semaphore("mutex"),
            object,
        };
        if !options.is_empty() && !options.starts_with('&') {
            return Err(format!("options after {MARK} begin with &, for example {MARK}&slots=16"));
        }
        for option in options.split('&').skip(1) {
            let (key, value) = option.split_once('=').unwrap_or((option, ""));
            match key {
                "slots" => layout.slots = number(key, value, SLOTS_MAX)?,
                "size" => layout.size = number(key, value, SIZE_MAX)?,
                "empty" => layout.empty = name("a semaphore", value)?,
                "full" => layout.full = name("a semaphore", value)?,
                "mutex" => layout.mutex = name("a semaphore", value)?,
                _ => {
                    return Err(format!(
                        "unknown option {key:?}; the options after {MARK} are slots, size, empty, full, mutex"
                    ));
                }
            }
        }
        let mut files = layout.files();
        files.sort();
        match files.windows(2).any(|two| two[0] == two[1]) {
            true => Err("the object and its three semaphores need four different names".to_owned()),
            false => Ok(layout),
        }
    }

    /// The file of the object.
    pub fn object_file(&self) -> PathBuf {
        Path::new(DIRECTORY).join(&self.object[1..])
    }

    /// The files of the semaphores: empty, full, mutex.
    pub fn semaphore_files(&self) -> [PathBuf; 3] {
        [&self.empty, &self.full, &self.mutex]
            .map(|name| Path::new(DIRECTORY).join(format!("sem.{}", &name[1..])))
    }

    /// All its files.
    pub fn files(&self) -> [PathBuf; 4] {
        let [empty, full, mutex] = self.semaphore_files();
        [self.object_file(), empty, full, mutex]
    }

    /// The bytes of the object.
    pub fn bytes(&self) -> u64 {
        INDEX_BYTES as u64 + u64::from(self.slots) * u64::from(self.size)
    }

    /// The offset of a slot.
    pub fn slot_at(&self, index: u32) -> u64 {
        INDEX_BYTES as u64 + u64::from(index) * u64::from(self.size)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_follow_the_object_and_sizes_are_the_usual_ones() {
        let layout = Layout::of(Path::new("/board?semaphores")).unwrap();
        assert_eq!((layout.slots, layout.size, layout.bytes(), layout.slot_at(7)), (8, 256, 2056, 1800));
        let files = ["board", "sem.board_empty", "sem.board_full", "sem.board_mutex"];
        assert_eq!(layout.files(), files.map(|name| Path::new("/dev/shm").join(name)));
        let other = Layout::of(Path::new("/b?semaphores&slots=2&size=16&empty=/e&full=/f&mutex=/m")).unwrap();
        assert_eq!((other.slots, other.size, other.bytes()), (2, 16, 40));
        assert_eq!([other.empty, other.full, other.mutex], ["/e", "/f", "/m"]);
    }

    #[test]
    fn wrong_name_or_option_is_refused_with_what_is_right() {
        for (text, reason) in [
            ("board?semaphores", "begins with a slash"),
            ("/?semaphores", "begins with a slash"),
            ("/..?semaphores", "begins with a slash"),
            ("/a/b?semaphores", "no second slash"),
            ("/a\n?semaphores", "control characters"),
            ("/a?semaphores&slots=0", "slots is a number from 1 to 1024"),
            ("/a?semaphores&size=8193", "size is a number from 1 to 8192"),
            ("/a?semaphores&slot=3", "unknown option \"slot\"; the options after ?semaphores are slots"),
            ("/a?semaphores&", "unknown option \"\""),
            ("/a?semaphore", "question marks"),
            ("/a?semaphoresx", "begin with &"),
            ("/a?semaphores&full=/a_empty", "four different names"),
            ("/sem.a_full?semaphores&full=/a_full", "four different names"),
            (&format!("/{}?semaphores", "x".repeat(241)), "at most 240 bytes"),
        ] {
            let error = parse(text).expect_err(text);
            assert!(error.contains(reason), "{text}: {error}");
        }
    }
}
