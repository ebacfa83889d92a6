/*
 * The other end of a netif ring, made of nothing but Xen's own macros (io/ring.h, io/netif.h), working on a page image in a file.
 *
 *   xen-ring-oracle back  tx|rx PAGE req_cons rsp_prod_pvt
 *       takes all requests, answers each, asks for the next event, and prints what it saw and whether it would notify
 *   xen-ring-oracle front tx|rx PAGE req_prod_pvt rsp_cons COUNT FIRST_ID
 *       takes all responses, asks for the next event, then makes COUNT requests (of FIRST_ID and on) and prints the same
 *
 * build: gcc -D__XEN_INTERFACE_VERSION__=0x00040e00 -Wall -O1 (with nothing defined the headers take their user for a guest of 2008)
 */
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#define xen_mb() __sync_synchronize()
#define xen_rmb() __sync_synchronize()
#define xen_wmb() __sync_synchronize()
#include <xen/xen.h>
#include <xen/io/netif.h>

static union {
    unsigned char bytes[4096];
    netif_tx_sring_t tx;
    netif_rx_sring_t rx;
} page;

static uint32_t number(const char *text)
{
    return (uint32_t)strtoul(text, NULL, 0);
}

static void tx_back(uint32_t req_cons, uint32_t rsp_prod)
{
    netif_tx_back_ring_t ring;
    netif_tx_request_t request;
    int more, notify;

    BACK_RING_ATTACH(&ring, &page.tx, rsp_prod, sizeof page.bytes);
    ring.req_cons = req_cons;
    if (RING_REQUEST_PROD_OVERFLOW(&ring, page.tx.req_prod)) {
        puts("overflow");
        return;
    }
    do {
        while (RING_HAS_UNCONSUMED_REQUESTS(&ring)) {
            netif_tx_response_t *response;

            RING_COPY_REQUEST(&ring, ring.req_cons, &request);
            printf("%u %u %u %u %u %u\n", ring.req_cons, request.gref, request.offset, request.flags, request.id, request.size);
            ring.req_cons++;
            response = RING_GET_RESPONSE(&ring, ring.rsp_prod_pvt++);
            response->id = request.id;
            response->status = request.size % 3 == 0 ? NETIF_RSP_ERROR : NETIF_RSP_OKAY;
        }
        RING_FINAL_CHECK_FOR_REQUESTS(&ring, more);
    } while (more);
    RING_PUSH_RESPONSES_AND_CHECK_NOTIFY(&ring, notify);
    printf("end %u %u %d %u\n", ring.req_cons, ring.rsp_prod_pvt, notify, ring.nr_ents);
}

static void rx_back(uint32_t req_cons, uint32_t rsp_prod)
{
    netif_rx_back_ring_t ring;
    netif_rx_request_t request;
    int more, notify;

    BACK_RING_ATTACH(&ring, &page.rx, rsp_prod, sizeof page.bytes);
    ring.req_cons = req_cons;
    do {
        while (RING_HAS_UNCONSUMED_REQUESTS(&ring)) {
            netif_rx_response_t *response;

            RING_COPY_REQUEST(&ring, ring.req_cons, &request);
            printf("%u %u %u\n", ring.req_cons, request.id, request.gref);
            ring.req_cons++;
            response = RING_GET_RESPONSE(&ring, ring.rsp_prod_pvt++);
            response->id = request.id;
            response->offset = request.gref % 100;
            response->flags = NETRXF_data_validated | NETRXF_more_data;
            response->status = request.gref % 2 ? NETIF_RSP_ERROR : 1000 + request.gref % 1000;
        }
        RING_FINAL_CHECK_FOR_REQUESTS(&ring, more);
    } while (more);
    RING_PUSH_RESPONSES_AND_CHECK_NOTIFY(&ring, notify);
    printf("end %u %u %d %u\n", ring.req_cons, ring.rsp_prod_pvt, notify, ring.nr_ents);
}

static void tx_front(uint32_t req_prod, uint32_t rsp_cons, uint32_t count, uint32_t id)
{
    netif_tx_front_ring_t ring;
    netif_tx_response_t response;
    int more, notify;

    FRONT_RING_ATTACH(&ring, &page.tx, req_prod, sizeof page.bytes);
    ring.rsp_cons = rsp_cons;
    do {
        for (; RING_HAS_UNCONSUMED_RESPONSES(&ring); ring.rsp_cons++) {
            RING_COPY_RESPONSE(&ring, ring.rsp_cons, &response);
            printf("%u %u %d\n", ring.rsp_cons, response.id, response.status);
        }
        RING_FINAL_CHECK_FOR_RESPONSES(&ring, more);
    } while (more);
    for (; count > 0 && !RING_FULL(&ring); count--, id++) {
        netif_tx_request_t *request = RING_GET_REQUEST(&ring, ring.req_prod_pvt++);

        request->gref = id * 77777u;
        request->offset = id % 4096;
        request->flags = id % 16;
        request->id = id;
        request->size = 60 + id % 1400;
    }
    RING_PUSH_REQUESTS_AND_CHECK_NOTIFY(&ring, notify);
    printf("end %u %u %d %u\n", ring.req_prod_pvt, ring.rsp_cons, notify, RING_FREE_REQUESTS(&ring));
}

static void rx_front(uint32_t req_prod, uint32_t rsp_cons, uint32_t count, uint32_t id)
{
    netif_rx_front_ring_t ring;
    netif_rx_response_t response;
    int more, notify;

    FRONT_RING_ATTACH(&ring, &page.rx, req_prod, sizeof page.bytes);
    ring.rsp_cons = rsp_cons;
    do {
        for (; RING_HAS_UNCONSUMED_RESPONSES(&ring); ring.rsp_cons++) {
            RING_COPY_RESPONSE(&ring, ring.rsp_cons, &response);
            printf("%u %u %u %u %d\n", ring.rsp_cons, response.id, response.offset, response.flags, response.status);
        }
        RING_FINAL_CHECK_FOR_RESPONSES(&ring, more);
    } while (more);
    for (; count > 0 && !RING_FULL(&ring); count--, id++) {
        netif_rx_request_t *request = RING_GET_REQUEST(&ring, ring.req_prod_pvt++);

        request->id = id;
        request->gref = id * 77777u;
    }
    RING_PUSH_REQUESTS_AND_CHECK_NOTIFY(&ring, notify);
    printf("end %u %u %d %u\n", ring.req_prod_pvt, ring.rsp_cons, notify, RING_FREE_REQUESTS(&ring));
}

int main(int argc, char **argv)
{
    FILE *file;
    int is_back, is_tx;

    if (argc < 6)
        return 2;
    is_back = strcmp(argv[1], "back") == 0;
    is_tx = strcmp(argv[2], "tx") == 0;
    file = fopen(argv[3], "r+b");
    if (file == NULL || fread(page.bytes, 1, sizeof page.bytes, file) != sizeof page.bytes)
        return 2;
    if (is_back)
        (is_tx ? tx_back : rx_back)(number(argv[4]), number(argv[5]));
    else if (argc == 8)
        (is_tx ? tx_front : rx_front)(number(argv[4]), number(argv[5]), number(argv[6]), number(argv[7]));
    rewind(file);
    return fwrite(page.bytes, 1, sizeof page.bytes, file) != sizeof page.bytes;
}
