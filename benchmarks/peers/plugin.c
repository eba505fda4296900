/* The plugin that all peers stand in front of, with as little work in it as can be.
 *
 *   plugin --metadata            says what it is, as a plugin of toru; its id is the name of its file
 *   plugin                       speaks protocol 2 at TORU_PLUGIN_SOCKET
 *   plugin http <path> [<port>]  speaks HTTP/1.1 at that Unix socket, and at that port of this machine
 *
 * Both serve the same from one loop of one thread, whatever stands before it in the path:
 *
 *   /<n>       n bytes
 *   /down/<n>  n bytes, in parts
 *   /up        how many bytes were sent
 *
 * A WebSocket is taken, and what comes over it is thrown away. It reads what nginx, HAProxy, Caddy and toru write, and
 * is no parser for anything else: bodies have a Content-Length, JSON is as a program writes it.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "buffer.h"

#define PART (64 * 1024)
#define ENOUGH_WAITING (256 * 1024)
#define MOST_BYTES (1 << 20)

struct connection {
    int fd;
    bool http;
    bool raw;           /* a WebSocket in HTTP: nothing of it is looked at */
    bool uploads;       /* what was sent is answered once all of it is there */
    bool last_part;     /* the part that is read is the last */
    bool waits;         /* for the socket to take more */
    uint64_t skip;      /* bytes of a body that are still to come */
    uint64_t sent;      /* bytes that were sent to us */
    uint64_t down;      /* bytes that we still have to send */
    char id[128];
    struct buffer in, out;
};

static char filling[MOST_BYTES];
static int poller;

static void put_start(struct connection *c, const char *type)
{
    PUT(&c->out, "{\"type\":\"");
    put(&c->out, type, strlen(type));
    PUT(&c->out, "\",\"request_id\":\"");
    put(&c->out, c->id, strlen(c->id));
    PUT(&c->out, "\",\"payload\":{");
}

static void put_head(struct connection *c, uint64_t length)
{
    if (!c->http) {
        put_start(c, "http");
        PUT(&c->out, "\"status\":200,\"headers\":{\"content-type\":\"text/plain\"},");
        return;
    }
    PUT(&c->out, "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: ");
    put_number(&c->out, length);
    PUT(&c->out, "\r\n\r\n");
}

/* An answer whose body is `body`, or so many bytes of filling. */
static void answer(struct connection *c, const char *body, uint64_t length)
{
    if (length > MOST_BYTES)
        length = MOST_BYTES;
    put_head(c, length);
    if (!c->http)
        PUT(&c->out, "\"body\":\"");
    put(&c->out, body, length);
    if (!c->http)
        PUT(&c->out, "\"}}\n");
}

static void begin_down(struct connection *c, uint64_t length)
{
    c->down = length;
    put_head(c, length);
    if (!c->http)
        PUT(&c->out, "\"stream\":true}}\n");
}

static void put_part(struct connection *c)
{
    size_t length = c->down < PART ? c->down : PART;
    c->down -= length;
    if (!c->http) {
        put_start(c, "body");
        PUT(&c->out, "\"length\":");
        put_number(&c->out, length);
        if (c->down)
            PUT(&c->out, ",\"final\":false}}\n");
        else
            PUT(&c->out, ",\"final\":true}}\n");
    }
    put(&c->out, filling, length);
}

static void answer_up(struct connection *c)
{
    char digits[24];
    c->uploads = c->last_part = false;
    answer(c, digits, (uint64_t)snprintf(digits, sizeof digits, "%llu", (unsigned long long)c->sent));
}

static void serve(struct connection *c, const char *path, size_t length)
{
    const char *down = memmem(path, length, "/down/", 6);
    const char *last = memrchr(path, '/', length);
    if (down != NULL)
        begin_down(c, strtoull(down + 6, NULL, 10));
    else if (last != NULL && path + length - last == 3 && memcmp(last, "/up", 3) == 0)
        c->uploads = true;
    else
        answer(c, filling, last == NULL ? 0 : strtoull(last + 1, NULL, 10));
}

/* The first bytes behind `key` and what separates them from it; NULL where there is no such key. */
static const char *behind(const char *line, size_t length, const char *key)
{
    const char *found = memmem(line, length, key, strlen(key));
    if (found == NULL)
        return NULL;
    found += strlen(key);
    return found + strspn(found, ": \"");
}

