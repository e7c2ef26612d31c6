/* Puts messages into a bounded buffer in shared memory, with three semaphores; ipcd sends them to the chat.
   Usage: chat_semaphores [NAME [TEXT…]], for the endpoint shm:///NAME?semaphores */
#include <fcntl.h>
#include <semaphore.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#define SLOTS 8
#define SIZE 256

struct buffer {
    unsigned int head; /* ipcd empties this slot next */
    unsigned int tail; /* the process with the mutex fills this slot next */
    char slot[SLOTS][SIZE];
};

static sem_t *open_semaphore(const char *buffer, const char *end) {
    char name[300];
    snprintf(name, sizeof name, "%s_%s", buffer, end);
    return sem_open(name, 0); /* ipcd has created it */
}

int main(int argc, char **argv) {
    const char *name = argc > 1 ? argv[1] : "/board";
    sem_t *empty = open_semaphore(name, "empty"), *full = open_semaphore(name, "full"), *mutex = open_semaphore(name, "mutex");
    /* Without O_CREAT: with it, Linux refuses objects of another user in /dev/shm (fs.protected_regular). */
    int fd = shm_open(name, O_RDWR, 0);
    if (empty == SEM_FAILED || full == SEM_FAILED || mutex == SEM_FAILED || fd < 0)
        return perror(name), 1;
    struct buffer *buffer = mmap(NULL, sizeof *buffer, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (buffer == MAP_FAILED)
        return perror("mmap"), 1;
    for (int i = 2; i < argc; i++) {
        sem_wait(empty); /* wait for a free slot */
        sem_wait(mutex); /* one writer at a time, from here */
        strncpy(buffer->slot[buffer->tail], argv[i], SIZE); /* fills the rest of the slot with NULs */
        buffer->tail = (buffer->tail + 1) % SLOTS;
        sem_post(mutex); /* to here */
        sem_post(full); /* one more filled slot */
    }
    return 0;
}
