//! `proxy` and `proxy_password_file` of `[peers]`: through what peers are connected to.

use secrecy::ExposeSecret;

use super::{Context, front_door};
use crate::address::{Fault, HostPort};
use crate::problem::{Kind, Report};
use crate::secret;
use crate::section::Section;
use crate::settings::{Proxy, ProxyLogin};

/// The longest user name and password that SOCKS5 can carry, in bytes (RFC 1929 §2).
const LOGIN_LIMIT: usize = 255;

const FORM: &str = "write socks5://host:port, such as socks5://127.0.0.1:9050";

pub(super) fn read(
    section: &Section<'_>,
    context: &Context<'_>,
    report: &mut Report,
) -> Option<Option<Proxy>> {
    let file = section.text("proxy_password_file");
    let Some(url) = section.text("proxy") else {
        if let (false, Some(file)) = (section.has("proxy"), &file) {
            let message = "a password for a proxy, and there is no `proxy`";
            let remedy = "add proxy = \"socks5://user@host:port\", or remove the password";
            report.problem(file.problem(Kind::Conflict, message, remedy));
            return None;
        }
        return (!section.has("proxy")).then_some(None);
    };
    let parsed = url.parsed(|text| parse(text), report);
    let password = file.as_ref().and_then(|file| secret::read(file, "password", context.base, report));
    let (user, address) = parsed?;
    let Some(user) = user else {
        if let Some(file) = file {
            let message = "a password, and `proxy` names no user";
            let remedy = "write proxy = \"socks5://user@host:port\", or remove the password";
            report.problem(file.problem(Kind::Conflict, message, remedy));
            return None;
        }
        return (!section.has("proxy_password_file")).then_some(Some(Proxy { address, login: None }));
    };
    let Some(file) = file else {
        if !section.has("proxy_password_file") {
            let remedy = "add a file that holds the password of the user in `proxy`";
            report.problem(section.missing("proxy_password_file", remedy));
        }
        return None;
    };
    let password = password?;
    if password.secret().expose_secret().len() > LOGIN_LIMIT {
        let message = format!("{} holds more than {LOGIN_LIMIT} bytes", password.path().display());
        report.problem(file.problem(Kind::Secret, message, "choose a shorter password at the proxy"));
        return None;
    }
    Some(Some(Proxy { address, login: Some(ProxyLogin { user, password }) }))
}

/// Reads `socks5://host:port` or `socks5://user@host:port`.
fn parse(text: &str) -> Result<(Option<String>, HostPort), Fault> {
    let fault = |message: &str, remedy: &str| Err(Fault { message: message.into(), remedy: remedy.into() });
    let Some((scheme, rest)) = text.split_once("://") else {
        return fault("the URL does not begin with socks5://", FORM);
    };
    if scheme.eq_ignore_ascii_case("socks5h") {
        return fault("names always go to the proxy as they are, so there is no socks5h", "write socks5://");
    }
    if !scheme.eq_ignore_ascii_case("socks5") {
        return fault("no other proxies than those of SOCKS5 are spoken to", FORM);
    }
    let (user, address) = match rest.rsplit_once('@') {
        Some((user, address)) => (Some(user), address),
        None => (None, rest),
    };
    if user.is_some_and(|user| user.contains(':')) {
        return fault(
            "a password in the URL would end up in logs",
            "write socks5://user@host:port and put the password into a file, as `proxy_password_file`; change it if \
             this file was shared",
        );
    }
    if user.is_some_and(|user| user.len() > LOGIN_LIMIT) {
        return fault("the user name is longer than SOCKS5 can carry", "choose a name of at most 255 bytes");
    }
    let user = user.map(front_door::user).transpose()?;
    let address = address.strip_suffix('/').unwrap_or(address);
    let address = HostPort::parse(address).map_err(|fault| Fault { remedy: FORM.to_owned(), ..fault })?;
    Ok((user, address))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_proxy_is_a_place_and_perhaps_a_user() {
        for (text, user, address) in [
            ("socks5://127.0.0.1:9050", None, "127.0.0.1:9050"),
            ("SOCKS5://tor:9050/", None, "tor:9050"),
            ("socks5://u@[::1]:1", Some("u"), "[::1]:1"),
            ("socks5://u@example@p:1", Some("u@example"), "p:1"),
        ] {
            let (found, place) = parse(text).unwrap();
            assert_eq!((found.as_deref(), place.to_string().as_str()), (user, address), "{text}");
        }
    }

    #[test]
    fn what_is_no_proxy_is_refused_with_its_reason() {
        let long = format!("socks5://{}@a:1", "u".repeat(256));
        for (text, reason) in [
            ("", "begin with socks5"),
            ("127.0.0.1:9050", "begin with socks5"),
            ("http://a:1", "no other proxies"),
            ("socks4://a:1", "no other proxies"),
            ("socks5h://a:1", "no socks5h"),
            ("socks5://a", "port is missing"),
            ("socks5://a:0", "port 0"),
            ("socks5://", "port is missing"),
            ("socks5://a:1/x", "not a number"),
            ("socks5://abc.onion:1", "Tor"),
            ("socks5://@a:1", "user name is empty"),
            ("socks5://u:secret@a:1", "password in the URL"),
            (&long, "longer than SOCKS5"),
        ] {
            let fault = parse(text).unwrap_err();
            assert!(fault.message.contains(reason), "{text}: {}", fault.message);
            assert!(!format!("{fault:?}").contains("secret"), "{fault:?}");
        }
    }
}
