/*
 * boltbackend PORT
 *
 * The SOFABolt server behind the proxies, on one thread: both versions, mixed on a connection as they come. A call says itself
 * what its answer must be (common/bolt.h); answers go back in the version of their calls, with a CRC32 when the call has one,
 * and those that came in one read leave in one write.
 *
 * It checks what it gets: class name, first key of the header block, pattern of the content, CRC32. A call that a proxy
 * damaged is answered with CODEC_EXCEPTION, so the load generator sees it. Heartbeats are answered. A call of class "stats"
 * is answered with what was served so far, as JSON.
 */
#define _GNU_SOURCE
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "../common/bolt.h"
#include "../common/program.h"

enum { BUFFER = BOLT_MOST + (256 << 10), BATCH = 256, MOST_OUT = 64 << 20 };

/*
 *   READING --short write--> FLUSHING --all written--> READING
 *   any --closed, or no frame of Bolt--> gone
 *
 * What it can't write it keeps, and reads no more meanwhile.
 */
struct conn {
	int fd;
	char *held; /* an unfinished frame */
	size_t held_len;
	char *out; /* FLUSHING: what could not be written */
	size_t out_at, out_len;
};

/* A buffer of answers that grows: all that one read asks for. */
struct answers {
	char *bytes;
	size_t len, cap;
};

static int epoll_fd;
static char buffer[BUFFER], pattern[BOLT_MOST_CONTENT + BOLT_LETTERS];
static struct answers out, late;
static uint64_t served, body_bytes;

static char *reserve(struct answers *a, size_t n)
{
	if (a->len + n > a->cap) {
		a->cap = (a->len + n) * 2;
		if (!(a->bytes = realloc(a->bytes, a->cap)))
			die("realloc");
	}
	return a->bytes + a->len;
}

/* Appends an answer to a call: its content is a prefix and n bytes of something. */
static void put_answer(struct answers *a, const struct bolt_frame *call, int command, int status, const char *prefix, size_t prefix_len,
		       const char *rest, size_t n)
{
	size_t class_len = command == BOLT_ANSWER ? sizeof BOLT_RESPONSE_CLASS - 1 : 0;
	char *frame = reserve(a, 32 + class_len + prefix_len + n + BOLT_SUM);
	size_t len = bolt_put_fixed(frame, call->version, BOLT_RESPONSE, command, call->summed, call->id, status);
	bolt_put_lengths(frame, len, class_len, 0, prefix_len + n);
	memcpy(frame + len, BOLT_RESPONSE_CLASS, class_len);
	len += class_len;
	memcpy(frame + len, prefix, prefix_len);
	len += prefix_len;
	memcpy(frame + len, rest, n);
	len += n;
	if (call->summed) {
		bolt_put_sum(frame, len);
		len += BOLT_SUM;
	}
	a->len += len;
}

static void put_stats(const struct bolt_frame *call)
{
	char text[96];
	int n = snprintf(text, sizeof text, "{\"requests\":%llu,\"body_bytes\":%llu}", (unsigned long long)served, (unsigned long long)body_bytes);
	put_answer(&out, call, BOLT_ANSWER, BOLT_SUCCESS, text, n, "", 0);
}

/* Whether a call is as the load generator sent it. */
static bool is_whole(const char *bytes, const struct bolt_frame *f)
{
	static const char key[] = "\0\0\0\007service";
	return bolt_sum_fits(bytes, f) && bolt_class_is(f, BOLT_REQUEST_CLASS) && f->content_len >= CALL_PREFIX &&
	       f->block_len > sizeof key && memcmp(f->block, key, sizeof key - 1) == 0 &&
	       memcmp(f->content + CALL_PREFIX, pattern, f->content_len - CALL_PREFIX) == 0;
}

