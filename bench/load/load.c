/*
 * load --port N [options]: an HTTP/1.1 load generator on one thread, and cheap: one send and one recv per exchange.
 *
 *   --port N           where to connect, on 127.0.0.1
 *   --path P           what to ask for; /tiny
 *   --answer N         how many bytes of body every answer must have; 64
 *   --body N           send a POST with a body of N bytes; 0 means GET
 *   --connections N    keep-alive connections, one request at a time on each; 64
 *   --seconds S        how long to measure; 1
 *   --warmup S         how long to run before that, not measured; 0
 *   --rate R           open loop: R requests per second on a fixed schedule; 0 means closed loop
 *   --fields N         N more header fields in every request; 0
 *   --routes N         ask for P and six digits below N, in an order that looks random, instead of P; 0 means P
 *   --fresh            a new connection for every request, from many addresses (127.0.0.2 and above) lest ports run out
 *   --websocket        every connection is a WebSocket; a request is a message of --body bytes (at most 125), and its echo
 *                      is the answer
 *   --hold             no load: open the connections, one request on each, then keep them idle
 *   --gate             after the warm-up (or when all are idle) print {"ready":true} and wait for a line on stdin;
 *                      nothing is in flight meanwhile, so what others count between the gates is exact
 *   --patience S       how long the gate may stay closed before the program ends; 60
 *
 * Closed loop: each connection sends its next request when it has its answer. It measures capacity; its latencies say
 * little, because a slow server is asked less. Open loop: request k is due at start + k/rate whatever the server does, takes
 * the connection that has been free longest, waits for one when none is, and its latency counts from when it was due: no
 * coordinated omission. Requests that are due are never dropped: after the end they are served for at most DRAIN seconds,
 * and what is then missing is counted as unfinished, at the age that it has.
 *
 * Every answer is checked: status 200, Content-Length, every byte of the body. The result is one JSON object on stdout.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "../common/program.h"
#include "histogram.h"
#include "options.h"
#include "request.h"
#include "websocket.h"

enum { BUFFER = 256 << 10, HEAD = 4 << 10, BATCH = 256, PATTERN = MAX_ANSWER, MAX_FAILURES = 1000, OPENING = 64, SOURCES = 200 };
static const uint64_t SECOND = 1000000000, DRAIN = 5;

enum failure { BAD_CONNECT, BAD_CLOSED, BAD_STATUS, BAD_LENGTH, BAD_BODY, BAD_EXTRA, UNFINISHED, FAILURES };
static const char *const failure_names[FAILURES] = {"connect", "closed", "status", "length", "body", "extra", "unfinished"};

/*
 *   FREE --request--> SENDING --all sent--> HEAD_WAIT --head--> BODY_WAIT --all read--> FREE
 *   any --failure, or "Connection: close" after the answer--> reconnected, FREE
 */
enum state { FREE, SENDING, HEAD_WAIT, BODY_WAIT };

struct conn {
	int fd;
	enum state state;
	bool close_after, watches_out;
	uint64_t due; /* when its request was due */
	size_t sent, body_at, head_len;
	unsigned route; /* the number of its path */
	char *head; /* an unfinished head, or NULL */
};

/* One phase: the warm-up, or the measurement. */
static struct {
	uint64_t begin, end, last_answer;
	uint64_t total; /* open loop: how many are due in all */
	uint64_t started, done, bytes;
	struct histogram latency, lateness;
} phase;

static struct conn *conns;
static struct conn **free_ring; /* the connections that are free, longest first */
static size_t free_head, free_count;
static int in_flight, epoll_fd;
static uint64_t failures[FAILURES], failed, reconnects, all_requests;
static char buffer[BUFFER], pattern[PATTERN + LETTERS];

static uint64_t now(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * SECOND + t.tv_nsec;
}

static void watch(struct conn *c, int op, bool out)
{
	struct epoll_event ev = {.events = out ? EPOLLIN | EPOLLOUT : EPOLLIN, .data.ptr = c};
	if (epoll_ctl(epoll_fd, op, c->fd, &ev) < 0)
		die("epoll_ctl");
	c->watches_out = out;
}

