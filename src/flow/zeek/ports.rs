//! Ports that tell Zeek who the server is where no SYN does.

/// The TCP ports in `likely_server_ports` as Zeek 9.1 loads it by default: those that the scripts under
/// `base/protocols` register for their analyzers. A site that adds ports has other originators midstream.
const LIKELY_SERVER_PORTS: [u16; 49] = [
    21, 22, 25, 53, 79, 80, 81, 88, 135, 139, 143, 389, 443, 445, 465, 502, 514, 563, 585, 587,
    614, 631, 636, 989, 990, 992, 993, 995, 1080, 1434, 1883, 2811, 3128, 3268, 3306, 3389, 5222,
    5223, 5269, 5432, 6379, 6666, 6667, 6668, 6669, 8000, 8080, 8888, 20000,
];

/// True where Zeek takes this port for a server's.
pub(super) fn is_likely_server(port: u16) -> bool {
    LIKELY_SERVER_PORTS.binary_search(&port).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_is_in_order_as_the_search_needs_it() {
        assert!(LIKELY_SERVER_PORTS.is_sorted());
        assert!(is_likely_server(21) && is_likely_server(20000) && !is_likely_server(50_000));
    }
}
