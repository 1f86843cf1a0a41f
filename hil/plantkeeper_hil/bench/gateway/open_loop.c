/* Open-loop load: readings are sent on a fixed schedule whatever the server does, and latency counts from the scheduled
 * time, so that a server which stalls cannot hide it by being asked less (no coordinated omission).
 *
 * open_loop PORT RATE_PER_S DURATION_S MODE WIRE HOST DEVICES BOOT   posts and prints a line of JSON
 * open_loop print N MODE WIRE HOST DEVICES BOOT                      prints the bytes of the n-th POST
 *
 * MODE close|keep, WIRE field|firmware, HOST yes|no. wire.py describes the bytes; a test holds the two together.
 * One thread, epoll, one timer. `lag` is by how much the generator itself was late; above BUSY_RATE_PER_S it wakes every
 * QUANTUM_NS only, since waking for each reading would take the time that the server needs on a small machine.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

enum { REQUEST_BYTES = 512, ANSWER_BYTES = 4096, CONNECTIONS = 4096, EVENTS = 256 };
static const uint32_t READABLE = EPOLLIN | EPOLLRDHUP | EPOLLET;
static const int64_t SECOND_NS = 1000000000;
static const double BUSY_RATE_PER_S = 1000;
static const int64_t QUANTUM_NS = 500000;
static const int64_t PATIENCE_NS = 10 * 1000000000LL; /* a board gives up then */

struct posting {
    bool close, firmware, host;
    long devices, boot;
};

/* One connection. Free: fd < 0. Idle: fd ≥ 0 and scheduled_ns < 0. */
struct connection {
    int fd;
    int64_t scheduled_ns;
    size_t to_send, sent, got;
    char request[REQUEST_BYTES], answer[ANSWER_BYTES];
};

static struct posting posting;
static struct connection connections[CONNECTIONS];
static int free_list[CONNECTIONS], idle_list[CONNECTIONS]; /* stacks; idle_list may hold connections that are gone */
static int free_count, idle_count;
static int epoll_fd;
static struct sockaddr_in server;
static double *latency_ms, *lag_ms;
static long answered, accepted, refused, broken, begun;

static int64_t now_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * SECOND_NS + now.tv_nsec;
}

static void die(const char *what) {
    fprintf(stderr, "open_loop: %s: %s\n", what, strerror(errno));
    exit(1);
}

static size_t build_request(char *to, size_t size, long n) {
    char body[160];
    int length, written;
    long id = (n - 1) % posting.devices + 1;
    const char *host = posting.host ? "Host: 192.0.2.10:8080\r\n" : "";
    const char *closing = posting.close ? "Connection: close\r\n" : "";
    if (posting.firmware) {
        length = snprintf(body, sizeof body, "{\"id\":%ld,\"temperature\":%ld,\"humidity\":%ld,\"light\":%ld}", id, n % 51,
                          n / 51 % 101, n / 5151 % 2001);
        written = snprintf(to, size,
                           "POST /sensor-data HTTP/1.1\r\n%sUser-Agent: PlantKeeper/0.1.0\r\n"
                           "Content-Type: application/json\r\nIdempotency-Key: \"%ld-%ld\"\r\nContent-Length: %d\r\n%s\r\n%s",
                           host, posting.boot, n, length, closing, body);
    } else {
        length = snprintf(body, sizeof body, "{\"id\":%ld,\"temperature\":%.8f,\"humidity\":%ld,\"light\":%.8f}", id,
                          10 + (double)(n % 3000) / 100 + 0.00000084, n % 317, (double)(n / 3000 % 2000) + 0.75);
        written = snprintf(to, size,
                           "POST /sensor-data HTTP/1.1\r\n%sUser-Agent: Arduino/2.2.0\r\n%s"
                           "Content-Type: application/json\r\nContent-Length: %d\r\n\r\n%s",
                           host, closing, length, body);
    }
    if (written < 0 || (size_t)written >= size) {
        errno = EMSGSIZE;
        die("request");
    }
    return (size_t)written;
}

static void drop(struct connection *connection) {
    close(connection->fd);
    connection->fd = -1;
    connection->scheduled_ns = -1;
    free_list[free_count++] = (int)(connection - connections);
}

static void fail(struct connection *connection) {
    if (connection->scheduled_ns >= 0)
        broken++;
    drop(connection);
}

static void flush_request(struct connection *connection) {
    while (connection->sent < connection->to_send) {
        ssize_t count = send(connection->fd, connection->request + connection->sent,
                             connection->to_send - connection->sent, MSG_NOSIGNAL);
        if (count < 0) {
            if (errno != EAGAIN && errno != ENOTCONN && errno != EINTR) {
                fail(connection);
                return;
            }
            struct epoll_event event = {.events = READABLE | EPOLLOUT, .data.ptr = connection};
            if (epoll_ctl(epoll_fd, EPOLL_CTL_MOD, connection->fd, &event) < 0)
                die("epoll_ctl");
            return;
        }
        connection->sent += (size_t)count;
    }
}

