"""Small plugins on one base: some that keep to the protocol, and many that break it in one way each."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

from toru.conformance.findings import Finding, Outcome, Result

# A plugin of protocol 2 that reads a line, answers it and reads the next. Samples put other functions in place.
# `-IS`: neither the environment nor site-packages slow it down.
BASE = f"""#!{sys.executable} -IS
import base64, json, os, signal, socket, struct, subprocess, sys, threading, time

METADATA = {{"id": "sample", "name": "Sample", "version": "1", "route": "/sample", "protocol": "2"}}
PATH = os.environ.get("TORU_PLUGIN_SOCKET")

def metadata():
    print(json.dumps(METADATA))

def send(file, **message):
    file.write(json.dumps(message).encode() + b"\\n")
    file.flush()

def respond(payload):
    return {{"status": 200, "headers": {{}}, "body": payload["method"] + " " + payload["path"]}}

def answer(file, message):
    send(file, type="http", request_id=message["request_id"], payload=respond(message["payload"]))

def ping(file, message):
    send(file, type="lifecycle", request_id=message["request_id"], payload={{"action": "pong"}})

def shutdown():
    os.unlink(PATH)
    sys.exit(0)

def unknown(file, message):
    pass

def take(file, message):
    action = message["payload"].get("action")
    if message["type"] == "http":
        answer(file, message)
    elif action == "shutdown":
        shutdown()
    elif action == "ping":
        ping(file, message)
    elif action != "init":
        unknown(file, message)

def serve(connection):
    file = connection.makefile("rwb")
    for line in file:
        take(file, json.loads(line))

def listen():
    server = socket.socket(socket.AF_UNIX)
    server.bind(PATH)
    server.listen()
    return server

def run():
    server = listen()
    while True:
        connection, _ = server.accept()
        try:
            serve(connection)
        except (OSError, ValueError):
            pass
        connection.close()
"""

# The same for protocol 1, one connection after the other.
LENGTHS = """
def exactly(connection, length):
    data = b""
    while len(data) < length:
        more = connection.recv(length - len(data))
        if not more:
            raise OSError
        data += more
    return data

def put(connection, **message):
    data = json.dumps(message).encode()
    connection.sendall(struct.pack(">I", len(data)) + data)

def answer(connection, message):
    put(connection, type="http", timestamp="2026-01-01T00:00:00Z", request_id=message["request_id"],
        payload=respond(message["payload"]["payload"]))

def serve(connection):
    length, = struct.unpack(">I", exactly(connection, 4))
    take(connection, json.loads(exactly(connection, length)))
"""

# Each exchange has a connection of its own, and a thread.
STREAMED = """
METADATA["capabilities"] = ["stream", "websocket", "ping", "cancel"]

def body(file):
    while True:
        part = json.loads(file.readline())["payload"]
        data = file.read(part["length"])
        if len(data) < part["length"]:
            raise OSError
        yield data
        if part["final"]:
            return

def part(file, id, data, final):
    file.write(json.dumps({"type": "body", "request_id": id,
                           "payload": {"length": len(data), "final": final}}).encode() + b"\\n" + data)
    file.flush()

def answer(file, message):
    id = message["request_id"]
    send(file, type="http", request_id=id, payload={"status": 200, "headers": {}, "stream": True})
    for data in body(file):
        part(file, id, data, False)
    part(file, id, message["payload"]["path"].encode(), True)

def unknown(file, message):
    if message["type"] != "websocket":
        return
    id = message["request_id"]
    if message["payload"]["action"] == "open":
        send(file, type="websocket", request_id=id, payload={"action": "accept"})
    elif message["payload"]["action"] == "message":
        data = file.read(message["payload"]["length"])
        file.write(json.dumps({**message, "payload": message["payload"]}).encode() + b"\\n" + data)
        file.flush()
    else:
        send(file, type="websocket", request_id=id, payload={"action": "close", "code": 1000, "reason": ""})

def shutdown():
    os.unlink(PATH)
    os._exit(0)

def quietly(connection):
    try:
        with connection:
            serve(connection)
    except (OSError, ValueError):
        pass

def run():
    server = listen()
    while True:
        threading.Thread(target=quietly, args=(server.accept()[0],), daemon=True).start()
"""

END = """
metadata() if "--metadata" in sys.argv else run()
"""


@dataclass(frozen=True)
class Sample:
    """A plugin, and what is found in it: the check, how it ends, and words of what is said."""

    name: str
    code: str
    check: str
    words: str
    outcome: Outcome = "failed"
    mode: int = 0o755
    source: str | None = None

    def write(self, folder: Path) -> Path:
        """The plugin's file, in a folder of its own."""
        path = folder / self.name / "sample.binary"
        path.parent.mkdir()
        path.write_text(self.source or f"{BASE}{self.code}{END}", newline="")
        path.chmod(self.mode)
        return path


def objections(results: list[Result]) -> list[Finding]:
    """What is wrong, without what took long: of that a machine that is busy says nothing."""
    return [
        finding
        for result in results
        for finding in result.findings
        if finding.outcome == "failed" or (finding.outcome == "warning" and " took " not in finding.detail)
    ]