static bool is(const char *value, const char *wanted)
{
    return value != NULL && strncmp(value, wanted, strlen(wanted)) == 0;
}

/* The bytes that follow the line. */
static uint64_t length_in(const char *line, size_t length)
{
    const char *value = behind(line, length, "\"length\"");
    return value == NULL ? 0 : strtoull(value, NULL, 10);
}

/* One line of protocol 2. It ends with \n, so that no search for a quotation mark leaves it unbounded. */
static void take_line(struct connection *c, const char *line, size_t length)
{
    const char *type = behind(line, length, "\"type\"");
    const char *id = behind(line, length, "\"request_id\"");
    const char *action;
    if (id != NULL) {
        size_t size = strcspn(id, "\"\n");
        if (size >= sizeof c->id)
            abort();
        memcpy(c->id, id, size);
        c->id[size] = 0;
    }
    if (is(type, "http\"")) {
        const char *path = behind(line, length, "\"path\"");
        bool streamed = is(behind(line, length, "\"stream\""), "true");
        c->sent = 0;
        if (path != NULL)
            serve(c, path, strcspn(path, "\"\n"));
        if (c->uploads && !streamed)
            answer_up(c);
        return;
    }
    action = behind(line, length, "\"action\"");
    if (is(type, "body\"")) {
        c->skip = length_in(line, length);
        c->sent += c->skip;
        c->last_part = is(behind(line, length, "\"final\""), "true");
    } else if (is(type, "websocket\"")) {
        if (is(action, "message\"")) {
            c->skip = length_in(line, length);
            return;
        }
        put_start(c, "websocket");
        if (is(action, "open\""))
            PUT(&c->out, "\"action\":\"accept\"}}\n");
        else
            PUT(&c->out, "\"action\":\"close\",\"code\":1000,\"reason\":\"\"}}\n");
    } else if (is(type, "lifecycle\"") && is(action, "ping\"")) {
        put_start(c, "lifecycle");
        PUT(&c->out, "\"action\":\"pong\"}}\n");
    } else if (is(type, "lifecycle\"") && is(action, "shutdown\"")) {
        exit(0);
    }
}

static void take_request(struct connection *c, const char *head, size_t length)
{
    const char *path = memchr(head, ' ', length);
    size_t size = path == NULL ? 0 : strcspn(path + 1, " \r");
    const char *line = memmem(head, length, "\r\n", 2);
    c->skip = c->sent = 0;
    /* The line that ends the head is there, so that each of these has an end. */
    for (; line + 4 <= head + length; line = memmem(line + 2, (size_t)(head + length - line) - 2, "\r\n", 2)) {
        if (strncasecmp(line + 2, "content-length:", 15) == 0)
            c->skip = strtoull(line + 17, NULL, 10);
        else if (strncasecmp(line + 2, "upgrade: websocket", 18) == 0)
            c->raw = true;
    }
    if (c->raw) {
        /* To the one key that the benchmark's client sends, which is RFC 6455's example. */
        PUT(&c->out, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                     "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n");
        return;
    }
    c->sent = c->skip;
    c->last_part = true;
    if (path != NULL)
        serve(c, path + 1, size);
}

/* Whatever of the input is whole. */
static void take(struct connection *c)
{
    struct buffer *in = &c->in;
    while (in->start < in->end || c->last_part) {
        size_t there = in->end - in->start;
        char *bytes = in->bytes + in->start, *end;
        if (c->raw) {
            in->start = in->end;
            return;
        }
        if (c->skip) {
            size_t now = c->skip < there ? c->skip : there;
            in->start += now;
            c->skip -= now;
            if (c->skip)
                return;
            continue;
        }
        if (c->last_part) {
            c->last_part = false;
            if (c->uploads)
                answer_up(c);
            continue;
        }
        if (c->http) {
            end = memmem(bytes, there, "\r\n\r\n", 4);
            if (end == NULL)
                return;
            in->start += (size_t)(end + 4 - bytes);
            take_request(c, bytes, (size_t)(end + 4 - bytes));
        } else {
            end = memchr(bytes, '\n', there);
            if (end == NULL)
                return;
            in->start += (size_t)(end + 1 - bytes);
            take_line(c, bytes, (size_t)(end + 1 - bytes));
        }
    }
}

static void leave(struct connection *c)
{
    close(c->fd);
    free(c->in.bytes);
    free(c->out.bytes);
    free(c);
}

