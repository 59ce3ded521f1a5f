/*
 * streamload --port N [options]: a load generator of gRPC streams on one thread. Each stream is one long call in both
 * directions (HTTP/2 with prior knowledge, RFC 9113): it sends a message, waits for the echo, sends the next. The messages that
 * a read sets free leave in one write.
 *
 *   --port N           where to connect, on 127.0.0.1
 *   --path P           what to call; /bench.Bench/Stream
 *   --connections N    32
 *   --streams N        on each connection, at most 100; 32
 *   --body N           bytes of a message with its prefix of 5, at least 13; 128
 *   --seconds S, --warmup S, --rate R, --gate, --patience S   as load has them; a request there is a message here
 *
 * Every echo is checked: its stream, its length, its key (no two messages have the same) and every byte behind that; and that
 * the call was accepted with status 200. What each number of the result means is said in load.c; failures are by name:
 *
 *   closed  a call or connection ended      status  a call was not accepted     body        an echo that is not the message
 *   extra   bytes that are no echo          frame   one that makes no sense     unfinished  no echo, to the end
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <getopt.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include "../common/generator.h"
#include "../http2backend/frames.h"

enum { BUFFER = 256 << 10, GRPC_PREFIX = 5, KEY = 8, KEYED = GRPC_PREFIX + KEY, MAX_STREAMS = 100, MAX_MESSAGE = MAX_PAYLOAD };
enum { OUR_WINDOW = 16 << 20, CREDIT = 64 << 10, LETTERS = 26, PADDED = 0x8, STATUS_200 = 0x88 };

static struct {
	int port, connections, streams;
	const char *path;
	size_t body;
	double seconds, warmup, patience;
	bool gate;
} want = {.connections = 32, .streams = 32, .path = "/bench.Bench/Stream", .body = 128, .seconds = 1, .patience = 60};

/*
 *   FREE --start--> sending, while the windows allow --all sent--> its echo arrives --all there--> FREE
 *                      `--the connection ends--> FREE
 */
struct stream {
	struct conn *conn;
	uint32_t id;
	bool accepted;	/* with status 200 */
	uint64_t due, key; /* of its message; key 0: FREE */
	size_t sent, got;  /* of the message, and of its echo */
	int64_t window;	   /* what the proxy lets it send */
	size_t uncredited; /* received since the last WINDOW_UPDATE */
};

struct conn {
	int fd;
	bool watches_out, dirty; /* dirty: in the list of those that have something to write */
	int64_t window, initial_window;
	size_t uncredited;
	struct stream *streams;
	char *held; /* an unfinished frame */
	size_t held_len;
	char *out;
	size_t out_at, out_len, out_cap;
};

static struct conn *conns, **dirty;
static int dirty_count;
static char buffer[BUFFER + FRAME_HEAD + MAX_PAYLOAD], message[MAX_MESSAGE];

static void usage(void)
{
	fprintf(stderr, "usage: streamload --port N [--path P] [--connections N] [--streams N] [--body N] [--seconds S] [--warmup S] [--rate R]\n"
			"                  [--gate] [--patience S]\n");
	exit(2);
}

static void parse(int argc, char **argv)
{
	static const struct option options[] = {
		{"port", 1, NULL, 'p'}, {"path", 1, NULL, 'u'}, {"connections", 1, NULL, 'c'}, {"streams", 1, NULL, 'n'}, {"body", 1, NULL, 'b'},
		{"seconds", 1, NULL, 's'}, {"warmup", 1, NULL, 'w'}, {"rate", 1, NULL, 'r'}, {"gate", 0, NULL, 'g'}, {"patience", 1, NULL, 'y'}, {0},
	};
	for (int o; (o = getopt_long(argc, argv, "", options, NULL)) != -1;)
		switch (o) {
		case 'p': want.port = atoi(optarg); break;
		case 'u': want.path = optarg; break;
		case 'c': want.connections = atoi(optarg); break;
		case 'n': want.streams = atoi(optarg); break;
		case 'b': want.body = strtoull(optarg, NULL, 10); break;
		case 's': want.seconds = atof(optarg); break;
		case 'w': want.warmup = atof(optarg); break;
		case 'r': rate = atof(optarg); break;
		case 'g': want.gate = true; break;
		case 'y': want.patience = atof(optarg); break;
		default: usage();
		}
	if (optind != argc || want.port <= 0 || want.port > 65535 || want.connections <= 0 || want.connections > 10000 || want.streams <= 0 ||
	    want.streams > MAX_STREAMS || want.body < KEYED || want.body > MAX_MESSAGE || strlen(want.path) > 100 || want.seconds < 0 ||
	    want.seconds > 600 || want.warmup < 0 || want.warmup > 600 || rate < 0 || rate > 1e7 || want.patience < 0 || want.patience > 86400)
		usage();
}

