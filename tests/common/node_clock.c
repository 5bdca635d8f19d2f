// Preloaded into a process: its node's clock, ahead of the real one by as many seconds as the first eight bytes of the file
// NODE_CLOCK say, now and whenever they change. The monotonic clock is left alone.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

int clock_gettime(clockid_t clock, struct timespec *now) {
    static int (*real)(clockid_t, struct timespec *);
    static int file = -1;
    if (!real) {
        const char *path = getenv("NODE_CLOCK");
        file = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
        real = (int (*)(clockid_t, struct timespec *))dlsym(RTLD_NEXT, "clock_gettime");
    }
    int result = real(clock, now);
    int64_t ahead = 0;
    if (result == 0 && clock == CLOCK_REALTIME && pread(file, &ahead, sizeof ahead, 0) == sizeof ahead)
        now->tv_sec += ahead;
    return result;
}
