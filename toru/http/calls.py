"""What each call takes and gives: by the name of its handler, beside its path and who may make it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from msgspec import Struct

from toru.errors import (
    BadRoute,
    BundleNotFound,
    Conflict,
    LinkLost,
    NoWebSocket,
    PluginBusy,
    PluginDisabled,
    PluginError,
    PluginNotFound,
    PluginTimeout,
    PluginUnavailable,
    ProtocolError,
    QuotaExceeded,
    RestartFailed,
    RouteNotFound,
    SignInBusy,
    StorageFull,
    StorageUnavailable,
    TokenNotFound,
    TooLong,
    TooManyFailures,
    ToruError,
    UpgradeRequired,
    UserExists,
    UserNotFound,
    WeakPassword,
    WrongCredentials,
    WrongPassword,
)
from toru.http.accounts import (
    Done,
    LoggedIn,
    Login,
    LoginPage,
    MadeToken,
    NewUser,
    OwnPassword,
    Paging,
    TokenWish,
    UserChange,
    UserPassword,
    WhoAmI,
)
from toru.http.answers import Alive
from toru.http.records import LogQuery
from toru.http.storage import KvCall, KvKeys, KvValue
from toru.model import (
    ApiToken,
    EventPage,
    Figures,
    LogPage,
    PluginStatus,
    PluginSummary,
    Problem,
    Rescan,
    User,
)

JSON = "application/json"
NDJSON = "application/x-ndjson"
EVENT_STREAM = "text/event-stream"
JAVASCRIPT = "application/javascript"
PROMETHEUS = ("text/plain", "application/openmetrics-text")
ANY = "*/*"

Errors = tuple[type[ToruError], ...]


class Call(NamedTuple):
    """One call.

    `gives` are the types of the JSON that it answers with, each to somebody else or for something else
    asked; `media` are the types of other answers. `errors` are those that are its own: what every call
    fails with, and what follows from its path, its parameters and who may make it, is not repeated.
    `tagged` answers have an `ETag`, and are 304 to who has them.
    """

    summary: str
    gives: tuple[Any, ...] = ()
    status: int = 200
    media: tuple[str, ...] = ()
    query: type[Struct] | None = None
    body: Any = None
    errors: Errors = ()
    tagged: bool = False


_READING: Errors = (StorageUnavailable,)
_WRITING: Errors = (StorageUnavailable, StorageFull)
_PLUGIN: Errors = (PluginNotFound,)
_USER: Errors = (UserNotFound,)
_ASKING: Errors = (LinkLost, ProtocolError, PluginError, PluginUnavailable, PluginBusy, PluginTimeout)

CALLS: Mapping[str, Call] = {
    "health": Call("Whether toru is up", (Alive,)),
    "login": Call(
        "Sign in: the answer sets the session cookie",
        (LoggedIn,),
        body=Login,
        errors=(WrongCredentials, TooManyFailures, SignInBusy, *_WRITING),
    ),
    "logout": Call("Sign out", (Done,), errors=_WRITING),
    "me": Call("Who is signed in", (WhoAmI,)),
    "login_history": Call("Sign-ins that were tried", (LoginPage,), query=Paging, errors=_READING),
    "change_password": Call(
        "Change the own password, which ends the user's other sessions",
        (Done,),
        body=OwnPassword,
        errors=(WrongPassword, WeakPassword, TooManyFailures, SignInBusy, *_WRITING),
    ),
    "list_users": Call("The client accounts, by name", (list[User],), errors=_READING),
    "add_user": Call(
        "Add a client account",
        (User,),
        status=201,
        body=NewUser,
        errors=(WeakPassword, UserExists, SignInBusy, *_WRITING),
    ),
    "get_user": Call("A client account", (User,), errors=_USER + _READING),
    "change_user": Call("Change a client account", (User,), body=UserChange, errors=_USER + _WRITING),
    "remove_user": Call("Remove a client account", (Done,), errors=_USER + _WRITING),
    "set_user_password": Call(
        "Set a client's password, which ends its sessions",
        (Done,),
        body=UserPassword,
        errors=(*_USER, WeakPassword, SignInBusy, *_WRITING),
    ),
    "list_tokens": Call("The API tokens, oldest first", (list[ApiToken],), errors=_READING),
    "add_token": Call(
        "Make an API token: only this answer shows it",
        (MadeToken,),
        status=201,
        body=TokenWish,
        errors=_WRITING,
    ),
    "remove_token": Call("Remove an API token", (Done,), errors=(TokenNotFound, *_WRITING)),
    "list_plugins": Call(
        "All plugins, by name: admins see the whole of each", (list[PluginStatus], list[PluginSummary])
    ),
    "problems": Call("Files in the plugins folder that are no usable plugins", (list[Problem],)),
    "rescan": Call("Look at the plugins folder now", (Rescan,)),
    "get_plugin": Call("A plugin: admins see the whole of it", (PluginStatus, PluginSummary), errors=_PLUGIN),
    "enable": Call("Enable a plugin", (PluginStatus,), errors=_PLUGIN),
    "disable": Call("Disable a plugin", (PluginStatus,), errors=_PLUGIN),
    "restart": Call("Restart a plugin", (PluginStatus,), errors=(*_PLUGIN, PluginDisabled, RestartFailed)),
    "bundle": Call(
        "A plugin's frontend",
        media=(JAVASCRIPT,),
        errors=(*_PLUGIN, BundleNotFound, *_ASKING),
        tagged=True,
    ),
    "kv": Call(
        "What a plugin stores: clients reach the keys under `user/<own user id>/`",
        (KvValue, KvKeys),
        body=KvCall,
        errors=(*_PLUGIN, Conflict, TooLong, QuotaExceeded, *_WRITING),
    ),
    "logs": Call(
        "A plugin's log, newest first; as lines of JSON all that match",
        (LogPage,),
        media=(NDJSON,),
        query=LogQuery,
        errors=_PLUGIN + _READING,
    ),
    "stream_logs": Call("A plugin's log as it grows", media=(EVENT_STREAM,), errors=_PLUGIN + _READING),
    "events_of": Call(
        "What happened to a plugin, newest first", (EventPage,), query=Paging, errors=_PLUGIN + _READING
    ),
    "usage": Call("What a plugin cost in the last 10 minutes", (list[Figures],), errors=_PLUGIN),
    "events": Call("What happened, newest first", (EventPage,), query=Paging, errors=_READING),
    "stream_events": Call(
        "Events as they happen, `plugin` messages with plugins that changed, and `usage` messages",
        media=(EVENT_STREAM,),
        errors=_READING,
    ),
    "metrics": Call("What Prometheus scrapes", media=PROMETHEUS),
    "openapi": Call("This document", media=(JSON,), tagged=True),
    "proxy": Call(
        "Whatever the plugin with this route answers",
        media=(ANY,),
        errors=(BadRoute, RouteNotFound, NoWebSocket, UpgradeRequired, *_ASKING),
    ),
}
