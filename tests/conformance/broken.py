"""Many small plugins that break the protocol, in one way each."""

from __future__ import annotations

import sys

from tests.conformance.samples import LENGTHS, STREAMED, Sample


def _field(name: str, value: object, words: str) -> Sample:
    code = f"METADATA[{name!r}] = {value!r}"
    return Sample(
        f"{name}-{str(value)[:8].replace(chr(47), '')}", code, "metadata", f"field `{name}`: {words}"
    )


BROKEN = [
    # -- the file and its metadata
    Sample("not-executable", "", "file", "not executable", mode=0o644),
    Sample("lines-of-windows", "", "file", "as on Windows", source=f"#!{sys.executable}\r\nprint()\r\n"),
    Sample("no-interpreter", "", "metadata", "exited with code 127", source="#!/no/such/thing\n"),
    Sample("metadata-no-json", "def metadata(): print('Sample 1.0')", "metadata", "one JSON object"),
    Sample(
        "metadata-with-a-mark",
        "def metadata(): sys.stdout.buffer.write(b'\\xef\\xbb\\xbf' + json.dumps(METADATA).encode())",
        "metadata",
        "a byte order mark",
    ),
    Sample("prints-first", "print('Loading the model')", "metadata", "it begins with 'Loading the model"),
    Sample("metadata-empty", "def metadata(): pass", "metadata", "printed nothing"),
    Sample(
        "metadata-chatty",
        "def metadata(): print('loading'); print(json.dumps(METADATA))",
        "metadata",
        "one JSON",
    ),
    Sample(
        "metadata-code", "def metadata(): print(json.dumps(METADATA)); sys.exit(3)", "metadata", "with code 3"
    ),
    Sample("metadata-hangs", "def metadata(): time.sleep(60)", "metadata", "did not exit within 5 s"),
    Sample(
        "metadata-flood", "def metadata():\n  while True: print('x' * 65536)", "metadata", "more than 1 MiB"
    ),
    Sample(
        "metadata-child",
        "def metadata(): subprocess.Popen(['sleep', '60']); print(json.dumps(METADATA))",
        "metadata",
        "left running: sleep 60",
    ),
    Sample("no-version", "del METADATA['version']", "metadata", "field `version`: is missing"),
    _field("id", "sam_ple", "'sam_ple' is not allowed"),
    _field("id", "rescan", "`rescan` is reserved"),
    _field("name", "x" * 100, "has 100 characters"),
    _field("route", "/..", "must not hold `..`"),
    _field("route", "sample", "must start with `/`"),
    _field("protocol", 2, 'must be the string "1" or "2"'),
    _field("capabilities", "ping", "must be a list"),
    _field("capabilities", 5, "must be a list"),
    _field("concurrency", 0, "must be a whole number"),
    Sample("field-misspelt", "METADATA['capabilites'] = []", "fields", "close to `capabilities`", "warning"),
    Sample("capability-unknown", "METADATA['capabilities'] = ['fly']", "fields", "'fly'", "warning"),
    # -- start
    Sample("exits", "def run(): sys.exit('no config')", "start", "exited with code 1: no config"),
    Sample(
        "forks-away",
        "def run():\n  if os.fork(): sys.exit(0)\n  time.sleep(60)",
        "start",
        "exited with code 0",
    ),
    Sample("no-socket", "def run(): time.sleep(60)", "start", "there is no socket"),
    Sample("other-socket", "PATH = (PATH or '') + '.own'", "start", "there is no socket"),
    Sample("no-socket-file", "def run(): open(PATH, 'w'); time.sleep(60)", "start", "is no socket"),
    Sample(
        "datagrams",
        "def run(): socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM).bind(PATH); time.sleep(60)",
        "start",
        "nobody listens",
    ),
    Sample(
        "slow-start",
        "listening = listen\ndef listen(): time.sleep(2.2); return listening()",
        "start",
        "it took 2",
        "warning",
    ),
    # -- what it speaks
    Sample(
        "no-newline",
        "def send(file, **message): file.write(json.dumps(message).encode()); file.flush()",
        "framing",
        "bytes came that are no whole message",
    ),
    Sample(
        "other-type",
        "def answer(file, message):\n"
        "  send(file, type='response', request_id=message['request_id'], payload=respond(message['payload']))",
        "framing",
        "the unknown type 'response'",
    ),
    Sample(
        "status-as-text",
        "def respond(payload): return {'status': '200'}",
        "framing",
        "got `str` - at `$.status`",
    ),
    Sample("silent", "def answer(file, message): pass", "framing", "no answer to OPTIONS /"),
    Sample("speaks-1", LENGTHS, "framing", "declares protocol 2, and speaks lengths"),
    Sample("speaks-2", "METADATA['protocol'] = '1'", "framing", "declares protocol 1, and speaks JSON lines"),
    Sample(
        "numbers-for-ids",
        "def answer(file, message): send(file, type='http', request_id=7, payload=respond(message['payload']))",
        "framing",
        "Expected `str | null`, got `int`",
    ),
    Sample(
        "wrong-id",
        "def answer(file, message): send(file, type='http', request_id='x', payload=respond(message['payload']))",
        "request",
        "an answer to the request_id 'x' came, and nobody asked that",
    ),
    Sample("status", "def respond(payload): return {'status': 99}", "request", "its status is '99'"),
    Sample(
        "header",
        "def respond(payload): return {'status': 200, 'headers': {'x': 'a\\nb'}}",
        "request",
        "HTTP forbids",
    ),
    Sample(
        "only-errors",
        "def answer(file, message): send(file, type='error', request_id=message['request_id'], payload={'message': 'broken'})",
        "request",
        "'broken'",
        "warning",
    ),
    Sample(
        "dies-of-a-request",
        "def respond(payload):\n  if payload['path'] == '/': os._exit(1)\n  return {'status': 200}\n"
        "def answer(file, message):\n  if message['payload']['method'] == 'GET': respond(message['payload'])\n"
        "  send(file, type='http', request_id=message['request_id'], payload={'status': 200})",
        "request",
        "its process exited with code 1",
    ),
    Sample(
        "prints-to-socket",
        "def answer(file, message):\n  if message['payload']['method'] == 'GET': file.write(b'got a request\\n')\n"
        "  send(file, type='http', request_id=message['request_id'], payload={'status': 200})",
        "request",
        "that the protocol forbids",
    ),
    # -- requests
    Sample(
        "needs-a-body",
        "def respond(payload):\n  if payload['method'] == 'POST': len(payload['body'])\n  return {'status': 200}\n"
        "def take_error(*_): os._exit(1)\nsys.excepthook = take_error",
        "requests",
        "POST with no body",
    ),
    Sample(
        "knows-four-methods",
        "def respond(payload): return {'status': {'GET': 200, 'POST': 200, 'OPTIONS': 200, 'HEAD': 200}[payload['method']]}",
        "requests",
        "a method of nobody's",
    ),
    Sample(
        "answers-twice",
        "once = answer\ndef answer(file, message):\n  once(file, message)\n"
        "  if 'check' in message['payload']['path']: once(file, message)",
        "requests",
        "twice",
    ),
    Sample(
        "first-of-many",
        """
def serve(connection):
    connection.settimeout(None)
    file = connection.makefile("wb")
    while data := connection.recv(2**20):
        lines = data.split(b"\\n")
        message = json.loads(lines[0])
        take(file, message)
        if message["type"] == "lifecycle" and len(lines) > 2:
            take(file, json.loads(lines[1]))
""",
        "interleaved",
        "had no answer",
    ),
    Sample(
        "mixes-up",
        """
def serve(connection):
    file = connection.makefile("rwb")
    while data := connection.recv(2**20):
        while not data.endswith(b"\\n"):
            data += connection.recv(2**20)
        messages = [json.loads(line) for line in data.splitlines()]
        asked = [message for message in messages if message["type"] == "http"]
        for message, other in zip(asked, reversed(asked)):
            send(file, type="http", request_id=message["request_id"], payload=respond(other["payload"]))
        for message in messages:
            if message["type"] != "http":
                take(file, message)
""",
        "order",
        "got the answer of",
    ),
    # -- bodies
    Sample(
        "small-buffer",
        """
def serve(connection):
    file = connection.makefile("rwb")
    while line := file.readline(2**20):
        take(file, json.loads(line))
""",
        "large-body",
        "closed the connection",
    ),
    Sample(
        "forgets-base64",
        "def respond(payload):\n  if payload['body_encoding'] == 'base64': os._exit(1)\n  return {'status': 200}",
        "binary-body",
        "exited with code 1",
    ),
    Sample(
        "mangles-bytes",
        "def respond(payload):\n  body = payload['body'] or ''\n"
        "  if payload['body_encoding'] == 'base64': body = base64.b64decode(body).decode(errors='replace')\n"
        "  return {'status': 200, 'body': body}",
        "binary-body",
        "changes bytes",
        "warning",
    ),
    Sample(
        "wrong-base64",
        "def respond(payload):\n  return {'status': 200, 'body': payload['body'] or '', 'body_encoding': 'base64'}",
        "requests",
        "not the base64",
    ),
    # -- manners
    Sample(
        "dies-of-strangers",
        "def unknown(file, message): sys.exit(f'unknown: {message}')",
        "unknown-message",
        "exited with code 1",
    ),
    Sample(
        "hangs-up-on-strangers",
        "def unknown(file, message): raise OSError",
        "unknown-message",
        "it closed the connection",
    ),
    Sample(
        "says-more",
        "def unknown(file, message): send(file, type='heartbeat', payload={})",
        "unknown-message",
        "'heartbeat'",
        "warning",
    ),
    Sample(
        "half-lines",
        """
def serve(connection):
    file = connection.makefile("wb")
    while data := connection.recv(2**24):
        try:
            messages = [json.loads(line) for line in data.splitlines()]
        except ValueError:
            if len(data) > 4096:
                while not data.endswith(b"\\n"):
                    data += connection.recv(2**20)
                messages = [json.loads(line) for line in data.splitlines()]
            else:
                raise
        for message in messages:
            take(file, message)
""",
        "half-messages",
        "closed the connection",
    ),
    Sample(
        "drops-what-does-not-fit",
        """
def respond(payload):
    return {"status": 200, "body": payload["body"]}
def serve(connection):
    file = connection.makefile("rb")
    for line in file:
        take(connection, json.loads(line))
def send(connection, **message):
    data = json.dumps(message).encode() + b"\\n"
    if len(data) > 2**20:
        return connection.sendall(data)
    try:
        connection.send(data, socket.MSG_DONTWAIT)
    except BlockingIOError:
        pass
""",
        "slow-reader",
        "",
    ),
    Sample(
        "one-connection",
        "def run():\n  server = listen()\n  serve(server.accept()[0])\n  time.sleep(60)",
        "dropped-connection",
        "closed",
    ),
    Sample(
        "exits-when-alone",
        "def run(): serve(listen().accept()[0])",
        "dropped-connection",
        "exited with code 0",
    ),
    Sample(
        "dies-of-sigpipe",
        "signal.signal(signal.SIGPIPE, signal.SIG_DFL)\n"
        "fast = answer\ndef answer(file, message): time.sleep(0.01); fast(file, message)",
        "dropped-connection",
        "Broken pipe",
    ),
    Sample(
        "spins",
        """
def run():
    server = listen()
    threading.Thread(target=spin, daemon=True).start()
    while True:
        connection, _ = server.accept()
        try:
            serve(connection)
        except (OSError, ValueError):
            pass
def spin():
    while True:
        pass
""",
        "idle",
        "of a processor",
        "warning",
    ),
    Sample(
        "keeps-everything",
        "kept = []\nplain = respond\ndef respond(payload): kept.append(b'x' * 2**23); return plain(payload)",
        "idle",
        "leaves 8 MiB more",
        "warning",
    ),
    # -- capabilities
    Sample(
        "no-pong",
        "METADATA['capabilities'] = ['ping']\ndef ping(file, message): pass",
        "ping",
        "no answer within",
    ),
    Sample(
        "pong-of-nobody",
        "METADATA['capabilities'] = ['ping']\n"
        "def ping(file, message): send(file, type='lifecycle', request_id='', payload={'action': 'pong'})",
        "ping",
        "not 'check-",
    ),
    Sample(
        "pongs-twice",
        "METADATA['capabilities'] = ['ping']\ndef ping(file, message):\n"
        "  pong = {'type': 'lifecycle', 'request_id': message['request_id'], 'payload': {'action': 'pong'}}\n"
        "  file.write((json.dumps(pong).encode() + b'\\n') * 2); file.flush()",
        "ping",
        "several `pong`",
    ),
    Sample(
        "dies-of-cancel",
        "METADATA['capabilities'] = ['cancel']\n"
        "def unknown(file, message):\n  if message['type'] == 'cancel': os._exit(1)",
        "cancel",
        "exited with code 1",
    ),
    Sample(
        "cancels-nothing",
        "METADATA['capabilities'] = ['cancel']\nfast = respond\n"
        "def respond(payload):\n  if payload['path'] == '/' and payload['method'] == 'GET': time.sleep(0.4)\n"
        "  return fast(payload)",
        "cancel",
        "answered all the same",
        "warning",
    ),
    Sample("no-stream", "METADATA['capabilities'] = ['stream']", "stream", "had a body"),
    Sample(
        "loses-parts",
        STREAMED + "def body(file): yield b''",
        "stream",
        "had a body",
    ),
    Sample(
        "no-websocket",
        "METADATA['capabilities'] = ['websocket']",
        "websocket",
        "`open` had no answer",
    ),
    # -- the end
    Sample("ignores-shutdown", "def shutdown(): pass", "shutdown", "did not exit within 5 s"),
    Sample("exit-code", "def shutdown(): os.unlink(PATH); sys.exit(4)", "shutdown", "exited with code 4"),
    Sample("leaves-child", "subprocess.Popen(['sleep', '60']) if PATH else None", "shutdown", "sleep 60"),
    Sample(
        "leaves-daemon",
        "subprocess.Popen(['sleep', '60'], start_new_session=True) if PATH else None",
        "shutdown",
        "sleep 60",
    ),
    Sample("leaves-socket", "def shutdown(): sys.exit(0)", "shutdown", "socket was still there", "warning"),
    Sample("ignores-sigterm", "signal.signal(signal.SIGTERM, signal.SIG_IGN)", "sigterm", "after SIGTERM"),
    Sample(
        "alone",
        "import fcntl\ndef listen():\n  lock = open(os.path.join(os.getcwd(), 'lock'), 'w')\n"
        "  try: fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)\n"
        "  except OSError: sys.exit('it runs already')\n"
        "  globals()['lock'] = lock\n  server = socket.socket(socket.AF_UNIX); server.bind(PATH); server.listen()\n"
        "  return server",
        "overlap",
        "it runs already",
        "warning",
    ),
    Sample(
        "prints-token",
        "print(dict(os.environ), flush=True) if PATH else None",
        "secrets",
        "it printed its token",
    ),
    Sample(
        "tells-token",
        "def respond(payload): return {'status': 200, 'body': json.dumps(dict(os.environ))}",
        "secrets",
        "stands in an answer",
    ),
    Sample(
        "logs-token",
        "def take(file, message):\n"
        "  send(file, type='log', payload={'level': 'debug', 'message': 'got', 'fields': message['payload']})\n"
        "  if message['type'] == 'http': answer(file, message)\n"
        "  elif message['payload'].get('action') == 'shutdown': shutdown()",
        "secrets",
        "its log has its token",
    ),
    Sample(
        "appends-token",
        "if PATH:\n  with open(os.environ['TORU_LOG_PATH'], 'a') as log: print(dict(os.environ), file=log)",
        "secrets",
        "its log has its token",
    ),
    Sample(
        "tired",
        "left = 12\nlively = answer\ndef answer(file, message):\n  global left\n  left -= 1\n"
        "  if not left: os._exit(1)\n  lively(file, message)",
        "interleaved",
        "exited with code 1",
    ),
    # -- protocol 1
    Sample(
        "lengths-small-read",
        LENGTHS
        + "METADATA['protocol'] = '1'\ndef exactly(connection, length):\n  return connection.recv(length)",
        "large-body",
        "closed the connection",
    ),
    Sample(
        "lengths-ignores-shutdown",
        LENGTHS + "METADATA['protocol'] = '1'\ndef shutdown(): pass",
        "shutdown",
        "did not exit",
        "warning",
    ),
    Sample(
        "lengths-dies-when-dropped",
        LENGTHS + "METADATA['protocol'] = '1'\ndef run():\n  server = listen()\n  while True:\n"
        "    with server.accept()[0] as connection: serve(connection)",
        "dropped-connection",
        "exited with code 1",
    ),
]
