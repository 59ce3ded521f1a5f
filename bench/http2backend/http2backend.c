/*
 * http2backend PORT BYTES [grpc|stream]
 *
 * The HTTP/2 server behind the proxies (h2c with prior knowledge, RFC 9113) on one thread. Every request is answered alike:
 * 200 and BYTES of body, the pattern that all programs of the benchmark use. So it has no need to know what a request says,
 * and does not decode header blocks: nothing on the proxy's side of the measurement gets cheaper by it, and the server stays
 * out of the load generator's way on the CPU they share. (That proxies pass paths on unharmed is checked in the rows with an
 * HTTP/1 backend, which answers 404 to a wrong one.)
 *
 * With grpc the answer is one of gRPC: a message of BYTES in all, and the status in trailers. With stream it is a call in both
 * directions: answered at once, every byte sent back as it comes, until the caller has no more; BYTES is not used.
 *
 * Its own answers are compressed as a good server does: the first of a connection puts its fields into the dynamic table, the
 * others refer to them. Flow control is honoured both ways; frames of all streams leave in one write; large answers take turns
 * frame by frame.
 */
#define _GNU_SOURCE
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "../common/program.h"
#include "echo.h"
#include "frames.h"

enum {
	BUFFER = 512 << 10, /* of input */
	BATCH = 256,
	LETTERS = 26,
	MAX_ANSWER = 16 << 20,
	STREAMS = 1024,	       /* concurrent ones, as announced */
	BUCKETS = 2048,	       /* of a connection's table of streams */
	HIGH_WATER = 256 << 10, /* data is not queued above this much output */
	MOST_OUT = 1 << 20,    /* a peer that makes us queue more (acknowledgements) without reading is dropped */
	CREDIT = 1 << 20,      /* a window is given back in pieces of this size */
	OUR_WINDOW = 16 << 20,
};

/*
 *   HEADERS --END_STREAM--> answering --all sent--> gone
 *      `--body--> receiving --END_STREAM--^
 *   any --RST_STREAM--> gone
 */
struct stream {
	uint32_t id;
	bool answering;
	bool queued;	  /* in the connection's turn queue */
	int64_t window;	  /* what the peer lets us send */
	size_t sent;	  /* of the answer's body */
	size_t uncredited; /* body received since the last WINDOW_UPDATE */
	bool ended;	  /* stream: the caller has no more */
	struct echo echo;
	struct stream *bucket_next, *turn_next;
};

struct conn {
	int fd;
	bool greeted, watches_out;
	bool in_block;	    /* a header block goes on in CONTINUATION frames */
	bool block_ends;    /* ... and ends its stream */
	uint32_t block_id;
	enum table table;   /* what the peer's HPACK decoder holds */
	int64_t window, initial_window;
	size_t uncredited;
	int open;
	struct stream *bucket[BUCKETS];
	struct stream *turn_first, *turn_last; /* those with body to send and a window for it */
	char *held; /* an unfinished frame */
	size_t held_len;
	char *out;
	size_t out_at, out_len, out_cap;
};

static int epoll_fd;
static size_t answer_len, period; /* the answer's body repeats itself after period bytes */
static bool grpc, echoes;
static char buffer[BUFFER], *body;
static struct answer_blocks blocks;
static struct stream *spare; /* free streams, by bucket_next */

static struct stream **find(struct conn *c, uint32_t id)
{
	struct stream **at = &c->bucket[(id >> 1) % BUCKETS];
	while (*at && (*at)->id != id)
		at = &(*at)->bucket_next;
	return at;
}

static struct stream *add_stream(struct conn *c, uint32_t id)
{
	struct stream **at = find(c, id), *s = spare;
	if (*at || c->open == STREAMS)
		return NULL;
	if (s)
		spare = s->bucket_next;
	else if (!(s = malloc(sizeof *s)))
		die("malloc");
	memset(s, 0, sizeof *s);
	s->id = id;
	s->window = c->initial_window;
	*at = s;
	c->open++;
	return s;
}

static void drop_stream(struct conn *c, uint32_t id)
{
	struct stream **at = find(c, id), *s = *at;
	if (!s)
		return;
	*at = s->bucket_next;
	for (struct stream **t = &c->turn_first, *before = NULL; s->queued && *t; before = *t, t = &(*t)->turn_next)
		if (*t == s) {
			*t = s->turn_next;
			if (c->turn_last == s)
				c->turn_last = before;
			break;
		}
	c->open--;
	echo_free(&s->echo);
	s->bucket_next = spare;
	spare = s;
}

