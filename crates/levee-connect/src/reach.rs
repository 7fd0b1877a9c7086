//! Whom Levee calls: public addresses alone, and whichever others its configuration allows. Addresses
//! outside are given by operators and apps, and a name can be made to lead anywhere: without this, a
//! webhook would reach what stands behind the firewall.
//!
//! A name is resolved as a connection is made, each address is checked, and the connection is made to
//! one of those that were: there is no second resolution in which another answer could come.

use std::collections::VecDeque;
use std::future::Future;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use hyper::Uri;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::connect::dns::Name;
use hyper_util::rt::TokioIo;
use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use rustls::ClientConfig;
use tokio::net::TcpStream;
use tower_service::Service;

use crate::trust::Authorities;

/// Most addresses of a name that are looked at.
const ADDRESSES_MAX: usize = 16;

/// What is not public, after the registries of special-purpose addresses (RFC 6890 and its updates).
const SPECIAL_V4: [(Ipv4Net, &str); 17] = [
    (v4([0, 0, 0, 0], 8), "an unspecified"),
    (v4([10, 0, 0, 0], 8), "a private"),
    (v4([100, 64, 0, 0], 10), "a carrier's private"),
    (v4([127, 0, 0, 0], 8), "a loopback"),
    (v4([169, 254, 0, 0], 16), "a link-local"),
    // Public by the registry, and the host's own services on every machine of Azure.
    (v4([168, 63, 129, 16], 32), "a cloud platform's"),
    (v4([172, 16, 0, 0], 12), "a private"),
    (v4([192, 0, 0, 0], 24), "a reserved"),
    (v4([192, 0, 2, 0], 24), "a documentation"),
    (v4([192, 88, 99, 0], 24), "a reserved"),
    (v4([192, 168, 0, 0], 16), "a private"),
    (v4([198, 18, 0, 0], 15), "a benchmarking"),
    (v4([198, 51, 100, 0], 24), "a documentation"),
    (v4([203, 0, 113, 0], 24), "a documentation"),
    (v4([224, 0, 0, 0], 4), "a multicast"),
    (v4([255, 255, 255, 255], 32), "a broadcast"),
    (v4([240, 0, 0, 0], 4), "a reserved"),
];

/// The same for IPv6; what lies outside 2000::/3 and is not named is reserved.
const SPECIAL_V6: [(Ipv6Net, &str); 10] = [
    (v6([0, 0, 0, 0, 0, 0, 0, 0], 128), "an unspecified"),
    (v6([0, 0, 0, 0, 0, 0, 0, 1], 128), "a loopback"),
    (v6([0x64, 0xff9b, 1, 0, 0, 0, 0, 0], 48), "a private"),
    (v6([0x2001, 0, 0, 0, 0, 0, 0, 0], 23), "a reserved"),
    (v6([0x2001, 0xdb8, 0, 0, 0, 0, 0, 0], 32), "a documentation"),
    (v6([0x3fff, 0, 0, 0, 0, 0, 0, 0], 20), "a documentation"),
    (v6([0xfc00, 0, 0, 0, 0, 0, 0, 0], 7), "a private"),
    (v6([0xfe80, 0, 0, 0, 0, 0, 0, 0], 10), "a link-local"),
    (v6([0xfec0, 0, 0, 0, 0, 0, 0, 0], 10), "a private"),
    (v6([0xff00, 0, 0, 0, 0, 0, 0, 0], 8), "a multicast"),
];

const GLOBAL_V6: Ipv6Net = v6([0x2000, 0, 0, 0, 0, 0, 0, 0], 3);

const fn v4([a, b, c, d]: [u8; 4], prefix: u8) -> Ipv4Net {
    Ipv4Net::new_assert(Ipv4Addr::new(a, b, c, d), prefix)
}

const fn v6([a, b, c, d, e, f, g, h]: [u16; 8], prefix: u8) -> Ipv6Net {
    Ipv6Net::new_assert(Ipv6Addr::new(a, b, c, d, e, f, g, h), prefix)
}

/// Whom Levee may call.
#[derive(Clone, Debug, Default)]
pub struct Reach {
    /// Besides public addresses.
    allowed: Arc<[IpNet]>,
    /// Whoever it is.
    anyone: bool,
    authorities: Authorities,
}

/// Why a call is not made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{host} is not called: {ip} is {what} address, and `allow` in the section `connect` of the \
     configuration has no range with it"
)]
pub(crate) struct Refused {
    host: String,
    ip: IpAddr,
    what: &'static str,
}