static struct connection *idle_connection(void) {
    while (idle_count > 0) {
        struct connection *connection = &connections[idle_list[--idle_count]];
        if (connection->fd >= 0 && connection->scheduled_ns < 0)
            return connection;
    }
    return NULL;
}

/* NULL: refused. */
static struct connection *new_connection(void) {
    struct connection *connection = &connections[free_list[free_count - 1]];
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    if (fd < 0)
        die("socket");
    int on = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (connect(fd, (struct sockaddr *)&server, sizeof server) < 0 && errno != EINPROGRESS) {
        close(fd);
        return NULL;
    }
    free_count--;
    connection->fd = fd;
    connection->scheduled_ns = -1;
    struct epoll_event event = {.events = READABLE, .data.ptr = connection};
    if (epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &event) < 0)
        die("epoll_ctl");
    return connection;
}

/* False: all connections are busy, the reading must wait. A server that refuses connections broke the reading. */
static bool begin(int64_t scheduled_ns) {
    struct connection *connection = posting.close ? NULL : idle_connection();
    if (connection == NULL) {
        if (free_count == 0)
            return false;
        connection = new_connection();
    }
    if (connection == NULL) {
        lag_ms[begun++] = (double)(now_ns() - scheduled_ns) / 1e6;
        broken++;
        return true;
    }
    connection->scheduled_ns = scheduled_ns;
    connection->to_send = build_request(connection->request, sizeof connection->request, begun + 1);
    connection->sent = connection->got = 0;
    lag_ms[begun++] = (double)(now_ns() - scheduled_ns) / 1e6;
    flush_request(connection);
    return true;
}

/* Length of a whole answer at the start of the buffer, or 0 where it is not whole. */
static size_t whole_answer(const struct connection *connection) {
    const char *end = strstr(connection->answer, "\r\n\r\n");
    const char *length = strcasestr(connection->answer, "\r\ncontent-length:");
    if (end == NULL || length == NULL || length > end)
        return 0;
    size_t total = (size_t)(end + 4 - connection->answer) + (size_t)strtoul(length + 17, NULL, 10);
    return connection->got >= total ? total : 0;
}

static void finish(struct connection *connection, bool reusable) {
    latency_ms[answered++] = (double)(now_ns() - connection->scheduled_ns) / 1e6;
    if (strncmp(connection->answer, "HTTP/1.1 200", 12) == 0)
        accepted++;
    else
        refused++;
    connection->scheduled_ns = -1;
    if (reusable && !posting.close && strcasestr(connection->answer, "\r\nconnection: close") == NULL)
        idle_list[idle_count++] = (int)(connection - connections);
    else
        drop(connection);
}

static void receive(struct connection *connection) {
    for (;;) {
        size_t room = sizeof connection->answer - 1 - connection->got;
        ssize_t count = recv(connection->fd, connection->answer + connection->got, room, 0);
        if (count < 0 && (errno == EAGAIN || errno == EINTR))
            return;
        if (count > 0) {
            connection->got += (size_t)count;
            connection->answer[connection->got] = '\0';
        }
        bool over = count <= 0;
        if (connection->scheduled_ns >= 0 && connection->got > 0) {
            bool whole = whole_answer(connection) > 0;
            bool until_close = over && count == 0 && strstr(connection->answer, "\r\n\r\n") != NULL &&
                               strcasestr(connection->answer, "\r\ncontent-length:") == NULL;
            if (whole || until_close) {
                finish(connection, whole && !over);
                return;
            }
        }
        if (over || room == 0) {
            fail(connection);
            return;
        }
    }
}

static int ascending(const void *left, const void *right) {
    double a = *(const double *)left, b = *(const double *)right;
    return (a > b) - (a < b);
}

static double quantile(double *sorted, long count, double share) {
    if (count == 0)
        return 0.0;
    long at = (long)(share * (double)count);
    return sorted[at < count ? at : count - 1];
}

static void read_posting(char **words) {
    posting.close = strcmp(words[0], "close") == 0;
    posting.firmware = strcmp(words[1], "firmware") == 0;
    posting.host = strcmp(words[2], "yes") == 0;
    posting.devices = atol(words[3]);
    posting.boot = atol(words[4]);
    if (posting.devices < 1) {
        fprintf(stderr, "open_loop: devices: expected 1 or more\n");
        exit(2);
    }
}