static void take_turn(struct conn *c, struct stream *s)
{
	if (s->queued || !s->answering || s->window <= 0 || (echoes && !echo_left(&s->echo)))
		return;
	s->queued = true;
	s->turn_next = NULL;
	*(c->turn_last ? &c->turn_last->turn_next : &c->turn_first) = s;
	c->turn_last = s;
}

/* Room for n more bytes of output, which count as written. */
static char *reserve(struct conn *c, size_t n)
{
	if (c->out_len + n > c->out_cap) {
		c->out_cap = (c->out_len + n) * 2;
		if (!(c->out = realloc(c->out, c->out_cap)))
			die("realloc");
	}
	char *at = c->out + c->out_len;
	c->out_len += n;
	return at;
}

static void put_frame(struct conn *c, enum frame_type type, uint8_t flags, uint32_t id, const void *payload, size_t n)
{
	char *at = reserve(c, FRAME_HEAD + n);
	put_frame_head(at, n, type, flags, id);
	if (n)
		memcpy(at + FRAME_HEAD, payload, n);
}

static void put_credit(struct conn *c, uint32_t id, uint32_t n)
{
	char payload[4];
	put32(payload, n);
	put_frame(c, WINDOW_UPDATE, 0, id, payload, sizeof payload);
}

/* Sends the head of an answer, and lines its body up. */
static void answer(struct conn *c, struct stream *s)
{
	const struct block *b = &blocks.head[c->table];
	bool empty = !answer_len && !echoes;
	put_frame(c, HEADERS, END_HEADERS | (empty ? END_STREAM : 0), s->id, b->bytes, b->len);
	c->table = blocks.after_head[c->table];
	if (empty) {
		drop_stream(c, s->id);
		return;
	}
	s->answering = true;
	take_turn(c, s);
}

/* The last of a body has been queued. */
static void end_answer(struct conn *c, struct stream *s)
{
	if (grpc) {
		const struct block *b = &blocks.trailers[c->table];
		put_frame(c, HEADERS, END_HEADERS | END_STREAM, s->id, b->bytes, b->len);
		c->table = blocks.after_trailers[c->table];
	}
	drop_stream(c, s->id);
}

/* Queues body frames, one stream after the other, while windows and the high water allow it. */
static void pump(struct conn *c)
{
	while (c->turn_first && c->window > 0 && c->out_len - c->out_at < HIGH_WATER) {
		struct stream *s = c->turn_first;
		if (!(c->turn_first = s->turn_next))
			c->turn_last = NULL;
		s->queued = false;
		int64_t n = echoes ? echo_left(&s->echo) : answer_len - s->sent;
		n = n < MAX_PAYLOAD ? n : MAX_PAYLOAD;
		n = n < s->window ? n : s->window;
		n = n < c->window ? n : c->window;
		bool last = echoes ? s->ended && (size_t)n == echo_left(&s->echo) : s->sent + n == answer_len;
		put_frame(c, DATA, last && !grpc ? END_STREAM : 0, s->id, echoes ? s->echo.bytes + s->echo.at : body + s->sent % period, n);
		s->sent += n;
		s->echo.at += echoes ? n : 0;
		s->window -= n;
		c->window -= n;
		if (last)
			end_answer(c, s);
		else
			take_turn(c, s);
	}
}

static void watch(struct conn *c, int op, bool out)
{
	struct epoll_event ev = {.events = out ? EPOLLIN | EPOLLOUT : EPOLLIN, .data.ptr = c};
	if (epoll_ctl(epoll_fd, op, c->fd, &ev) < 0)
		die("epoll_ctl");
	c->watches_out = out;
}

/* Each connection has at most one event in a batch, so it can be freed at once. */
static void close_conn(struct conn *c)
{
	close(c->fd);
	for (int i = 0; i < BUCKETS; i++)
		while (c->bucket[i]) {
			struct stream *s = c->bucket[i];
			c->bucket[i] = s->bucket_next;
			echo_free(&s->echo);
			s->bucket_next = spare;
			spare = s;
		}
	free(c->held);
	free(c->out);
	free(c);
}

