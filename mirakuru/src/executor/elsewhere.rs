//! Explains why a check found no listener: the service listens on another address or port, or its command does not
//! contain the port. An error shows the result as a note and an advice.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use super::core::Core;
use super::run::Run;
use crate::readiness::tcp_address;
use crate::sys;

/// The addresses at which a process tree listens, if the check asks another address.
pub(super) struct Elsewhere {
    /// The text of a note. Empty if no process of the tree is known to listen.
    pub(super) found: String,
    /// The text of the help.
    pub(super) advice: String,
}

impl Core {
    /// Looks up where the tree listens. Returns `None` if the check asks one of these addresses, and the service can
    /// know every named port that the check asks.
    pub(super) fn listens_elsewhere(&self, run: &Run) -> Option<Elsewhere> {
        let target = self.check.target();
        let port = run.context.port_of(&target);
        let (_, supervisor) = run.context.tree()?;
        let found = sys::listening(supervisor);
        let help = || self.port_question(target.port_name.as_deref().unwrap_or_default());
        let asked = Some(port).filter(|port| *port != 0);
        let differs =
            asked.and_then(|port| elsewhere(found.iter().copied(), run.context.host(), port, help));
        differs.or_else(|| {
            let ports = run.context.place().ports;
            let is_served = |name: &String| {
                let served = |address: &SocketAddr| Some(&address.port()) == ports.get(name);
                found.iter().any(served)
            };
            let unknown = self.ports_unknown_to_service();
            let unserved = unknown.iter().find(|name| !is_served(name))?;
            let advice = self.port_question(unserved);
            let found = String::new();
            Some(Elsewhere { found, advice })
        })
    }

    /// Returns the named ports that the check asks and that the service cannot learn from its command or environment.
    fn ports_unknown_to_service(&self) -> Vec<String> {
        let given: Vec<_> = self
            .config
            .shape
            .placeholders(&self.config.command)
            .collect();
        // The values of these placeholders may contain a port.
        let may_contain_port = ["host", "socket", "pidfile"]
            .iter()
            .any(|name| given.contains(name));
        let asked = self.check.target().port_name;
        let all = self.placeholders_of_the_check().into_iter();
        all.filter(|name| !given.contains(&&**name))
            .filter_map(|name| name.strip_prefix("port:").map(str::to_owned))
            .filter(|name| !may_contain_port || asked.as_ref() == Some(name))
            .collect()
    }

    /// Returns the help for a port at which no process of the tree listens: a question about the command.
    fn port_question(&self, name: &str) -> String {
        let asked = if name.is_empty() {
            "port".to_owned()
        } else {
            format!("port:{name}")
        };
        let given = self.config.shape.placeholders(&self.config.command);
        let given: BTreeSet<_> = given
            .filter(|name| *name == "port" || name.starts_with("port:"))
            .collect();
        if given.contains(&*asked) {
            return format!(
                "does the service listen on `{{{asked}}}`, which its command or environment contains?"
            );
        }
        let given: Vec<_> = given.iter().map(|name| format!("`{{{name}}}`")).collect();
        let others = if given.is_empty() {
            String::new()
        } else {
            format!(", only {}", given.join(", "))
        };
        format!(
            "neither the command nor its environment contains `{{{asked}}}`{others}: does the service get `{{{asked}}}` in another way?"
        )
    }
}

/// Compares the addresses at which a tree listens with the host and the port that the check asks.
fn elsewhere(
    found: impl Iterator<Item = SocketAddr>,
    host: &str,
    port: u16,
    help: impl Fn() -> String,
) -> Option<Elsewhere> {
    let (here, others): (Vec<_>, Vec<_>) = found.partition(|address| address.port() == port);
    if here.iter().any(|address| reaches(host, address.ip())) {
        return None;
    }
    let list = |found: Vec<String>| found.join(", ");
    if here.is_empty() {
        let mut ports: Vec<_> = others.iter().map(SocketAddr::port).collect();
        ports.dedup();
        let noun = if ports.len() == 1 {
            "port"
        } else {
            "the ports"
        };
        let ports = list(ports.iter().map(u16::to_string).collect());
        return (!ports.is_empty()).then(|| Elsewhere {
            found: format!("it listens on {noun} {ports}, and not on {port}"),
            advice: help(),
        });
    }
    let first = here[0].ip();
    let found = list(here.iter().map(SocketAddr::to_string).collect());
    Some(Elsewhere {
        found: format!(
            "it listens on {found}, and not on {}",
            tcp_address(host, port)
        ),
        advice: format!("give {first} as the host, or make the service listen on {host}"),
    })
}

/// Returns whether a client that connects to the host reaches a listener on this address. Returns `true` for a host
/// name, which is not looked up.
fn reaches(host: &str, listener: IpAddr) -> bool {
    let host = host.trim_start_matches('[').trim_end_matches(']');
    if host.eq_ignore_ascii_case("localhost") {
        return listener.is_loopback() || listener.is_unspecified();
    }
    let Ok(host) = host.parse::<IpAddr>() else {
        return true;
    };
    let host = match host.to_canonical() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    let is_everywhere = listener.is_unspecified() && (listener.is_ipv6() || host.is_ipv4());
    listener.to_canonical() == host || is_everywhere
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_note_names_a_listener_on_another_address_or_port() {
        let found = |listeners: &[&str], host| {
            let listeners = listeners
                .iter()
                .map(|text| text.parse().expect("an address"));
            elsewhere(listeners, host, 80, String::new).map(|elsewhere| elsewhere.found)
        };
        let note = |text: &str| Some(text.to_owned());
        assert_eq!(
            found(&["[::1]:80", "127.0.0.1:81"], "127.0.0.1"),
            note("it listens on [::1]:80, and not on 127.0.0.1:80")
        );
        assert_eq!(
            found(&["127.0.0.2:80"], "[::1]"),
            note("it listens on 127.0.0.2:80, and not on [::1]:80")
        );
        assert_eq!(
            found(&["127.0.0.1:80"], "127.0.0.2"),
            note("it listens on 127.0.0.1:80, and not on 127.0.0.2:80")
        );
        assert_eq!(
            found(&["[::1]:80"], "[::2]"),
            note("it listens on [::1]:80, and not on [::2]:80")
        );
        assert_eq!(
            found(&["127.0.0.1:81", "[::1]:81", "[::1]:82"], "127.0.0.1"),
            note("it listens on the ports 81, 82, and not on 80")
        );
        for (listener, host) in [
            ("127.0.0.1:80", "127.0.0.1"),
            ("0.0.0.0:80", "127.0.0.1"),
            ("[::]:80", "127.0.0.1"),
            ("[::1]:80", "localhost"),
            ("[::1]:80", "a-name"),
            ("127.0.0.1:80", "0.0.0.0"),
            ("[::1]:80", "[::]"),
        ] {
            assert_eq!(found(&[listener], host), None, "{listener} for {host}");
        }
        assert_eq!(found(&[], "127.0.0.1"), None);
    }
}
