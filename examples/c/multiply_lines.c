/* Multiplies with lines. Usage: multiply_lines [PORT [A B]] */
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

int main(int argc, char **argv) {
    const char *port = argc > 1 ? argv[1] : "65432", *a = argc > 3 ? argv[2] : "5", *b = argc > 3 ? argv[3] : "10";
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *all, *one;
    if (getaddrinfo("localhost", port, &hints, &all) != 0)
        return fprintf(stderr, "localhost:%s: no such address\n", port), 1;
    int s = -1; /* localhost is ::1 and 127.0.0.1: try both */
    for (one = all; one != NULL; one = one->ai_next) {
        s = socket(one->ai_family, one->ai_socktype, 0);
        if (connect(s, one->ai_addr, one->ai_addrlen) == 0)
            break;
        close(s);
    }
    if (one == NULL)
        return perror("connect"), 1;
    FILE *replies = fdopen(s, "r"), *requests = fdopen(dup(s), "w");
    fprintf(requests, "%s %s\n", a, b); /* "5 10\n": no NUL is sent */
    fflush(requests);                   /* one write for the whole line */
    char line[8192];
    for (int i = 0; i < 2; i++) { /* "Data received\n", then "50.0\n" */
        if (fgets(line, sizeof line, replies) == NULL)
            return fprintf(stderr, "the connection ended\n"), 1;
        if (i == 0)
            fputs(line, stderr);
    }
    int wrong = strncmp(line, "Error: ", 7) == 0;
    fputs(line, wrong ? stderr : stdout);
    return wrong;
}
