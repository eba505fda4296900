"""Sends a row of the table to a server, and says what is not as it should be."""

from __future__ import annotations

import re

from tests.server.case import BEHIND, PROBE, Case, Then
from tests.server.client import Answer, Client, Unsound
from tests.server.frames import close
from tests.server.talker import Heard, Talker
from tests.server.talks import Talk, Wanted

_METHOD = re.compile(rb"(?:^|\n)([A-Z]+) ")


def objections(case: Case, client: Client) -> list[str]:
    """What is to be said against a server that has this connection; nothing where it does as the row wants."""
    try:
        answers = _answers(case, client)
        found = _of_answers(case, answers)
        if not found:
            became = _fate(case, client)
            found = _of_fate(case, answers, became)
    except (Unsound, TimeoutError, OSError) as error:
        return [f"{type(error).__name__}: {error}"]
    return found


def _answers(case: Case, client: Client) -> list[Answer]:
    """As many as are wanted, or until the connection is closed."""
    methods = iter(_METHOD.findall(case.sent))
    behind = {Then.OPEN: b"", Then.CLOSED: BEHIND, Then.EITHER: PROBE}[case.then]
    client.send(case.sent + (b"" if case.ends else behind))
    if case.ends:
        client.end()
    answers: list[Answer] = []
    method = next(methods, b"GET")
    while len(answers) < len(case.want) and (answer := client.answer(method)) is not None:
        if case.ends and answer.status == 100:
            continue  # the server asks whether somebody is still there
        answers.append(answer)
        if answer.status >= 200:
            method = next(methods, b"GET")
        elif case.invited:
            client.send(case.invited)
    return answers


def _fate(case: Case, client: Client) -> Then:
    """What became of the connection after these answers. Raises Unsound where more is said on it."""
    if case.then is Then.OPEN:
        client.send(PROBE)
    answer = client.answer()
    if answer is None:
        return Then.CLOSED
    if case.then is Then.CLOSED or answer.status != 200 or answer.json()["path"] != "/probe":
        raise Unsound(f"what came behind was answered: {answer.status} {answer.body[:200]!r}")
    return Then.OPEN


def _of_answers(case: Case, answers: list[Answer]) -> list[str]:
    statuses = [answer.status for answer in answers]
    wanted = [one if isinstance(one, tuple) else (one,) for one in case.want]
    if len(statuses) != len(wanted) or not all(map(lambda got, want: got in want, statuses, wanted)):
        return [f"answered with {statuses}"]
    if not case.saw and not case.headers:
        return []
    asked = answers[-1].json()
    return [
        f"the plugin got {name} {got!r:.80} and not {want!r:.80}"
        for part, of in ((case.saw, asked), (case.headers, asked["headers"]))
        for name, want in part.items()
        if (got := of.get(name)) != want
    ]


def _of_fate(case: Case, answers: list[Answer], became: Then) -> list[str]:
    found = []
    if case.then not in (became, Then.EITHER):
        found.append(f"the connection is {became.name}")
    says_close = [answer.all("connection") == ["close"] for answer in answers]
    if any(says_close[:-1]):
        found.append("an answer says 'Connection: close', and another follows")
    if says_close and not case.ends and says_close[-1] != (became is Then.CLOSED):
        found.append(f"the connection is {became.name}, and the last answer says otherwise")
    return found


def remarks(talk: Talk, talker: Talker) -> list[str]:
    """What is to be said against a server that has this WebSocket, nothing where it does as the row wants."""
    talker.send(talk.sent)
    for number, wanted in enumerate(talk.want):
        heard = talker.heard()
        if not _fits(heard, wanted):
            return [f"number {number}: it said {_short(heard)} and not {_short(wanted)}"]
    if talk.want[-1][0] != "close":
        talker.send(close(1000))
        if (heard := talker.heard()) != ("close", 1000):
            return [f"its goodbye is {_short(heard)}"]
    # Whoever serves closes the connection, too (RFC 6455, 7.1.1).
    heard = talker.heard()
    return [] if heard is None else [f"behind its goodbye it said {_short(heard)}"]


def _fits(heard: Heard, wanted: Wanted) -> bool:
    kind, what = wanted
    if heard is None or heard[0] != kind:
        return False
    return heard[1] in what if isinstance(what, tuple) else heard[1] == what


def _short(what: Heard | Wanted) -> str:
    return f"{what!r:.100}"
