//! Where a calendar may be. Whoever writes a tenant's file chooses the address, so a request must not reach what
//! only this machine or its network reaches: neither by number nor by a name that resolves to one.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use reqwest::Url;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};

/// Which addresses may be connected to.
#[derive(Clone)]
pub struct Reach(Arc<dyn Fn(IpAddr) -> bool + Send + Sync>);

/// An address that may not be reached.
#[derive(Debug)]
pub(crate) struct OutOfReach;

impl fmt::Display for OutOfReach {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(OUT_OF_REACH)
    }
}

impl std::error::Error for OutOfReach {}

/// What is said of such an address.
pub(crate) const OUT_OF_REACH: &str = "the address of the calendar is not a public one";

impl Reach {
    /// What `allows` allows.
    pub fn new(allows: impl Fn(IpAddr) -> bool + Send + Sync + 'static) -> Self {
        Self(Arc::new(allows))
    }

    /// Whether the host, where it is a number, may be reached. Names are looked at when they are resolved.
    pub fn allows(&self, url: &Url) -> bool {
        let number = url.host_str().map(|host| host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>());
        match number {
            Some(Ok(address)) => (self.0)(address),
            Some(Err(_)) => true,
            None => false,
        }
    }

    /// Whether that is why a request came to nothing.
    pub(crate) fn refused(error: &reqwest::Error) -> bool {
        let mut cause = std::error::Error::source(error);
        while let Some(error) = cause {
            if error.is::<OutOfReach>() {
                return true;
            }
            cause = error.source();
        }
        false
    }
}

impl Resolve for Reach {
    /// A connection is made to what was looked at here and to nothing else: a name that resolves otherwise a
    /// moment later gains nothing.
    fn resolve(&self, name: Name) -> Resolving {
        let reach = self.clone();
        Box::pin(async move {
            let found: Vec<SocketAddr> = tokio::net::lookup_host((name.as_str(), 0)).await?.collect();
            let some = !found.is_empty();
            let lawful: Vec<SocketAddr> = found.into_iter().filter(|address| (reach.0)(address.ip())).collect();
            if some && lawful.is_empty() {
                return Err(OutOfReach.into());
            }
            Ok(Box::new(lawful.into_iter()) as Addrs)
        })
    }
}
