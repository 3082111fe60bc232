//! One connection: its segments in order, from either end.

use etherparse::{IpHeaders, Ipv4Header, Ipv6FlowLabel, Ipv6Header, PacketBuilder, TcpHeader};
use fastrand::Rng;

use super::Kind;

/// Linux's options of a SYN: maximum segment size, SACK permitted, time stamp, window scale.
const SYN_OPTIONS: [u8; 20] = [2, 4, 5, 0xb4, 4, 2, 8, 10, 0, 0, 0, 0, 0, 0, 0, 0, 1, 3, 3, 7];
/// The option of every other segment: the time stamp.
const OPTIONS: [u8; 12] = [1, 1, 8, 10, 0, 0, 0, 0, 0, 0, 0, 0];
/// One connection of as many runs over IPv6.
const IPV6_SHARE: u64 = 8;

/// A connection under way.
pub(super) struct Conversation {
    number: u64,
    /// The segments to come, the last one first.
    steps: Vec<Step>,
    client: Sender,
    server: Sender,
    packet: Vec<u8>,
}

#[derive(Clone, Copy)]
struct Step {
    by_client: bool,
    flags: Flags,
    payload: u16,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Flags {
    Syn,
    SynAck,
    Ack,
    PshAck,
    FinAck,
    RstAck,
}

/// What an end puts into its next segment.
struct Sender {
    address: u64,
    port: u16,
    next: u32,
    clock: u32,
    identification: u16,
}

impl Conversation {
    /// The connection with this number: of `packets` segments where its kind leaves a choice.
    pub(super) fn new(
        number: u64,
        kind: Kind,
        packets: u64,
        payload: usize,
        rng: &mut Rng,
    ) -> Conversation {
        // An odd factor deals the pairs of address and port in an order without order, each once.
        let dealt = number.wrapping_mul(0x2545_f491) & 0x0fff_ffff;
        let port = 20_000 + u16::try_from(dealt & 0x3fff).unwrap_or_default();
        let mut sender = |address, port| Sender {
            address,
            port,
            next: rng.u32(..),
            clock: rng.u32(..),
            identification: rng.u16(1..),
        };
        let client = sender(dealt >> 14, port);
        let server = sender(server_of(dealt), 443);
        let mut steps = steps(kind, packets, payload, rng);
        steps.reverse();
        Conversation { number, steps, client, server, packet: Vec::new() }
    }

    /// How many segments it has.
    pub(super) fn packets(&self) -> u64 {
        self.steps.len() as u64
    }

    /// Its next segment as an Ethernet frame, or `None` when it has no more.
    pub(super) fn send(&mut self, time: u64, rng: &mut Rng) -> Option<&[u8]> {
        let Step { by_client, flags, payload } = self.steps.pop()?;
        let (from, to) = match by_client {
            true => (&mut self.client, &self.server),
            false => (&mut self.server, &self.client),
        };
        from.clock = from.clock.wrapping_add(1);
        from.identification = from.identification.wrapping_add(1).max(1);
        let is_syn = matches!(flags, Flags::Syn | Flags::SynAck);
        let mut header = TcpHeader::new(from.port, to.port, from.next, 501);
        header.syn = is_syn;
        header.ack = flags != Flags::Syn;
        header.psh = flags == Flags::PshAck;
        header.fin = flags == Flags::FinAck;
        header.rst = flags == Flags::RstAck;
        header.acknowledgment_number = if header.ack { to.next } else { 0 };
        let (mut of_syn, mut of_others) = (SYN_OPTIONS, OPTIONS);
        let (options, at) = if is_syn { (&mut of_syn[..], 8) } else { (&mut of_others[..], 4) };
        options[at..at + 4].copy_from_slice(&from.clock.to_be_bytes());
        options[at + 4..at + 8].copy_from_slice(&to.clock.to_be_bytes());
        header.set_options_raw(options).ok()?;
        let text = payload_at(time ^ rng.u64(..), payload.into());
        let ip = headers(from, to, self.number);
        self.packet.clear();
        let builder = PacketBuilder::ethernet2([2, 0, 0, 0, 0, 1], [2, 0, 0, 0, 0, 2]);
        builder.ip(ip).tcp_header(header).write(&mut self.packet, text).ok()?;
        if flags == Flags::Syn {
            // It may be sent again: its number is used up once it is answered.
            let is_last = self.steps.last().is_none_or(|next| next.flags != Flags::Syn);
            from.next = from.next.wrapping_add(is_last.into());
        } else {
            let controls = u32::from(is_syn || flags == Flags::FinAck);
            from.next = from.next.wrapping_add(u32::from(payload)).wrapping_add(controls);
        }
        Some(&self.packet)
    }
}

/// One of 256 servers.
fn server_of(dealt: u64) -> u64 {
    0xff_0000 | (dealt >> 3 & 0xff)
}

/// Some of a text without repetitions nearby.
fn payload_at(place: u64, len: usize) -> &'static [u8] {
    static TEXT: std::sync::LazyLock<Vec<u8>> = std::sync::LazyLock::new(|| {
        let mut rng = Rng::with_seed(1);
        (0..1 << 16).map(|_| rng.alphanumeric() as u8).collect()
    });
    let start = usize::try_from(place & 0x7fff).unwrap_or_default();
    TEXT.get(start..start + len).unwrap_or_default()
}