/* Connecting blocks: it is loopback, and outside the phases except after a failure. */
static void open_conn(struct conn *c)
{
	struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(want.port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int on = 1;
	c->fd = socket(AF_INET, SOCK_STREAM, 0);
	if (want.fresh && c->fd >= 0) {
		static unsigned turn;
		struct sockaddr_in from = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK + 1 + turn++ % SOURCES)};
		setsockopt(c->fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof on);
		if (bind(c->fd, (struct sockaddr *)&from, sizeof from) < 0)
			die("bind");
	}
	if (c->fd < 0 || connect(c->fd, (struct sockaddr *)&to, sizeof to) < 0)
		die("connect");
	setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
	if (want.websocket)
		shake_hands(c->fd, DRAIN);
	if (fcntl(c->fd, F_SETFL, O_NONBLOCK) < 0)
		die("fcntl");
	watch(c, EPOLL_CTL_ADD, false);
	c->state = FREE;
	c->close_after = want.fresh;
	c->head_len = 0;
}

static void reopen(struct conn *c)
{
	close(c->fd);
	reconnects++;
	open_conn(c);
}

static void set_free(struct conn *c)
{
	c->state = FREE;
	free_ring[(free_head + free_count++) % want.connections] = c;
}

/* Counts a failure. One that goes on failing ends the run: numbers of a broken peer are worth nothing. */
static void fail(struct conn *c, enum failure why)
{
	failures[why]++;
	if (++failed > MAX_FAILURES) {
		fprintf(stderr, "load: gave up after %d failures, the last: %s\n", MAX_FAILURES, failure_names[why]);
		exit(1);
	}
	bool was_free = c->state == FREE;
	reopen(c);
	if (was_free)
		return; /* it is in the ring already */
	in_flight--;
	set_free(c);
}

static void send_more(struct conn *c)
{
	if (want.routes)
		request_route(c->route);
	ssize_t n = send(c->fd, request + c->sent, request_len - c->sent, MSG_NOSIGNAL);
	if (n < 0 && errno != EAGAIN && errno != EINTR) {
		fail(c, BAD_CLOSED);
		return;
	}
	c->sent += n < 0 ? 0 : n;
	bool all = c->sent == request_len;
	if (all == c->watches_out)
		watch(c, EPOLL_CTL_MOD, !all);
	if (all)
		c->state = want.websocket ? BODY_WAIT : HEAD_WAIT;
}

static void start(struct conn *c, uint64_t due)
{
	static uint64_t dice;
	dice = dice * 6364136223846793005 + 1442695040888963407; /* Knuth's linear congruence */
	c->route = want.routes ? (dice >> 33) % want.routes : 0;
	c->due = due;
	c->sent = c->body_at = 0;
	c->state = SENDING;
	in_flight++;
	phase.started++;
	all_requests++;
	send_more(c);
}

/* How many requests are due by a time: request k is due at begin + k/rate. */
static uint64_t due_by(uint64_t t)
{
	uint64_t n = (uint64_t)((double)(t - phase.begin) / SECOND * want.rate) + 1;
	return n < phase.total ? n : phase.total;
}

static uint64_t due_at(uint64_t k)
{
	return phase.begin + (uint64_t)((double)k / want.rate * SECOND);
}

/* Starts what is due (open loop), or what is free (closed loop). */
static void start_due(uint64_t t)
{
	while (free_count > 0) {
		uint64_t due = t;
		if (want.rate > 0) {
			if (phase.started >= due_by(t))
				return;
			due = due_at(phase.started);
			histogram_add(&phase.lateness, t > due ? t - due : 0);
		} else if (t >= phase.end) {
			return;
		}
		struct conn *c = free_ring[free_head];
		free_head = (free_head + 1) % want.connections;
		free_count--;
		start(c, due);
	}
}

static void finish(struct conn *c)
{
	uint64_t t = now();
	histogram_add(&phase.latency, t - c->due);
	phase.last_answer = t;
	phase.done++;
	in_flight--;
	if (c->close_after)
		reopen(c);
	if (want.rate == 0 && !want.hold && t < phase.end)
		start(c, t); /* closed loop: at once, and with one look at the clock */
	else
		set_free(c);
}

/* Reads the fields that matter from a complete head. */
static bool read_head(struct conn *c, const char *head, size_t len, size_t *length)
{
	bool known = false;
	const char *end = head + len;
	const char *line = memchr(head, '\n', len);
	for (line = line ? line + 1 : end; line < end;) {
		const char *eol = memchr(line, '\n', end - line);
		if (!eol)
			break;
		if ((*line | 32) == 'c' && eol - line > 15 && strncasecmp(line, "content-length:", 15) == 0) {
			*length = strtoull(line + 15, NULL, 10);
			known = true;
		} else if ((*line | 32) == 'c' && eol - line > 11 && strncasecmp(line, "connection:", 11) == 0) {
			const char *v = line + 11;
			while (*v == ' ')
				v++;
			c->close_after |= strncasecmp(v, "close", 5) == 0;
		}
		line = eol + 1;
	}
	return known;
}

