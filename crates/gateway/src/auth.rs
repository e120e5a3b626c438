//! Who may call: a bearer token on the REST side, user and password at the front door.
//!
//! # Security
//!
//! Both comparisons take the same time wherever the first wrong byte is. Only the length of the secret can be learnt
//! from the time that they take.

use actix_web::http::header::HeaderValue;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use secrecy::{ExposeSecret, SecretString};
use subtle::ConstantTimeEq;

/// The token of `[http] token_file`.
#[derive(Debug, Clone)]
pub(crate) struct BearerToken(SecretString);

impl BearerToken {
    pub(crate) fn new(token: SecretString) -> Self {
        Self(token)
    }

    /// Whether an `Authorization` header shows the token.
    pub(crate) fn is_shown_by(&self, header: Option<&HeaderValue>) -> bool {
        let shown = header.and_then(|header| credentials(header, "bearer"));
        shown.is_some_and(|shown| bool::from(shown.ct_eq(self.0.expose_secret().as_bytes())))
    }
}

/// The user and password of a front door.
#[derive(Debug, Clone)]
pub(crate) struct BasicLogin(SecretString);

/// What an `Authorization` header is worth.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Login {
    /// There is none.
    Missing,
    /// It is wrong.
    Wrong,
    /// It is right.
    Right,
}

impl BasicLogin {
    pub(crate) fn new(user: &str, password: &SecretString) -> Self {
        Self(format!("{user}:{}", password.expose_secret()).into())
    }

    /// Judges an `Authorization` header.
    pub(crate) fn judge(&self, header: Option<&HeaderValue>) -> Login {
        let Some(header) = header else { return Login::Missing };
        let shown = credentials(header, "basic").and_then(|shown| STANDARD.decode(shown).ok());
        match shown {
            Some(shown) if bool::from(shown.ct_eq(self.0.expose_secret().as_bytes())) => Login::Right,
            _ => Login::Wrong,
        }
    }
}

/// What follows the scheme, if it is this one. Schemes are compared without case (RFC 9110 §11.1).
fn credentials<'a>(header: &'a HeaderValue, scheme: &str) -> Option<&'a [u8]> {
    let (shown, rest) = header.as_bytes().split_at_checked(scheme.len())?;
    let rest = rest.strip_prefix(b" ")?;
    shown.eq_ignore_ascii_case(scheme.as_bytes()).then(|| rest.trim_ascii())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn header(text: &str) -> HeaderValue {
        HeaderValue::from_str(text).unwrap()
    }

    #[test]
    fn only_the_very_token_is_accepted() {
        let token = BearerToken::new("sesame".to_owned().into());
        assert!(token.is_shown_by(Some(&header("Bearer sesame"))));
        assert!(token.is_shown_by(Some(&header("bearer  sesame "))), "scheme without case, space around");
        assert!(!token.is_shown_by(None));
        for wrong in
            ["sesame", "Bearer", "Bearer ", "Bearer sesam", "Bearer sesame2", "Basic sesame", "Bearersesame"]
        {
            assert!(!token.is_shown_by(Some(&header(wrong))), "{wrong}");
        }
    }

    #[test]
    fn a_login_is_right_wrong_or_missing() {
        let login = BasicLogin::new("pool", &"pass:word".to_owned().into());
        let basic = |text: &str| header(&format!("Basic {}", STANDARD.encode(text)));
        assert_eq!(login.judge(None), Login::Missing);
        assert_eq!(login.judge(Some(&basic("pool:pass:word"))), Login::Right);
        for wrong in ["pool:pass", "pool:", "", "pool", "other:pass:word", "pool:pass:word2"] {
            assert_eq!(login.judge(Some(&basic(wrong))), Login::Wrong, "{wrong}");
        }
        for wrong in ["Basic !!!", "Basic", "Bearer cG9vbA==", "x"] {
            assert_eq!(login.judge(Some(&header(wrong))), Login::Wrong, "{wrong}");
        }
    }

    #[test]
    fn secrets_are_not_shown_when_debugged() {
        let shown = format!(
            "{:?} {:?}",
            BearerToken::new("canary-1".to_owned().into()),
            BasicLogin::new("pool", &"canary-2".to_owned().into())
        );
        assert!(!shown.contains("canary"), "{shown}");
    }

    proptest! {
        #[test]
        fn no_header_makes_it_panic(bytes: Vec<u8>) {
            if let Ok(header) = HeaderValue::from_bytes(&bytes) {
                let login = BasicLogin::new("pool", &"word".to_owned().into());
                prop_assert_ne!(login.judge(Some(&header)), Login::Missing);
            }
        }
    }
}
