"""Takes the pictures in docs/screenshots of a running toru: `make screenshots`, which takes eleven minutes.

The charts of the dashboard show ten minutes, so ten minutes pass: a core of its own runs in a temporary folder, with the
examples and a few plugins that might be anybody's, and visitors keep them busy. `--minutes 1` is for a look at it.
"""

from __future__ import annotations

import argparse
import math
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

try:
    from playwright.sync_api import Browser, Page, expect

    from tests.browser.browsing import (
        DESKTOP,
        PHONE,
        Browsing,
        Console,
        Theme,
        found_chromium,
        started_chromium,
    )
except ImportError as error:
    sys.exit(f"{error}. `make screenshots` installs what the pictures need.")

from tests.integration.cores import Core, fresh_core, wait_for

HERE = Path(__file__).parent
PICTURES = HERE / "screenshots"
ACCOUNT = ("ada", "Correct-h0rse")
LARGEST_BYTES = 160_000

# What all plugins here have in common.
COMMON = """
import math, random
dice = random.Random(VERSION)

def say(level, message, **fields):
    print(json.dumps({"level": level, "message": message, **fields}), flush=True)

def work(milliseconds):
    end = time.process_time() + milliseconds / 1000
    while time.process_time() < end:
        math.sqrt(dice.random())

def reply(visit):
    def handle(file, message):
        if message["type"] == "http":
            answer(file, message, headers={"content-type": "application/json"}, body=json.dumps(visit(message["payload"])))
    serve(handle)
"""

WEATHER = """
TIDE = [11, 10, 10, 9, 9, 10, 11, 13, 15, 17, 18, 19, 20, 21, 21, 21, 20, 19, 18, 16, 15, 13, 12, 12]

def visit(request):
    time.sleep(dice.uniform(0.002, 0.006))
    if dice.random() < 0.05:
        say("info", "forecast renewed", station="Harbour", age_minutes=dice.randrange(5, 30))
    days = [("⛅", 21, 9), ("🌧️", 17, 10), ("🌧️", 16, 9), ("⛅", 19, 8), ("☀️", 23, 11)]
    return {"hours": TIDE, "days": [dict(icon=i, high=h, low=l) for i, h, l in days]}
reply(visit)
"""

