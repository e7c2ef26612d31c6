/* Multiplies through shared memory. Usage: multiply_shm [SOCKET [A B]]; the layout is in ipcd-protocol(7) */
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define RING 16384 /* words of one ring: 65536 bytes */
struct ring { /* each word in a cache line of its own, so that the two processes do not disturb each other */
    _Alignas(64) _Atomic uint32_t written;
    _Alignas(64) _Atomic uint32_t read;
    _Alignas(64) _Atomic uint32_t reader_waits;
    _Alignas(64) _Atomic uint32_t writer_waits;
};
struct memory {
    struct ring requests, replies;
    _Alignas(4096) uint32_t request_words[RING], reply_words[RING];
};

static void fail(const char *what) {
    perror(what);
    exit(1);
}

int main(int argc, char **argv) {
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    snprintf(at.sun_path, sizeof at.sun_path, "%s", argc > 1 ? argv[1] : "/run/ipcd/multiply.shm");
    const char *a = argc > 3 ? argv[2] : "5", *b = argc > 3 ? argv[3] : "10";
    int s = socket(AF_UNIX, SOCK_STREAM, 0);
    if (connect(s, (struct sockaddr *)&at, sizeof at) < 0)
        fail(at.sun_path);

    /* One message with a line and three descriptors: the memory, the daemon's eventfd, ours. */
    char line[512], space[CMSG_SPACE(3 * sizeof(int))];
    struct iovec text = {line, sizeof line - 1};
    struct msghdr message = {.msg_iov = &text, .msg_iovlen = 1, .msg_control = space, .msg_controllen = sizeof space};
    ssize_t length = recvmsg(s, &message, 0);
    line[length > 0 ? length : 0] = '\0';
    struct cmsghdr *sent = CMSG_FIRSTHDR(&message);
    if (sent == NULL || strncmp(line, "ipcd-rings 1 65536 ", 19) != 0)
        return fprintf(stderr, "%s", line), 1; /* "Error: too many connections", perhaps */
    int fd[3];
    memcpy(fd, CMSG_DATA(sent), sizeof fd);
    struct memory *m = mmap(NULL, sizeof *m, PROT_READ | PROT_WRITE, MAP_SHARED, fd[0], 0);
    if (m == MAP_FAILED)
        fail("mmap");

    /* The eventfd always has the count 1, so it works only edge-triggered: each write to it is an event. */
    int events = epoll_create1(0);
    struct epoll_event bell = {.events = EPOLLIN | EPOLLET}, end = {.events = EPOLLRDHUP}, event;
    epoll_ctl(events, EPOLL_CTL_ADD, fd[2], &bell);
    epoll_ctl(events, EPOLL_CTL_ADD, s, &end); /* the daemon is gone */

    /* A message is its length in bytes, and its bytes, filled up to a word. The first one always fits. */
    int n = snprintf((char *)&m->request_words[1], 1000, "%s %s", a, b);
    m->request_words[0] = n;
    atomic_store(&m->requests.written, 1 + (n + 3) / 4);
    if (atomic_exchange(&m->requests.reader_waits, 0)) /* it sleeps: wake it */
        write(fd[1], &(uint64_t){0}, 8);

    uint32_t read_so_far = 0;
    for (int count = 0; count < 2; count++) { /* "Data received", then "50.0" */
        while (atomic_load(&m->replies.written) == read_so_far) {
            atomic_store(&m->replies.reader_waits, 1); /* first announce that we sleep, then check once more */
            if (atomic_load(&m->replies.written) == read_so_far && epoll_wait(events, &event, 1, 5000) <= 0)
                return fprintf(stderr, "%s: no answer within 5 s\n", at.sun_path), 1;
        }
        uint32_t bytes = m->reply_words[read_so_far % RING];
        char reply[1000];
        for (uint32_t i = 0; i < bytes && i < sizeof reply - 1; i++) /* a message may wrap around */
            reply[i] = ((char *)m->reply_words)[((read_so_far + 1) * 4 + i) % (RING * 4)];
        reply[bytes < sizeof reply ? bytes : sizeof reply - 1] = '\0';
        atomic_store(&m->replies.read, read_so_far += 1 + (bytes + 3) / 4);
        if (atomic_exchange(&m->replies.writer_waits, 0)) /* it had no room */
            write(fd[1], &(uint64_t){0}, 8);
        int wrong = strncmp(reply, "Error: ", 7) == 0;
        fprintf(wrong || count == 0 ? stderr : stdout, "%s\n", reply);
        if (wrong)
            return 1;
    }
    return 0;
}
