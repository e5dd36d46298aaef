/* A small preload of libc's file calls, so that a disk fails as a disk does: below Python, SQLite and everything else.

It counts the calls that touch a file below one of some folders, in all processes that share one control file, writes
each down, and lets one of them fail, or kills the process right before it. It can also play a disk that is full.

    FAULTS_ROOTS             folders, separated by colons; without it nothing happens
    FAULTS_CONTROL           a file of 64 bytes outside of them: calls counted, calls hit, bytes written, room (u64 each)
    FAULTS_LOG               a file outside of them that gets a line for each call: number, name, path, errno
    FAULTS_KINDS             names of the calls that count, separated by commas
    FAULTS_AT                the number of the call that fails; 0 for none
    FAULTS_ERRNO             what it fails with; 0 kills the process
    FAULTS_FULL              from so many bytes on the disk takes no more, until "room" is not 0; -1 for never
*/
#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

struct control {
  uint64_t counted, hit, written, room;
};

static char roots[16][PATH_MAX];
static int root_count;
static struct control *control;
static int log_fd = -1;
static char kinds[1024];
static uint64_t fail_at;
static int fail_with;
static int64_t full_after = -1;

/* Called as the library is loaded, and again by a process that was forked with another environment. */
__attribute__((constructor)) void qcqueue_fault_begin(void) {
  const char *given = getenv("FAULTS_ROOTS"), *at = getenv("FAULTS_CONTROL");
  root_count = 0;
  control = NULL;
  if (!given || !at) return;
  char copy[16 * PATH_MAX];
  snprintf(copy, sizeof copy, "%s", given);
  for (char *rest = copy, *one; root_count < 16 && (one = strsep(&rest, ":"));)
    if (*one) snprintf(roots[root_count++], PATH_MAX, "%s", one);
  int fd = syscall(SYS_openat, AT_FDCWD, at, O_RDWR | O_CLOEXEC);
  if (fd >= 0) {
    void *mapped = mmap(NULL, sizeof *control, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    syscall(SYS_close, fd);
    if (mapped != MAP_FAILED) control = mapped;
  }
  if ((at = getenv("FAULTS_LOG"))) {
    fd = syscall(SYS_openat, AT_FDCWD, at, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
    /* Far away from the numbers a program counts on. */
    log_fd = fd < 0 ? -1 : fcntl(fd, F_DUPFD_CLOEXEC, 900);
    if (fd >= 0) syscall(SYS_close, fd);
  }
  snprintf(kinds, sizeof kinds, ",%s,", (at = getenv("FAULTS_KINDS")) ? at : "");
  fail_at = (at = getenv("FAULTS_AT")) ? strtoull(at, NULL, 10) : 0;
  fail_with = (at = getenv("FAULTS_ERRNO")) ? atoi(at) : 0;
  full_after = (at = getenv("FAULTS_FULL")) ? strtoll(at, NULL, 10) : -1;
}

static int below_a_root(const char *path) {
  for (int i = 0; i < root_count; i++) {
    size_t length = strlen(roots[i]);
    if (!strncmp(path, roots[i], length) && (path[length] == '/' || !path[length])) return 1;
  }
  return 0;
}

static int path_of_fd(int fd, char *into) {
  char link[64];
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  ssize_t length = syscall(SYS_readlinkat, AT_FDCWD, link, into, PATH_MAX - 1);
  if (length <= 0) return 0;
  into[length] = 0;
  return *into == '/';
}

static int path_at(int folder, const char *path, char *into) {
  if (!path) return 0;
  if (*path == '/') {
    snprintf(into, PATH_MAX, "%s", path);
    return 1;
  }
  char base[PATH_MAX];
  if (folder == AT_FDCWD) {
    if (syscall(SYS_getcwd, base, sizeof base) < 0) return 0;
  } else if (!path_of_fd(folder, base)) {
    return 0;
  }
  return snprintf(into, PATH_MAX, "%s/%s", base, path) < PATH_MAX;
}

static void note(uint64_t number, const char *name, const char *path, int error) {
  char line[PATH_MAX + 128];
  if (log_fd < 0) return;
  int length = snprintf(line, sizeof line, "%lu\t%s\t%s\t%d\t%d\n", (unsigned long)number, name, path, error, getpid());
  if (length > 0) syscall(SYS_write, log_fd, line, length < (int)sizeof line ? length : (int)sizeof line);
}

/* Return 0 where the call may go on, else -1 with errno set; -2 where half of it is done before the process dies. */
static int judge(const char *name, const char *path, int may_be_half) {
  char wanted[64];
  snprintf(wanted, sizeof wanted, ",%s,", name);
  if (!strstr(kinds, wanted)) {
    note(0, name, path, 0);
    return 0;
  }
  uint64_t number = __atomic_add_fetch(&control->counted, 1, __ATOMIC_SEQ_CST);
  if (number != fail_at) {
    note(number, name, path, 0);
    return 0;
  }
  __atomic_add_fetch(&control->hit, 1, __ATOMIC_SEQ_CST);
  note(number, name, path, fail_with ? fail_with : -1);
  if (!fail_with && may_be_half) return -2;
  if (!fail_with) kill(getpid(), SIGKILL);
  errno = fail_with;
  return -1;
}

/* Whether the folders themselves are there is asked by Python's import system, which is none of a command's business. */
static int is_asked_by_python(const char *name, const char *path) {
  if (strcmp(name, "stat") && strcmp(name, "list")) return 0;
  for (int i = 0; i < root_count; i++)
    if (!strcmp(path, roots[i])) return 1;
  return 0;
}

static int at_path(const char *name, int folder, const char *path) {
  char whole[PATH_MAX];
  int before = errno, said = 0;
  if (control && path_at(folder, path, whole) && below_a_root(whole) && !is_asked_by_python(name, whole))
    said = judge(name, whole, 0);
  if (!said) errno = before;
  return said;
}

static int at_fd(const char *name, int fd, int may_be_half) {
  char whole[PATH_MAX];
  int before = errno, said = 0;
  if (control && fd >= 0 && path_of_fd(fd, whole) && below_a_root(whole)) said = judge(name, whole, may_be_half);
  if (!said) errno = before;
  return said;
}

/* Return whether a disk that is full refuses these bytes. */
static int is_full(int fd, size_t bytes) {
  char whole[PATH_MAX];
  if (!control || full_after < 0 || !path_of_fd(fd, whole) || !below_a_root(whole)) return 0;
  if (__atomic_load_n(&control->room, __ATOMIC_SEQ_CST)) return 0;
  if ((int64_t)(__atomic_load_n(&control->written, __ATOMIC_SEQ_CST) + bytes) <= full_after) {
    __atomic_add_fetch(&control->written, bytes, __ATOMIC_SEQ_CST);
    return 0;
  }
  note(0, "full", whole, ENOSPC);
  errno = ENOSPC;
  return 1;
}

#define REAL(result, name, ...)                                     \
  static result (*real)(__VA_ARGS__);                               \
  if (!real) real = (result(*)(__VA_ARGS__))dlsym(RTLD_NEXT, #name)

#define OPENS(name)                                                                        \
  int name(const char *path, int flags, ...) {                                             \
    REAL(int, name, const char *, int, ...);                                               \
    mode_t mode = 0;                                                                       \
    if (flags & (O_CREAT | __O_TMPFILE)) {                                                 \
      va_list rest;                                                                        \
      va_start(rest, flags);                                                               \
      mode = va_arg(rest, mode_t);                                                         \
      va_end(rest);                                                                        \
    }                                                                                      \
    if (at_path(flags & O_CREAT ? "create" : "open", AT_FDCWD, path)) return -1;           \
    return real(path, flags, mode);                                                        \
  }
OPENS(open)
OPENS(open64)

#define OPENS_AT(name)                                                                     \
  int name(int folder, const char *path, int flags, ...) {                                 \
    REAL(int, name, int, const char *, int, ...);                                          \
    mode_t mode = 0;                                                                       \
    if (flags & (O_CREAT | __O_TMPFILE)) {                                                 \
      va_list rest;                                                                        \
      va_start(rest, flags);                                                               \
      mode = va_arg(rest, mode_t);                                                         \
      va_end(rest);                                                                        \
    }                                                                                      \
    if (at_path(flags & O_CREAT ? "create" : "open", folder, path)) return -1;             \
    return real(folder, path, flags, mode);                                                \
  }
OPENS_AT(openat)
OPENS_AT(openat64)

#define CREATES(name)                                       \
  int name(const char *path, mode_t mode) {                 \
    REAL(int, name, const char *, mode_t);                  \
    if (at_path("create", AT_FDCWD, path)) return -1;       \
    return real(path, mode);                                \
  }
CREATES(creat)
CREATES(creat64)

ssize_t write(int fd, const void *data, size_t bytes) {
  REAL(ssize_t, write, int, const void *, size_t);
  if (is_full(fd, bytes)) return -1;
  int said = at_fd("write", fd, 1);
  if (said == -2) {
    real(fd, data, bytes / 2);
    kill(getpid(), SIGKILL);
  }
  return said ? -1 : real(fd, data, bytes);
}

#define WRITES_AT(name, offset_t)                                   \
  ssize_t name(int fd, const void *data, size_t bytes, offset_t at) { \
    REAL(ssize_t, name, int, const void *, size_t, offset_t);       \
    if (is_full(fd, bytes)) return -1;                              \
    int said = at_fd("write", fd, 1);                               \
    if (said == -2) {                                               \
      real(fd, data, bytes / 2, at);                                \
      kill(getpid(), SIGKILL);                                      \
    }                                                               \
    return said ? -1 : real(fd, data, bytes, at);                   \
  }
WRITES_AT(pwrite, off_t)
WRITES_AT(pwrite64, off64_t)

ssize_t writev(int fd, const struct iovec *parts, int count) {
  REAL(ssize_t, writev, int, const struct iovec *, int);
  size_t bytes = 0;
  for (int i = 0; i < count; i++) bytes += parts[i].iov_len;
  if (is_full(fd, bytes) || at_fd("write", fd, 0)) return -1;
  return real(fd, parts, count);
}

ssize_t read(int fd, void *data, size_t bytes) {
  REAL(ssize_t, read, int, void *, size_t);
  return at_fd("read", fd, 0) ? -1 : real(fd, data, bytes);
}

#define READS_AT(name, offset_t)                                    \
  ssize_t name(int fd, void *data, size_t bytes, offset_t at) {     \
    REAL(ssize_t, name, int, void *, size_t, offset_t);             \
    return at_fd("read", fd, 0) ? -1 : real(fd, data, bytes, at);   \
  }
READS_AT(pread, off_t)
READS_AT(pread64, off64_t)

#define OF_A_FD(name, called)                       \
  int name(int fd) {                                \
    REAL(int, name, int);                           \
    return at_fd(called, fd, 0) ? -1 : real(fd);    \
  }
OF_A_FD(fsync, "fsync")
OF_A_FD(fdatasync, "fsync")

int close(int fd) {
  REAL(int, close, int);
  /* Only what was written can be lost by a close, and whatever it answers, the number is free. */
  int flags = control ? fcntl(fd, F_GETFL) : -1;
  int said = flags >= 0 && (flags & O_ACCMODE) != O_RDONLY ? at_fd("close", fd, 0) : 0, error = errno;
  int closed = real(fd);
  if (said) errno = error;
  return said ? -1 : closed;
}

#define OF_A_PATH(name, called)                             \
  int name(const char *path) {                              \
    REAL(int, name, const char *);                          \
    return at_path(called, AT_FDCWD, path) ? -1 : real(path); \
  }
OF_A_PATH(unlink, "unlink")
OF_A_PATH(rmdir, "rmdir")
OF_A_PATH(remove, "unlink")

int unlinkat(int folder, const char *path, int flags) {
  REAL(int, unlinkat, int, const char *, int);
  return at_path(flags & AT_REMOVEDIR ? "rmdir" : "unlink", folder, path) ? -1 : real(folder, path, flags);
}

int rename(const char *from, const char *to) {
  REAL(int, rename, const char *, const char *);
  return at_path("rename", AT_FDCWD, to) ? -1 : real(from, to);
}

int renameat(int folder, const char *from, int other, const char *to) {
  REAL(int, renameat, int, const char *, int, const char *);
  return at_path("rename", other, to) ? -1 : real(folder, from, other, to);
}

int link(const char *from, const char *to) {
  REAL(int, link, const char *, const char *);
  return at_path("link", AT_FDCWD, to) ? -1 : real(from, to);
}

int linkat(int folder, const char *from, int other, const char *to, int flags) {
  REAL(int, linkat, int, const char *, int, const char *, int);
  return at_path("link", other, to) ? -1 : real(folder, from, other, to, flags);
}

int mkdir(const char *path, mode_t mode) {
  REAL(int, mkdir, const char *, mode_t);
  return at_path("mkdir", AT_FDCWD, path) ? -1 : real(path, mode);
}

int mkdirat(int folder, const char *path, mode_t mode) {
  REAL(int, mkdirat, int, const char *, mode_t);
  return at_path("mkdir", folder, path) ? -1 : real(folder, path, mode);
}

#define TRUNCATES(name, offset_t)                                       \
  int name(int fd, offset_t bytes) {                                    \
    REAL(int, name, int, offset_t);                                     \
    return at_fd("truncate", fd, 0) ? -1 : real(fd, bytes);             \
  }
TRUNCATES(ftruncate, off_t)
TRUNCATES(ftruncate64, off64_t)

int utimensat(int folder, const char *path, const struct timespec times[2], int flags) {
  REAL(int, utimensat, int, const char *, const struct timespec[2], int);
  return at_path("utime", folder, path) ? -1 : real(folder, path, times, flags);
}

int futimens(int fd, const struct timespec times[2]) {
  REAL(int, futimens, int, const struct timespec[2]);
  return at_fd("utime", fd, 0) ? -1 : real(fd, times);
}

int chmod(const char *path, mode_t mode) {
  REAL(int, chmod, const char *, mode_t);
  return at_path("chmod", AT_FDCWD, path) ? -1 : real(path, mode);
}

int fchmod(int fd, mode_t mode) {
  REAL(int, fchmod, int, mode_t);
  return at_fd("chmod", fd, 0) ? -1 : real(fd, mode);
}

int fchmodat(int folder, const char *path, mode_t mode, int flags) {
  REAL(int, fchmodat, int, const char *, mode_t, int);
  return at_path("chmod", folder, path) ? -1 : real(folder, path, mode, flags);
}

ssize_t copy_file_range(int from, off64_t *at, int to, off64_t *there, size_t bytes, unsigned flags) {
  REAL(ssize_t, copy_file_range, int, off64_t *, int, off64_t *, size_t, unsigned);
  if (is_full(to, bytes) || at_fd("write", to, 0)) return -1;
  return real(from, at, to, there, bytes, flags);
}

#define SENDS(name, offset_t)                                           \
  ssize_t name(int to, int from, offset_t *at, size_t bytes) {          \
    REAL(ssize_t, name, int, int, offset_t *, size_t);                  \
    if (is_full(to, bytes) || at_fd("write", to, 0)) return -1;         \
    return real(to, from, at, bytes);                                   \
  }
SENDS(sendfile, off_t)
SENDS(sendfile64, off64_t)

DIR *opendir(const char *path) {
  REAL(DIR *, opendir, const char *);
  return at_path("list", AT_FDCWD, path) ? NULL : real(path);
}

#define LOOKS(name, type)                                                   \
  int name(const char *restrict path, struct type *restrict into) {         \
    REAL(int, name, const char *, struct type *);                           \
    return at_path("stat", AT_FDCWD, path) ? -1 : real(path, into);         \
  }
LOOKS(stat, stat)
LOOKS(stat64, stat64)
LOOKS(lstat, stat)
LOOKS(lstat64, stat64)

#define LOOKS_AT(name, type)                                                            \
  int name(int folder, const char *restrict path, struct type *restrict into, int flags) { \
    REAL(int, name, int, const char *, struct type *, int);                             \
    return at_path("stat", folder, path) ? -1 : real(folder, path, into, flags);        \
  }
LOOKS_AT(fstatat, stat)
LOOKS_AT(fstatat64, stat64)
