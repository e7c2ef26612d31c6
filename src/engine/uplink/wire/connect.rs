//! CONNECT: our credentials and options. Every option is set, because the server's defaults are not what a client expects.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value};

use super::super::super::json;
use super::super::settings::Credentials;

/// The JSON object; `None`: the credentials sign a nonce, and the server sent none.
pub fn object(client: &str, credentials: &Credentials, nonce: &str, is_encrypted: bool) -> Option<String> {
    let mut object = Map::new();
    let mut set = |name: &str, value: Value| object.insert(name.to_owned(), value);
    set("verbose", false.into());
    set("pedantic", false.into());
    set("headers", true.into());
    set("no_responders", true.into());
    set("echo", true.into());
    set("protocol", 1.into());
    set("tls_required", is_encrypted.into());
    set("name", client.into());
    set("lang", "rust".into());
    set("version", env!("CARGO_PKG_VERSION").into());
    let signed = |sign: &dyn Fn(&[u8]) -> [u8; 64]| {
        (!nonce.is_empty()).then(|| Value::from(URL_SAFE_NO_PAD.encode(sign(nonce.as_bytes()))))
    };
    match credentials {
        Credentials::None => {}
        Credentials::Token(token) => drop(set("auth_token", token.as_str().into())),
        Credentials::Password { user, password } => {
            set("user", user.as_str().into());
            set("pass", password.as_str().into());
        }
        Credentials::Nkey { public, sign } => {
            set("nkey", public.as_str().into());
            set("sig", signed(&**sign)?);
        }
        Credentials::Jwt { jwt, sign } => {
            set("jwt", jwt.as_str().into());
            set("sig", signed(&**sign)?);
        }
    }
    Some(json::to_string(&object))
}

#[cfg(test)]
mod tests {
    use std::rc::Rc;

    use super::*;

    fn fields(credentials: &Credentials, nonce: &str) -> Option<Value> {
        object("ipcd on pc7", credentials, nonce, true).map(|text| serde_json::from_str(&text).unwrap())
    }

    #[test]
    fn every_kind_of_credentials_has_its_fields() {
        let none = fields(&Credentials::None, "").unwrap();
        for (name, wanted) in
            [("verbose", false), ("pedantic", false), ("headers", true), ("no_responders", true)]
        {
            assert_eq!(none[name], wanted, "{name}");
        }
        assert_eq!((&none["name"], &none["tls_required"]), (&"ipcd on pc7".into(), &true.into()));
        assert_eq!(fields(&Credentials::Token("t\"".into()), "").unwrap()["auth_token"], "t\"");
        let user = fields(&Credentials::Password { user: "ann".into(), password: "p".into() }, "").unwrap();
        assert_eq!((&user["user"], &user["pass"]), (&"ann".into(), &"p".into()));
        let sign = Rc::new(|nonce: &[u8]| [nonce[0]; 64]);
        let nkey = Credentials::Nkey { public: "UABC".into(), sign: sign.clone() };
        let signed = URL_SAFE_NO_PAD.encode([b'n'; 64]);
        assert_eq!(fields(&nkey, "nonce").unwrap()["sig"], signed);
        assert_eq!(fields(&nkey, ""), None, "nothing to sign");
        let jwt = fields(&Credentials::Jwt { jwt: "ey.x.y".into(), sign }, "nonce").unwrap();
        assert_eq!((&jwt["jwt"], &jwt["sig"]), (&"ey.x.y".into(), &signed.into()));
    }
}
