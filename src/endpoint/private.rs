//! Addresses that nobody who sends a name may lead us to.

use std::net::{IpAddr, Ipv4Addr};

/// Whether this is an address of this machine, of its network, or a reserved one: a name that a reply chose must not
/// lead there. This includes cloud metadata (169.254.169.254, fd00:ec2::254).
pub fn is_private(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_private_v4(address),
        IpAddr::V6(address) => {
            let [first, second, third, fourth, fifth, sixth, seventh, eighth] = address.segments();
            let embedded = |high: u16, low: u16| Ipv4Addr::from_bits(u32::from(high) << 16 | u32::from(low));
            match (first, second, third, fourth, fifth, sixth) {
                // IPv4-mapped, IPv4-compatible with :: and ::1, NAT64, 6to4.
                (0, 0, 0, 0, 0, 0 | 0xffff) | (0x64, 0xff9b, ..) => is_private_v4(embedded(seventh, eighth)),
                (0x2002, high, low, ..) => is_private_v4(embedded(high, low)),
                _ => matches!(first & 0xfe00, 0xfc00) || matches!(first & 0xffc0, 0xfe80 | 0xfec0) || first >= 0xff00,
            }
        }
    }
}

fn is_private_v4(address: Ipv4Addr) -> bool {
    let [first, second, third, _] = address.octets();
    let is_shared = first == 100 && second & 0xc0 == 64;
    let is_special = matches!((first, second, third), (0, ..) | (192, 0, 0) | (198, 18 | 19, _) | (224.., ..));
    address.is_private() || address.is_loopback() || address.is_link_local() || is_shared || is_special
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_this_machine_and_its_network_are_private_in_every_spelling() {
        for private in [
            "127.0.0.1",
            "0.0.0.0",
            "10.1.2.3",
            "172.16.0.1",
            "172.31.255.255",
            "192.168.0.1",
            "169.254.169.254",
            "100.64.0.1",
            "100.100.100.200",
            "192.0.0.192",
            "198.18.0.1",
            "224.0.0.1",
            "255.255.255.255",
            "::1",
            "::",
            "fd00:ec2::254",
            "fc00::1",
            "fe80::1",
            "fec0::1",
            "ff02::1",
            "::ffff:169.254.169.254",
            "::ffff:10.0.0.1",
            "::10.0.0.1",
            "64:ff9b::a9fe:a9fe",
            "2002:a9fe:a9fe::1",
            "2002:a00:1::",
        ] {
            assert!(is_private(private.parse().unwrap()), "{private}");
        }
        for public in ["93.184.216.34", "172.32.0.1", "100.128.0.1", "2606:4700::1", "::ffff:8.8.8.8", "2002:808:808::"]
        {
            assert!(!is_private(public.parse().unwrap()), "{public}");
        }
    }
}
