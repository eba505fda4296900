"""The calls about who may come in: signing in and out, client accounts, API tokens."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from msgspec import Meta, Struct
from twisted.internet.defer import Deferred

from toru.access.doors import Doors, NewToken, SignedIn
from toru.access.names import DISPLAY_NAME, LONGEST_DISPLAY_NAME, TOKEN_NAME, USERNAME
from toru.access.passwords import LONGEST, SHORTEST
from toru.http.answers import as_json
from toru.http.bodies import decode_body, decode_query
from toru.http.headers import SESSION_COOKIE, session_cookies
from toru.http.messages import Outgoing
from toru.model import ApiToken, LoginAttempt, Principal, PrincipalKind, TokenRole
from toru.store.accounts import Accounts

if TYPE_CHECKING:
    from toru.http.request import Request


# These are in the document of the interface, and checked by the doors, which say better what is wrong.
_Username = Annotated[str, Meta(extra_json_schema={"pattern": USERNAME})]
_TokenName = Annotated[str, Meta(extra_json_schema={"pattern": TOKEN_NAME})]
_DisplayName = Annotated[
    str, Meta(extra_json_schema={"maxLength": LONGEST_DISPLAY_NAME, "pattern": DISPLAY_NAME})
]
_NewPassword = Annotated[
    str,
    Meta(
        description="It has an upper-case letter, a lower-case letter, a digit, and a character that is neither.",
        extra_json_schema={
            "format": "password",
            "minLength": SHORTEST,
            "maxLength": LONGEST,
            "allOf": [{"pattern": one} for one in (r"\p{Lu}", r"\p{Ll}", r"\p{Nd}", r"[^\p{L}\p{N}]")],
        },
    ),
]
# Nobody has a longer name, and the admin's password comes from the environment, where more has no room.
_GivenName = Annotated[str, Meta(max_length=256)]
_GivenPassword = Annotated[str, Meta(max_length=2**17, extra_json_schema={"format": "password"})]


class _Secretive(Struct, frozen=True):
    """It holds a password, which it shows to nobody."""

    def __repr__(self) -> str:
        return f"<{type(self).__name__}>"


class Login(_Secretive, frozen=True):
    """The body of `POST /api/auth/login`."""

    username: _GivenName
    password: _GivenPassword


class NewUser(_Secretive, frozen=True):
    """The body of `POST /api/users`."""

    username: _Username
    password: _NewPassword
    display_name: _DisplayName | None = None


class UserChange(Struct, frozen=True):
    """The body of `PUT /api/users/:id`; what is null or not there stays as it is."""

    display_name: _DisplayName | None = None
    active: bool | None = None


class UserPassword(_Secretive, frozen=True):
    """The body of `PUT /api/users/:id/password`."""

    password: _NewPassword


class OwnPassword(_Secretive, frozen=True):
    """The body of `PUT /api/me/password`."""

    current_password: _GivenPassword
    new_password: _NewPassword


class TokenWish(Struct, frozen=True):
    """The body of `POST /api/tokens`."""

    name: _TokenName
    role: TokenRole


class Paging(Struct, frozen=True):
    """The query of a listing in pages."""

    page: Annotated[int, Meta(ge=0, le=10**9)] = 0
    page_size: Annotated[int, Meta(ge=1, le=1000)] = 100


class Me(Struct, frozen=True):
    """Who asks. For a token `username` is its name."""

    id: str
    username: str
    display_name: str
    role: PrincipalKind


class WhoAmI(Struct, frozen=True):
    """What `GET /api/auth/me` answers."""

    authenticated: bool
    user: Me | None


class LoggedIn(Struct, frozen=True):
    """What a sign-in answers, beside the cookie."""

    success: bool
    user: Me


class Done(Struct, frozen=True):
    """What a call answers that has nothing else to say."""

    success: bool = True


class LoginPage(Struct, frozen=True):
    """A part of the tried sign-ins, newest first. `total` counts all."""

    attempts: list[LoginAttempt]
    page: int
    page_size: int
    total: int


class MadeToken(Struct, frozen=True):
    """A new API token, shown this once."""

    id: str
    name: str
    role: TokenRole
    token: str
    created_at: str

    def __repr__(self) -> str:
        return f"<token {self.name}>"


class AccountCalls:
    """One method for each call. Each raises, or fails with, what the client is told."""

    def __init__(self, doors: Doors, accounts: Accounts) -> None:
        self._doors = doors
        self._accounts = accounts

    # -- signing in and out

    def login(self, request: Request) -> Deferred[Outgoing]:
        body = decode_body(request, Login)
        front = request.front
        signing_in = self._doors.sign_in(body.username, body.password, front.address)
        return signing_in.addCallback(_signed_in, front.scheme == "https")

    async def logout(self, request: Request) -> Outgoing:
        # All that are shown, beside a token and beside each other: nobody is to stay in without knowing.
        for session in session_cookies(request.requestHeaders.getRawHeaders(b"cookie", [])):
            if self._doors.identify(session, None) is not None:
                await self._doors.sign_out(session)
        return as_json(Done(), headers=(_cookie("", 0, request.front.scheme == "https"),))

    def me(self, request: Request) -> Outgoing:
        principal = request.principal
        return as_json(WhoAmI(principal is not None, None if principal is None else _me(principal)))

    def login_history(self, request: Request) -> Deferred[Outgoing]:
        wanted = decode_query(request, Paging)

        def found(history: tuple[list[LoginAttempt], int]) -> Outgoing:
            attempts, total = history
            return as_json(LoginPage(attempts, wanted.page, wanted.page_size, total))

        return self._accounts.login_history(wanted.page, wanted.page_size).addCallback(found)

    def change_password(self, request: Request) -> Deferred[Outgoing]:
        body = decode_body(request, OwnPassword)
        changing = self._doors.change_password(
            request.caller,
            request.exchange.session,
            body.current_password,
            body.new_password,
            request.front.address,
        )
        return changing.addCallback(_done)

    # -- client accounts

    def list_users(self) -> Deferred[Outgoing]:
        return self._accounts.users().addCallback(as_json)

    def add_user(self, request: Request) -> Deferred[Outgoing]:
        body = decode_body(request, NewUser)
        return self._doors.add_user(body.username, body.password, body.display_name).addCallback(as_json, 201)

    def get_user(self, id: str) -> Deferred[Outgoing]:
        return self._accounts.user(id).addCallback(as_json)

    def change_user(self, request: Request, id: str) -> Deferred[Outgoing]:
        body = decode_body(request, UserChange)
        return self._doors.change_user(id, body.display_name, body.active).addCallback(as_json)

    def remove_user(self, id: str) -> Deferred[Outgoing]:
        return self._doors.remove_user(id).addCallback(_done)

    def set_user_password(self, request: Request, id: str) -> Deferred[Outgoing]:
        body = decode_body(request, UserPassword)
        return self._doors.set_user_password(id, body.password).addCallback(_done)

    # -- API tokens

    def list_tokens(self) -> Deferred[Outgoing]:
        return self._accounts.tokens().addCallback(as_json)

    def add_token(self, request: Request) -> Deferred[Outgoing]:
        body = decode_body(request, TokenWish)
        return self._doors.add_token(body.name, body.role).addCallback(_made)

    def remove_token(self, id: str) -> Deferred[Outgoing]:
        return self._doors.remove_token(id).addCallback(_done)


def _signed_in(signed_in: SignedIn, secure: bool) -> Outgoing:
    cookie = _cookie(signed_in.session.reveal(), signed_in.max_age, secure)
    return as_json(LoggedIn(True, _me(signed_in.principal)), headers=(cookie,))


def _cookie(value: str, max_age: int, secure: bool) -> tuple[bytes, bytes]:
    attributes = f"Path=/; Max-Age={max_age}; HttpOnly; SameSite=Lax{'; Secure' if secure else ''}"
    return b"set-cookie", f"{SESSION_COOKIE}={value}; {attributes}".encode("ascii")


def _me(principal: Principal) -> Me:
    return Me(principal.id, principal.name, principal.display_name, principal.kind)


def _made(new: NewToken) -> Outgoing:
    kept: ApiToken = new.kept
    return as_json(MadeToken(kept.id, kept.name, kept.role, new.token.reveal(), kept.created_at), 201)


def _done(_: object) -> Outgoing:
    return as_json(Done())