/* Takes answer bytes; false when they are wrong, and then the connection has been replaced. */
static bool take_head(struct conn *c, const char **bytes, size_t *n)
{
	const char *at = *bytes;
	size_t all = *n;
	if (c->head_len) {
		size_t room = HEAD - c->head_len, more = *n < room ? *n : room;
		memcpy(c->head + c->head_len, *bytes, more);
		at = c->head;
		all = c->head_len + more;
	}
	const char *end = memmem(at, all, "\r\n\r\n", 4);
	if (!end) {
		if (all >= HEAD) {
			fail(c, BAD_LENGTH);
			return false;
		}
		if (!c->head && !(c->head = malloc(HEAD)))
			die("malloc");
		if (!c->head_len)
			memcpy(c->head, at, all);
		c->head_len = all;
		*n = 0;
		return true;
	}
	size_t len = end + 4 - at, length = 0;
	if (len < 12 || memcmp(at, "HTTP/1.1 200", 12) != 0) {
		fail(c, BAD_STATUS);
		return false;
	}
	if (!read_head(c, at, len, &length) || length != want.answer) {
		fail(c, BAD_LENGTH);
		return false;
	}
	size_t used = len - c->head_len;
	*bytes += used;
	*n -= used;
	c->head_len = 0;
	c->state = BODY_WAIT;
	return true;
}

static void take_answer(struct conn *c, const char *bytes, size_t n)
{
	phase.bytes += n;
	if (c->state == HEAD_WAIT && (!take_head(c, &bytes, &n) || c->state == HEAD_WAIT))
		return;
	if (c->state != BODY_WAIT) {
		fail(c, BAD_EXTRA); /* an answer to a request that was not sent whole */
		return;
	}
	size_t left = (want.websocket ? echo_len : want.answer) - c->body_at;
	const char *right = want.websocket ? echo + c->body_at : pattern + c->body_at % LETTERS;
	if (n > left) {
		fail(c, BAD_EXTRA);
		return;
	}
	if (memcmp(bytes, right, n) != 0) {
		fail(c, BAD_BODY);
		return;
	}
	c->body_at += n;
	if (n == left)
		finish(c);
}

static void on_event(struct conn *c, uint32_t events)
{
	if ((events & EPOLLOUT) && c->state == SENDING)
		send_more(c);
	if (!(events & (EPOLLIN | EPOLLERR | EPOLLHUP)))
		return;
	ssize_t n = recv(c->fd, buffer, sizeof buffer, 0);
	if (n > 0 && c->state == FREE)
		fail(c, BAD_EXTRA);
	else if (n > 0)
		take_answer(c, buffer, n);
	else if (n == 0 || (errno != EAGAIN && errno != EINTR))
		fail(c, BAD_CLOSED);
}

/* Waits for events, at most until a time. */
static void poll_until(uint64_t limit)
{
	static struct epoll_event events[BATCH];
	uint64_t t = now(), wait = limit > t ? limit - t : 0;
	struct timespec timeout = {.tv_sec = wait / SECOND, .tv_nsec = wait % SECOND};
	int n = epoll_pwait2(epoll_fd, events, BATCH, &timeout, NULL);
	if (n < 0 && errno != EINTR)
		die("epoll_pwait2");
	for (int i = 0; i < n; i++)
		on_event(events[i].data.ptr, events[i].events);
}

/* When the loop must look at the clock again: the next request that is due and has a connection, or the end. */
static uint64_t next_look(uint64_t deadline)
{
	if (want.rate > 0 && free_count > 0 && phase.started < phase.total)
		return due_at(phase.started);
	return deadline;
}

