/*
 * backend PORT
 *
 * The server behind the proxies: a keep-alive HTTP/1.1 server on one thread, cheap enough to share a CPU with the load
 * generator. It answers by path with bytes made at start:
 *
 *   /tiny  about 200 bytes in all     /128 /1k /16k /1m  that many bytes of body     /stats  what it has served, as JSON
 *
 * /r/ and anything is answered as /tiny is. A WebSocket handshake with the load generator's key becomes an echo of small binary
 * messages (RFC 6455).
 *
 * A request body (Content-Length) is read, and compared with the pattern that the load generator sends: a wrong byte is
 * answered with 400, so a proxy that damages an upload is caught. Pipelined requests are answered in order. A read costs
 * one system call and an answer one more.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../common/program.h"

enum { BUFFER = 256 << 10, HEAD = 8 << 10, BATCH = 256, PATTERN = 1 << 20, LETTERS = 26 };

struct answer {
	const char *path;
	size_t body;
	char *bytes;
	size_t len;
};

/* Tiny is "hello" padded by the head to about 200 bytes, as a small JSON API would answer. */
static struct answer answers[] = {
	{.path = "/tiny", .body = 64}, {.path = "/128", .body = 128}, {.path = "/1k", .body = 1 << 10},
	{.path = "/16k", .body = 16 << 10}, {.path = "/1m", .body = 1 << 20},
};
static const char not_found[] = "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n";
static const char switching[] = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
				"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";
static const char bad_request[] = "HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Length: 0\r\n\r\n";

/*
 *   HEAD --complete--> (BODY) --complete--> answer --written--> HEAD
 *                                              `--short write--> FLUSH --written--> HEAD
 *   HEAD --a WebSocket handshake--> ECHO
 *   any --"Connection: close" or a bad request, written--> closed
 */
enum state { IN_HEAD, IN_BODY, IN_FLUSH, IN_ECHO };

struct conn {
	int fd;
	enum state state;
	bool close_after, damaged, upgrades;
	const struct answer *answer; /* NULL: not found, or stats */
	bool stats;
	size_t body_at, body_len;
	char *held; /* input that is not consumed: an unfinished head, or requests behind an unfinished answer */
	size_t held_len;
	const char *out; /* the unsent part of an answer; IN_FLUSH */
	size_t out_len;
	char stats_text[160];
};

static int epoll_fd;
static char buffer[BUFFER];
static char pattern[PATTERN + LETTERS];
static uint64_t served, body_bytes;

static void make_answers(void)
{
	for (size_t i = 0; i < sizeof pattern; i++)
		pattern[i] = 'a' + i % LETTERS;
	for (size_t i = 0; i < sizeof answers / sizeof *answers; i++) {
		struct answer *a = &answers[i];
		char head[256];
		int n = snprintf(head, sizeof head,
				 "HTTP/1.1 200 OK\r\nServer: backend\r\nDate: Mon, 02 Nov 2026 10:00:00 GMT\r\n"
				 "Content-Type: text/plain\r\nContent-Length: %zu\r\n\r\n", a->body);
		a->len = n + a->body;
		a->bytes = malloc(a->len);
		if (!a->bytes)
			die("malloc");
		memcpy(a->bytes, head, n);
		memcpy(a->bytes + n, pattern, a->body);
	}
}

static void watch(struct conn *c, int op, uint32_t interest)
{
	struct epoll_event ev = {.events = interest, .data.ptr = c};
	if (epoll_ctl(epoll_fd, op, c->fd, &ev) < 0)
		die("epoll_ctl");
}

/* Each connection has at most one event in a batch, so it can be freed at once. */
static void close_conn(struct conn *c)
{
	close(c->fd);
	free(c->held);
	free(c);
}

/* Finds a field's value in a head; NULL when it is absent. */
static const char *field(const char *head, size_t len, const char *name)
{
	size_t n = strlen(name);
	const char *end = head + len;
	for (const char *line = head; line < end;) {
		const char *eol = memchr(line, '\n', end - line);
		if (!eol)
			return NULL;
		if ((size_t)(eol - line) > n && line[n] == ':' && strncasecmp(line, name, n) == 0) {
			const char *v = line + n + 1;
			while (*v == ' ' || *v == '\t')
				v++;
			return v;
		}
		line = eol + 1;
	}
	return NULL;
}

