/* Bytes that wait to be taken from the front, while others are put behind them. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct buffer {
    char *bytes;
    size_t start, end, size;
};

static char *room(struct buffer *buffer, size_t bytes)
{
    if (buffer->start == buffer->end)
        buffer->start = buffer->end = 0;
    if (buffer->size - buffer->end < bytes && buffer->start) {
        memmove(buffer->bytes, buffer->bytes + buffer->start, buffer->end - buffer->start);
        buffer->end -= buffer->start;
        buffer->start = 0;
    }
    if (buffer->size - buffer->end < bytes) {
        buffer->size = (buffer->end + bytes) * 2;
        buffer->bytes = realloc(buffer->bytes, buffer->size);
        if (buffer->bytes == NULL)
            abort();
    }
    return buffer->bytes + buffer->end;
}

static void put(struct buffer *buffer, const char *bytes, size_t length)
{
    memcpy(room(buffer, length), bytes, length);
    buffer->end += length;
}

#define PUT(buffer, literal) put(buffer, literal, sizeof literal - 1)

static void put_number(struct buffer *buffer, uint64_t number)
{
    char digits[24];
    put(buffer, digits, (size_t)snprintf(digits, sizeof digits, "%llu", (unsigned long long)number));
}
