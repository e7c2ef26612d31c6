/* Prints a line for each signal that the daemon queues when something was said in the chat or a machine has reported.
   Usage: notify_signalfd [SOCKET [COUNT]]; for the daemon's own user */
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

int main(int argc, char **argv) {
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    snprintf(at.sun_path, sizeof at.sun_path, "%s", argc > 1 ? argv[1] : "/run/ipcd/ipcd.sock");
    long count = argc > 2 ? atol(argv[2]) : -1;

    /* Blocked before the first one can come: by default this signal ends the process. A signalfd then reads it like a file. */
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGRTMIN + 1);
    sigprocmask(SIG_BLOCK, &set, NULL);
    int signals = signalfd(-1, &set, 0);

    int s = socket(AF_UNIX, SOCK_STREAM, 0);
    if (connect(s, (struct sockaddr *)&at, sizeof at) < 0)
        return perror(at.sun_path), 1;
    const char *request = "control\nnotify\n";
    char answer[200];
    if (write(s, request, strlen(request)) < 0)
        return perror("write"), 1;
    ssize_t length = read(s, answer, sizeof answer - 1);
    answer[length > 0 ? length : 0] = '\0';
    if (strcmp(answer, "OK\n") != 0)
        return fprintf(stderr, "%s", answer), 1;
    fprintf(stderr, "waiting for signals\n");
    /* They come as long as this connection is open. The daemon closes one that says nothing for five minutes. */
    struct pollfd both[] = {{.fd = signals, .events = POLLIN}, {.fd = s, .events = POLLIN}};
    while (count != 0) {
        struct signalfd_siginfo info;
        if (poll(both, 2, 60000) == 0 && write(s, "notify\n", 7) < 0)
            return perror("write"), 1;
        if (both[1].revents && read(s, answer, sizeof answer) <= 0)
            return fprintf(stderr, "the daemon has ended\n"), 1;
        if (both[0].revents && read(signals, &info, sizeof info) == sizeof info) {
            printf("%d new, says pid %u\n", info.ssi_int, info.ssi_pid);
            fflush(stdout);
            count--;
        }
    }
    return 0;
}
