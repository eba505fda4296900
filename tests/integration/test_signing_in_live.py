"""The admin's account over starts of a real core, and what of it is written where."""

from __future__ import annotations

import re

from tests.integration.cores import ADMIN, Core, wait_for

NO_ADMIN = {"TORU_ADMIN_USERNAME": "", "TORU_ADMIN_PASSWORD": ""}


def status_with(core: Core, cookie: str) -> int:
    return core.request("GET", "/api/users", headers={"Cookie": cookie}, as_=None).status


def test_a_made_up_password_is_shown_once(core: Core) -> None:
    core.start(environ=NO_ADMIN)
    (line,) = core.said("made an admin account")
    found = re.search(r"sign in as admin with (\S+)$", line)
    assert found is not None
    password = found[1]
    cookie = core.sign_in("admin", password)
    assert status_with(core, cookie) == 200
    core.stop()
    secrets = [password.encode(), cookie.partition("=")[2].encode()]
    files = [path for path in core.folder.rglob("*") if path.is_file()]
    assert files
    assert [path for path in files for secret in secrets if secret in path.read_bytes()] == []
    core.output.clear()

    core.start(environ=NO_ADMIN)

    assert core.said("made an admin account") == []
    assert status_with(core, cookie) == 200, "a session outlives a restart"
    assert status_with(core, core.sign_in("admin", password)) == 200


def test_another_password_for_the_admin_ends_the_sessions(core: Core) -> None:
    core.start()
    cookie = core.sign_in()
    core.stop()

    core.start()
    assert status_with(core, cookie) == 200, "the same password changes nothing"
    core.stop()

    core.start(environ={"TORU_ADMIN_PASSWORD": "An0ther-password"})
    assert status_with(core, cookie) == 401
    assert status_with(core, core.sign_in(ADMIN, "An0ther-password")) == 200


def test_an_admin_name_that_cannot_be_ends_the_start(core: Core) -> None:
    core.start(wait=False, environ={"TORU_ADMIN_USERNAME": "no name"})
    assert core.process is not None
    assert core.process.wait(30) == 1
    wait_for(lambda: core.said("TORU_ADMIN_USERNAME", "no name"))
    assert core.said("Traceback") == []