fn headers(from: &Sender, to: &Sender, number: u64) -> IpHeaders {
    if number.is_multiple_of(IPV6_SHARE) {
        let address =
            |end: &Sender| (0x2001_0db8_u128 << 96 | u128::from(end.address)).to_be_bytes();
        let header = Ipv6Header {
            source: address(from),
            destination: address(to),
            hop_limit: 64,
            flow_label: Ipv6FlowLabel::default(),
            ..Ipv6Header::default()
        };
        return IpHeaders::Ipv6(header, Default::default());
    }
    let address = |end: &Sender| {
        let [.., b, c, d] = end.address.to_be_bytes();
        [10, b, c, d]
    };
    let header = Ipv4Header {
        source: address(from),
        destination: address(to),
        time_to_live: 64,
        identification: from.identification,
        dont_fragment: true,
        ..Ipv4Header::default()
    };
    IpHeaders::Ipv4(header, Default::default())
}

/// All segments in order.
fn steps(kind: Kind, packets: u64, payload: usize, rng: &mut Rng) -> Vec<Step> {
    let step = |by_client, flags| Step { by_client, flags, payload: 0 };
    if kind == Kind::Unanswered {
        return vec![step(true, Flags::Syn); rng.usize(1..=3)];
    }
    if kind == Kind::Refused {
        return vec![step(true, Flags::Syn), step(false, Flags::RstAck)];
    }
    let first = rng.bool();
    let end: &[Step] = match kind {
        Kind::Fin => &[
            step(first, Flags::FinAck),
            step(!first, Flags::Ack),
            step(!first, Flags::FinAck),
            step(first, Flags::Ack),
        ],
        Kind::HalfClosed => &[step(first, Flags::FinAck), step(!first, Flags::Ack)],
        Kind::FinThenRst => &[step(first, Flags::FinAck), step(!first, Flags::RstAck)],
        Kind::Rst => &[step(first, Flags::RstAck)],
        Kind::Open | Kind::Refused | Kind::Unanswered => &[],
    };
    let mut steps =
        vec![step(true, Flags::Syn), step(false, Flags::SynAck), step(true, Flags::Ack)];
    let between = usize::try_from(packets).unwrap_or(0).saturating_sub(steps.len() + end.len());
    // A request, its acknowledgement, a response, its acknowledgement.
    let exchange = [(true, true), (false, false), (false, true), (true, false)];
    for &(by_client, has_data) in exchange.iter().cycle().take(between) {
        let len = if has_data { rng.usize(1..payload.clamp(1, 700) * 2) } else { 0 };
        let payload = u16::try_from(len).unwrap_or_default();
        let flags = if has_data { Flags::PshAck } else { Flags::Ack };
        steps.push(Step { by_client, flags, payload });
    }
    steps.extend_from_slice(end);
    steps
}
