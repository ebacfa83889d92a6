/*
 * Stands in for the hypervisor below Xen's own xenstored, so that the daemon can be compared with ours on a machine without Xen.
 *
 * Preloaded (LD_PRELOAD), it replaces the calls of libxenctrl, libxengnttab and libxenevtchn that xenstored makes, and two files of the kernel. In the folder
 * that HEDDLE_RINGS names:
 *
 *   ring-<domid>   the page that domain <domid> shares with xenstored; the domain exists as long as the file does
 *   kick           a FIFO: each port number (4 bytes) that a test writes there is an event for xenstored
 *
 * Build: gcc -shared -fPIC -O1 -o xenstored-shim.so xenstored-shim.c -ldl
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define PAGE 4096

static void path_of(char *path, size_t size, const char *name, int number)
{
    const char *folder = getenv("HEDDLE_RINGS");
    if (number < 0)
        snprintf(path, size, "%s/%s", folder ? folder : ".", name);
    else
        snprintf(path, size, "%s/%s%d", folder ? folder : ".", name, number);
}

/* --- the kernel's files: dom0's own page and port --------------------------------------------- */

static int kernel_file(const char *path)
{
    int fd;
    if (strcmp(path, "/proc/xen/xsd_port") == 0) {
        fd = memfd_create("port", 0);
        if (fd < 0 || write(fd, "1", 1) != 1)
            return -1;
        lseek(fd, 0, SEEK_SET);
        return fd;
    }
    if (strcmp(path, "/proc/xen/xsd_kva") == 0) {
        fd = memfd_create("page", 0);
        if (fd < 0 || ftruncate(fd, PAGE) != 0)
            return -1;
        return fd;
    }
    return -2; /* not one of ours */
}

typedef int (*open_fn)(const char *, int, ...);

static int open_any(const char *name, const char *path, int flags, int mode)
{
    int fd = kernel_file(path);
    if (fd != -2)
        return fd;
    return ((open_fn)dlsym(RTLD_NEXT, name))(path, flags, mode);
}

int open(const char *path, int flags, ...)
{
    va_list args;
    va_start(args, flags);
    int mode = va_arg(args, int);
    va_end(args);
    return open_any("open", path, flags, mode);
}

int open64(const char *path, int flags, ...)
{
    va_list args;
    va_start(args, flags);
    int mode = va_arg(args, int);
    va_end(args);
    return open_any("open64", path, flags, mode);
}

/* xenstored lets a guest write 200 times a second. A clock that runs 10,000 times too fast keeps that out of the comparison. */
int clock_gettime(clockid_t id, struct timespec *now)
{
    static int (*real)(clockid_t, struct timespec *);
    if (!real)
        real = (int (*)(clockid_t, struct timespec *))dlsym(RTLD_NEXT, "clock_gettime");
    int result = real(id, now);
    if (result == 0 && id == CLOCK_MONOTONIC) {
        uint64_t fast = ((uint64_t)now->tv_sec % 100000 * 1000000000u + now->tv_nsec) * 10000u;
        now->tv_sec = fast / 1000000000u;
        now->tv_nsec = fast % 1000000000u;
    }
    return result;
}

/* --- libxenctrl: which domains exist ------------------------------------------------------------ */

void *xc_interface_open(void *logger, void *debug, unsigned flags)
{
    (void)logger, (void)debug, (void)flags;
    return malloc(1);
}

int xc_interface_close(void *handle)
{
    free(handle);
    return 0;
}

/* xc_dominfo_t begins with domid, ssidref, and a word of state bits (dying, crashed, shutdown ...), which are all 0 for a healthy domain. */
int xc_domain_getinfo(void *handle, uint32_t domid, unsigned count, void *info)
{
    char path[512];
    (void)handle, (void)count;
    path_of(path, sizeof path, "ring-", (int)domid);
    if (domid != 0 && (domid > 0x7fff || access(path, F_OK) != 0))
        return 0;
    memset(info, 0, 12);
    memcpy(info, &domid, sizeof domid);
    return 1;
}

/* --- libxenevtchn: events -------------------------------------------------------------------------- */

static int kick = -1;

void *xenevtchn_open(void *logger, unsigned flags)
{
    char path[512];
    (void)logger, (void)flags;
    path_of(path, sizeof path, "kick", -1);
    mkfifo(path, 0600);
    kick = open(path, O_RDWR | O_NONBLOCK);
    return kick < 0 ? NULL : malloc(1);
}

int xenevtchn_fd(void *handle)
{
    (void)handle;
    return kick;
}

/* A binding's local port tells which event it is: 100 + the VIRQ, or 1000 + the domain. */
int xenevtchn_bind_virq(void *handle, unsigned virq)
{
    (void)handle;
    return 100 + virq;
}

int xenevtchn_bind_interdomain(void *handle, uint32_t domid, uint32_t port)
{
    (void)handle, (void)port;
    return 1000 + domid;
}

int xenevtchn_unbind(void *handle, uint32_t port)
{
    (void)handle, (void)port;
    return 0;
}

/* The test looks into the page by itself. */
int xenevtchn_notify(void *handle, uint32_t port)
{
    (void)handle, (void)port;
    return 0;
}

/*
 * One call takes all events that wait: xenstored looks at every ring after any event, so that only a VIRQ must not be lost. With one event a call it would
 * fall behind a test that sends several for a request.
 */
int xenevtchn_pending(void *handle)
{
    uint32_t port;
    int found = -1;
    (void)handle;
    while (read(kick, &port, sizeof port) == sizeof port)
        if (found < 0 || port < 1000)
            found = (int)port;
    return found;
}

int xenevtchn_unmask(void *handle, uint32_t port)
{
    (void)handle, (void)port;
    return 0;
}

/* --- libxengnttab: pages of domains ----------------------------------------------------------------- */

void *xengnttab_open(void *logger, unsigned flags)
{
    (void)logger, (void)flags;
    return malloc(1);
}

int xengnttab_close(void *handle)
{
    free(handle);
    return 0;
}

int xengnttab_set_max_grants(void *handle, uint32_t count)
{
    (void)handle, (void)count;
    return 0;
}

void *xengnttab_map_grant_ref(void *handle, uint32_t domid, uint32_t ref, int protection)
{
    char path[512];
    (void)handle, (void)ref;
    path_of(path, sizeof path, "ring-", (int)domid);
    int fd = open(path, O_RDWR);
    if (fd < 0)
        return NULL;
    void *page = mmap(NULL, PAGE, protection, MAP_SHARED, fd, 0);
    close(fd);
    return page == MAP_FAILED ? NULL : page;
}

int xengnttab_unmap(void *handle, void *page, uint32_t count)
{
    (void)handle;
    return munmap(page, (size_t)PAGE * count);
}
