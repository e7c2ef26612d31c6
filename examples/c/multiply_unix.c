/* Multiplies over a Unix socket. Usage: multiply_unix [PATH [A B]] */
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

int main(int argc, char **argv) {
    const char *path = argc > 1 ? argv[1] : "/run/ipcd/ipcd.sock";
    const char *a = argc > 3 ? argv[2] : "5", *b = argc > 3 ? argv[3] : "10";
    struct sockaddr_un to = {.sun_family = AF_UNIX};
    if (strlen(path) >= sizeof to.sun_path) /* 108 bytes with the NUL */
        return fprintf(stderr, "%s: the path is too long\n", path), 1;
    strcpy(to.sun_path, path);
    int s = socket(AF_UNIX, SOCK_STREAM, 0);
    if (s < 0 || connect(s, (struct sockaddr *)&to, sizeof to) != 0)
        return perror(path), 1;
    FILE *replies = fdopen(s, "r");
    dprintf(s, "multiply\n%s %s\n", a, b); /* the first line selects the service */
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
