#!/usr/bin/env perl
# hello-perl: a toru plugin with nothing but Perl's core modules. Copy it and make it yours.
#
# toru runs an executable file `<plugins>/<anything>.binary` twice: once with `--metadata`, to learn what
# it is, and then as a process of its own, to which it talks in lines of JSON over a Unix socket.

use strict;
use warnings;
use utf8;
use IO::Socket::UNIX;
use JSON::PP;

# Bytes in, bytes out; it puts no newline inside a message.
my $json = JSON::PP->new->utf8->canonical;

# What toru shows of the plugin, and where its requests come in: /api/plugins/route/hello-perl/...
my %metadata = (
    id          => 'hello-perl',
    name        => 'Hello from Perl',
    version     => '1.0.0',
    icon        => '🐪',
    route       => '/hello-perl',
    author      => 'The toru authors',
    description => 'An example in Perl, by hand.',
    protocol    => '2',
    # Only what is really done below. Without any, a plugin is as correct.
    capabilities => ['ping'],
);

# toru asks for it at `/bundle.js`; it runs in the browser of whoever opens the plugin there.
my $bundle = <<'BUNDLE';
// The plugin's view in the dashboard. What it does not catch, the dashboard shows.
export async function mount(container, api) {
  const key = `user/${api.user.id}/name`;
  container.innerHTML = `
    <style>
      .hello { display: grid; gap: 1rem; max-width: 26rem; padding: 1.5rem; border: 1px solid var(--toru-color-border);
        border-radius: calc(2 * var(--toru-radius)); background: var(--toru-color-surface) }
      .hello input, .hello button { box-sizing: border-box; width: 100%; height: 2.25rem; padding: 0 0.75rem; font: inherit;
        border: 1px solid var(--toru-color-border-strong); border-radius: var(--toru-radius) }
      .hello input { margin-top: 0.25rem; background: var(--toru-color-background); color: inherit }
      .hello button { border-color: transparent; background: var(--toru-color-accent); color: var(--toru-color-accent-contrast) }
      .hello output { font-size: 1.25rem; overflow-wrap: anywhere }
    </style>
    <form class="hello">
      <output></output>
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
BUNDLE

sub decoded {
    my ($value) = @_;
    $value =~ tr/+/ /;
    utf8::encode($value);
    $value =~ s/%([0-9A-Fa-f]{2})/chr hex $1/ge;
    utf8::decode($value);
    return $value;
}

sub text {
    my ($status, $body, $kind) = (@_, 'plain');
    return {status => $status, headers => {'content-type' => "text/$kind; charset=utf-8"}, body => $body};
}

# The `http` payload that answers the payload of a request.
sub answer {
    my ($request) = @_;
    # What stands behind /api/plugins/route/hello-perl, still percent-encoded, with its query.
    my ($path, $query) = split /\?/, $request->{path}, 2;
    my %query;
    for my $pair (split /&/, $query // '') {
        my ($name, $value) = split /=/, $pair, 2;
        $query{decoded($name // '')} = decoded($value // '');
    }
    if ($path eq '/') {
        my $name = length($query{name} // '') ? $query{name} : 'world';
        return text(200, "Hello, $name, from Perl!\n");
    }
    return text(200, $bundle, 'javascript') if $path eq '/bundle.js';
    if ($path eq '/request') {
        my %shown = (path => $path, query => \%query, map { $_ => $request->{$_} } qw(method headers body));
        my $body = JSON::PP->new->canonical->encode(\%shown) . "\n";
        return {status => 200, headers => {'content-type' => 'application/json'}, body => $body};
    }
    if ($path eq '/echo') {
        # A body that is no UTF-8 text comes in base64, which `body_encoding` says; it goes back the same way.
        my $kind = $request->{headers}{'content-type'} // 'application/octet-stream';
        my $encoding = $request->{body_encoding} // 'utf-8';
        my %reply = (status => 200, headers => {'content-type' => $kind}, body => $request->{body});
        return {%reply, body_encoding => $encoding};
    }
    return text(404, "There is nothing at $path\n");
}

if (grep { $_ eq '--metadata' } @ARGV) {
    print $json->encode(\%metadata), "\n";
    exit 0;
}

binmode STDOUT, ':utf8';
$| = 1;    # What is printed is the plugin's log: no buffer, or it comes late.
my $socket = $ENV{TORU_PLUGIN_SOCKET};
sub leave { unlink $socket; exit 0 }
$SIG{TERM} = \&leave;      # After five seconds of patience toru sends SIGTERM.
$SIG{PIPE} = 'IGNORE';     # A connection that is gone ends its loop below, not the plugin.

unlink $socket;            # Left by a process that was killed; a new one could not be made in its place.
my $listener = IO::Socket::UNIX->new(Local => $socket, Listen => 128) or die "$socket: $!";

while (1) {
    my $connection = $listener->accept or next;
    # One line, one message; toru connects again where the connection ends.
    while (my $line = <$connection>) {
        my $message = eval { $json->decode($line) } or last;
        my ($type, $payload) = ($message->{type}, $message->{payload} // {});
        my $action = $type eq 'lifecycle' ? $payload->{action} // '' : '';
        my %reply = (request_id => $message->{request_id});   # It tells toru which request this answers.
        if ($type eq 'http') {
            print "$payload->{method} $payload->{path}\n";
            my $answer = eval { answer($payload) };
            # One bad request fails alone; toru answers it with 502.
            @reply{'type', 'payload'} = $answer ? ('http', $answer) : ('error', {message => "$@"});
        } elsif ($action eq 'ping') {
            @reply{'type', 'payload'} = ('lifecycle', {action => 'pong'});
        } elsif ($action eq 'shutdown') {
            leave();
        } else {
            # `init`, the first message of a connection, needs no answer, and what is unknown is ignored:
            # newer versions of toru may say more.
            next;
        }
        print $connection $json->encode(\%reply), "\n" or last;
    }
}
