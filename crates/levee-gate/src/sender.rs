//! From which address a request comes.

use std::net::{IpAddr, SocketAddr};

use hyper::HeaderMap;
use hyper::header::HeaderName;
use ipnet::IpNet;
use levee_api::stream::Stream;

use crate::call::Call;

pub(crate) const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// The address that sent a request, where it says something about who that is.
pub(crate) fn sender(call: &Call) -> Option<IpAddr> {
    let (headers, proxies) = (&call.head.headers, &call.worker.hub.config.proxies);
    match &*call.connection.stream.borrow() {
        Stream::Tcp(stream) => behind(stream.peer_addr().ok()?.ip(), headers, &proxies.ranges),
        // Everybody's, if it is not known as a proxy's.
        Stream::Unix(_) if proxies.socket => forwarded(headers, &proxies.ranges),
        Stream::Unix(_) => None,
    }
}

/// None for a proxy that is not known as one: everybody behind it would be one. Addresses that are not
/// public, and not of `proxies`, are taken for such.
fn behind(peer: IpAddr, headers: &HeaderMap, proxies: &[IpNet]) -> Option<IpAddr> {
    if is_proxy(peer, proxies) {
        return forwarded(headers, proxies);
    }
    Some(peer.to_canonical()).filter(|ip| is_public(*ip))
}

/// Whom proxies name. Each adds whom it was asked by at the end, so that what a sender writes there
/// itself stands before the first entry of a proxy of one's own, and is not believed.
fn forwarded(headers: &HeaderMap, proxies: &[IpNet]) -> Option<IpAddr> {
    let lines = headers.get_all(X_FORWARDED_FOR).iter().rev();
    let entries = lines.flat_map(|line| line.to_str().unwrap_or_default().rsplit(','));
    // The first that is none ends what proxies have written.
    let addresses = entries.map_while(|entry| address(entry.trim()));
    let mut addresses = addresses.map(|ip| ip.to_canonical());
    addresses.find(|ip| !is_proxy(*ip, proxies)).filter(|ip| is_public(*ip))
}

fn is_proxy(ip: IpAddr, proxies: &[IpNet]) -> bool {
    proxies.iter().any(|range| range.contains(&ip.to_canonical()))
}

/// With or without a port, as proxies write it.
fn address(text: &str) -> Option<IpAddr> {
    let with_port = || text.parse().ok().map(|address: SocketAddr| address.ip());
    text.parse().ok().or_else(with_port)
}

fn is_public(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => {
            let [first, second, ..] = ip.octets();
            // 100.64.0.0/10, from which clouds' balancers connect, too.
            let is_shared = first == 100 && second & 0xc0 == 64;
            !(ip.is_loopback() || ip.is_private() || ip.is_link_local() || is_shared)
        }
        IpAddr::V6(ip) => !(ip.is_loopback() || ip.is_unique_local() || ip.is_unicast_link_local()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `lines` are values of the header.
    #[track_caller]
    fn check(peer: &str, lines: &[&str], expected: Option<&str>) {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(X_FORWARDED_FOR, line.parse().expect("a header's value"));
        }
        let proxies: Vec<IpNet> =
            ["10.0.0.0/8", "203.0.113.9/32"].map(|text| text.parse().expect("a range")).into();
        let ip = |text: &str| text.parse::<IpAddr>().expect("an address");
        assert_eq!(behind(ip(peer), &headers, &proxies), expected.map(ip), "{peer} {lines:?}");
    }

    #[test]
    fn who_connects_is_who_sends_unless_it_is_a_proxy_of_ones_own() {
        check("198.51.100.7", &[], Some("198.51.100.7"));
        check("198.51.100.7", &["1.2.3.4"], Some("198.51.100.7"));
        check("::ffff:198.51.100.7", &[], Some("198.51.100.7"));
        check("2001:db8::1", &[], Some("2001:db8::1"));
        check("100.63.255.255", &[], Some("100.63.255.255"));
        for unnamed in [
            "127.0.0.1",
            "192.168.0.1",
            "169.254.0.1",
            "100.64.0.1",
            "100.127.0.1",
            "::1",
            "fd00::1",
            "fe80::1",
        ] {
            check(unnamed, &["1.2.3.4"], None);
        }
    }

    #[test]
    fn what_proxies_have_written_is_believed_and_nothing_before_it() {
        check("10.0.0.1", &["198.51.100.7"], Some("198.51.100.7"));
        check("::ffff:10.0.0.1", &["198.51.100.7"], Some("198.51.100.7"));
        check("10.0.0.1", &["1.2.3.4, 198.51.100.7"], Some("198.51.100.7"));
        check("10.0.0.1", &["1.2.3.4", "198.51.100.7"], Some("198.51.100.7"));
        check("10.0.0.1", &["1.2.3.4, 198.51.100.7, 203.0.113.9,10.0.0.2"], Some("198.51.100.7"));
        check("10.0.0.1", &["198.51.100.7:4711"], Some("198.51.100.7"));
        check("10.0.0.1", &["[2001:db8::1]:4711"], Some("2001:db8::1"));
        check("10.0.0.1", &["198.51.100.7, 192.168.0.1"], None);
        check("10.0.0.1", &[], None);
        check("10.0.0.1", &["1.2.3.4, unknown"], None);
        check("10.0.0.1", &["1.2.3.4, unknown, 10.0.0.2"], None);
    }
}
