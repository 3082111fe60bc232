//! Which connections of two recordings are the same one in the same role.
//!
//! The connections to one server address and port are a role. A role is the same in both captures where,
//! in this order of preference,
//!
//! 1. the server's address and port are the same,
//! 2. its port is,
//! 3. it takes the same place among the roles that are left, in the order in which they were first used.
//!
//! Within a role, the connections are paired in the order in which they began.

use std::collections::{HashMap, VecDeque};
use std::hash::Hash;

use super::{Both, Conversation};
use crate::decode::Endpoint;

/// Indices of connections that belong together; one is missing where the other has no counterpart.
pub(super) type Pairing = Vec<Both<Option<usize>>>;

/// The connections to one server, by their indices.
#[derive(Debug)]
struct Role {
    server: Endpoint,
    members: Vec<usize>,
}

/// Pairs all connections, in the order of the first capture; those that only the second has come last.
pub(super) fn pair(a: &[Conversation], b: &[Conversation]) -> Pairing {
    let mut left = Both { a: roles(a), b: roles(b) };
    let mut matched = take_matching(&mut left, |role| role.server);
    matched.extend(take_matching(&mut left, |role| role.server.port));
    matched.extend(take_matching(&mut left, |_| ()));
    let mut pairing: Pairing =
        matched.iter().flat_map(|(a, b)| zip(&a.members, &b.members)).collect();
    pairing.extend(left.a.iter().flat_map(|role| zip(&role.members, &[])));
    pairing.extend(left.b.iter().flat_map(|role| zip(&[], &role.members)));
    pairing.sort_by_key(|pair| (pair.a.is_none(), pair.a, pair.b));
    pairing
}

/// The roles in the order in which they were first used.
fn roles(conversations: &[Conversation]) -> Vec<Role> {
    let mut roles: Vec<Role> = Vec::new();
    let mut places = HashMap::new();
    for (index, conversation) in conversations.iter().enumerate() {
        let server = conversation.record.server;
        let place = *places.entry(server).or_insert(roles.len());
        match roles.get_mut(place) {
            Some(role) => role.members.push(index),
            None => roles.push(Role { server, members: vec![index] }),
        }
    }
    roles
}

/// Takes out the roles that have the same key, the first with the first.
fn take_matching<K: Eq + Hash>(
    left: &mut Both<Vec<Role>>,
    key: impl Fn(&Role) -> K,
) -> Vec<(Role, Role)> {
    let mut others: HashMap<K, VecDeque<Role>> = HashMap::new();
    for role in std::mem::take(&mut left.b) {
        others.entry(key(&role)).or_default().push_back(role);
    }
    let mut matched = Vec::new();
    for role in std::mem::take(&mut left.a) {
        match others.get_mut(&key(&role)).and_then(VecDeque::pop_front) {
            Some(other) => matched.push((role, other)),
            None => left.a.push(role),
        }
    }
    left.b = others.into_values().flatten().collect();
    left.b.sort_by(|a, b| a.members.cmp(&b.members));
    matched
}

fn zip(a: &[usize], b: &[usize]) -> Pairing {
    let places = 0..a.len().max(b.len());
    places.map(|place| Both { a: a.get(place).copied(), b: b.get(place).copied() }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compare::samples::{RELEASE, conversation};

    fn paired(a: &[&str], b: &[&str]) -> Vec<(Option<usize>, Option<usize>)> {
        let all = |servers: &[&str]| -> Vec<Conversation> {
            servers
                .iter()
                .map(|server| conversation(["192.0.2.9:50000", server], RELEASE))
                .collect()
        };
        pair(&all(a), &all(b)).into_iter().map(|pair| (pair.a, pair.b)).collect()
    }

    #[test]
    fn a_server_keeps_its_role_whatever_comes_before_it() {
        let (web, api) = ("192.0.2.1:443", "192.0.2.2:8080");
        assert_eq!(paired(&[web, api], &[api, web]), [(Some(0), Some(1)), (Some(1), Some(0))]);
        assert_eq!(paired(&[web, api], &[api]), [(Some(0), None), (Some(1), Some(0))]);
    }

    #[test]
    fn a_port_tells_a_role_where_the_address_is_another() {
        let pairs = paired(&["192.0.2.1:443", "192.0.2.1:80"], &["10.0.0.1:80", "10.0.0.1:443"]);
        assert_eq!(pairs, [(Some(0), Some(1)), (Some(1), Some(0))]);
    }

    #[test]
    fn what_has_neither_in_common_is_paired_by_its_place() {
        let pairs =
            paired(&["192.0.2.1:4001", "192.0.2.1:4002"], &["10.0.0.1:5002", "10.0.0.1:5001"]);
        assert_eq!(pairs, [(Some(0), Some(0)), (Some(1), Some(1))]);
    }

    #[test]
    fn within_a_role_the_order_counts_and_a_surplus_stays_alone() {
        let (web, api) = ("192.0.2.1:443", "192.0.2.2:8080");
        let pairs = paired(&[web, api, web], &[web, web, api, web]);
        let expected =
            [(Some(0), Some(0)), (Some(1), Some(2)), (Some(2), Some(1)), (None, Some(3))];
        assert_eq!(pairs, expected);
    }
}
