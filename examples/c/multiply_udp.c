/* Multiplies over UDP: a datagram is a message. Usage: multiply_udp [PORT [A B]] */
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

int main(int argc, char **argv) {
    const char *port = argc > 1 ? argv[1] : "65432", *a = argc > 3 ? argv[2] : "5", *b = argc > 3 ? argv[3] : "10";
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(atoi(port))};
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int s = socket(AF_INET, SOCK_DGRAM, 0);
    struct timeval timeout = {.tv_sec = 2}; /* UDP loses datagrams silently */
    setsockopt(s, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof timeout);
    if (s < 0 || connect(s, (struct sockaddr *)&to, sizeof to) != 0) /* sends nothing: only sets the destination */
        return perror("connect"), 1;
    char text[2048];
    snprintf(text, sizeof text, "%s %s", a, b);
    if (send(s, text, strlen(text), 0) < 0)
        return perror("send"), 1;
    do { /* "Data received", then "50.0"; an error comes alone */
        ssize_t n = recv(s, text, sizeof text - 1, 0);
        if (n < 0)
            return perror("recv"), 1;
        text[n] = '\0'; /* recv() does not add it */
    } while (strcmp(text, "Data received") == 0);
    int wrong = strncmp(text, "Error: ", 7) == 0;
    fprintf(wrong ? stderr : stdout, "%s\n", text);
    return wrong;
}
