//! Where the connections of a table live: in blocks that never move, each place used again.

use serde::{Deserialize, Serialize};

use super::arena::{self, Arena};
use super::ends::Key;
use super::over::Taken;
use super::{Connection, Plain};
use crate::decode::Timestamp;

/// A connection in whichever form it is held.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum Held {
    /// One that went the common way.
    Plain(Plain),
    /// Any other.
    Whole(Connection),
}

impl Held {
    /// All that is known of it.
    #[must_use]
    pub fn whole(self) -> Connection {
        match self {
            Held::Plain(plain) => plain.whole(),
            Held::Whole(connection) => connection,
        }
    }

    /// Its number in the order in which connections began, counted from 1.
    #[must_use]
    pub fn id(&self) -> u64 {
        match self {
            Held::Plain(plain) => plain.id(),
            Held::Whole(connection) => connection.id,
        }
    }

    /// True once nothing more is owed.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.over_since().is_some()
    }

    pub(super) fn room(&self) -> Taken {
        match self {
            Held::Plain(plain) => plain.room(),
            Held::Whole(connection) => connection.room(),
        }
    }

    fn over_since(&self) -> Option<Timestamp> {
        match self {
            Held::Plain(plain) => plain.over_since(),
            Held::Whole(connection) => connection.over_since(),
        }
    }

    pub(super) fn was_told(&self) -> bool {
        match self {
            Held::Plain(_) => false,
            Held::Whole(connection) => connection.was_told(),
        }
    }
}

/// A connection that is held, in whichever form.
#[derive(Clone, Copy, Debug)]
pub(super) enum Found<'a> {
    Plain(&'a Plain),
    Whole(&'a Connection),
}

impl Found<'_> {
    pub(super) fn id(self) -> u64 {
        match self {
            Found::Plain(plain) => plain.id(),
            Found::Whole(connection) => connection.id,
        }
    }

    pub(super) fn over_since(self) -> Option<Timestamp> {
        match self {
            Found::Plain(plain) => plain.over_since(),
            Found::Whole(connection) => connection.over_since(),
        }
    }

    pub(super) fn is_only_attempted(self) -> bool {
        match self {
            Found::Plain(plain) => plain.is_only_attempted(),
            Found::Whole(connection) => connection.is_only_attempted(),
        }
    }

    pub(super) fn end(self) -> Timestamp {
        match self {
            Found::Plain(plain) => plain.end,
            Found::Whole(connection) => connection.end,
        }
    }

    pub(super) fn key(self) -> Key {
        match self {
            Found::Plain(plain) => plain.key(),
            Found::Whole(connection) => connection.key(),
        }
    }
}

/// Where something lies that was not looked at so far.
#[derive(Clone, Copy, Debug)]
pub(super) enum Sight<'a> {
    /// And whether to look beyond the first cache line.
    Plain(&'a Option<Plain>, bool),
    Whole(&'a Option<Connection>),
    Nothing,
}

impl Sight<'_> {
    /// Takes a look at it.
    #[inline]
    pub(super) fn look(&self) {
        match self {
            Sight::Plain(Some(plain), beyond) => plain.look(*beyond),
            Sight::Whole(Some(connection)) => connection.look(),
            Sight::Plain(None, _) | Sight::Whole(None) | Sight::Nothing => {}
        }
    }
}

/// Numbered places for connections. A place stays the same connection's, whichever form that takes.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Slots {
    rooms: Vec<Room>,
    /// The place that became free last.
    free: Option<u32>,
    used: usize,
    plain: Arena<Plain>,
    whole: Arena<Connection>,
}

/// Where the connection of a place is: its number in one of the arenas, which the highest bits tell apart, or the
/// place that became free before.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct Room(u32);

#[derive(Clone, Copy, Debug)]
enum Content {
    Plain(u32),
    Whole(u32),
    Free(Option<u32>),
}

impl Room {
    const FREE: u32 = 1 << 31;
    const WHOLE: u32 = 1 << 30;
    /// The connection is known to be more than an attempt.
    const SETTLED: u32 = 1 << 29;
    /// It is held plainly, and closing.
    const CLOSING: u32 = 1 << 28;
    /// No number.
    const NONE: u32 = arena::LIMIT;

    fn of(content: Content) -> Room {
        match content {
            Content::Plain(number) => Room(number),
            Content::Whole(number) => Room(number | Room::WHOLE),
            Content::Free(before) => Room(before.unwrap_or(Room::NONE) | Room::FREE),
        }
    }

    #[inline]
    fn content(self) -> Content {
        let number = self.0 & Room::NONE;
        match self.0 & (Room::FREE | Room::WHOLE) {
            0 => Content::Plain(number),
            Room::WHOLE => Content::Whole(number),
            _ => Content::Free((number != Room::NONE).then_some(number)),
        }
    }
}

impl Slots {
    /// How many places are taken.
    pub(super) fn used(&self) -> usize {
        self.used
    }

    /// How many places there are, taken or not.
    pub(super) fn places(&self) -> usize {
        self.rooms.len()
    }

    #[inline]
    fn content(&self, place: u32) -> Option<Content> {
        self.rooms.get(place as usize).map(|room| room.content())
    }

