/*
 * Lets unmodified Xen tools (xl, xentop) run where there is no hypervisor: preloaded, it stands in for
 * libxencall, whose calls it carries over a unix socket to a simulation (src/cluster/hypercall-socket.ts
 * has the protocol), and sends the few files that the tools look at to a folder of the test's.
 *
 *   HEDDLE_HYPERCALLS  path of the socket
 *   HEDDLE_ROOT        folder that takes the place of / for the paths in `redirected`
 *
 * Build: gcc -shared -fPIC -O1 -Wall -o hypercall-shim.so hypercall-shim.c -ldl
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

/* ---- the connection ---- */

struct call {
    uint32_t number, zero;
    uint64_t args[5];
} __attribute__((packed));

struct answer {
    char kind;       /* 'R'ead, 'W'rite, 'D'one */
    uint64_t value;  /* an address, or the result */
    uint32_t length;
} __attribute__((packed));

static int connection = -1;
static pid_t connected_by;

/* Moves all of `length` bytes; a simulation that is gone ends the tool. */
static void transfer(int is_write, void *bytes, size_t length)
{
    char *at = bytes;
    while (length > 0) {
        ssize_t moved = is_write ? write(connection, at, length) : read(connection, at, length);
        if (moved < 0 && errno == EINTR)
            continue;
        if (moved <= 0)
            _exit(97);
        at += moved;
        length -= moved;
    }
}

static int connected(void)
{
    struct sockaddr_un name = { .sun_family = AF_UNIX };
    const char *path = getenv("HEDDLE_HYPERCALLS");

    /* A forked child must not share its parent's conversation. */
    if (connection >= 0 && connected_by == getpid())
        return 1;
    if (path == NULL || strlen(path) >= sizeof name.sun_path)
        return 0;
    strcpy(name.sun_path, path);
    connection = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (connection < 0 || connect(connection, (struct sockaddr *)&name, sizeof name) != 0)
        return 0;
    connected_by = getpid();
    return 1;
}

/* One hypercall: serves the simulation's reads and writes of our memory until it is done. */
static long hypercall(unsigned int number, uint64_t a, uint64_t b, uint64_t c, uint64_t d, uint64_t e)
{
    struct call call = { number, 0, { a, b, c, d, e } };
    struct answer answer;

    if (!connected()) {
        errno = ENOENT;
        return -1;
    }
    transfer(1, &call, sizeof call);
    for (;;) {
        transfer(0, &answer, sizeof answer);
        if (answer.kind == 'R')
            transfer(1, (void *)(uintptr_t)answer.value, answer.length);
        else if (answer.kind == 'W')
            transfer(0, (void *)(uintptr_t)answer.value, answer.length);
        else
            break;
    }
    if ((int64_t)answer.value < 0) {
        errno = -(int64_t)answer.value;
        return -1;
    }
    return answer.value;
}

/* ---- libxencall, and handles of libraries that are opened but not used ---- */

static void *handle(void)
{
    return calloc(1, 64);
}

static int release(void *it)
{
    free(it);
    return 0;
}