impl Reach {
    /// Public addresses, and these: ranges such as `10.0.0.0/8` and single addresses.
    ///
    /// # Errors
    /// The first text that is neither.
    pub fn allowing<'a>(texts: impl IntoIterator<Item = &'a str>) -> Result<Self, &'a str> {
        Ok(Self { allowed: ranges(texts)?.into(), ..Self::default() })
    }

    /// Every address: for programs that stand in for those outside.
    pub(crate) fn anyone() -> Self {
        Self { anyone: true, ..Self::default() }
    }

    /// Those who have certificates of these authorities, in PEM, are believed besides those of the
    /// system's.
    ///
    /// # Errors
    /// What is wrong with them, for people.
    pub fn believing(self, pem: &[u8]) -> Result<Self, String> {
        Ok(Self { authorities: Authorities::from_pem(pem)?, ..self })
    }

    /// The same without further authorities: a vendor's own speaks for its outlets, and not for payment
    /// providers.
    pub(crate) fn believing_the_system_alone(&self) -> Self {
        Self { authorities: Authorities::default(), ..self.clone() }
    }

    /// For TLS.
    pub(crate) fn tls(&self) -> ClientConfig {
        self.authorities.client()
    }

    fn check(&self, host: &str, ip: IpAddr) -> Result<(), Refused> {
        if self.anyone || self.allows(ip) {
            return Ok(());
        }
        // Those that carry another address lead to that one.
        let carried = carried(ip).map(IpAddr::V4);
        let what = match carried {
            Some(carried) if self.allows(carried) => None,
            Some(carried) => special(carried),
            None => special(ip),
        };
        match what {
            None => Ok(()),
            Some(what) => Err(Refused { host: host.to_owned(), ip, what }),
        }
    }

    fn allows(&self, ip: IpAddr) -> bool {
        self.allowed.iter().any(|range| range.contains(&ip))
    }
}

/// Ranges such as `10.0.0.0/8` and single addresses.
///
/// # Errors
/// The first text that is neither.
pub fn ranges<'a>(texts: impl IntoIterator<Item = &'a str>) -> Result<Vec<IpNet>, &'a str> {
    let range = |text: &'a str| {
        let address = || text.parse::<IpAddr>().map(IpNet::from);
        text.parse::<IpNet>().or_else(|_| address()).map_err(|_| text)
    };
    texts.into_iter().map(range).collect()
}

/// The IPv4 address to which an IPv6 address leads: mapped, compatible, translated (64:ff9b::/96) or
/// 6to4.
fn carried(ip: IpAddr) -> Option<Ipv4Addr> {
    let IpAddr::V6(ip) = ip else { return None };
    let [a, b, c, d, e, f, g, h] = ip.segments();
    let (high, low) = match (a, b, c, d, e, f) {
        (0, 0, 0, 0, 0, 0xffff) | (0x64, 0xff9b, 0, 0, 0, 0) => (g, h),
        // :: and ::1 carry nothing.
        (0, 0, 0, 0, 0, 0) if g != 0 || h > 1 => (g, h),
        (0x2002, ..) => (b, c),
        _ => return None,
    };
    Some(Ipv4Addr::from_bits(u32::from(high) << 16 | u32::from(low)))
}

/// What kind of address it is; `None` for a public one.
fn special(ip: IpAddr) -> Option<&'static str> {
    match ip {
        IpAddr::V4(ip) => {
            SPECIAL_V4.iter().find(|(range, _)| range.contains(&ip)).map(|(_, what)| *what)
        }
        IpAddr::V6(ip) => {
            let named = SPECIAL_V6.iter().find(|(range, _)| range.contains(&ip));
            let reserved = (!GLOBAL_V6.contains(&ip)).then_some("a reserved");
            named.map(|(_, what)| *what).or(reserved)
        }
    }
}

/// Makes connections to whom it may.
#[derive(Clone)]
pub(crate) struct Connector {
    reach: Reach,
    connector: HttpConnector<Resolver>,
}

/// Resolves names to addresses that have been checked.
#[derive(Clone)]
pub(crate) struct Resolver(Reach);

type BoxError = Box<dyn std::error::Error + Send + Sync>;
type BoxFuture<T, E> = Pin<Box<dyn Future<Output = Result<T, E>> + Send>>;

impl Connector {
    pub(crate) fn new(reach: Reach, set_up: impl FnOnce(&mut HttpConnector<Resolver>)) -> Self {
        let mut connector = HttpConnector::new_with_resolver(Resolver(reach.clone()));
        set_up(&mut connector);
        Self { reach, connector }
    }
}

impl Service<Uri> for Connector {
    type Response = TokioIo<TcpStream>;
    type Error = BoxError;
    type Future = BoxFuture<Self::Response, BoxError>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.connector.poll_ready(context).map_err(Into::into)
    }

    fn call(&mut self, url: Uri) -> Self::Future {
        // An address that stands in the URL is not resolved.
        let host = url.host().unwrap_or_default();
        let literal = host.trim_start_matches('[').trim_end_matches(']').parse();
        if let Ok(ip) = literal
            && let Err(refused) = self.reach.check(host, ip)
        {
            return Box::pin(async { Err(refused.into()) });
        }
        let connection = self.connector.call(url);
        Box::pin(async { connection.await.map_err(Into::into) })
    }
}