/* Reads a complete head; false when it cannot be answered. */
static bool parse_head(struct conn *c, const char *head, size_t len)
{
	const char *path = memchr(head, ' ', len);
	const char *line_end = memchr(head, '\r', len);
	if (!path || !line_end || path > line_end)
		return false;
	path++;
	const char *path_end = memchr(path, ' ', line_end - path);
	if (!path_end)
		return false;
	size_t n = path_end - path;
	c->answer = NULL;
	for (size_t i = 0; i < sizeof answers / sizeof *answers; i++)
		if (strlen(answers[i].path) == n && memcmp(path, answers[i].path, n) == 0)
			c->answer = &answers[i];
	if (n > 3 && memcmp(path, "/r/", 3) == 0)
		c->answer = &answers[0];
	const char *key = field(head, len, "Sec-WebSocket-Key");
	c->upgrades = field(head, len, "Upgrade") && key && strncmp(key, "dGhlIHNhbXBsZSBub25jZQ==", 24) == 0;
	c->stats = n == 6 && memcmp(path, "/stats", 6) == 0;
	const char *v = field(head, len, "Connection");
	bool old = memcmp(line_end - 3, "1.0", 3) == 0;
	c->close_after = v ? strncasecmp(v, "close", 5) == 0 : old;
	if (field(head, len, "Transfer-Encoding"))
		return false; /* no workload sends it, and a proxy that adds it would be charged for what others do not do */
	v = field(head, len, "Content-Length");
	c->body_len = v ? strtoull(v, NULL, 10) : 0;
	c->body_at = 0;
	c->damaged = false;
	return true;
}

/* Takes body bytes and returns how many. */
static size_t take_body(struct conn *c, const char *bytes, size_t n)
{
	size_t take = c->body_len - c->body_at < n ? c->body_len - c->body_at : n;
	for (size_t done = 0; done < take;) {
		size_t at = (c->body_at + done) % LETTERS, piece = take - done < PATTERN ? take - done : PATTERN;
		c->damaged |= memcmp(bytes + done, pattern + at, piece) != 0;
		done += piece;
	}
	c->body_at += take;
	body_bytes += take;
	return take;
}

enum wrote { WROTE_ALL, WROTE_PART, WROTE_CLOSED };

static enum wrote write_out(struct conn *c)
{
	ssize_t w = send(c->fd, c->out, c->out_len, MSG_NOSIGNAL);
	if (w < 0 && errno != EAGAIN && errno != EINTR) {
		close_conn(c);
		return WROTE_CLOSED;
	}
	w = w < 0 ? 0 : w;
	c->out += w;
	c->out_len -= w;
	if (c->out_len) {
		if (c->state != IN_FLUSH)
			watch(c, EPOLL_CTL_MOD, EPOLLOUT);
		c->state = IN_FLUSH;
		return WROTE_PART;
	}
	if (c->state == IN_FLUSH)
		watch(c, EPOLL_CTL_MOD, EPOLLIN);
	c->state = IN_HEAD;
	if (c->close_after) {
		close_conn(c);
		return WROTE_CLOSED;
	}
	return WROTE_ALL;
}

static enum wrote answer(struct conn *c)
{
	if (c->upgrades) {
		c->out = switching;
		c->out_len = sizeof switching - 1;
	} else if (c->damaged) {
		c->close_after = true;
		c->out = bad_request;
		c->out_len = sizeof bad_request - 1;
	} else if (c->stats) {
		char body[80];
		int n = snprintf(body, sizeof body, "{\"requests\":%llu,\"body_bytes\":%llu}\n",
				 (unsigned long long)served, (unsigned long long)body_bytes);
		c->out_len = snprintf(c->stats_text, sizeof c->stats_text,
				      "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", n, body);
		c->out = c->stats_text;
	} else if (c->answer) {
		served++;
		c->out = c->answer->bytes;
		c->out_len = c->answer->len;
	} else {
		c->out = not_found;
		c->out_len = sizeof not_found - 1;
	}
	return write_out(c);
}

/*
 * Echoes whole messages and returns how many bytes they took, or -1 when the connection is gone. The client has one message in
 * flight, so what is sent always finds room; a peer that sends more than it reads is dropped.
 */
