/* Multiplies through two named pipes. Usage: multiply_fifo [PATH [A B]], for PATH.in and PATH.out */
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

int main(int argc, char **argv) {
    const char *path = argc > 1 ? argv[1] : "/run/ipcd/multiply";
    const char *a = argc > 3 ? argv[2] : "5", *b = argc > 3 ? argv[3] : "10";
    char name[4096], line[8192];
    snprintf(name, sizeof name, "%s.out", path);
    int replies = open(name, O_RDONLY | O_NONBLOCK); /* otherwise open() waits for the other end */
    snprintf(name, sizeof name, "%s.in", path);
    int requests = open(name, O_WRONLY | O_NONBLOCK);
    if (replies < 0 || requests < 0)
        return perror(path), 1;
    dprintf(requests, "%s %s\n", a, b); /* up to PIPE_BUF bytes stay together, even with other writers */
    for (int lines = 0; lines < 2; lines++) { /* "Data received\n", then "50.0\n" */
        size_t n = 0;
        do {
            struct pollfd wait = {.fd = replies, .events = POLLIN};
            if (poll(&wait, 1, 2000) < 1)
                return fprintf(stderr, "%s.out: no answer within 2 s\n", path), 1;
        } while (read(replies, line + n, 1) == 1 && line[n++] != '\n' && n < sizeof line - 1);
        line[n] = '\0';
        if (lines == 0)
            fputs(line, stderr);
    }
    int wrong = strncmp(line, "Error: ", 7) == 0;
    fputs(line, wrong ? stderr : stdout);
    return wrong;
}
