//! The proof that a client owns a name: a secret that it has chosen, and its user as the kernel reports it. Knows no
//! name, and shows the secret to nobody.

use std::fmt;

use constant_time_eq::constant_time_eq;
use serde::{Deserialize, Serialize};

use super::message::RemoteAddress;

/// The shortest secret, in bytes: 128 bits in hexadecimal. A secret that can be guessed protects nothing.
pub const SECRET_BYTES_MIN: usize = 32;

/// The longest secret, in bytes.
pub const SECRET_BYTES_MAX: usize = 64;

/// A secret and its owner.
#[derive(Clone, Serialize, Deserialize)]
pub struct Claim {
    /// The user, if the kernel reports it: on a Unix socket. Elsewhere the secret alone counts.
    user: Option<u32>,
    secret: Box<str>,
}

impl Claim {
    /// Reads a secret; `None` if the text cannot be one.
    pub fn new(remote: RemoteAddress, secret: &str) -> Option<Claim> {
        let user = match remote {
            RemoteAddress::Process { uid, .. } => Some(uid),
            RemoteAddress::Unknown { .. } => return None, // equal to no user
            RemoteAddress::Address(_) | RemoteAddress::Input | RemoteAddress::Writers => None,
        };
        let fits = (SECRET_BYTES_MIN..=SECRET_BYTES_MAX).contains(&secret.len())
            && secret.bytes().all(|byte| byte.is_ascii_graphic());
        fits.then(|| Claim { user, secret: secret.into() })
    }

    /// Whether it is the same user with the same secret. The comparison takes constant time.
    pub fn is_same(&self, other: &Claim) -> bool {
        self.user == other.user && constant_time_eq(self.secret.as_bytes(), other.secret.as_bytes())
    }
}

impl fmt::Debug for Claim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Claim").field("user", &self.user).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn claim_needs_same_secret_and_user_and_never_shows_the_secret() {
        let (ann, bob) = (
            RemoteAddress::Process { uid: 1, gid: 1, pid: 7 },
            RemoteAddress::Process { uid: 2, gid: 1, pid: 7 },
        );
        let far = RemoteAddress::Address("127.0.0.1:1".parse().unwrap());
        let secret = "0123456789abcdef0123456789abcdef";
        let claim = |remote, secret: &str| Claim::new(remote, secret).unwrap();
        let first = claim(ann, secret);
        assert!(first.is_same(&claim(RemoteAddress::Process { uid: 1, gid: 5, pid: 9 }, secret)));
        for other in [
            claim(bob, secret),
            claim(far, secret),
            claim(ann, &secret.to_uppercase()),
            claim(ann, &format!("{secret}0")),
        ] {
            assert!(!first.is_same(&other));
        }
        assert!(
            claim(far, secret)
                .is_same(&claim(RemoteAddress::Address("127.0.0.2:9".parse().unwrap()), secret))
        );
        for text in ["", &secret[1..], &"x".repeat(65), &format!("{secret} x"), &format!("{secret}é")] {
            assert!(Claim::new(ann, text).is_none(), "{text}");
        }
        assert!(!format!("{first:?}").contains("0123"));
    }
}
