//! Servers in operator mode: who is who is said by tokens (JWT) that an operator and an account have signed, and each user proves
//! with a signature that its token is its own.

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use ring::rand::{SecureRandom, SystemRandom};
use ring::signature::{Ed25519KeyPair, KeyPair};
use serde_json::{Value, json};

use super::house::{HOUSE, config, directory, nowhere, secret, table, talk};
use super::member::{Kind, Member};
use super::server::{Server, versions};

/// Kinds of keys: the first five bits, whose letter in base32 is the first of the key.
const SEED: u8 = b'S' - b'A';
const OPERATOR: u8 = b'O' - b'A';
const ACCOUNT: u8 = 0;
const USER: u8 = b'U' - b'A';

struct Key {
    pair: Ed25519KeyPair,
    public: String,
    seed: String,
}

/// The checksum of keys: CRC-16 with the polynomial 0x1021.
fn sum(bytes: &[u8]) -> u16 {
    bytes.iter().fold(0, |sum: u16, byte| {
        (0..8).fold(
            sum ^ u16::from(*byte) << 8,
            |sum, _| {
                if sum & 0x8000 == 0 { sum << 1 } else { sum << 1 ^ 0x1021 }
            },
        )
    })
}

/// Base32 of a key with its checksum.
fn written(mut bytes: Vec<u8>) -> String {
    bytes.extend_from_slice(&sum(&bytes).to_le_bytes());
    let bits: Vec<bool> =
        bytes.iter().flat_map(|byte| (0..8).rev().map(move |at| byte >> at & 1 == 1)).collect();
    let letter = |five: &[bool]| {
        let value = (0..5).fold(0, |value, at| value << 1 | u8::from(five.get(at) == Some(&true)));
        char::from(b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"[usize::from(value)])
    };
    bits.chunks(5).map(letter).collect()
}

impl Key {
    fn new(kind: u8) -> Key {
        let mut seed = [0; 32];
        SystemRandom::new().fill(&mut seed).unwrap();
        let pair = Ed25519KeyPair::from_seed_unchecked(&seed).unwrap();
        let mut public = vec![kind << 3];
        public.extend_from_slice(pair.public_key().as_ref());
        let kind = kind << 3;
        let mut told = vec![SEED << 3 | kind >> 5, (kind & 31) << 3];
        told.extend_from_slice(&seed);
        Key { public: written(public), seed: written(told), pair }
    }

    /// A token in which this key vouches for another one.
    fn vouch(&self, of: &Key, name: &str, nats: Value) -> String {
        self.vouch_until(of, name, nats, None)
    }

    fn vouch_until(&self, of: &Key, name: &str, nats: Value, ends: Option<u64>) -> String {
        let encode = |value: &Value| BASE64_URL_SAFE_NO_PAD.encode(value.to_string());
        let header = encode(&json!({"typ": "JWT", "alg": "ed25519-nkey"}));
        let mut claims =
            json!({"jti": name, "iat": 1_700_000_000, "iss": self.public, "name": name, "sub": of.public});
        claims["nats"] = nats;
        if let Some(ends) = ends {
            claims["exp"] = ends.into();
        }
        let claims = encode(&claims);
        let text = format!("{header}.{claims}");
        let signature = BASE64_URL_SAFE_NO_PAD.encode(self.pair.sign(text.as_bytes()));
        format!("{text}.{signature}")
    }
}

/// An operator, with an account for the system and one for the house.
struct House {
    operator: Key,
    system: Key,
    account: Key,
}

impl House {
    fn new() -> House {
        House { operator: Key::new(OPERATOR), system: Key::new(ACCOUNT), account: Key::new(ACCOUNT) }
    }

    /// What a server's configuration says of it.
    fn configuration(&self) -> String {
        let limits = |stores: i64| {
            json!({"subs": -1, "data": -1, "payload": -1, "imports": -1, "exports": -1, "wildcards": true, "conn": -1, "leaf": -1,
                "mem_storage": stores, "disk_storage": stores, "streams": stores, "consumer": stores})
        };
        let account = |stores| json!({"limits": limits(stores), "type": "account", "version": 2});
        let operator =
            self.operator.vouch(&self.operator, "operator", json!({"type": "operator", "version": 2}));
        let system = self.operator.vouch(&self.system, "system", account(0));
        let house = self.operator.vouch(&self.account, "house", account(-1));
        format!(
            "operator: {operator}\nsystem_account: {0}\nresolver: MEMORY\nresolver_preload: {{ {0}: {system}, {1}: {house} }}\n",
            self.system.public, self.account.public
        )
    }

    /// A user's file of credentials. `signs`: the key in it. `ends`: when its token ends, in seconds since 1970.
    fn credentials(&self, user: &Key, signs: &Key, ends: Option<u64>) -> String {
        let (publish, subscribe) = rights();
        let nats = json!({"pub": {"allow": publish}, "sub": {"allow": subscribe}, "subs": -1, "data": -1, "payload": -1,
            "type": "user", "version": 2});
        let jwt = self.account.vouch_until(user, "ann", nats, ends);
        format!(
            "-----BEGIN NATS USER JWT-----\n{jwt}\n------END NATS USER JWT------\n\n\
             -----BEGIN USER NKEY SEED-----\n{}\n------END USER NKEY SEED------\n",
            signs.seed
        )
    }
}

/// The subjects that a daemon must be allowed to publish to, and to subscribe to, as the manual lists them.
fn rights() -> (Vec<String>, Vec<String>) {
    let manual = include_str!("../../../man/ipcd.8");
    let from = manual.find("The servers must let the daemon publish to").expect("the list of rights");
    let (publish, rest) = manual[from..].split_once("and subscribe to").unwrap();
    let (subscribe, _) = rest.split_once("where\n").unwrap();
    let subjects = |text: &str| {
        let lines = text.lines().filter_map(|line| line.strip_prefix(".Li "));
        lines.map(|line| line.trim_end_matches(" ,").replace("HOUSE", HOUSE)).collect::<Vec<_>>()
    };
    (subjects(publish), subjects(subscribe))
}

#[test]
#[ignore = "needs other programs: see tests/harness/program.rs"]
fn credentials_file_with_the_manuals_permissions_is_accepted() {
    for version in versions() {
        let house = House::new();
        let mut server = Server::new(&version, nowhere(), "operated", &house.configuration());
        server.start();
        let (user, other) = (Key::new(USER), Key::new(USER));
        let begin = |credentials: &str| {
            let test_dir = directory();
            secret(&test_dir.directory.path().join("ann.creds"), credentials);
            test_dir.serve(&config(&table(&[&server], "credentials = \"{dir}/ann.creds\""), ""))
        };
        let daemons = [(); 2].map(|()| begin(&house.credentials(&user, &user, None)));
        daemons.iter().for_each(|daemon| _ = daemon.wait_for_log("the room is whole"));
        let mut ann = Member::join(&daemons[0], Kind::Tcp, "ann");
        let mut bob = Member::join(&daemons[1], Kind::Tcp, "bob");
        ann.wait_for("bob has joined the chat!");
        talk(std::slice::from_mut(&mut ann), "with credentials", 3);
        bob.wait_for("ann: with credentials 2 of ann");
        bob.command("/msg ann psst");
        ann.wait_for("bob (to you): psst");
        drop((ann, bob));
        for daemon in daemons {
            let log = daemon.stop();
            let is_told = |line: &String| line.contains(&user.seed) || line.contains("lack a permission");
            assert!(!log.iter().any(is_told), "{log:#?}");
        }
        // A key that is not the token's, a token that has ended, and one of an account that the server does not know.
        let stranger = House::new();
        for wrong in [
            house.credentials(&user, &other, None),
            house.credentials(&user, &user, Some(1_700_000_001)),
            stranger.credentials(&user, &user, None),
        ] {
            let daemon = begin(&wrong);
            daemon.wait_for_log("the server refuses the credentials");
            daemon.stop();
        }
    }
}
