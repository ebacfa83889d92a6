/*
 * Lets QEMU's real Xen backends (xen_nic, xen_disk) run where there is no hypervisor: preloaded, it stands in for libxengnttab and libxenevtchn.
 *
 *   HEDDLE_MEMORY   folder; domN.memory there is domain N's memory, page 0 of it a grant table of version 1 (the real layout)
 *   HEDDLE_EVENTS   unix socket; one connection for each event channel handle
 *
 * On that socket, out: { u32 kind, u32 local port, u32 remote port }, kind 1 bind, 2 notify, 3 unbind; in: { u32 local port } for each event.
 * Local ports are numbered here, so that nothing needs an answer. Hypercalls and foreign memory, which QEMU opens but does not use, fail.
 *
 * Build: gcc -shared -fPIC -O1 -Wall -Wextra -o dom0-shim.so dom0-shim.c
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
#define __XEN_TOOLS__ 1
#include <xen/xen.h>
#include <xen/grant_table.h>
#include <xengnttab.h>

#define PAGE 4096ul
#define DOMAINS 16
#define REFS 512

/* ---- grants ---- */

/* Mappings of each reference, so that its flags fall when the last one goes. */
static unsigned int readers[DOMAINS][REFS], writers[DOMAINS][REFS];

/* What is mapped where. */
static struct mapping {
    char *at;
    uint32_t domain, count;
    int is_writable;
    uint32_t refs[32];
} mappings[4096];

static int memory_of(uint32_t domain)
{
    static int files[DOMAINS];
    char path[512];

    if (domain >= DOMAINS)
        return -1;
    if (files[domain] == 0) {
        snprintf(path, sizeof path, "%s/dom%u.memory", getenv("HEDDLE_MEMORY"), domain);
        files[domain] = open(path, O_RDWR | O_CLOEXEC);
    }
    return files[domain];
}

/* The table is mapped for good: its flags are changed under the guest's eyes. */
static struct grant_entry_v1 *entry_of(uint32_t domain, uint32_t ref)
{
    static struct grant_entry_v1 *tables[DOMAINS];

    if (domain >= DOMAINS || ref >= REFS)
        return NULL;
    if (tables[domain] == NULL) {
        void *table = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, memory_of(domain), 0);

        if (table == MAP_FAILED)
            return NULL;
        tables[domain] = table;
    }
    return &tables[domain][ref];
}

/* Takes a grant for use: 0 and its frame, or -1. */
static int take(uint32_t domain, uint32_t ref, int is_writing, uint32_t *frame)
{
    struct grant_entry_v1 *entry = entry_of(domain, ref);

    if (entry == NULL || (entry->flags & GTF_type_mask) != GTF_permit_access || entry->domid != 0)
        return -1;
    if (is_writing && (entry->flags & GTF_readonly))
        return -1;
    readers[domain][ref]++;
    writers[domain][ref] += is_writing;
    __sync_fetch_and_or(&entry->flags, GTF_reading | (is_writing ? GTF_writing : 0));
    *frame = entry->frame;
    return 0;
}

static void drop(uint32_t domain, uint32_t ref, int was_writing)
{
    struct grant_entry_v1 *entry = entry_of(domain, ref);

    writers[domain][ref] -= was_writing;
    if (writers[domain][ref] == 0)
        __sync_fetch_and_and(&entry->flags, (uint16_t)~GTF_writing);
    if (--readers[domain][ref] == 0)
        __sync_fetch_and_and(&entry->flags, (uint16_t)~GTF_reading);
}

xengnttab_handle *xengnttab_open(struct xentoollog_logger *logger, unsigned int flags)
{
    (void)logger;
    (void)flags;
    return calloc(1, 64);
}

int xengnttab_close(xengnttab_handle *handle)
{
    free(handle);
    return 0;
}

int xengnttab_set_max_grants(xengnttab_handle *handle, uint32_t count)
{
    (void)handle;
    (void)count;
    return 0;
}

int xengnttab_unmap(xengnttab_handle *handle, void *at, uint32_t count)
{
    (void)handle;
    for (struct mapping *map = mappings; map < mappings + 4096; map++) {
        if (map->at != at || map->count != count)
            continue;
        for (uint32_t i = 0; i < count; i++)
            drop(map->domain, map->refs[i], map->is_writable);
        map->at = NULL;
        return munmap(at, count * PAGE);
    }
    errno = EINVAL;
    return -1;
}