/* Returns false where nobody is there any more. */
static bool flush(struct connection *c)
{
    struct buffer *out = &c->out;
    for (;;) {
        while (c->down && out->end - out->start < ENOUGH_WAITING)
            put_part(c);
        if (out->start == out->end)
            break;
        ssize_t written = write(c->fd, out->bytes + out->start, out->end - out->start);
        if (written < 0 && errno == EAGAIN)
            break;
        if (written < 0)
            return false;
        out->start += (size_t)written;
    }
    bool waits = out->start != out->end;
    if (waits != c->waits) {
        /* Who does not read is not read from either. */
        struct epoll_event event = {.events = waits ? EPOLLOUT : EPOLLIN, .data.ptr = c};
        c->waits = waits;
        epoll_ctl(poller, EPOLL_CTL_MOD, c->fd, &event);
    }
    return true;
}

static bool receive(struct connection *c)
{
    /* Room for one more, so that what is searched with strcspn ends. */
    char *bytes = room(&c->in, PART + 1);
    ssize_t got = read(c->fd, bytes, PART);
    if (got < 0 && errno == EAGAIN)
        return true;
    if (got <= 0)
        return false;
    bytes[got] = 0;
    c->in.end += (size_t)got;
    take(c);
    return flush(c);
}

static int listening_at(int family, const void *address, socklen_t size, const char *name)
{
    int fd = socket(family, SOCK_STREAM | SOCK_NONBLOCK, 0), yes = 1;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    if (bind(fd, address, size) || listen(fd, 4096)) {
        perror(name);
        exit(1);
    }
    return fd;
}

static int at_path(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    strncpy(address.sun_path, path, sizeof address.sun_path - 1);
    return listening_at(AF_UNIX, &address, sizeof address, path);
}

static int at_port(const char *port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(port))};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return listening_at(AF_INET, &address, sizeof address, port);
}

static void say_what_it_is(const char *file)
{
    const char *name = strrchr(file, '/') ? strrchr(file, '/') + 1 : file;
    int length = (int)strcspn(name, ".");
    const char *can = strncmp(name, "streams", 7) == 0 ? "\"stream\",\"websocket\"" : "\"ping\"";
    printf("{\"id\":\"%.*s\",\"name\":\"%.*s\",\"version\":\"1\",\"route\":\"/%.*s\",\"protocol\":\"2\","
           "\"capabilities\":[%s]}\n", length, name, length, name, length, name, can);
}

int main(int count, char **arguments)
{
    int listening[2] = {-1, -1}, yes = 1;
    bool http = count > 2 && strcmp(arguments[1], "http") == 0;
    if (count == 2 && strcmp(arguments[1], "--metadata") == 0) {
        say_what_it_is(arguments[0]);
        return 0;
    }
    if (!http && getenv("TORU_PLUGIN_SOCKET") == NULL)
        return 2;
    signal(SIGPIPE, SIG_IGN);
    memset(filling, 'x', sizeof filling);
    poller = epoll_create1(0);
    listening[0] = at_path(http ? arguments[2] : getenv("TORU_PLUGIN_SOCKET"));
    if (http && count > 3)
        listening[1] = at_port(arguments[3]);
    for (int each = 0; each < 2; each++) {
        struct epoll_event event = {.events = EPOLLIN, .data.ptr = &listening[each]};
        if (listening[each] >= 0)
            epoll_ctl(poller, EPOLL_CTL_ADD, listening[each], &event);
    }
    for (;;) {
        struct epoll_event events[256];
        int many = epoll_wait(poller, events, 256, -1);
        for (int each = 0; each < many; each++) {
            void *which = events[each].data.ptr;
            if (which == &listening[0] || which == &listening[1]) {
                int fd = accept4(*(int *)which, NULL, NULL, SOCK_NONBLOCK);
                if (fd < 0)
                    continue;
                struct connection *c = calloc(1, sizeof *c);
                struct epoll_event event = {.events = EPOLLIN, .data.ptr = c};
                if (c == NULL)
                    abort();
                c->fd = fd;
                c->http = http;
                setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
                epoll_ctl(poller, EPOLL_CTL_ADD, fd, &event);
            } else {
                struct connection *c = which;
                if (!(c->waits ? flush(c) : receive(c)))
                    leave(c);
            }
        }
    }
}
