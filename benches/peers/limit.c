/* The practical limit: the kernel's cost for the same bytes, with as little around it as possible. One read and one write per
 * wake-up, and nothing that the benchmark does not need: no handling of partial lines, slow readers or bad input.
 *
 *     limit multiply|greeting|chat tcp PORT
 *     limit multiply|greeting|chat unix PATH
 *
 * With -DTLS -lssl -lcrypto it is limit-tls, and with -DWS limit-ws:
 *
 *     limit-tls multiply|chat tls PORT CERTIFICATE KEY
 *     limit-ws multiply|chat ws PORT
 */
#define _GNU_SOURCE
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum { BACKLOG = 4096, EVENTS = 1024, DESCRIPTORS = 20000, NAME = 32, BURST = 64 * 1024 };

/* The member of a descriptor; only in the room. */
struct member {
    int place; /* in the room; -1: not yet */
    int name_length;
    char name[NAME];
};

static int poller;
static char in[BURST], out[4 * BURST];
static struct member *members;
static int room[DESCRIPTORS], in_room;

static void die(const char *what) {
    perror(what);
    exit(1);
}

#ifdef TLS
#include "limit-tls.h"
#endif
#ifdef WS
#include "limit-ws.h"
#else
/* A line of a reply, from its first byte to its last. */
static char *begin_line(char *to) { return to; }

static char *end_line(char *begin, char *to) {
    (void)begin;
    *to = '\n';
    return to + 1;
}
#endif

/* A reply that the kernel accepts only in part would need a queue; no run of the benchmark has one. */
static void say(int fd, const char *text, size_t length) {
#ifdef TLS
    say_tls(fd, text, length);
    return;
#endif
    ssize_t written = write(fd, text, length);
    if (written == (ssize_t)length) return;
    /* The next read ends the connection of a client that has gone meanwhile. */
    if (written >= 0 || (errno != ECONNRESET && errno != EPIPE)) die("write");
}

static char *put(char *to, const char *text, size_t length) {
    memcpy(to, text, length);
    return to + length;
}

#define PUT(to, text) put(to, text, sizeof text - 1)

static void multiply(int fd, ssize_t length) {
    char *to = out;
    for (const char *at = in, *end = in + length; at < end;) {
        unsigned long factors[2] = {0, 0};
        for (int i = 0; i < 2; i++) {
            for (; *at >= '0' && *at <= '9'; at++) factors[i] = factors[i] * 10 + (unsigned long)(*at - '0');
            at++; /* the space, the LF */
        }
        char *line = to;
        to = end_line(line, PUT(begin_line(line), "Data received"));
        char digits[24], *digit = digits + sizeof digits;
        unsigned long product = factors[0] * factors[1];
        do *--digit = (char)('0' + product % 10);
        while (product /= 10);
        line = to;
        to = put(begin_line(line), digit, (size_t)(digits + sizeof digits - digit));
        to = end_line(line, PUT(to, ".0"));
    }
    say(fd, out, (size_t)(to - out));
}

static void everybody(const char *text, size_t length) {
    for (int i = 0; i < in_room; i++) say(room[i], text, length);
}

static void chat(int fd, ssize_t length) {
    struct member *member = &members[fd];
    char *to = out;
    if (member->place < 0) {
        if (length > NAME) length = NAME;
        member->name_length = (int)length - 1;
        memcpy(member->name, in, (size_t)member->name_length);
        to = PUT(begin_line(out), "Welcome ");
        to = put(to, member->name, (size_t)member->name_length);
        to = end_line(out, PUT(to, "! If you ever want to quit, type {quit} to exit."));
        say(fd, out, (size_t)(to - out));
        to = put(begin_line(out), member->name, (size_t)member->name_length);
        to = end_line(out, PUT(to, " has joined the chat!"));
        everybody(out, (size_t)(to - out));
        member->place = in_room;
        room[in_room++] = fd;
        return;
    }
    /* Everything that arrived together is sent together. */
    for (const char *at = in, *end = in + length; at < end;) {
        const char *next = (const char *)memchr(at, '\n', (size_t)(end - at)) + 1;
        char *line = to;
        to = put(begin_line(line), member->name, (size_t)member->name_length);
        to = PUT(to, ": ");
        to = end_line(line, put(to, at, (size_t)(next - at) - 1));
        at = next;
    }
    everybody(out, (size_t)(to - out));
}

static void end(int fd) {
#ifdef TLS
    close_tls(fd);
#endif
    close(fd);
}