WEATHER_VIEW = """
const STYLE = `
  .weather { max-width: 58rem; margin: 0 auto; display: grid; gap: 1rem; font-variant-numeric: tabular-nums }
  .weather section { padding: 1.25rem 1.5rem; background: var(--toru-color-surface);
    border: 1px solid var(--toru-color-border); border-radius: calc(1.5 * var(--toru-radius)) }
  .weather header { display: flex; align-items: center; gap: 1.25rem }
  .weather header > span { font-size: 3.5rem; line-height: 1 }
  .weather h2, .weather h3, .weather p { margin: 0 }
  .weather h2 { font-size: 2.5rem; font-weight: 600; line-height: 1.1; letter-spacing: -0.02em }
  .weather h3 { margin-bottom: 0.75rem; font-size: 0.875rem; font-weight: 500; color: var(--toru-color-text-muted) }
  .weather p, .weather small { color: var(--toru-color-text-muted); font-size: 0.875rem }
  .weather dl { display: grid; grid-template-columns: repeat(3, auto); gap: 0.25rem 2rem; margin: 0 0 0 auto }
  .weather dt { color: var(--toru-color-text-muted); font-size: 0.8125rem; grid-row: 1 }
  .weather dd { margin: 0; grid-row: 2; font-weight: 500 }
  .weather svg { display: block; width: 100%; overflow: visible }
  .weather text { fill: var(--toru-color-text-muted); font-size: 12px; text-anchor: middle }
  .weather .days { display: grid; grid-template-columns: repeat(5, 1fr); gap: 1rem; padding: 0; border: 0; background: none }
  .weather .days section { text-align: center; padding: 1rem }
  .weather .days span { display: block; font-size: 1.875rem; line-height: 1.5 }
  .weather .days b { font-weight: 600 }
`;

const curve = (hours) => {
  const x = (hour) => 20 + hour * 36;
  const y = (degrees) => 206 - (degrees - 6) * 12;
  const hour = new Date().getHours();
  const points = hours.map((degrees, hour) => `${x(hour)},${y(degrees)}`).join(" ");
  const labels = hours
    .map((degrees, hour) => hour % 3 ? "" : `
      <circle cx="${x(hour)}" cy="${y(degrees)}" r="3.5" fill="var(--toru-color-accent)"/>
      <text x="${x(hour)}" y="${y(degrees) - 12}">${degrees}°</text>
      <text x="${x(hour)}" y="232">${String(hour).padStart(2, "0")}:00</text>`)
    .join("");
  return `<svg viewBox="0 0 868 236" role="img" aria-label="Temperature today">
    <polygon points="20,206 ${points} 848,206" fill="var(--toru-color-accent)" opacity="0.1"/>
    <polyline points="${points}" fill="none" stroke="var(--toru-color-accent)" stroke-width="2" stroke-linejoin="round"/>
    <path d="M${x(hour)},${y(hours[hour])}V206" stroke="var(--toru-color-text-muted)" stroke-dasharray="3 4"/>
    ${labels}</svg>`;
};

export async function mount(container, api) {
  const { hours, days } = await (await api.fetch("/forecast")).json();
  const dayName = (ahead) =>
    ahead ? new Date(Date.now() + ahead * 86_400_000).toLocaleDateString("en-GB", { weekday: "long" }) : "Today";
  container.innerHTML = `<style>${STYLE}</style><div class="weather">
    <section><header><span>⛅</span>
      <div><h2>${hours[new Date().getHours()]}°</h2><p>Fair, with a breeze from the west</p></div>
      <dl><dt>Wind</dt><dd>14 km/h</dd><dt>Humidity</dt><dd>58 %</dd><dt>Pressure</dt><dd>1016 hPa</dd></dl>
    </header></section>
    <section><h3>Temperature today, Harbour</h3>${curve(hours)}</section>
    <div class="days">${days
      .map(({ icon, high, low }, ahead) => `<section><small>${dayName(ahead)}</small><span>${icon}</span>
        <b>${high}°</b> <small>${low}°</small></section>`)
      .join("")}</div></div>`;
}

export const unmount = (container) => container.replaceChildren();
"""

JOBS = """
KINDS = [
    ("invoice", "pdf", "the font Lora is not installed"),
    ("newsletter", "mail", "the mail server closed the connection"),
    ("search index", "index", "the index is locked"),
    ("export", "files", "no space left on the target"),
    ("reminder", "mail", "the address is not known any more"),
]
number = 48210
done = []

def visit(request):
    global number
    number += 1
    kind, queue, reason = dice.choice(KINDS)
    took = round(dice.lognormvariate(3.2, 0.7))
    work(min(took, 60) / 6)
    time.sleep(min(took, 80) / 1000)
    done.append("x" * dice.randrange(150_000, 400_000))
    del done[: max(0, len(done) - 40 - number % 1500 // 20)]
    if number % 41 == 0:
        say("error", f"{kind} {number} failed", error=reason, queue=queue, job=number, attempt=3)
    elif number % 13 == 0:
        say("warn", f"{kind} {number} is tried again in 30 s", queue=queue, job=number, attempt=1)
    elif number % 17 == 0:
        say("debug", "cleared finished jobs", removed=dice.randrange(20, 90), waiting=dice.randrange(12))
    else:
        say("info", f"{kind} {number} done in {took} ms", queue=queue, job=number, duration_ms=took)
    return {"job": number}
reply(visit)
"""

PICTURES_PLUGIN = """
cache = bytearray(24_000_000)

def visit(request):
    global cache
    work(dice.uniform(4, 14))
    if dice.random() < 0.04:
        cache = bytearray(dice.randrange(18_000_000, 46_000_000))
        say("info", "cache trimmed", bytes=len(cache))
    return {"ok": True}
reply(visit)
"""

LINKS = """
def visit(request):
    time.sleep(dice.uniform(0.0005, 0.002))
    return {"ok": True}
reply(visit)
"""