GOOD = {
    "lines": "",
    "lines-undeclared": "del METADATA['protocol']",
    "lines-one-at-a-time": "METADATA['concurrency'] = 1",
    "lines-answers-late": """
def serve(connection):
    file = connection.makefile("rwb")
    waiting, lock = [], threading.Lock()
    def flush():
        with lock:
            while waiting:
                try:
                    answer(file, waiting.pop())
                except OSError:
                    return
    for line in file:
        message = json.loads(line)
        if message["type"] == "http":
            with lock:
                waiting.append(message)
            threading.Timer(0.005, flush).start()
        else:
            take(file, message)
""",
    "lines-counts-requests": """
COUNT = 0
def respond(payload):
    global COUNT
    COUNT += 1
    return {"status": 200, "headers": {}, "body": str(COUNT)}
""",
    "lines-knows-nothing": "def respond(payload): return {'status': 404}",
    "lines-answers-strangers": """
def unknown(file, message):
    send(file, type="error", request_id=message["request_id"], payload={"message": "what is this?"})
""",
    "lines-answers-strangers-late": """
def unknown(file, message):
    if message["request_id"].startswith("strange"):
        said = {"type": "error", "request_id": message["request_id"], "payload": {"message": "what?"}}
        threading.Timer(0.2, send, [file], said).start()
""",
    "lines-logs": """
def serve(connection):
    file = connection.makefile("rwb")
    for line in file:
        send(file, type="log", payload={"level": "debug", "message": "a line"})
        take(file, json.loads(line))
""",
    "lines-echo": """
def respond(payload):
    return {"status": 200, "headers": {"set-cookie": ["a=1", "b=2"]}, "body": payload["body"],
            "body_encoding": payload["body_encoding"]}
""",
    # Requests at once may come to it in any order, and its page is what the last one left.
    "lines-keeps-a-note": """
NOTE = {"body": "", "body_encoding": "utf-8"}
def respond(payload):
    if payload["body"]:
        NOTE.update(body=payload["body"], body_encoding=payload["body_encoding"])
    return {"status": 200, "headers": {}, **NOTE}
def serve(connection):
    file = connection.makefile("rwb")
    while data := connection.recv(2**20):
        while not data.endswith(b"\\n"):
            more = connection.recv(2**20)
            if not more:
                return
            data += more
        for line in reversed(data.splitlines()):
            take(file, json.loads(line))
""",
    "lines-says-that-it-gave-up": """
METADATA["capabilities"] = ["cancel"]
def serve(connection):
    file, lock, asked = connection.makefile("rwb"), threading.Lock(), {}
    def finish(id):
        with lock:
            message = asked.pop(id, None)
            if message:
                answer(file, message)
    for line in file:
        message = json.loads(line)
        id = message.get("request_id")
        if message["type"] == "cancel":
            with lock:
                if asked.pop(id, None):
                    send(file, type="log", payload={"level": "info", "message": "gave up"})
                    send(file, type="error", request_id=id, payload={"message": "cancelled"})
        elif message["type"] == "http":
            slow = message["payload"]["path"] == "/" and message["payload"]["method"] == "GET"
            with lock:
                asked[id] = message
            threading.Timer(0.35 if slow else 0, finish, [id]).start()
        else:
            take(file, message)
""",
    "lines-ping-and-cancel": "METADATA['capabilities'] = ['ping', 'cancel']",
    "streamed": STREAMED,
    "streamed-logs": STREAMED
    + """
silent = take
def take(file, message):
    send(file, type="log", payload={"level": "debug", "message": "a line"})
    silent(file, message)
""",
    "streamed-answers-whole": STREAMED
    + """
def answer(file, message):
    for data in body(file):
        pass
    send(file, type="http", request_id=message["request_id"], payload=respond(message["payload"]))
""",
    "streamed-hangs-up": STREAMED
    + """
METADATA["capabilities"] = ["stream"]
def serve(connection):
    file = connection.makefile("rwb")
    for line in file:
        message = json.loads(line)
        take(file, message)
        if message["type"] == "http":
            return
""",
    "lengths": LENGTHS + "METADATA['protocol'] = '1'",
    "lengths-undeclared": LENGTHS + "del METADATA['protocol']",
    "lengths-dies-of-lines": LENGTHS
    + """
del METADATA["protocol"]
def take(connection, message):
    if message["type"] == "http":
        answer(connection, message)
    elif message["payload"].get("action") == "shutdown":
        shutdown()
def serve(connection):
    length, = struct.unpack(">I", exactly(connection, 4))
    if length > 16 * 2**20:
        os._exit(1)
    take(connection, json.loads(exactly(connection, length)))
""",
    "lengths-wrapped": LENGTHS
    + """
METADATA["protocol"] = "1"
def respond(request):
    inner = {"status": 200, "headers": {}, "body": request["path"]}
    return {"type": "http", "request_id": "", "payload": {
        "method": "", "path": "", "headers": {}, "body": json.dumps(inner)}}
""",
}

# Nothing that they do may hold up who checks them, or outlive the check.
HOSTILE = {
    "floods-its-connection": r"""
def serve(connection):
  while True: connection.sendall(b'{"type": "log", "payload": {"level": "info", "message": "x"}}\n' * 1000)
""",
    "endless-line": """
def serve(connection):
  while True: connection.sendall(b'x' * 65536)
""",
    "stops-itself": """
def answer(file, message): os.kill(os.getpid(), signal.SIGSTOP)
""",
    "never-reads": """
def serve(connection): time.sleep(600)
""",
    "removes-its-folder": """
import shutil
def answer(file, message): shutil.rmtree(os.path.dirname(PATH)); os._exit(0)
""",
    "many-children": """
for _ in range(50): subprocess.Popen(['sleep', '600'], start_new_session=True) if PATH else None
""",
    "ignores-everything": """
for each in range(1, 65):
  try: signal.signal(each, signal.SIG_IGN)
  except (OSError, ValueError): pass
def shutdown(): pass
""",
    "deep-json": r"""
def respond(payload): return None
def answer(file, message): file.write(b'{"type":"http","request_id":"' + message['request_id'].encode() + b'","payload":' + b'[' * 100000 + b']' * 100000 + b'}\n'); file.flush()
""",
}