static void leave(int fd) {
    int place = members[fd].place;
    end(fd);
    if (place < 0) return;
    room[place] = room[--in_room];
    members[room[place]].place = place;
    char *to = put(begin_line(out), members[fd].name, (size_t)members[fd].name_length);
    to = end_line(out, PUT(to, " has left the chat."));
    everybody(out, (size_t)(to - out));
}

static void greet(int fd) {
    char *to = end_line(out, PUT(begin_line(out), "Greetings from the cave! Now type your name and press enter!"));
    say(fd, out, (size_t)(to - out));
    members[fd].place = -1;
}

/* Handles a readable connection. */
static void serve(char service, int fd, ssize_t length) {
    if (length <= 0) {
        if (service == 'c') leave(fd);
        else end(fd);
    } else if (service == 'm') multiply(fd, length);
    else if (service == 'c') chat(fd, length);
}

#ifdef TLS
static void look(char service, int fd) {
    int was_shaking = is_shaking_tls(fd);
    if (was_shaking && service == 'c') members[fd].place = -1;
    for (;;) {
        ssize_t length = take_tls(fd, in, sizeof in);
        if (was_shaking && !is_shaking_tls(fd) && service == 'c') greet(fd);
        was_shaking = 0;
        if (length < 0) return;
        serve(service, fd, length);
        if (length == 0 || !has_more_tls(fd)) return;
    }
}
#elif defined WS
static void look(char service, int fd) {
    ssize_t length = read(fd, in, sizeof in);
    if (length > 0 && is_open[fd]) {
        length = take_frames(in, length);
    } else if (length > 0) {
        is_open[fd] = 1;
        say(fd, opened, sizeof opened - 1);
        if (service == 'c') greet(fd);
        return;
    }
    if (length <= 0) is_open[fd] = 0;
    serve(service, fd, length);
}
#else
static void look(char service, int fd) { serve(service, fd, read(fd, in, sizeof in)); }
#endif

static int listen_at(const char *kind, const char *where) {
    int listener;
    if (!strcmp(kind, "unix")) {
        struct sockaddr_un address = {.sun_family = AF_UNIX};
        strncpy(address.sun_path, where, sizeof address.sun_path - 1);
        listener = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
        if (bind(listener, (struct sockaddr *)&address, sizeof address)) die("bind");
    } else {
        struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
        address.sin_port = htons((unsigned short)atoi(where));
        listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
        int yes = 1;
        setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
        /* Accepted connections inherit it. */
        setsockopt(listener, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
        if (bind(listener, (struct sockaddr *)&address, sizeof address)) die("bind");
    }
    if (listen(listener, BACKLOG)) die("listen");
    return listener;
}

int main(int argc, char **argv) {
#ifdef TLS
    if (argc != 6) {
        fprintf(stderr, "usage: limit-tls multiply|chat tls PORT CERTIFICATE KEY\n");
        return 2;
    }
    prepare_tls(argv[4], argv[5]);
#else
    if (argc != 4) {
        fprintf(stderr, "usage: limit multiply|greeting|chat tcp|unix PORT|PATH\n");
        return 2;
    }
#endif
    signal(SIGPIPE, SIG_IGN);
    char service = argv[1][0];
    int listener = listen_at(argv[2], argv[3]);
    if (service == 'c' && !(members = calloc(DESCRIPTORS, sizeof *members))) die("calloc");
    poller = epoll_create1(0);
    struct epoll_event event = {.events = EPOLLIN, .data.fd = listener}, events[EVENTS];
    epoll_ctl(poller, EPOLL_CTL_ADD, listener, &event);
    for (;;) {
        int ready = epoll_wait(poller, events, EVENTS, -1);
        for (int i = 0; i < ready; i++) {
            int fd = events[i].data.fd;
            if (fd != listener) {
                look(service, fd);
                continue;
            }
            while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK)) >= 0) {
#ifdef TLS
                accept_tls(fd);
#elif defined WS
                if (service == 'c') members[fd].place = -1;
#else
                if (service == 'g') {
                    static const char greeting[] = "Message received. Thank you for connecting\r\n";
                    say(fd, greeting, sizeof greeting - 1);
                    /* After close(), further bytes from the client would cause a reset, and it might lose the greeting. */
                    shutdown(fd, SHUT_WR);
                } else if (service == 'c') {
                    greet(fd);
                }
#endif
                event.data.fd = fd;
                epoll_ctl(poller, EPOLL_CTL_ADD, fd, &event);
            }
            if (errno != EAGAIN) die("accept");
        }
    }
}