# Works until its password is refused; from then on it ends soon after each start.
MAIL = """
SENDERS = ["anna@example.com", "post@example.org", "sales@example.net", "lee@example.com", "office@example.org"]
number = 5810

def watch():
    say("info", "signing in", host="imap.example.com")
    while not is_there("refused"):
        time.sleep(0.2)
    time.sleep(0.3)
    say("error", "cannot read the mailbox", error="the password has expired")
    print("imap.example.com: the password has expired", file=sys.stderr, flush=True)
    os._exit(1)
threading.Thread(target=watch).start()

def visit(request):
    global number
    time.sleep(dice.uniform(0.01, 0.03))
    if dice.random() < 0.2:
        number += 1
        say("info", f"ticket {number}", sender=dice.choice(SENDERS))
    elif dice.random() < 0.02:
        say("warn", "left out: larger than 25 MB", sender=dice.choice(SENDERS))
    return {"ok": True}
reply(visit)
"""


class Demo(NamedTuple):
    """One plugin: what it says of itself, what it does, and about how many requests a second it gets."""

    id: str
    icon: str
    name: str
    version: str
    author: str
    description: str
    code: str
    requests: float


DEMOS = (
    Demo(
        "jobs",
        "📬",
        "Background jobs",
        "2.4.1",
        "Maren Holt",
        "Runs what may take a while: mails, exports, invoices.",
        JOBS,
        9,
    ),
    Demo(
        "links",
        "🔗",
        "Short links",
        "1.0.6",
        "Tomás Rey",
        "Short addresses for long ones, and how often they are used.",
        LINKS,
        21,
    ),
    Demo(
        "mail",
        "✉️",
        "Email import",
        "0.9.2",
        "Maren Holt",
        "Makes tickets of what arrives in a mailbox.",
        MAIL,
        1.5,
    ),
    Demo(
        "pictures",
        "🖼️",
        "Album",
        "3.1.0",
        "Kofi Mensah",
        "Keeps pictures, and shows them in the size that is asked for.",
        PICTURES_PLUGIN,
        6,
    ),
    Demo(
        "reports",
        "📊",
        "Annual reports",
        "1.8.0",
        "Ines Duarte",
        "Tables and charts for the end of the year.",
        LINKS,
        0,
    ),
    Demo("weather", "🌤️", "Weather", "2.0.0", "Ines Duarte", "The forecast for the harbour.", WEATHER, 4),
)
MANAGER: tuple[tuple[str, tuple[int, int], Theme], ...] = (
    ("manager", DESKTOP, "light"),
    ("manager-dark", DESKTOP, "dark"),
    ("phone", PHONE, "light"),
)
EXAMPLES = ("hello-node", "hello-perl", "hello-python")


def main() -> None:
    """Start it, let the time pass, take the pictures."""
    parser = argparse.ArgumentParser(description="Takes the pictures in docs/screenshots.")
    parser.add_argument(
        "--minutes", type=float, default=10.5, help="how long the plugins are busy before (10.5)"
    )
    minutes = parser.parse_args().minutes
    check()
    PICTURES.mkdir(exist_ok=True)
    done = threading.Event()
    with tempfile.TemporaryDirectory(prefix="t") as folder, fresh_core(Path(folder)) as core:
        start(core)
        visitors = [visitor(core, demo.id, demo.requests, done) for demo in DEMOS if demo.requests]
        visitors += [visitor(core, id, 0.7, done) for id in EXAMPLES]
        print(
            f"{len(DEMOS) + len(EXAMPLES)} plugins are busy; the pictures follow in {minutes:g} min.",
            flush=True,
        )
        time.sleep(minutes * 60)
        try:
            with started_chromium() as chromium:
                take(core, chromium)
        finally:
            done.set()
            for each in visitors:
                each.join()
        core.stop(signal.SIGTERM)  # Ctrl-C is ignored in the background of a shell.


def check() -> None:
    """Whether this machine has what the pictures need."""
    missing = [program for program in ("node", "optipng", "perl") if not shutil.which(program)]
    if found_chromium() is None:
        missing.append("chromium")
    asked = ["fc-match", "--format=%{color}", "emoji"]
    if (
        not shutil.which("fc-match")
        or subprocess.run(asked, check=False, capture_output=True).stdout != b"True"
    ):
        missing.append("a font with emoji")
    if missing:
        sys.exit(
            f"The pictures need {', '.join(missing)}, which is not here; "
            "on Debian: apt-get install chromium-headless-shell fontconfig fonts-noto-color-emoji nodejs optipng perl"
        )