void *xengnttab_map_domain_grant_refs(xengnttab_handle *handle, uint32_t count, uint32_t domain, uint32_t *refs, int protection)
{
    struct mapping *map = mappings;
    int is_writing = (protection & PROT_WRITE) != 0;
    char *at;

    (void)handle;
    while (map < mappings + 4096 && map->at != NULL)
        map++;
    if (map == mappings + 4096 || count > 32) {
        errno = ENOSPC;
        return NULL;
    }
    at = mmap(NULL, count * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    for (uint32_t i = 0; i < count; i++) {
        uint32_t frame;

        if (take(domain, refs[i], is_writing, &frame) == 0) {
            if (mmap(at + i * PAGE, PAGE, protection, MAP_SHARED | MAP_FIXED, memory_of(domain), frame * PAGE) != MAP_FAILED)
                continue;
            drop(domain, refs[i], is_writing);
        }
        while (i-- > 0)
            drop(domain, refs[i], is_writing);
        munmap(at, count * PAGE);
        errno = EINVAL;
        return NULL;
    }
    *map = (struct mapping){ .at = at, .domain = domain, .count = count, .is_writable = is_writing };
    memcpy(map->refs, refs, count * sizeof *refs);
    return at;
}

int xengnttab_grant_copy(xengnttab_handle *handle, uint32_t count, xengnttab_grant_copy_segment_t *segments)
{
    (void)handle;
    for (; count > 0; count--, segments++) {
        int is_source = (segments->flags & GNTCOPY_source_gref) != 0;
        uint32_t domain = is_source ? segments->source.foreign.domid : segments->dest.foreign.domid;
        uint32_t ref = is_source ? segments->source.foreign.ref : segments->dest.foreign.ref;
        uint32_t offset = is_source ? segments->source.foreign.offset : segments->dest.foreign.offset;
        uint32_t frame;
        ssize_t moved;

        segments->status = GNTST_bad_gntref;
        if (take(domain, ref, !is_source, &frame) != 0)
            continue;
        moved = is_source ? pread(memory_of(domain), segments->dest.virt, segments->len, frame * PAGE + offset)
                          : pwrite(memory_of(domain), segments->source.virt, segments->len, frame * PAGE + offset);
        drop(domain, ref, !is_source);
        segments->status = moved == segments->len ? GNTST_okay : GNTST_general_error;
    }
    return 0;
}

/* ---- event channels ---- */

struct channels {
    int socket;
};

static uint32_t next_port = 1;

static int tell(struct channels *channels, uint32_t kind, uint32_t local, uint32_t remote)
{
    uint32_t message[3] = { kind, local, remote };

    return write(channels->socket, message, sizeof message) == sizeof message ? 0 : -1;
}

struct channels *xenevtchn_open(void *logger, unsigned int flags)
{
    struct channels *channels = calloc(1, sizeof *channels);
    struct sockaddr_un name = { .sun_family = AF_UNIX };

    (void)logger;
    (void)flags;
    strncpy(name.sun_path, getenv("HEDDLE_EVENTS"), sizeof name.sun_path - 1);
    channels->socket = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (connect(channels->socket, (void *)&name, sizeof name) == 0)
        return channels;
    free(channels);
    return NULL;
}

int xenevtchn_close(struct channels *channels)
{
    close(channels->socket);
    free(channels);
    return 0;
}

int xenevtchn_fd(struct channels *channels)
{
    return channels->socket;
}

int xenevtchn_bind_interdomain(struct channels *channels, uint32_t domain, uint32_t port)
{
    uint32_t local = next_port++;

    (void)domain;
    return tell(channels, 1, local, port) == 0 ? (int)local : -1;
}

int xenevtchn_notify(struct channels *channels, uint32_t port)
{
    return tell(channels, 2, port, 0);
}

int xenevtchn_unbind(struct channels *channels, uint32_t port)
{
    return tell(channels, 3, port, 0);
}

int xenevtchn_pending(struct channels *channels)
{
    uint32_t port;

    if (recv(channels->socket, &port, sizeof port, MSG_DONTWAIT) == sizeof port)
        return (int)port;
    errno = EAGAIN;
    return -1;
}

int xenevtchn_unmask(struct channels *channels, uint32_t port)
{
    (void)channels;
    (void)port;
    return 0;
}

/* ---- what is opened and not used ---- */

static void *opened(void)
{
    return calloc(1, 64);
}

static int closed(void *handle)
{
    free(handle);
    return 0;
}

static int refused(void)
{
    errno = ENOSYS;
    return -1;
}

void *xencall_open(void *logger, unsigned int flags) { (void)logger; (void)flags; return opened(); }
int xencall_close(void *call) { return closed(call); }
int xencall_fd(void *call) { (void)call; return -1; }
int xencall0(void) { return refused(); }
int xencall1(void) { return refused(); }
int xencall2(void) { return refused(); }
long xencall2L(void) { return refused(); }
int xencall3(void) { return refused(); }
int xencall4(void) { return refused(); }
int xencall5(void) { return refused(); }
void *xencall_alloc_buffer(void *call, size_t size) { (void)call; return calloc(1, size ? size : 1); }
void xencall_free_buffer(void *call, void *buffer) { (void)call; free(buffer); }
void *xencall_alloc_buffer_pages(void *call, size_t pages) { (void)call; return calloc(pages, PAGE); }
void xencall_free_buffer_pages(void *call, void *buffer, size_t pages) { (void)call; (void)pages; free(buffer); }
void *xenforeignmemory_open(void *logger, unsigned int flags) { (void)logger; (void)flags; return opened(); }
int xenforeignmemory_close(void *memory) { return closed(memory); }
void *xendevicemodel_open(void *logger, unsigned int flags) { (void)logger; (void)flags; return opened(); }
int xendevicemodel_close(void *model) { return closed(model); }
