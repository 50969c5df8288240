/* A workload whose own start and stop take exactly as long as it is told, for measuring what is
 * added to them: `workload PORT START_MS STOP_MS`.
 *
 * After START_MS it answers every connection to PORT on loopback as XMRig answers `/2/summary`;
 * on TERM it waits STOP_MS and ends. It does no work.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

static const char SUMMARY[] =
    "{\"uptime\":1,\"algo\":\"kawpow\",\"paused\":false,\"results\":{\"shares_good\":1,"
    "\"shares_total\":1},\"connection\":{\"accepted\":1,\"rejected\":0},"
    "\"hashrate\":{\"total\":[60000000.0,60000000.0,60000000.0]}}";

static void wait_ms(long ms) {
    struct timespec left = {ms / 1000, ms % 1000 * 1000000};
    while (nanosleep(&left, &left)) {}
}

static void answer(int client) {
    char request[4096], reply[1024];
    if (read(client, request, sizeof request) > 0) {
        int length = snprintf(reply, sizeof reply,
            "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %zu\r\n"
            "Connection: close\r\n\r\n%s", sizeof SUMMARY - 1, SUMMARY);
        if (write(client, reply, (size_t)length) < 0) perror("write");
    }
    close(client);
}

int main(int argc, char **argv) {
    if (argc != 4) return 2;
    sigset_t term;
    sigemptyset(&term);
    sigaddset(&term, SIGTERM);
    sigprocmask(SIG_BLOCK, &term, NULL);
    wait_ms(atol(argv[2]));
    int one = 1, end = socket(AF_INET, SOCK_STREAM, 0);
    setsockopt(end, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    struct sockaddr_in here = {.sin_family = AF_INET, .sin_port = htons((unsigned short)atoi(argv[1]))};
    here.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (bind(end, (struct sockaddr *)&here, sizeof here) || listen(end, 64)) {
        perror("listen");
        return 1;
    }
    struct pollfd ways[] = {{.fd = signalfd(-1, &term, 0), .events = POLLIN}, {.fd = end, .events = POLLIN}};
    for (;;) {
        if (poll(ways, 2, -1) < 0) continue;
        if (ways[0].revents) break;
        if (ways[1].revents) answer(accept(end, NULL, NULL));
    }
    wait_ms(atol(argv[3]));
    return 0;
}