def start(core: Core) -> None:
    """A core with all of them; `ada` is its admin."""
    for demo in DEMOS:
        said = {"name": demo.name, "icon": demo.icon, "author": demo.author, "description": demo.description}
        core.plugin(demo.id, COMMON + demo.code, version=demo.version, **said)
    for example in EXAMPLES:
        (source,) = HERE.parent.glob(f"plugins/{example}/{example}.*")
        core.file(f"{example}.binary", source.read_text())
    (core.plugins / "weather").mkdir()
    (core.plugins / "weather" / "bundle.js").write_text(WEATHER_VIEW)
    core.settings("[supervision]\nmax_crashes = 1000\n")
    core.start(environ={"TORU_ADMIN_USERNAME": ACCOUNT[0], "TORU_ADMIN_PASSWORD": ACCOUNT[1]})
    made = core.request(
        "POST",
        "/api/tokens",
        b'{"name": "visitors", "role": "admin"}',
        {"Cookie": core.sign_in(*ACCOUNT)},
        as_=None,
    )
    core.tokens["admin"] = made.json()["token"]
    for id in [*EXAMPLES, *(demo.id for demo in DEMOS)]:
        core.wait_state(id, "running")
    core.post("/api/plugins/reports/disable")


def visitor(core: Core, id: str, each_second: float, done: threading.Event) -> threading.Thread:
    """Keeps asking a plugin, now more and now less often."""
    dice = random.Random(id)
    phase, period = dice.uniform(0, math.tau), dice.uniform(120, 240)

    def visit() -> None:
        next_at = time.monotonic()
        while not done.wait(next_at - time.monotonic()):
            core.route(id)
            swing = 1 + 0.5 * math.sin(phase + next_at * math.tau / period)
            next_at = max(next_at + dice.uniform(0.5, 1.5) / (each_second * swing), time.monotonic() - 1)

    thread = threading.Thread(target=visit)
    thread.start()
    return thread


def crashed(core: Core, id: str, times: int) -> None:
    """Returns once it did so often in a row."""
    wait_for(lambda: core.status(id)["consecutive_crashes"] >= times, timeout=60, every=0.2)


def take(core: Core, chromium: Browser) -> None:
    """All pictures, and at the end what is wrong with them or with the pages."""
    console = Console()
    browse = Browsing(chromium, core, console)

    @contextmanager
    def picture(
        name: str,
        path: str,
        *,
        as_: tuple[str, str] | None = ACCOUNT,
        size: tuple[int, int] = DESKTOP,
        theme: Theme = "light",
    ) -> Iterator[Page]:
        """Taken at the end, of a page that is as it should be by then."""
        touch = size == PHONE
        page = browse(path, as_=as_, size=size, theme=theme, is_mobile=touch, has_touch=touch)
        # The second time all of it is there at once, the font too.
        page.reload()
        page.wait_for_timeout(2500)  # The live figures come every 2 s.
        yield page
        file = PICTURES / f"{name}.png"
        page.screenshot(path=file)
        subprocess.run(["optipng", "-quiet", "-o5", file], check=True)
        written = file.stat().st_size
        print(f"{name}.png: {written:,} bytes", flush=True)
        if written > LARGEST_BYTES:
            console.complaints.append(f"{name}.png is larger than {LARGEST_BYTES:,} bytes.")
        page.context.close()

    with picture("sign-in", "/login", as_=None) as page:
        expect(page.get_by_role("button", name="Sign in")).to_be_visible()
    with picture("plugin", "/plugin/weather") as page:
        expect(page.get_by_role("heading", name="Temperature today")).to_be_visible()
    with picture("details", "/plugins") as page:
        page.get_by_role("main").get_by_role("link", name="Background jobs").click()
        expect(page.get_by_role("heading", name="About")).to_be_visible()

    core.tell("refused")
    crashed(core, "mail", 2)
    with picture("logs", "/plugin/mail/logs", theme="dark") as page:
        expect(page.get_by_text("cannot read the mailbox").first).to_be_visible()
    crashed(core, "mail", 5)  # Now it waits 16 s for its next start.
    for name, size, theme in MANAGER:
        with picture(name, "/plugins", size=size, theme=theme) as page:
            expect(page.get_by_text("next try in")).to_be_visible()
    if console.unexpected():
        sys.exit("\n".join(["Complaints:", *console.unexpected()]))


if __name__ == "__main__":
    main()
