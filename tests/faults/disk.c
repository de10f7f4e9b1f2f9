/* A disk that misbehaves on command, for LD_PRELOAD: what SQLite asks of the files of one folder goes through here.

   FACTORYPULSE_TEST_DISK names the folder, FACTORYPULSE_TEST_DISK_CONTROL a file of the integers below, which the test
   maps as well. With `remember` each write first keeps what it overwrites, until a sync has made it durable: undoing
   what is still kept turns a killed process into a power cut. */

#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

struct control {
    int32_t fail_syncs;        /* so many of the next syncs fail with EIO */
    int32_t full;              /* writes that would grow a file fail with ENOSPC */
    int32_t die_at_write;      /* counts down; at 0 half of the write is done and the process is dead */
    int32_t die_after_sync;    /* counts down; at 0 the process is dead right after the sync */
    int32_t sync_takes_us;     /* each sync takes so much longer */
    int32_t remember;          /* keep what is overwritten until it is synced */
    int32_t writes, syncs;     /* counted here */
};

static volatile struct control *control;
static const char *folder;
static ssize_t (*real_pwrite)(int, const void *, size_t, off64_t);
static int (*real_fdatasync)(int);
static int (*real_fsync)(int);

__attribute__((constructor)) static void load(void) {
    real_pwrite = dlsym(RTLD_NEXT, "pwrite64");
    real_fdatasync = dlsym(RTLD_NEXT, "fdatasync");
    real_fsync = dlsym(RTLD_NEXT, "fsync");
    folder = getenv("FACTORYPULSE_TEST_DISK");
    const char *path = getenv("FACTORYPULSE_TEST_DISK_CONTROL");
    if (!folder || !path) return;
    int fd = open(path, O_RDWR | O_CLOEXEC);
    if (fd < 0) return;
    void *mapped = mmap(0, sizeof(struct control), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    close(fd);
    if (mapped != MAP_FAILED) control = mapped;
}

/* The path of a descriptor below the folder, or 0. */
static const char *ours(int fd, char *path) {
    if (!control) return 0;
    char link[64];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, PATH_MAX - 1);
    if (length <= 0) return 0;
    path[length] = 0;
    return strncmp(path, folder, strlen(folder)) == 0 ? path : 0;
}

/* Whether a countdown that is set has come to its end with this call. */
static int due(volatile int32_t *countdown) {
    return *countdown > 0 && __sync_sub_and_fetch(countdown, 1) == 0;
}

static int undo_of(const char *path, int flags) {
    char undo[PATH_MAX + 8];
    snprintf(undo, sizeof undo, "%s.undo", path);
    return open(undo, O_WRONLY | O_CLOEXEC | flags, 0600);
}

/* Append (offset, size of the file, length) and the old bytes. */
static void remember(int fd, const char *path, size_t count, off64_t offset) {
    int undo = undo_of(path, O_CREAT | O_APPEND);
    if (undo < 0) return;
    struct stat64 stat;
    fstat64(fd, &stat);
    char *record = malloc(24 + count);
    int64_t head[3] = {offset, stat.st_size, 0};
    /* By SQLite's own descriptor: closing another one of the file would drop this process's locks on it. */
    ssize_t old = pread64(fd, record + 24, count, offset);
    head[2] = old > 0 ? old : 0;
    memcpy(record, head, 24);
    if (write(undo, record, 24 + head[2]) < 0) abort();
    free(record);
    close(undo);
}

static void forget(const char *path) {
    int undo = undo_of(path, O_TRUNC);
    if (undo >= 0) close(undo);
}

ssize_t pwrite64(int fd, const void *data, size_t count, off64_t offset) {
    char path[PATH_MAX];
    if (!ours(fd, path)) return real_pwrite(fd, data, count, offset);
    __sync_add_and_fetch(&control->writes, 1);
    struct stat64 stat;
    if (control->full && fstat64(fd, &stat) == 0 && offset + (off64_t)count > stat.st_size) {
        errno = ENOSPC;
        return -1;
    }
    if (control->remember) remember(fd, path, count, offset);
    if (due(&control->die_at_write)) {
        real_pwrite(fd, data, count / 2, offset);
        kill(getpid(), SIGKILL);
    }
    return real_pwrite(fd, data, count, offset);
}

ssize_t pwrite(int fd, const void *data, size_t count, off_t offset) { return pwrite64(fd, data, count, offset); }

static int sync_with(int (*real)(int), int fd) {
    char path[PATH_MAX];
    if (!ours(fd, path)) return real(fd);
    __sync_add_and_fetch(&control->syncs, 1);
    if (control->sync_takes_us > 0) usleep(control->sync_takes_us);
    if (control->fail_syncs > 0) {
        __sync_sub_and_fetch(&control->fail_syncs, 1);
        errno = EIO;
        return -1;
    }
    int result = real(fd);
    if (control->remember) forget(path);
    if (due(&control->die_after_sync)) kill(getpid(), SIGKILL);
    return result;
}

int fdatasync(int fd) { return sync_with(real_fdatasync, fd); }
int fsync(int fd) { return sync_with(real_fsync, fd); }