/* Room for n more bytes of output, which count as written. */
static char *reserve(struct conn *c, size_t n)
{
	if (c->out_len + n > c->out_cap) {
		c->out_cap = (c->out_len + n) * 2;
		if (!(c->out = realloc(c->out, c->out_cap)))
			die("realloc");
	}
	if (!c->dirty) {
		c->dirty = true;
		dirty[dirty_count++] = c;
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

static void put_text(char **p, const char *text)
{
	size_t n = strlen(text);
	*(*p)++ = n; /* below 127: RFC 7541, section 5.2, not Huffman-coded */
	memcpy(*p, text, n);
	*p += n;
}

/* The head of a call: RFC 7541, section 6.1 for what the static table holds whole, 6.2.2 for the rest. */
static void put_call(struct conn *c, uint32_t id)
{
	enum { POST = 0x83, HTTP = 0x86, NAME_PATH = 4, NAME_AUTHORITY = 1, NAME_CONTENT_TYPE = 31 - 15, NAME_LONG = 0x0f, NEW_NAME = 0 };
	char block[256], *p = block;
	*p++ = (char)POST;
	*p++ = (char)HTTP;
	*p++ = NAME_PATH;
	put_text(&p, want.path);
	*p++ = NAME_AUTHORITY;
	put_text(&p, "bench");
	*p++ = NAME_LONG;
	*p++ = NAME_CONTENT_TYPE;
	put_text(&p, "application/grpc");
	*p++ = NEW_NAME;
	put_text(&p, "te");
	put_text(&p, "trailers");
	put_frame(c, HEADERS, END_HEADERS, id, block, p - block);
}

/* Connects, and begins all calls. Connecting blocks: it is loopback, and outside the phases except after a failure. */
static void open_conn(struct conn *c)
{
	struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(want.port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int on = 1;
	c->fd = socket(AF_INET, SOCK_STREAM, 0);
	if (c->fd < 0 || connect(c->fd, (struct sockaddr *)&to, sizeof to) < 0)
		die("connect");
	setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
	if (fcntl(c->fd, F_SETFL, O_NONBLOCK) < 0)
		die("fcntl");
	watch(c, c->fd, EPOLL_CTL_ADD, false);
	c->watches_out = false;
	c->held_len = c->out_at = c->out_len = c->uncredited = 0;
	c->window = c->initial_window = DEFAULT_WINDOW;
	memcpy(reserve(c, PREFACE_LEN), PREFACE, PREFACE_LEN);
	char settings[6];
	put16(settings, SETTINGS_INITIAL_WINDOW_SIZE);
	put32(settings + 2, OUR_WINDOW);
	put_frame(c, SETTINGS, 0, 0, settings, sizeof settings);
	put_credit(c, 0, OUR_WINDOW - DEFAULT_WINDOW);
	for (int i = 0; i < want.streams; i++) {
		struct stream *s = &c->streams[i];
		*s = (struct stream){.conn = c, .id = 2 * i + 1, .window = DEFAULT_WINDOW};
		put_call(c, s->id);
	}
}

/* Puts what the windows allow of a stream's message behind what its connection has to write. */
static void send_message(struct stream *s)
{
	struct conn *c = s->conn;
	while (s->key && s->sent < want.body) {
		int64_t n = want.body - s->sent;
		n = n < s->window ? n : s->window;
		n = n < c->window ? n : c->window;
		if (n <= 0)
			return;
		char keyed[KEYED], *at = reserve(c, FRAME_HEAD + n);
		memcpy(keyed, message, GRPC_PREFIX);
		put64(keyed + GRPC_PREFIX, s->key);
		put_frame_head(at, n, DATA, 0, s->id);
		memcpy(at + FRAME_HEAD, message + s->sent, n);
		if (s->sent < KEYED)
			memcpy(at + FRAME_HEAD, keyed + s->sent, (size_t)n < KEYED - s->sent ? (size_t)n : KEYED - s->sent);
		s->sent += n;
		s->window -= n;
		c->window -= n;
	}
}

static void start(void *place, uint64_t due)
{
	static uint64_t serial;
	struct stream *s = place;
	s->due = due;
	s->key = ++serial;
	s->sent = s->got = 0;
	send_message(s);
}

static void set_free(struct stream *s)
{
	s->key = 0;
	put_free(s);
}

/* The connection makes no sense any more, or a call of it has ended: all of them have, and it is replaced. */
static void fail(struct conn *c, enum failure why)
{
	count_failure(why);
	for (int i = 0; i < want.streams; i++)
		if (c->streams[i].key) {
			in_flight--;
			set_free(&c->streams[i]);
		}
	close(c->fd);
	reconnects++;
	open_conn(c);
}

static void write_out(struct conn *c)
{
	if (c->out_at == c->out_len)
		return; /* it was replaced */
	ssize_t n = send(c->fd, c->out + c->out_at, c->out_len - c->out_at, MSG_NOSIGNAL);
	if (n < 0 && errno != EAGAIN && errno != EINTR) {
		fail(c, BAD_CLOSED);
		return;
	}
	c->out_at += n < 0 ? 0 : n;
	bool all = c->out_at == c->out_len;
	if (all)
		c->out_at = c->out_len = 0;
	if (all == c->watches_out)
		watch(c, c->fd, EPOLL_CTL_MOD, c->watches_out = !all);
}

static void started_some(void)
{
	while (dirty_count > 0) {
		struct conn *c = dirty[--dirty_count];
		c->dirty = false;
		if (!c->watches_out)
			write_out(c);
	}
}

/* Whether bytes of an echo are those of the message, from a place in it. */
static bool is_echo(const struct stream *s, size_t at, const uint8_t *p, size_t n)
{
	char keyed[KEYED];
	memcpy(keyed, message, GRPC_PREFIX);
	put64(keyed + GRPC_PREFIX, s->key);
	if (at < KEYED) {
		size_t head = n < KEYED - at ? n : KEYED - at;
		if (memcmp(p, keyed + at, head) != 0)
			return false;
		at += head;
		p += head;
		n -= head;
	}
	return memcmp(p, message + at, n) == 0;
}

/* Takes bytes of an echo; what is wrong with them, FAILURES when nothing is. */
static enum failure on_data(struct conn *c, struct stream *s, uint8_t flags, const uint8_t *p, size_t n, uint64_t t)
{
	if (flags & PADDED)
		return BAD_FRAME;
	if (flags & END_STREAM || !s->accepted)
		return s->accepted ? BAD_CLOSED : BAD_STATUS;
	c->uncredited += n;
	s->uncredited += n;
	if (c->uncredited >= CREDIT) {
		put_credit(c, 0, c->uncredited);
		c->uncredited = 0;
	}
	if (s->uncredited >= CREDIT) {
		put_credit(c, s->id, s->uncredited);
		s->uncredited = 0;
	}
	if (n == 0)
		return FAILURES;
	if (!s->key || s->got + n > s->sent)
		return BAD_EXTRA;
	if (!is_echo(s, s->got, p, n))
		return BAD_BODY;
	s->got += n;
	if (s->got < want.body)
		return FAILURES;
	if (count_answer(s->due, t))
		start_at(s, t);
	else
		set_free(s);
	return FAILURES;
}

/*
 * The head of the answers. What servers send first is :status, and 200 as the static table has it (RFC 7541, section 6.1),
 * perhaps behind a change of the table's size (6.3).
 */
static enum failure on_head(struct stream *s, uint8_t flags, const uint8_t *p, size_t n)
{
	if (s->accepted || flags & END_STREAM)
		return s->accepted ? BAD_CLOSED : BAD_STATUS; /* trailers: the call is over, which it should not be */
	while (n > 0 && *p >> 5 == 1) {
		bool more = (*p & 0x1f) == 0x1f; /* the size goes on in bytes of 7 bits */
		for (p++, n--; more && n > 0; p++, n--)
			more = *p & 0x80;
	}
	if (flags & PADDED || n == 0)
		return BAD_FRAME;
	s->accepted = *p == STATUS_200;
	return s->accepted ? FAILURES : BAD_STATUS;
}

static void on_settings(struct conn *c, uint8_t flags, const uint8_t *p, size_t n)
{
	if (flags & ACK)
		return;
	for (; n >= 6; p += 6, n -= 6) {
		if (get16(p) != SETTINGS_INITIAL_WINDOW_SIZE)
			continue;
		int64_t change = (int64_t)get32(p + 2) - c->initial_window;
		c->initial_window += change;
		for (int i = 0; i < want.streams; i++) {
			c->streams[i].window += change;
			send_message(&c->streams[i]);
		}
	}
	put_frame(c, SETTINGS, ACK, 0, NULL, 0);
}

static void on_window(struct conn *c, struct stream *s, uint32_t n)
{
	if (s) {
		s->window += n;
		send_message(s);
		return;
	}
	c->window += n;
	for (int i = 0; i < want.streams; i++)
		send_message(&c->streams[i]);
}

/* One frame; what is wrong with it, FAILURES when nothing is. */
static enum failure on_frame(struct conn *c, enum frame_type type, uint8_t flags, uint32_t id, const uint8_t *p, size_t n, uint64_t t)
{
	uint32_t k = id / 2;
	struct stream *s = id % 2 && k < (uint32_t)want.streams ? &c->streams[k] : NULL;
	if (id && !s)
		return BAD_FRAME;
	switch (type) {
	case DATA:
		return s ? on_data(c, s, flags, p, n, t) : BAD_FRAME;
	case HEADERS:
		return s && flags & END_HEADERS ? on_head(s, flags, p, n) : BAD_FRAME;
	case RST_STREAM:
		return BAD_CLOSED;
	case GOAWAY: /* the calls that it has taken go on: RFC 9113, section 6.8 */
		return n >= 8 && (get32(p) & 0x7fffffff) >= 2u * want.streams - 1 ? FAILURES : BAD_CLOSED;
	case SETTINGS:
		on_settings(c, flags, p, n);
		return FAILURES;
	case PING:
		if (!(flags & ACK))
			put_frame(c, PING, ACK, 0, p, n);
		return FAILURES;
	case WINDOW_UPDATE:
		if (n != 4)
			return BAD_FRAME;
		on_window(c, s, get32(p) & 0x7fffffff);
		return FAILURES;
	case CONTINUATION:
	case PUSH_PROMISE:
		return BAD_FRAME;
	default:
		return FAILURES; /* PRIORITY, and what nobody has heard of */
	}
}

/* Takes whole frames; returns how many bytes, or -1 when the connection was replaced. */
static ssize_t take(struct conn *c, const uint8_t *bytes, size_t n)
{
	uint64_t t = now();
	size_t at = 0;
	while (n - at >= FRAME_HEAD) {
		const uint8_t *f = bytes + at;
		size_t len = get24(f);
		if (len <= MAX_PAYLOAD && n - at < FRAME_HEAD + len)
			break;
		enum failure wrong = BAD_FRAME;
		if (len <= MAX_PAYLOAD)
			wrong = on_frame(c, f[3], f[4], get32(f + 5) & 0x7fffffff, f + FRAME_HEAD, len, t);
		if (wrong != FAILURES) {
			fail(c, wrong);
			return -1;
		}
		at += FRAME_HEAD + len;
	}
	return at;
}

static void on_readable(struct conn *c)
{
	memcpy(buffer, c->held_len ? c->held : "", c->held_len);
	ssize_t n = recv(c->fd, buffer + c->held_len, BUFFER, 0);
	if (n <= 0) {
		if (n == 0 || (errno != EAGAIN && errno != EINTR))
			fail(c, BAD_CLOSED);
		return;
	}
	phase.bytes += n;
	size_t all = c->held_len + n;
	ssize_t used = take(c, (const uint8_t *)buffer, all);
	if (used < 0)
		return;
	c->held_len = all - used;
	if (!c->held_len)
		return;
	if (!c->held && !(c->held = malloc(FRAME_HEAD + MAX_PAYLOAD)))
		die("malloc");
	memcpy(c->held, buffer + used, c->held_len);
}

static void on_event(void *data, uint32_t events)
{
	struct conn *c = data;
	if ((events & EPOLLOUT) && c->watches_out)
		write_out(c);
	if (events & (EPOLLIN | EPOLLERR | EPOLLHUP))
		on_readable(c);
	started_some();
}

static void age_unfinished(uint64_t t)
{
	for (int i = 0; i < want.connections; i++)
		for (int k = 0; k < want.streams; k++)
			if (conns[i].streams[k].key)
				unfinished(conns[i].streams[k].due, t);
}

/* Opens the connections, and sends one message on every stream: then all calls are under way. */
static void open_all(void)
{
	begin_phase(0);
	for (int i = 0; i < want.connections; i++) {
		if (!(conns[i].streams = calloc(want.streams, sizeof *conns[i].streams)))
			die("calloc");
		open_conn(&conns[i]);
		for (int k = 0; k < want.streams; k++)
			start_at(&conns[i].streams[k], now());
		started_some();
		wait_for_answers();
	}
}

int main(int argc, char **argv)
{
	parse(argc, argv);
	prepare((size_t)want.connections * want.streams, want.seconds + want.warmup + want.patience);
	put32(message + 1, want.body - GRPC_PREFIX);
	for (size_t i = KEYED; i < want.body; i++)
		message[i] = 'a' + i % LETTERS;
	conns = calloc(want.connections, sizeof *conns);
	dirty = calloc(want.connections, sizeof *dirty);
	if (!conns || !dirty)
		die("start");
	open_all();
	if (want.warmup > 0)
		run_phase(want.warmup);
	if (want.gate)
		gate();
	run_phase(want.seconds);
	int alive = 0;
	for (int i = 0; i < want.connections; i++)
		alive += is_alive(conns[i].fd);
	print_result(alive);
	for (int i = 0; i < want.connections; i++)
		close_for_good(conns[i].fd);
	return 0;
}