static void run_phase(double seconds)
{
	memset(&phase, 0, sizeof phase);
	phase.begin = phase.last_answer = now();
	phase.end = phase.begin + (uint64_t)(seconds * SECOND);
	phase.total = (uint64_t)(seconds * want.rate);
	uint64_t deadline = phase.end + DRAIN * SECOND;
	for (;;) {
		uint64_t t = now();
		if (t >= deadline)
			break;
		start_due(t);
		bool all_started = want.rate > 0 ? phase.started >= phase.total : t >= phase.end;
		if (all_started && in_flight == 0)
			break;
		poll_until(next_look(want.rate == 0 && t < phase.end ? phase.end : deadline));
	}
	uint64_t t = now();
	for (int i = 0; i < want.connections; i++)
		if (conns[i].state != FREE) {
			failures[UNFINISHED]++;
			histogram_add(&phase.latency, t - conns[i].due);
		}
	for (uint64_t k = phase.started; k < phase.total; k++) {
		failures[UNFINISHED]++;
		histogram_add(&phase.latency, t - due_at(k));
	}
}

/* Opens the connections; with --hold each serves one request, OPENING of them at a time. */
static void open_all(void)
{
	memset(&phase, 0, sizeof phase);
	phase.begin = now();
	for (int i = 0; i < want.connections;) {
		int first = i;
		for (; i < want.connections && i < first + OPENING; i++) {
			open_conn(&conns[i]);
			if (want.hold)
				start(&conns[i], now());
			else
				set_free(&conns[i]);
		}
		uint64_t deadline = now() + DRAIN * SECOND;
		while (in_flight > 0) {
			if (now() >= deadline) {
				errno = ETIMEDOUT;
				die("waiting for the answer on a new connection");
			}
			poll_until(deadline);
		}
	}
}

/* How many connections are still open and silent. */
static int count_alive(void)
{
	int alive = 0;
	for (int i = 0; i < want.connections; i++) {
		char c;
		alive += recv(conns[i].fd, &c, 1, MSG_PEEK | MSG_DONTWAIT) < 0 && errno == EAGAIN;
	}
	return alive;
}

static void gate(void)
{
	if (!want.gate)
		return;
	char line[16];
	printf("{\"ready\":true}\n");
	fflush(stdout);
	if (!fgets(line, sizeof line, stdin))
		exit(1); /* whoever started it is gone */
}

static void print_result(int alive)
{
	struct rusage use;
	getrusage(RUSAGE_SELF, &use);
	printf("{\"requests\":%llu,\"all_requests\":%llu,\"seconds\":%.6f,\"bytes\":%llu,\"reconnects\":%llu,\"alive\":%d,",
	       (unsigned long long)phase.done, (unsigned long long)all_requests,
	       (double)(phase.last_answer - phase.begin) / SECOND, (unsigned long long)phase.bytes,
	       (unsigned long long)reconnects, alive);
	printf("\"cpu_seconds\":%.6f,", use.ru_utime.tv_sec + use.ru_stime.tv_sec + (use.ru_utime.tv_usec + use.ru_stime.tv_usec) / 1e6);
	printf("\"failures\":{");
	for (int i = 0; i < FAILURES; i++)
		printf("%s\"%s\":%llu", i ? "," : "", failure_names[i], (unsigned long long)failures[i]);
	printf("},");
	histogram_print_quantiles("latency", &phase.latency);
	histogram_print_quantiles("lateness", &phase.lateness);
	printf("\"histogram\":[");
	histogram_print_buckets(&phase.latency);
	printf("]}\n");
}

int main(int argc, char **argv)
{
	parse(argc, argv);
	raise_file_limit();
	alarm((unsigned)(want.seconds + want.warmup + want.patience) + 60); /* whatever happens, it ends */
	prctl(PR_SET_TIMERSLACK, 1);			     /* the default of 50 us would make the open loop late */
	for (size_t i = 0; i < sizeof pattern; i++)
		pattern[i] = 'a' + i % LETTERS;
	if (want.websocket)
		make_message();
	else
		make_request();
	conns = calloc(want.connections, sizeof *conns);
	free_ring = calloc(want.connections, sizeof *free_ring);
	epoll_fd = epoll_create1(0);
	if (!conns || !free_ring || epoll_fd < 0)
		die("start");
	open_all();
	if (want.warmup > 0 && !want.hold)
		run_phase(want.warmup);
	gate();
	if (!want.hold)
		run_phase(want.seconds);
	print_result(count_alive());
	fflush(stdout);
	/* Reset instead of FIN: thousands of TIME_WAIT sockets would burden who is measured next. */
	struct linger reset = {.l_onoff = 1, .l_linger = 0};
	for (int i = 0; i < want.connections; i++) {
		setsockopt(conns[i].fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
		close(conns[i].fd);
	}
	return 0;
}
