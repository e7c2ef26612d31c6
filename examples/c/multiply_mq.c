/* Multiplies through two POSIX message queues. Usage: multiply_mq [NAME [A B]], for NAME.in and NAME.out */
#include <fcntl.h>
#include <mqueue.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

int main(int argc, char **argv) {
    const char *queue = argc > 1 ? argv[1] : "/multiply";
    const char *a = argc > 3 ? argv[2] : "5", *b = argc > 3 ? argv[3] : "10";
    char name[300], message[8193]; /* the longest message of a queue without privileges */
    snprintf(name, sizeof name, "%s.out", queue);
    mqd_t replies = mq_open(name, O_RDONLY);
    snprintf(name, sizeof name, "%s.in", queue);
    mqd_t requests = mq_open(name, O_WRONLY);
    if (replies == (mqd_t)-1 || requests == (mqd_t)-1)
        return perror(queue), 1;
    int length = snprintf(message, sizeof message, "%s %s", a, b);
    if (mq_send(requests, message, length, 0) < 0) /* without a line end: the queue keeps messages apart */
        return perror("mq_send"), 1;
    for (int count = 0; count < 2; count++) { /* "Data received", then "50.0" */
        struct timespec until;
        clock_gettime(CLOCK_REALTIME, &until);
        until.tv_sec += 2;
        ssize_t n = mq_timedreceive(replies, message, sizeof message - 1, NULL, &until);
        if (n < 0)
            return perror("mq_timedreceive"), 1;
        message[n] = '\0';
        if (count == 0)
            fprintf(stderr, "%s\n", message);
    }
    int wrong = strncmp(message, "Error: ", 7) == 0;
    fprintf(wrong ? stderr : stdout, "%s\n", message);
    return wrong;
}