/* Writes what it can; false when the connection is gone. */
static bool flush(struct conn *c)
{
	for (pump(c); c->out_at < c->out_len; pump(c)) {
		ssize_t n = send(c->fd, c->out + c->out_at, c->out_len - c->out_at, MSG_NOSIGNAL);
		if (n < 0 && errno != EAGAIN && errno != EINTR)
			return false;
		c->out_at += n < 0 ? 0 : n;
		if (c->out_at < c->out_len) {
			if (c->out_at >= HIGH_WATER || n < 0) {
				memmove(c->out, c->out + c->out_at, c->out_len - c->out_at);
				c->out_len -= c->out_at;
				c->out_at = 0;
			}
			break;
		}
		c->out_at = c->out_len = 0;
	}
	bool pending = c->out_at < c->out_len;
	if (pending != c->watches_out)
		watch(c, EPOLL_CTL_MOD, pending);
	return c->out_len - c->out_at <= MOST_OUT;
}

static bool on_settings(struct conn *c, uint8_t flags, const uint8_t *p, size_t n)
{
	if (flags & ACK)
		return true;
	for (; n >= 6; p += 6, n -= 6) {
		uint32_t name = get16(p), value = get32(p + 2);
		if (name == SETTINGS_HEADER_TABLE_SIZE && value < DEFAULT_TABLE)
			c->table = c->table == TABLE_OFF ? TABLE_OFF : TABLE_SHRINKS;
		if (name != SETTINGS_INITIAL_WINDOW_SIZE)
			continue;
		int64_t change = (int64_t)value - c->initial_window;
		c->initial_window = value;
		for (int i = 0; i < BUCKETS; i++)
			for (struct stream *s = c->bucket[i]; s; s = s->bucket_next) {
				s->window += change;
				take_turn(c, s);
			}
	}
	put_frame(c, SETTINGS, ACK, 0, NULL, 0);
	return n == 0;
}

static bool on_window(struct conn *c, uint32_t id, uint32_t n)
{
	if (id == 0) {
		c->window += n;
		return true;
	}
	struct stream *s = *find(c, id);
	if (s) { /* otherwise it has been answered whole */
		s->window += n;
		take_turn(c, s);
	}
	return true;
}

/* A caller of a stream has no more: it ends when all has been sent back. */
static void end_call(struct conn *c, struct stream *s)
{
	s->ended = true;
	if (!echo_left(&s->echo))
		end_answer(c, s);
}

/* A header block is complete: a request's head, or its trailers. */
static bool on_block(struct conn *c)
{
	struct stream *s = *find(c, c->block_id);
	if (!s && !(s = add_stream(c, c->block_id)))
		return false;
	if (!s->answering && (c->block_ends || echoes))
		answer(c, s);
	if (echoes && c->block_ends)
		end_call(c, s);
	return true;
}

static bool on_data(struct conn *c, uint32_t id, uint8_t flags, const uint8_t *p, size_t n)
{
	c->uncredited += n;
	if (c->uncredited >= CREDIT) {
		put_credit(c, 0, c->uncredited);
		c->uncredited = 0;
	}
	struct stream *s = *find(c, id);
	if (!s || (s->answering && !echoes) || s->ended)
		return true; /* it was reset meanwhile */
	if (echoes) {
		if (!echo_add(&s->echo, p, n))
			return false;
		take_turn(c, s);
		if (flags & END_STREAM) {
			end_call(c, s);
			return true;
		}
	} else if (flags & END_STREAM) {
		answer(c, s);
		return true;
	}
	s->uncredited += n;
	if (s->uncredited >= CREDIT) {
		put_credit(c, id, s->uncredited);
		s->uncredited = 0;
	}
	return true;
}

