/* Multiplies with C strings: each message ends with its NUL. Usage: multiply_strings [PORT [A B]] */
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

static int receive(int s, char *text, size_t size) { /* up to the NUL: recv() may return less, or more */
    for (size_t n = 0; n < size; n++) {
        if (recv(s, text + n, 1, 0) != 1)
            return -1;
        if (text[n] == '\0')
            return 0;
    }
    return -1;
}

int main(int argc, char **argv) {
    const char *port = argc > 1 ? argv[1] : "65432", *a = argc > 3 ? argv[2] : "5", *b = argc > 3 ? argv[3] : "10";
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(atoi(port))};
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int s = socket(AF_INET, SOCK_STREAM, 0);
    if (s < 0 || connect(s, (struct sockaddr *)&to, sizeof to) != 0)
        return perror("connect"), 1;
    char text[8192];
    snprintf(text, sizeof text, "%s %s", a, b);
    if (send(s, text, strlen(text) + 1, 0) < 0) /* "5 10\0"; the replies end with NUL too */
        return perror("send"), 1;
    if (receive(s, text, sizeof text) != 0) /* "Data received\0" */
        return fprintf(stderr, "the connection ended\n"), 1;
    fprintf(stderr, "%s\n", text);
    if (receive(s, text, sizeof text) != 0) /* "50.0\0" */
        return fprintf(stderr, "the connection ended\n"), 1;
    int wrong = strncmp(text, "Error: ", 7) == 0;
    fprintf(wrong ? stderr : stdout, "%s\n", text);
    return wrong;
}