impl Service<Name> for Resolver {
    type Response = std::collections::vec_deque::IntoIter<SocketAddr>;
    type Error = BoxError;
    type Future = BoxFuture<Self::Response, BoxError>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, name: Name) -> Self::Future {
        let reach = self.0.clone();
        Box::pin(async move {
            // Whoever connects puts the port there.
            let found = tokio::net::lookup_host((name.as_str(), 0)).await?;
            Ok(among(&reach, name.as_str(), found)?.into_iter())
        })
    }
}

/// Those addresses of a name that may be called.
fn among(
    reach: &Reach,
    name: &str,
    found: impl Iterator<Item = SocketAddr>,
) -> Result<VecDeque<SocketAddr>, BoxError> {
    let (mut good, mut refused) = (VecDeque::new(), None);
    for address in found.take(ADDRESSES_MAX) {
        match reach.check(name, address.ip()) {
            Ok(()) => good.push_back(address),
            Err(why) => refused = refused.or(Some(why)),
        }
    }
    match refused {
        Some(refused) if good.is_empty() => Err(refused.into()),
        None if good.is_empty() => {
            Err(io::Error::new(io::ErrorKind::NotFound, "the name has no address").into())
        }
        _ => Ok(good),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(reach: &Reach, ips: &str, expected: Option<&str>) {
        for text in ips.split_whitespace() {
            let ip = text.parse().expect("an address");
            let refused = reach.check("host", ip).err().map(|refused| refused.what);
            assert_eq!(refused, expected, "{text}");
        }
    }

    #[test]
    fn only_public_addresses_are_called() {
        let reach = Reach::default();
        for (what, ips) in [
            ("an unspecified", "0.0.0.0 0.255.255.255 :: ::ffff:0.0.0.0"),
            ("a private", "10.0.0.0 10.255.255.255 172.16.0.0 172.31.255.255 192.168.0.1"),
            ("a private", "fc00:: fdff::1 fec0::1 64:ff9b:1::8.8.8.8"),
            ("a carrier's private", "100.64.0.0 100.127.255.255"),
            ("a loopback", "127.0.0.1 127.255.255.255 ::1"),
            ("a link-local", "169.254.0.1 169.254.169.254 fe80::1 febf::1"),
            ("a cloud platform's", "168.63.129.16 ::ffff:168.63.129.16"),
            ("a documentation", "192.0.2.1 198.51.100.1 203.0.113.1 2001:db8::1 3fff::1"),
            ("a benchmarking", "198.18.0.0 198.19.255.255"),
            ("a multicast", "224.0.0.1 239.255.255.255 ff02::1"),
            ("a broadcast", "255.255.255.255"),
            ("a reserved", "192.0.0.1 240.0.0.1 2001::1 2001:20::1 100::1 5f00::1 4000::1"),
            // Mapped, compatible, translated and 6to4.
            ("a loopback", "::ffff:127.0.0.1 ::127.0.0.1 64:ff9b::7f00:1 2002:7f00:1::"),
            ("a private", "::ffff:10.0.0.1 ::192.168.0.1 64:ff9b::a00:1 2002:c0a8:1::1"),
            ("a link-local", "::ffff:169.254.169.254 64:ff9b::a9fe:a9fe"),
        ] {
            check(&reach, ips, Some(what));
        }
        let public = "1.1.1.1 9.255.255.255 11.0.0.0 100.63.255.255 100.128.0.0 126.255.255.255 \
                      128.0.0.0 172.15.255.255 172.32.0.0 198.17.255.255 198.20.0.0 223.255.255.255 \
                      2606:4700::1111 2001:200::1 2002:808:808::1 64:ff9b::808:808 ::ffff:8.8.8.8";
        check(&reach, public, None);
    }

    #[test]
    fn what_is_allowed_is_called_too() {
        let reach = Reach::allowing(["10.1.0.0/16", "127.0.0.1", "fd00::/8"]).expect("ranges");
        check(&reach, "10.1.2.3 127.0.0.1 ::ffff:127.0.0.1 fd00::1 8.8.8.8", None);
        check(&reach, "10.2.0.1 192.168.0.1 fc00::1", Some("a private"));
        check(&reach, "127.0.0.2 ::1", Some("a loopback"));
        assert_eq!(Reach::allowing(["10.0.0.0/8", "10.0.0.0/33"]).err(), Some("10.0.0.0/33"));
    }

    #[test]
    fn of_a_names_addresses_only_the_good_ones_are_left() {
        let address = |text: &str| SocketAddr::new(text.parse().expect("an address"), 0);
        let found = |ips: &[&str]| {
            let found = ips.iter().map(|ip| address(ip)).collect::<Vec<_>>();
            among(&Reach::default(), "shop.example", found.into_iter())
        };
        let good = found(&["10.0.0.1", "8.8.8.8", "::1"]).expect("one is public");
        assert_eq!(good, [address("8.8.8.8")]);
        let refused = found(&["10.0.0.1", "127.0.0.1"]).expect_err("none is public").to_string();
        assert!(refused.starts_with("shop.example is not called: 10.0.0.1 is a private"));
        assert!(found(&[]).is_err());
    }
}
