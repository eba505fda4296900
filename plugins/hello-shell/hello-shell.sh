#!/usr/bin/env bash
# hello-shell: a toru plugin with bash, socat and jq. Copy it and make it yours.
#
# toru runs an executable file `<plugins>/<anything>.binary` twice: once with `--metadata`, to learn what
# it is, and then as a process of its own, to which it talks in lines of JSON over a Unix socket. Here socat
# listens, and gives each connection to a jq, which makes each line that toru says into the line that answers it.
# shellcheck disable=SC2016,SC2089,SC2090  # the programs in here are jq's and the browser's
set -euo pipefail

# What toru shows of the plugin, and where its requests come in: /api/plugins/route/hello-shell/...
# A capability is only what is really done below. Without any, a plugin is as correct.
METADATA='{
  "id": "hello-shell", "name": "Hello from the shell", "version": "1.0.0", "icon": "🐚", "route": "/hello-shell",
  "author": "The toru authors", "description": "An example in shell, by hand.",
  "protocol": "2", "capabilities": ["ping"]
}'

# The plugin's view in the dashboard, which toru brings as `/bundle.js` to the browser of whoever opens it.
BUNDLE='
export async function mount(container, api) {
  const key = `user/${api.user.id}/name`;
  container.innerHTML = `
    <form style="display: grid; gap: 1rem; max-width: 26rem; padding: 1.5rem">
      <output style="font-size: 1.25rem; overflow-wrap: anywhere"></output>
      <label>Your name <input maxlength="80" autocomplete="off"></label>
      <button>Say hello, and remember me</button>
    </form>`;
  const [form, input, greeting] = ["form", "input", "output"].map((name) => container.querySelector(name));
  const greet = async () => {
    const answer = await api.fetch(`/?name=${encodeURIComponent(input.value)}`);
    greeting.textContent = await answer.text(); // Never innerHTML: it is text, not markup.
  };
  form.onsubmit = async (event) => {
    event.preventDefault();
    await api.kv.set(key, input.value);
    await greet();
    api.showToast("Your name is remembered.", "success");
  };
  input.value = (await api.kv.get(key)) ?? "";
  await greet();
}

export function unmount(container) {
  container.replaceChildren();
}
'

# From a line of toru to a line of ours. What goes through `debug` is the plugin's log.
ANSWERS='
  # Bytes, as numbers, to characters; percent-encoded UTF-8 is made of them. What is none becomes U+FFFD: a
  # jq that has to write half a surrogate pair ends at once, and every request of its connection with it.
  def low($place): (.[$place] // 128) % 64;
  def characters:
    if length == 0 then empty
    elif .[0] < 128 then .[0], (.[1:] | characters)
    elif .[0] < 224 then .[0] % 32 * 64 + low(1), (.[2:] | characters)
    elif .[0] < 240 then (.[0] % 16 * 64 + low(1)) * 64 + low(2), (.[3:] | characters)
    else ((.[0] % 8 * 64 + low(1)) * 64 + low(2)) * 64 + low(3), (.[4:] | characters)
    end | if . > 1114111 or . > 55295 and . < 57344 then 65533 else . end;
  def hex: ascii_downcase | explode | map(if . > 96 then . - 87 else . - 48 end) | .[0] * 16 + .[1];
  def decoded: gsub("\\+"; " ") | [scan("%[0-9A-Fa-f]{2}|[^%]+|%")
      | if test("^%..") then .[1:] | hex else explode[] end] | [characters] | implode;
  def query: reduce (split("&")[] | select(. != "")) as $pair
      ({}; .[$pair | split("=")[0] | decoded] = ($pair | split("=")[1:] | join("=") | decoded));
  def text($status; $body): {status: $status, headers: {"content-type": "text/plain; charset=utf-8"}, body: $body};

  # The payload that answers the payload of a request.
  def answer:
    # What stands behind /api/plugins/route/hello-shell, still percent-encoded, with its query.
    (.path | split("?")[0]) as $path
    | (.path | split("?")[1:] | join("?") | query) as $query
    | if $path == "/" then text(200; "Hello, \(if $query.name then $query.name else "world" end), from the shell!\n")
      elif $path == "/bundle.js" then text(200; $bundle) | .headers["content-type"] = "text/javascript; charset=utf-8"
      elif $path == "/request" then
        {status: 200, headers: {"content-type": "application/json"},
         body: ({method, path: $path, query: $query, headers, body} | tojson + "\n")}
      elif $path == "/echo" then
        # A body that is no UTF-8 text comes in base64, which `body_encoding` says; it goes back the same way.
        {status: 200, body, body_encoding,
         headers: {"content-type": (.headers["content-type"] // "application/octet-stream")}}
      else text(404; "There is nothing at \($path)\n")
      end;

  # `request_id` tells toru which request this answers. `init`, the first message of a connection, needs no
  # answer, and what is unknown is ignored: newer versions of toru may say more.
  if .type == "http" then
    (.payload | "\(.method) \(.path)" | debug) as $logged
    # One bad request fails alone; toru answers it with 502.
    | . + (try {payload: (.payload | answer)} catch {type: "error", payload: {message: .}}) | del(.timestamp)
  elif .type == "lifecycle" and .payload.action == "ping" then {type, request_id, payload: {action: "pong"}}
  elif .type == "lifecycle" and .payload.action == "shutdown" then null | debug | empty
  else empty
  end'

# One connection, on standard input and output. socat starts it, in a bash of its own.
converse() {
  jq --unbuffered -c --arg bundle "$BUNDLE" "$ANSWERS" 2> >(log)
}

log() {
  while IFS= read -r line; do
    case $line in
      '["DEBUG:",null]') kill "$PLUGIN" ;;
      '["DEBUG:"'*) line=${line#*,\"} && printf '%s\n' "${line%\"]}" >&3 ;;
      *) printf '%s\n' "$line" >&2 ;;
    esac
  done
}

for program in socat jq; do
  if ! command -v "$program" >/dev/null; then echo "there is no $program" >&2 && exit 1; fi
done
if [ "${1-}" = --metadata ]; then
  printf '%s\n' "$METADATA"
  exit
fi
export BUNDLE ANSWERS PLUGIN=$$
export -f converse log
exec 3>&1
# After five seconds of patience toru sends SIGTERM; a shutdown ends here, too. The group is socat and its connections.
set -m
trap 'rm -f "$TORU_PLUGIN_SOCKET"; kill -- "-$!"; exit 0' TERM
# A socket left by a process that was killed: socat would refuse it.
socat "UNIX-LISTEN:$TORU_PLUGIN_SOCKET,unlink-early,backlog=100,fork" 'EXEC:bash --norc -c converse' &
wait "$!"
