/* Chats: epoll waits for the keyboard and the room at once. Usage: chat_epoll [PORT [NAME]] */
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

int main(int argc, char **argv) {
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(argc > 1 ? atoi(argv[1]) : 33000)};
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int s = socket(AF_INET, SOCK_STREAM, 0), poller = epoll_create1(0);
    if (s < 0 || connect(s, (struct sockaddr *)&to, sizeof to) != 0)
        return perror("connect"), 1;
    dprintf(s, "%s\n", argc > 2 ? argv[2] : "alice"); /* the first line is the name */
    int from[] = {STDIN_FILENO, s};
    for (int i = 0; i < 2; i++) /* level-triggered: reported again while there is something to read */
        if (epoll_ctl(poller, EPOLL_CTL_ADD, from[i], &(struct epoll_event){.events = EPOLLIN, .data.fd = from[i]}) != 0)
            return perror("epoll_ctl (standard input must be a terminal or a pipe, not a file)"), 1;
    for (;;) {
        struct epoll_event event;
        if (epoll_wait(poller, &event, 1, -1) < 1)
            return perror("epoll_wait"), 1;
        char text[4096];
        ssize_t n = read(event.data.fd, text, sizeof text);
        if (event.data.fd == s && n <= 0)
            return n < 0; /* the room is closed */
        if (event.data.fd == s) {
            fwrite(text, 1, n, stdout), fflush(stdout); /* with its LFs */
        } else if (n > 0) {
            write(s, text, n); /* a terminal delivers whole lines, with their LF */
        } else {
            epoll_ctl(poller, EPOLL_CTL_DEL, STDIN_FILENO, NULL);
            dprintf(s, "{quit}\n"); /* the daemon answers {quit} and closes */
        }
    }
}