static ssize_t echo(struct conn *c, const char *bytes, size_t n)
{
	enum { HEADER = 2, KEY = 4, MOST = 125, ROOM = 64 << 10 };
	static char out[ROOM];
	size_t at = 0, len = 0;
	while (n - at >= HEADER + KEY && len + HEADER + MOST <= ROOM) {
		const unsigned char *in = (const unsigned char *)bytes + at;
		size_t size = in[1] & 0x7f;
		if (!(in[1] & 0x80) || size > MOST)
			goto drop;
		if (n - at < HEADER + KEY + size)
			break;
		out[len++] = in[0];
		out[len++] = size;
		for (size_t i = 0; i < size; i++)
			out[len++] = in[HEADER + KEY + i] ^ in[HEADER + i % KEY];
		at += HEADER + KEY + size;
		body_bytes += size;
		served++;
	}
	if (len == 0 || send(c->fd, out, len, MSG_NOSIGNAL) == (ssize_t)len)
		return at;
drop:
	close_conn(c);
	return -1;
}

/* Serves what is in the bytes; returns how many it consumed, or -1 when the connection is gone. */
static ssize_t serve(struct conn *c, const char *bytes, size_t n)
{
	size_t at = 0;
	while (at < n && c->state != IN_FLUSH) {
		if (c->state == IN_ECHO) {
			ssize_t used = echo(c, bytes + at, n - at);
			return used < 0 ? -1 : (ssize_t)at + used;
		}
		if (c->state == IN_HEAD) {
			const char *end = memmem(bytes + at, n - at, "\r\n\r\n", 4);
			if (!end) {
				if (n - at < HEAD)
					return at;
				close_conn(c);
				return -1;
			}
			size_t len = end + 4 - (bytes + at);
			if (!parse_head(c, bytes + at, len)) {
				send(c->fd, bad_request, sizeof bad_request - 1, MSG_NOSIGNAL);
				close_conn(c);
				return -1;
			}
			at += len;
			c->state = IN_BODY;
		}
		at += take_body(c, bytes + at, n - at);
		if (c->body_at < c->body_len)
			return at;
		c->state = IN_HEAD;
		enum wrote wrote = answer(c);
		if (wrote == WROTE_CLOSED)
			return -1;
		if (wrote == WROTE_ALL && c->upgrades)
			c->state = IN_ECHO;
	}
	return at;
}

static void hold(struct conn *c, const char *bytes, size_t n)
{
	char *old = c->held;
	c->held = NULL;
	c->held_len = n;
	if (n) {
		c->held = malloc(n);
		if (!c->held)
			die("malloc");
		memcpy(c->held, bytes, n);
	}
	free(old);
}

static void on_readable(struct conn *c)
{
	memcpy(buffer, c->held ? c->held : "", c->held_len);
	ssize_t n = recv(c->fd, buffer + c->held_len, sizeof buffer - c->held_len, 0);
	if (n <= 0) {
		if (n == 0 || (errno != EAGAIN && errno != EINTR))
			close_conn(c);
		return;
	}
	size_t all = c->held_len + n;
	ssize_t used = serve(c, buffer, all);
	if (used < 0)
		return;
	if ((size_t)used < all || c->held)
		hold(c, buffer + used, all - used);
}

static void on_writable(struct conn *c)
{
	if (write_out(c) != WROTE_ALL || !c->held_len)
		return;
	size_t all = c->held_len;
	memcpy(buffer, c->held, all);
	ssize_t used = serve(c, buffer, all);
	if (used >= 0)
		hold(c, buffer + used, all - used);
}

static void accept_all(int listener)
{
	for (;;) {
		int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK), on = 1;
		if (fd < 0)
			return;
		struct conn *c = calloc(1, sizeof *c);
		if (!c)
			die("calloc");
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
		c->fd = fd;
		watch(c, EPOLL_CTL_ADD, EPOLLIN);
	}
}

int main(int argc, char **argv)
{
	if (argc != 2) {
		fprintf(stderr, "usage: backend PORT\n");
		return 2;
	}
	raise_file_limit();
	make_answers();
	int listener = listen_on(atoi(argv[1]));
	epoll_fd = epoll_create1(0);
	struct epoll_event ev = {.events = EPOLLIN, .data.ptr = NULL}, events[BATCH];
	if (epoll_fd < 0 || epoll_ctl(epoll_fd, EPOLL_CTL_ADD, listener, &ev) < 0)
		die("epoll");
	for (;;) {
		int n = epoll_wait(epoll_fd, events, BATCH, -1);
		if (n < 0 && errno != EINTR)
			die("epoll_wait");
		for (int i = 0; i < n; i++) {
			struct conn *c = events[i].data.ptr;
			if (!c)
				accept_all(listener);
			else if (c->state == IN_FLUSH)
				on_writable(c);
			else
				on_readable(c);
		}
	}
}
