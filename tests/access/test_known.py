"""Keys in memory, and the copy of them that somebody else keeps."""

from __future__ import annotations

from collections.abc import Sequence

from hypothesis import given, strategies as st
from twisted.internet.task import Clock

from toru.access.known import Known
from toru.access.secret import Keyring, digest
from toru.model import Principal
from toru.store.accounttable import Key

PEOPLE = [
    Principal("client", str(number), f"user{number}", f"User {number}", "session") for number in range(3)
]


def key(secret: int, whose: int = 0, expires_at: float = 100.0) -> Key:
    return Key(digest(b"%d" % secret), PEOPLE[whose], expires_at)


def test_a_key_that_did_not_change_stays_the_same() -> None:
    ring = Keyring()
    kept, renewed, gone = key(1), key(2), key(3)
    ring.replace([kept, renewed, gone])
    ring.replace([key(1), key(2, expires_at=200.0), key(4)])
    assert [ring.has(each) for each in (kept, renewed, gone)] == [True, False, False]
    assert ring.find(digest(b"2"), 150.0) == key(2, expires_at=200.0)


def test_only_changes_are_told() -> None:
    ring = Keyring()
    ring.replace([key(1), key(2)])
    told: list[tuple[Sequence[Key], Sequence[bytes]]] = []
    ring.follow(lambda added, removed: told.append((list(added), list(removed))))
    ring.replace([key(2), key(1)])
    ring.remove(digest(b"9"))
    ring.remove_where(lambda _: False)
    ring.rename("nobody", "No one")
    assert told == []
    ring.replace([key(2), key(3)])
    assert told == [([key(3)], [digest(b"1")])]


_OPERATIONS = st.lists(
    st.one_of(
        st.tuples(st.just("add"), st.integers(0, 9), st.integers(0, 2)),
        st.tuples(st.just("remove"), st.integers(0, 9)),
        st.tuples(st.just("remove_where"), st.integers(0, 2)),
        st.tuples(st.just("rename"), st.integers(0, 2), st.text(max_size=3)),
        st.tuples(st.just("replace"), st.lists(st.tuples(st.integers(0, 9), st.integers(0, 2)), max_size=5)),
    ),
    max_size=20,
)


@given(_OPERATIONS)
def test_a_copy_that_hears_of_each_change_is_the_same(operations: list[tuple[object, ...]]) -> None:
    ring, copy = Keyring(), Keyring()
    ring.follow(copy.change)
    for operation in operations:
        match operation:
            case ("add", int(secret), int(whose)):
                ring.add(key(secret, whose))
            case ("remove", int(secret)):
                ring.remove(digest(b"%d" % secret))
            case ("remove_where", int(whose)):
                ring.remove_where(lambda each, id=str(whose): each.principal.id == id)  # type: ignore[misc]
            case ("rename", int(whose), str(name)):
                ring.rename(str(whose), name)
            case ("replace", list(keys)):
                ring.replace([key(secret, whose) for secret, whose in keys])
        assert {each.digest: each for each in ring.all()} == {each.digest: each for each in copy.all()}
        assert all(copy.has(each) for each in ring.all())


def test_whoever_came_in_is_still_known_by_another_name_and_not_when_it_is_over() -> None:
    clock = Clock()
    known = Known(clock)
    session, token = key(1), key(2, 1, float("inf"))
    known.sessions.add(session)
    known.tokens.add(token)
    assert known.open_to(session)
    assert known.still_knows(session)
    known.sessions.rename("0", "Another")
    assert not known.open_to(session)
    assert known.still_knows(session)
    known.tokens.add(key(2, 2, float("inf")))
    assert not known.still_knows(token), "it is somebody else's now"
    clock.advance(100.0)
    assert not known.still_knows(session)
    known.tokens.remove(digest(b"2"))
    assert not known.still_knows(token)