static void handle_events(int timer_fd) {
    struct epoll_event events[EVENTS];
    int count = epoll_wait(epoll_fd, events, EVENTS, -1);
    if (count < 0 && errno != EINTR)
        die("epoll_wait");
    for (int i = 0; i < count; i++) {
        struct connection *connection = events[i].data.ptr;
        if (connection == NULL) {
            uint64_t expirations;
            if (read(timer_fd, &expirations, sizeof expirations) < 0 && errno != EAGAIN)
                die("timer");
            continue;
        }
        if (connection->fd >= 0 && events[i].events & EPOLLOUT && connection->scheduled_ns >= 0)
            flush_request(connection);
        if (connection->fd >= 0 && events[i].events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR))
            receive(connection);
    }
}

int main(int argc, char **argv) {
    if (argc == 8 && strcmp(argv[1], "print") == 0) {
        char request[REQUEST_BYTES];
        read_posting(argv + 3);
        size_t size = build_request(request, sizeof request, atol(argv[2]));
        return fwrite(request, 1, size, stdout) == size ? 0 : 1;
    }
    if (argc != 9) {
        fprintf(stderr, "usage: open_loop PORT RATE_PER_S DURATION_S MODE WIRE HOST DEVICES BOOT\n");
        return 2;
    }
    double rate = atof(argv[2]), duration_s = atof(argv[3]);
    read_posting(argv + 4);
    long total = (long)(rate * duration_s);
    if (total < 1) {
        fprintf(stderr, "open_loop: nothing to send at %s/s for %s s\n", argv[2], argv[3]);
        return 2;
    }
    signal(SIGPIPE, SIG_IGN);
    server.sin_family = AF_INET;
    server.sin_port = htons((uint16_t)atoi(argv[1]));
    server.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    latency_ms = calloc((size_t)total, sizeof *latency_ms);
    lag_ms = calloc((size_t)total, sizeof *lag_ms);
    epoll_fd = epoll_create1(0);
    int timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK);
    if (latency_ms == NULL || lag_ms == NULL || epoll_fd < 0 || timer_fd < 0)
        die("set-up");
    for (int i = 0; i < CONNECTIONS; i++) {
        connections[i].fd = -1;
        connections[i].scheduled_ns = -1;
        free_list[free_count++] = CONNECTIONS - 1 - i;
    }
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = NULL};
    if (epoll_ctl(epoll_fd, EPOLL_CTL_ADD, timer_fd, &event) < 0)
        die("epoll_ctl");

    int64_t start_ns = now_ns() + 10 * 1000000, last_ns = start_ns;
    int64_t give_up_ns = start_ns + (int64_t)(duration_s * 1e9) + PATIENCE_NS;
    while (answered + broken < total) {
        int64_t now = now_ns(), next_ns = give_up_ns;
        if (now >= give_up_ns)
            break;
        while (begun < total) {
            int64_t scheduled_ns = start_ns + (int64_t)((double)begun / rate * 1e9);
            if (scheduled_ns > now) {
                next_ns = rate > BUSY_RATE_PER_S && scheduled_ns < now + QUANTUM_NS ? now + QUANTUM_NS : scheduled_ns;
                break;
            }
            if (!begin(scheduled_ns)) {
                next_ns = now + 1000000; /* all connections are busy: the reading waits, and its time counts */
                break;
            }
        }
        if (answered + broken == total)
            break;
        struct itimerspec wake = {.it_value = {.tv_sec = next_ns / SECOND_NS, .tv_nsec = next_ns % SECOND_NS}};
        if (timerfd_settime(timer_fd, TFD_TIMER_ABSTIME, &wake, NULL) < 0)
            die("timerfd_settime");
        handle_events(timer_fd);
        last_ns = now_ns();
    }
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    double elapsed_s = (double)(last_ns - start_ns) / 1e9;
    double cpu_s = (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
                   (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
    qsort(latency_ms, (size_t)answered, sizeof *latency_ms, ascending);
    qsort(lag_ms, (size_t)begun, sizeof *lag_ms, ascending);
    printf("RESULT {\"accepted\": %ld, \"refused\": %ld, \"broken\": %ld, \"duration_s\": %.6f, \"p50_ms\": %.6f, "
           "\"p99_ms\": %.6f, \"max_ms\": %.6f, \"lag_p50_ms\": %.6f, \"lag_p99_ms\": %.6f, \"cpu_s\": %.6f}\n",
           accepted, refused, total - answered, elapsed_s, quantile(latency_ms, answered, 0.5),
           quantile(latency_ms, answered, 0.99), answered ? latency_ms[answered - 1] : 0.0, quantile(lag_ms, begun, 0.5),
           quantile(lag_ms, begun, 0.99), cpu_s);
    return 0;
}
