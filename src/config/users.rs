//! Users and groups in the configuration (who may use an endpoint), looked up in the system's databases. This may
//! take a while (nsswitch.conf(5) decides where to look), so it is done once, when the configuration is read.

use nix::unistd::{Gid, Group, User};
use toml::de::DeValue;

use super::syntax::{Diagnostic, quoted};
use super::value::{Person, Principal, Value, typed};
use crate::engine::allow::Allowed;

/// The most entries of one list: more belong in a group.
const ENTRIES_MAX: usize = 256;

/// The database for a list.
#[derive(Clone, Copy)]
pub(super) enum UserDatabase {
    Users,
    Groups,
}

impl UserDatabase {
    fn one(self) -> &'static str {
        match self {
            UserDatabase::Users => "user",
            UserDatabase::Groups => "group",
        }
    }

    /// The users or groups with a name, if any.
    fn find(self, who: &Principal) -> Option<Allowed> {
        match (self, who) {
            (UserDatabase::Users, Principal::Id(uid)) => Some(Allowed::new([*uid], [])),
            (UserDatabase::Users, Principal::Name(name)) => Some(Allowed::new([user_named(name)?], [])),
            (UserDatabase::Groups, Principal::Id(gid)) => Some(match Group::from_gid(Gid::from_raw(*gid)) {
                Ok(Some(group)) => group_and_members(&group),
                _ => Allowed::new([], [*gid]),
            }),
            (UserDatabase::Groups, Principal::Name(name)) => {
                Some(group_and_members(&Group::from_name(name).ok()??))
            }
        }
    }
}

/// Users with this primary group are identified by the group itself; only the database knows its other members.
fn group_and_members(group: &Group) -> Allowed {
    // A group member without a user account cannot connect.
    Allowed::new(group.mem.iter().filter_map(|name| user_named(name)), [group.gid.as_raw()])
}

/// The number of a user.
fn user_named(name: &str) -> Option<u32> {
    Some(User::from_name(name).ok()??.uid.as_raw())
}

/// Reads a list. Errors in elements are reported at their positions; the returned error is about the whole value.
pub(super) fn read(
    database: UserDatabase,
    value: Value<'_>,
    faults: &mut Vec<Diagnostic>,
) -> Result<Allowed, String> {
    let one = database.one();
    let DeValue::Array(names) = value.into_inner() else {
        return Err(format!(
            "it must be a list of {one}s, names in quotes or numbers, for example [\"root\", 1000]"
        ));
    };
    if names.len() > ENTRIES_MAX {
        return Err(format!(
            "it must be a list of at most {ENTRIES_MAX} {one}s; name a group of them in allow_groups"
        ));
    }
    let mut allowed = Allowed::default();
    for name in names {
        let at = name.span().start;
        let text = match typed::<Person>(name) {
            Ok(Person(who)) => match database.find(&who) {
                Some(found) => {
                    allowed = allowed.or(found);
                    continue;
                }
                None => {
                    let Principal::Name(name) = who else { continue };
                    format!(
                        "there is no {one} \"{}\"; name one that exists, or write its number without quotes",
                        quoted(&name)
                    )
                }
            },
            Err(error) => format!("a {one} must be {error}"),
        };
        faults.push(Diagnostic { at, text });
    }
    Ok(allowed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::allow::Refused;
    use crate::engine::message::RemoteAddress;

    #[test]
    fn group_admits_its_members_and_users_with_it_as_primary() {
        let group = Group {
            name: "lab".to_owned(),
            passwd: c"x".to_owned(),
            gid: Gid::from_raw(70_000),
            mem: vec!["root".to_owned(), "nosuchuser".to_owned()],
        };
        let allowed = group_and_members(&group);
        assert_eq!(allowed, Allowed::new([0], [70_000]));
        assert_eq!(allowed.refuses(RemoteAddress::Process { uid: 5, gid: 70_000, pid: 1 }, 990), None);
        assert_eq!(
            allowed.refuses(RemoteAddress::Process { uid: 5, gid: 5, pid: 1 }, 990),
            Some(Refused::User(5))
        );
    }

    #[test]
    fn user_name_is_looked_up_and_a_number_taken_as_is() {
        let find = |database: UserDatabase, who| database.find(&who);
        assert_eq!(find(UserDatabase::Users, Principal::Name("root".into())), Some(Allowed::new([0], [])));
        assert_eq!(find(UserDatabase::Users, Principal::Id(4_000_000)), Some(Allowed::new([4_000_000], [])));
        assert_eq!(find(UserDatabase::Groups, Principal::Id(4_000_000)), Some(Allowed::new([], [4_000_000])));
        assert!(
            find(UserDatabase::Groups, Principal::Name("root".into()))
                .is_some_and(|allowed| !allowed.is_empty())
        );
        assert_eq!(find(UserDatabase::Users, Principal::Name("nosuchuser".into())), None);
        assert_eq!(find(UserDatabase::Groups, Principal::Name("nosuchgroup".into())), None);
    }
}
