"""What a plugin of protocol 1 is made of: length and JSON, one connection for each message."""

from __future__ import annotations

# `strange(connection)` is what becomes of a message that is none.
PROTOCOL_1 = """
ME = os.environ.get("TORU_PLUGIN_ID")

def exactly(connection, length):
    data = b""
    while len(data) < length:
        more = connection.recv(length - len(data))
        if not more:
            raise EOFError
        data += more
    return data

def refuse(connection):
    note(ME, "strange")

def hang(connection):
    while connection.recv(65536):
        pass
    note(ME, "strange")

def die(connection):
    note(ME, "strange")
    os._exit(1)

def hang_and_die(connection):
    hang(connection)
    os._exit(1)

def receive(connection, strange=refuse):
    length, = struct.unpack(">I", exactly(connection, 4))
    if length > 16 * 2**20:
        return strange(connection)
    return json.loads(exactly(connection, length))

def put(connection, data):
    connection.sendall(struct.pack(">I", len(data)) + data)

def reply(connection, message, payload):
    put(connection, json.dumps({"type": "http", "timestamp": "2026-01-01T00:00:00Z",
                                "request_id": message["request_id"], "payload": payload}).encode())

def flat(connection, message):
    reply(connection, message, {"status": 200, "headers": {"x-kind": "flat"}, "body": json.dumps(message)})

def serve_1(handle=flat, strange=refuse, server=None):
    server = server or listen()
    while True:
        connection, _ = server.accept()
        with connection:
            try:
                message = receive(connection, strange)
            except EOFError:
                continue
            if message is None:
                continue
            if message["type"] == "http":
                note(ME, message["payload"]["payload"]["method"])
                handle(connection, message)
            else:
                note(ME, message["payload"]["action"])
                note(ME + "-lifecycle", json.dumps(message))
                if message["payload"]["action"] == "shutdown":
                    sys.exit(0)
"""


def plugin(code: str = "serve_1()") -> str:
    """The code of a plugin that speaks protocol 1."""
    return PROTOCOL_1 + code