void *xencall_open(void *logger, unsigned int flags) { (void)logger; (void)flags; return handle(); }
int xencall_close(void *call) { return release(call); }
int xencall_fd(void *call) { (void)call; return -1; }
int xencall0(void *call, unsigned int n) { (void)call; return hypercall(n, 0, 0, 0, 0, 0); }
int xencall1(void *call, unsigned int n, uint64_t a) { (void)call; return hypercall(n, a, 0, 0, 0, 0); }
int xencall2(void *call, unsigned int n, uint64_t a, uint64_t b) { (void)call; return hypercall(n, a, b, 0, 0, 0); }
long xencall2L(void *call, unsigned int n, uint64_t a, uint64_t b) { (void)call; return hypercall(n, a, b, 0, 0, 0); }
int xencall3(void *call, unsigned int n, uint64_t a, uint64_t b, uint64_t c)
{
    (void)call;
    return hypercall(n, a, b, c, 0, 0);
}
int xencall4(void *call, unsigned int n, uint64_t a, uint64_t b, uint64_t c, uint64_t d)
{
    (void)call;
    return hypercall(n, a, b, c, d, 0);
}
int xencall5(void *call, unsigned int n, uint64_t a, uint64_t b, uint64_t c, uint64_t d, uint64_t e)
{
    (void)call;
    return hypercall(n, a, b, c, d, e);
}
void *xencall_alloc_buffer_pages(void *call, size_t pages)
{
    void *buffer = NULL;
    (void)call;
    if (posix_memalign(&buffer, 4096, pages * 4096) != 0)
        return NULL;
    return memset(buffer, 0, pages * 4096);
}
void xencall_free_buffer_pages(void *call, void *buffer, size_t pages) { (void)call; (void)pages; free(buffer); }
void *xencall_alloc_buffer(void *call, size_t size) { (void)call; return calloc(1, size ? size : 1); }
void xencall_free_buffer(void *call, void *buffer) { (void)call; free(buffer); }
int xencall_buffers_never_fault(void *call) { (void)call; return 1; }

void *xenforeignmemory_open(void *logger, unsigned int flags) { (void)logger; (void)flags; return handle(); }
int xenforeignmemory_close(void *memory) { return release(memory); }
void *xendevicemodel_open(void *logger, unsigned int flags) { (void)logger; (void)flags; return handle(); }
int xendevicemodel_close(void *model) { return release(model); }

/* ---- files ---- */

static const char *const redirected[] = {
    "/var/lib/xen", "/var/run/xen", "/run/xen", "/sys/bus/xen-backend", "/sys/class/net",
    "/proc/net/dev", "/etc/xen/xl.conf",
};

/* The path to use instead of `path`; `buffer` holds it if it is another. */
static const char *place(const char *path, char *buffer)
{
    const char *root = getenv("HEDDLE_ROOT");
    size_t i;

    if (root == NULL || path == NULL)
        return path;
    for (i = 0; i < sizeof redirected / sizeof *redirected; i++)
        if (strncmp(path, redirected[i], strlen(redirected[i])) == 0) {
            snprintf(buffer, 4096, "%s%s", root, path);
            return buffer;
        }
    return path;
}

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

DIR *opendir(const char *path)
{
    char buffer[4096];
    return REAL(opendir)(place(path, buffer));
}

FILE *fopen(const char *path, const char *mode)
{
    char buffer[4096];
    return REAL(fopen)(place(path, buffer), mode);
}

FILE *fopen64(const char *path, const char *mode)
{
    char buffer[4096];
    return REAL(fopen64)(place(path, buffer), mode);
}

static int mode_of(int flags, va_list list)
{
    return (flags & (O_CREAT | O_TMPFILE)) ? va_arg(list, int) : 0;
}

int open(const char *path, int flags, ...)
{
    char buffer[4096];
    va_list list;
    int mode;

    va_start(list, flags);
    mode = mode_of(flags, list);
    va_end(list);
    return REAL(open)(place(path, buffer), flags, mode);
}

int open64(const char *path, int flags, ...)
{
    char buffer[4096];
    va_list list;
    int mode;

    va_start(list, flags);
    mode = mode_of(flags, list);
    va_end(list);
    return REAL(open64)(place(path, buffer), flags, mode);
}

int stat(const char *path, struct stat *result)
{
    char buffer[4096];
    return REAL(stat)(place(path, buffer), result);
}

int stat64(const char *path, struct stat64 *result)
{
    char buffer[4096];
    return REAL(stat64)(place(path, buffer), result);
}

int access(const char *path, int mode)
{
    char buffer[4096];
    return REAL(access)(place(path, buffer), mode);
}

int unlink(const char *path)
{
    char buffer[4096];
    return REAL(unlink)(place(path, buffer));
}

int rename(const char *from, const char *to)
{
    char from_buffer[4096], to_buffer[4096];
    return REAL(rename)(place(from, from_buffer), place(to, to_buffer));
}