/* One frame; false when the connection must go. */
static bool on_frame(struct conn *c, enum frame_type type, uint8_t flags, uint32_t id, const uint8_t *p, size_t n)
{
	if (c->in_block != (type == CONTINUATION))
		return false;
	switch (type) {
	case HEADERS:
		c->block_id = id;
		c->block_ends = flags & END_STREAM;
		/* fall through */
	case CONTINUATION:
		c->in_block = !(flags & END_HEADERS);
		return id == c->block_id && (c->in_block || on_block(c));
	case DATA:
		return on_data(c, id, flags, p, n);
	case RST_STREAM:
		drop_stream(c, id);
		return true;
	case SETTINGS:
		return on_settings(c, flags, p, n);
	case PING:
		if (!(flags & ACK))
			put_frame(c, PING, ACK, 0, p, n);
		return n == 8;
	case WINDOW_UPDATE:
		return n == 4 && on_window(c, id, get32(p) & 0x7fffffff);
	default:
		return true; /* PRIORITY, GOAWAY, and what nobody has heard of */
	}
}

/* Takes whole frames; returns how many bytes, or -1 when the connection must go. */
static ssize_t take(struct conn *c, const uint8_t *bytes, size_t n)
{
	size_t at = 0;
	if (!c->greeted) {
		if (n < PREFACE_LEN)
			return memcmp(bytes, PREFACE, n) == 0 ? 0 : -1;
		if (memcmp(bytes, PREFACE, PREFACE_LEN) != 0)
			return -1;
		at = PREFACE_LEN;
		c->greeted = true;
	}
	while (n - at >= FRAME_HEAD) {
		size_t len = get24(bytes + at);
		if (len > MAX_PAYLOAD)
			return -1;
		if (n - at < FRAME_HEAD + len)
			break;
		const uint8_t *f = bytes + at;
		if (!on_frame(c, f[3], f[4], get32(f + 5) & 0x7fffffff, f + FRAME_HEAD, len))
			return -1;
		at += FRAME_HEAD + len;
	}
	return at;
}

static bool on_readable(struct conn *c)
{
	memcpy(buffer, c->held ? c->held : "", c->held_len);
	ssize_t n = recv(c->fd, buffer + c->held_len, sizeof buffer - c->held_len, 0);
	if (n <= 0)
		return n < 0 && (errno == EAGAIN || errno == EINTR);
	size_t all = c->held_len + n;
	ssize_t used = take(c, (const uint8_t *)buffer, all);
	if (used < 0)
		return false;
	c->held_len = all - used;
	if (!c->held_len)
		return true;
	if (!c->held && !(c->held = malloc(FRAME_HEAD + MAX_PAYLOAD)))
		die("malloc");
	memcpy(c->held, buffer + used, c->held_len);
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
		c->window = c->initial_window = DEFAULT_WINDOW;
		char settings[12];
		put16(settings, SETTINGS_MAX_CONCURRENT_STREAMS);
		put32(settings + 2, STREAMS);
		put16(settings + 6, SETTINGS_INITIAL_WINDOW_SIZE);
		put32(settings + 8, OUR_WINDOW);
		put_frame(c, SETTINGS, 0, 0, settings, sizeof settings);
		put_credit(c, 0, OUR_WINDOW - DEFAULT_WINDOW);
		watch(c, EPOLL_CTL_ADD, false);
		if (!flush(c))
			close_conn(c);
	}
}

/* The bytes of all answers: as many as one frame can need, or a message whole. */
static void make_body(void)
{
	enum { PREFIX = 5 }; /* of a message: not compressed, and its length */
	size_t len = grpc ? answer_len : MAX_PAYLOAD + LETTERS;
	period = grpc ? answer_len : LETTERS;
	if (!(body = malloc(len)))
		die("malloc");
	for (size_t i = 0; i < len; i++)
		body[i] = 'a' + i % LETTERS;
	if (grpc) {
		body[0] = 0;
		put32(body + 1, answer_len - PREFIX);
	}
}

int main(int argc, char **argv)
{
	echoes = argc == 4 && strcmp(argv[3], "stream") == 0;
	grpc = echoes || (argc == 4 && strcmp(argv[3], "grpc") == 0);
	if ((argc != 3 && !grpc) || atoll(argv[2]) < (grpc ? 5 : 0) || atoll(argv[2]) > MAX_ANSWER) {
		fprintf(stderr, "usage: http2backend PORT BYTES [grpc|stream]\n");
		return 2;
	}
	raise_file_limit();
	answer_len = atoll(argv[2]);
	make_blocks(&blocks, answer_len, grpc);
	make_body();
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
			else if (((events[i].events & ~EPOLLOUT) && !on_readable(c)) || !flush(c))
				close_conn(c);
		}
	}
}