static void answer_call(const char *bytes, const struct bolt_frame *f)
{
	const uint8_t *content = (const uint8_t *)f->content;
	if (f->kind == BOLT_REQUEST && bolt_class_is(f, BOLT_STATS_CLASS)) {
		put_stats(f);
		return;
	}
	bool whole = is_whole(bytes, f);
	size_t want = whole ? get32(content + 8) : 0;
	if (whole && want >= ANSWER_PREFIX && want <= BOLT_MOST_CONTENT) {
		served++;
		body_bytes += f->content_len;
		if (f->kind == BOLT_REQUEST)
			put_answer(content[14] & CALL_LATE ? &late : &out, f, BOLT_ANSWER, get16(content + 12), f->content, ANSWER_PREFIX, pattern,
				   want - ANSWER_PREFIX);
	} else if (f->kind == BOLT_REQUEST) {
		put_answer(&out, f, BOLT_ANSWER, BOLT_CODEC_EXCEPTION, "", 0, "", 0);
	}
}

/* Takes whole frames; returns how many bytes, or -1 when they are none of Bolt. */
static ssize_t take(const char *bytes, size_t n)
{
	size_t at = 0;
	for (struct bolt_frame f; at < n; at += f.len) {
		enum bolt_parsed parsed = bolt_parse(bytes + at, n - at, &f);
		if (parsed == BOLT_PART)
			break;
		if (parsed == BOLT_BAD)
			return -1;
		if (f.kind == BOLT_REQUEST && f.command == BOLT_HEARTBEAT)
			put_answer(&out, &f, BOLT_HEARTBEAT, BOLT_SUCCESS, "", 0, "", 0);
		else if (f.kind != BOLT_RESPONSE && f.command == BOLT_CALL)
			answer_call(bytes + at, &f);
		else if (f.command != BOLT_GOAWAY)
			return -1;
	}
	return at;
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
	free(c->out);
	free(c);
}

/* Writes the answers of one read, the late ones last; false when the connection must go. */
static bool write_answers(struct conn *c)
{
	if (late.len) {
		memcpy(reserve(&out, late.len), late.bytes, late.len);
		out.len += late.len;
		late.len = 0;
	}
	if (!out.len)
		return true;
	ssize_t n = send(c->fd, out.bytes, out.len, MSG_NOSIGNAL);
	if (n < 0 && errno != EAGAIN && errno != EINTR)
		return false;
	size_t left = out.len - (n < 0 ? 0 : n);
	if (left > MOST_OUT)
		return false;
	if (left) {
		if (!(c->out = malloc(left)))
			die("malloc");
		memcpy(c->out, out.bytes + out.len - left, left);
		c->out_at = 0;
		c->out_len = left;
		watch(c, EPOLL_CTL_MOD, EPOLLOUT);
	}
	return true;
}

static bool hold(struct conn *c, const char *bytes, size_t n)
{
	char *old = c->held;
	c->held = NULL;
	c->held_len = n;
	if (n) {
		if (!(c->held = malloc(n)))
			die("malloc");
		memcpy(c->held, bytes, n);
	}
	free(old);
	return true;
}

/* Both return false when the connection must go. */
static bool on_readable(struct conn *c)
{
	memcpy(buffer, c->held ? c->held : "", c->held_len);
	ssize_t n = recv(c->fd, buffer + c->held_len, sizeof buffer - c->held_len, 0);
	if (n <= 0)
		return n < 0 && (errno == EAGAIN || errno == EINTR);
	size_t all = c->held_len + n;
	out.len = late.len = 0;
	ssize_t used = take(buffer, all);
	if (used < 0 || !write_answers(c))
		return false;
	return ((size_t)used == all && !c->held) || hold(c, buffer + used, all - used);
}

static bool on_writable(struct conn *c)
{
	ssize_t n = send(c->fd, c->out + c->out_at, c->out_len - c->out_at, MSG_NOSIGNAL);
	if (n < 0)
		return errno == EAGAIN || errno == EINTR;
	c->out_at += n;
	if (c->out_at == c->out_len) {
		free(c->out);
		c->out = NULL;
		watch(c, EPOLL_CTL_MOD, EPOLLIN);
	}
	return true;
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
		fprintf(stderr, "usage: boltbackend PORT\n");
		return 2;
	}
	raise_file_limit();
	bolt_make_crc();
	for (size_t i = 0; i < sizeof pattern; i++)
		pattern[i] = 'a' + i % BOLT_LETTERS;
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
			else if (!(c->out ? on_writable(c) : on_readable(c)))
				close_conn(c);
		}
	}
}