    #[inline]
    pub(super) fn get(&self, place: u32) -> Option<Found<'_>> {
        match self.content(place)? {
            Content::Plain(number) => self.plain.get(number).map(Found::Plain),
            Content::Whole(number) => self.whole.get(number).map(Found::Whole),
            Content::Free(_) => None,
        }
    }

    #[inline]
    pub(super) fn plain_mut(&mut self, place: u32) -> Option<&mut Plain> {
        match self.content(place)? {
            Content::Plain(number) => self.plain.get_mut(number),
            Content::Whole(_) | Content::Free(_) => None,
        }
    }

    /// The attempt in this place that nobody has answered, without a second look at what is more.
    pub(super) fn attempt(&mut self, place: u32) -> Option<Found<'_>> {
        let room = self.rooms.get(place as usize)?.0;
        if room & (Room::SETTLED | Room::FREE) != 0 {
            return None;
        }
        if !self.get(place)?.is_only_attempted() {
            self.settle(place);
            return None;
        }
        self.get(place)
    }

    /// Notes that the connection in this place is closing.
    #[inline]
    pub(super) fn note_closing(&mut self, place: u32) {
        if let Some(room) = self.rooms.get_mut(place as usize) {
            room.0 |= Room::CLOSING;
        }
    }

    /// Where that is what the next segment takes, with long addresses or short ones.
    #[inline]
    pub(super) fn sight(&self, place: u32, is_v6: bool) -> Sight<'_> {
        let Some(room) = self.rooms.get(place as usize) else { return Sight::Nothing };
        match room.content() {
            Content::Plain(number) => {
                let beyond = is_v6 || room.0 & Room::CLOSING != 0;
                self.plain.slot(number).map_or(Sight::Nothing, |slot| Sight::Plain(slot, beyond))
            }
            Content::Whole(number) => self.whole.slot(number).map_or(Sight::Nothing, Sight::Whole),
            Content::Free(_) => Sight::Nothing,
        }
    }

    /// The same of what may be an attempt.
    #[inline]
    pub(super) fn sight_of_attempt(&self, place: u32) -> Sight<'_> {
        let room = self.rooms.get(place as usize).map_or(Room::SETTLED, |room| room.0);
        if room & Room::SETTLED != 0 { Sight::Nothing } else { self.sight(place, false) }
    }

    /// Notes that the connection in this place is more than an attempt.
    pub(super) fn settle(&mut self, place: u32) {
        if let Some(room) = self.rooms.get_mut(place as usize) {
            room.0 |= Room::SETTLED;
        }
    }

    /// The connection in this place, as a whole from now on.
    pub(super) fn whole_mut(&mut self, place: u32) -> Option<&mut Connection> {
        let number = match self.content(place)? {
            Content::Plain(number) => {
                let connection = self.plain.remove(number)?.whole();
                let number = self.whole.insert(connection)?;
                *self.rooms.get_mut(place as usize)? = Room::of(Content::Whole(number));
                number
            }
            Content::Whole(number) => number,
            Content::Free(_) => return None,
        };
        self.whole.get_mut(number)
    }

    /// Puts a connection into a free place, and says which; `None` where none can be numbered any more.
    pub(super) fn insert(&mut self, connection: Held) -> Option<u32> {
        let room = match connection {
            Held::Plain(plain) => Content::Plain(self.plain.insert(plain)?),
            Held::Whole(connection) => Content::Whole(self.whole.insert(connection)?),
        };
        let place = match self.free {
            Some(place) => {
                let Content::Free(before) = self.content(place)? else { return None };
                self.free = before;
                *self.rooms.get_mut(place as usize)? = Room::of(room);
                place
            }
            None => {
                let place =
                    u32::try_from(self.rooms.len()).ok().filter(|&next| next < Room::NONE)?;
                self.rooms.push(Room::of(room));
                place
            }
        };
        self.used += 1;
        Some(place)
    }

    pub(super) fn remove(&mut self, place: u32) -> Option<Held> {
        let removed = match self.content(place)? {
            Content::Plain(number) => Held::Plain(self.plain.remove(number)?),
            Content::Whole(number) => Held::Whole(self.whole.remove(number)?),
            Content::Free(_) => return None,
        };
        *self.rooms.get_mut(place as usize)? = Room::of(Content::Free(self.free));
        self.free = Some(place);
        self.used -= 1;
        Some(removed)
    }

    /// All connections that are held as a whole, place by place.
    pub(super) fn all_whole(&self) -> impl Iterator<Item = &Connection> {
        self.rooms.iter().filter_map(|room| match room.content() {
            Content::Whole(number) => self.whole.get(number),
            Content::Plain(_) | Content::Free(_) => None,
        })
    }

    /// The places that are taken.
    pub(super) fn taken(&self) -> impl Iterator<Item = u32> {
        (0..).take(self.places()).filter(|&place| self.get(place).is_some())
    }

    /// All connections in the order of their numbers, without a copy of them all.
    pub(super) fn into_connections(mut self) -> impl Iterator<Item = Held> {
        let mut places: Vec<u32> = self.taken().collect();
        places.sort_unstable_by_key(|&place| self.get(place).map(Found::id));
        places.into_iter().filter_map(move |place| self.remove(place))
    }
}
