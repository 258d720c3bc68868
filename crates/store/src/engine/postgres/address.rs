//! Where a PostgreSQL is, and how much the way there is trusted.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use frontdesk_core::sensitive::Secret;
use postgres::config::{Host, SslMode};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use tokio_postgres_rustls::MakeRustlsConnect;

/// How long a connection may take to be made.
const CONNECT: Duration = Duration::from_secs(3);
/// A server that says nothing for so long is asked whether it is there.
const QUIET: Duration = Duration::from_secs(15);
/// How long what was sent may stay unconfirmed.
const UNHEARD: Duration = Duration::from_secs(10);

/// Why an address cannot be used. None of these shows the address: it may hold a password.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AddressError {
    #[error("the address of the store does not begin with postgres://")]
    Scheme,
    #[error("the address of the store cannot be read: {0}")]
    Unreadable(#[source] postgres::Error),
    #[error("the address of the store names no {0}")]
    Without(&'static str),
    #[error("the host in the address of the store holds an @: write one in a password as %40")]
    StrayAt,
    #[error(
        "sslmode={0} in the address of the store promises nothing: write sslmode=disable, or sslmode=verify-full, which \
         checks the server's certificate"
    )]
    HalfTrust(String),
    #[error("the certificates to check the store's server with cannot be read: {0}")]
    Certificates(String),
    #[error("TLS to the store cannot be set up: {0}")]
    Tls(#[from] rustls::Error),
}

/// An address that was understood. Shows host and database only.
#[derive(Clone)]
pub(crate) struct Address {
    pub(crate) config: postgres::Config,
    pub(crate) tls: Option<MakeRustlsConnect>,
}

impl Address {
    pub(crate) fn parse(url: &Secret) -> Result<Self, AddressError> {
        let text = url.expose().trim();
        if !text.starts_with("postgres://") && !text.starts_with("postgresql://") {
            return Err(AddressError::Scheme);
        }
        // What the client does not know, or knows otherwise, is read here.
        let (mut mode, mut roots) = (None, None);
        let mut rest = text.to_owned();
        if let Some((place, query)) = text.rsplit_once('?').filter(|(_, query)| !query.contains('@')) {
            let mut kept = Vec::new();
            for pair in query.split('&') {
                match pair.split_once('=') {
                    Some(("sslmode", value)) => mode = Some(value.to_owned()),
                    Some(("sslrootcert", value)) => roots = Some(value.replace("%2F", "/").replace("%2f", "/")),
                    _ => kept.push(pair),
                }
            }
            rest = if kept.is_empty() { place.to_owned() } else { format!("{place}?{}", kept.join("&")) };
        }
        let mut config: postgres::Config = rest.parse().map_err(AddressError::Unreadable)?;
        if config.get_hosts().iter().any(|host| matches!(host, Host::Tcp(name) if name.contains('@'))) {
            return Err(AddressError::StrayAt);
        }
        if config.get_hosts().is_empty() {
            return Err(AddressError::Without("host"));
        }
        config.get_user().ok_or(AddressError::Without("user"))?;
        config.get_dbname().ok_or(AddressError::Without("database"))?;
        let tls = match mode.as_deref() {
            None | Some("disable") => None,
            Some("require" | "verify-ca" | "verify-full") => Some(MakeRustlsConnect::new(client_config(roots.as_deref())?)),
            Some(other) => return Err(AddressError::HalfTrust(other.to_owned())),
        };
        config
            .ssl_mode(if tls.is_some() { SslMode::Require } else { SslMode::Disable })
            .application_name("frontdesk")
            .connect_timeout(CONNECT)
            .keepalives_idle(QUIET)
            .keepalives_interval(Duration::from_secs(5))
            .keepalives_retries(3)
            .tcp_user_timeout(UNHEARD);
        Ok(Self { config, tls })
    }

    /// The role that it logs in as.
    pub(crate) fn role(&self) -> &str {
        self.config.get_user().unwrap_or_default()
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, host) in self.config.get_hosts().iter().enumerate() {
            let comma = if index > 0 { "," } else { "" };
            match host {
                Host::Tcp(name) => write!(f, "{comma}{name}")?,
                #[cfg(unix)]
                Host::Unix(path) => write!(f, "{comma}{}", path.display())?,
            }
            if let Some(port) = self.config.get_ports().get(index).or(self.config.get_ports().first()) {
                write!(f, ":{port}")?;
            }
        }
        write!(f, "/{}", self.config.get_dbname().unwrap_or_default())
    }
}

fn client_config(roots: Option<&str>) -> Result<rustls::ClientConfig, AddressError> {
    let mut store = rustls::RootCertStore::empty();
    match roots.filter(|roots| *roots != "system") {
        Some(file) => {
            let unreadable = |error: rustls::pki_types::pem::Error| AddressError::Certificates(format!("{file}: {error}"));
            for certificate in CertificateDer::pem_file_iter(file).map_err(unreadable)? {
                store.add(certificate.map_err(unreadable)?)?;
            }
        }
        None => {
            // One that cannot be read takes nothing from the others; none at all shows below.
            store.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        }
    }
    if store.is_empty() {
        return Err(AddressError::Certificates("there are none".to_owned()));
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
    Ok(config.with_root_certificates(store).with_no_client_auth())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Address, AddressError> {
        Address::parse(&Secret::new(text))
    }

    #[test]
    fn an_address_shows_everything_but_who_comes_and_with_which_password() {
        for (text, shown) in [
            ("postgres://desk:pass@db.example/frontdesk", "db.example:5432/frontdesk"),
            ("postgresql://desk:pa%40ss@one:1,two:2/frontdesk?target_session_attrs=read-write", "one:1,two:2/frontdesk"),
            ("postgres://desk@db/frontdesk?password=pass&sslmode=disable", "db:5432/frontdesk"),
        ] {
            let address = parse(text).unwrap();
            assert!(address.to_string() == shown || format!("{address}").replace(":5432", "") == shown.replace(":5432", ""));
            assert!(!format!("{address}{:?}", address.config).contains("pass@"), "{text}");
            assert_eq!(address.role(), "desk");
        }
    }

    #[test]
    fn what_cannot_be_used_is_refused_without_showing_it() {
        for (text, said) in [
            ("mysql://desk:pass@db/frontdesk", "postgres://"),
            ("postgres://desk:pass@db", "no database"),
            ("postgres://db/frontdesk", "no user"),
            ("postgres://desk:pa@ss@db/frontdesk", "%40"),
            ("postgres://desk:pass@db/frontdesk?sslmode=prefer", "promises nothing"),
            ("postgres://desk:pass@db/frontdesk?sslmode=require&sslrootcert=/no/such/file", "/no/such/file"),
            ("postgres://desk:pass@db/frontdesk?surprise=pass", "cannot be read"),
        ] {
            let Err(error) = parse(text) else { panic!("{text}") };
            let error = error.to_string();
            assert!(error.contains(said), "{text}: {error}");
            assert!(!error.contains("pass@") && !error.contains("ss@db"), "{error}");
        }
    }
}
