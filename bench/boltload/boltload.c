/*
 * boltload --port N [options]: a load generator of SOFABolt calls on one thread, and cheap: the calls that a read sets free
 * leave in one write.
 *
 *   --port N           where to connect, on 127.0.0.1
 *   --connections N    64
 *   --calls N          in flight on each connection, at most; 1
 *   --body N           bytes of content of a call, at least 16; 128
 *   --answer N         bytes of content that every answer must have, at least 8; 128
 *   --mixed            every second call is of version 2, with a CRC32
 *   --errors           every fourth call asks for the status ERROR
 *   --shuffled         every third call asks to be answered behind those that arrive with it
 *   --seconds S, --warmup S, --rate R, --hold, --gate, --patience S   as load has them
 *
 * Every answer is checked: it must be to a call that is in flight on its connection, in that call's version, with its CRC32
 * if the call had one, its class name, the status that was asked for, and its content: the call's own key (no two calls have
 * the same) and every byte behind it. The result is one JSON object on stdout; failures are by name:
 *
 *   closed      calls that were in flight on a connection that ended      extra  an answer to no call that is in flight
 *   status, length, body                                                  frame  not a frame, or one that makes no sense
 *   sum         a CRC32 that is wrong or missing                          unfinished  no answer, to the end
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <getopt.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include "../common/bolt.h"
#include "../common/generator.h"

enum { BUFFER = BOLT_MOST + (256 << 10), MAX_CALLS = 1024, OPENING = 64, MIXED = 2, ERRORS = 4, SHUFFLED = 3 };

static struct {
	int port, connections, calls;
	size_t body, answer;
	double seconds, warmup, patience;
	bool hold, gate, mixed, errors, shuffled;
} want = {.connections = 64, .calls = 1, .body = 128, .answer = 128, .seconds = 1, .patience = 60};

/*
 *   FREE --start--> in flight --its answer, right or wrong--> FREE
 *                             `--the connection ends--> FREE
 */
struct call {
	struct conn *conn;
	uint64_t due, key; /* key 0: FREE */
	uint32_t id;	   /* the place in the connection's table, and a serial number above it */
	uint8_t version;
	uint16_t status; /* that its answer must have */
};

struct conn {
	int fd;
	bool watches_out, dirty; /* dirty: in the list of those that have something to write */
	struct call *calls;
	char *held; /* an unfinished frame */
	size_t held_len;
	char *out;
	size_t out_at, out_len, out_cap;
};

/* A call as it leaves, but for id, key, status and sum. */
struct template {
	char *bytes;
	size_t len, content_at;
};

static struct conn *conns, **dirty;
static int dirty_count, call_bits;
static struct template templates[BOLT_2 + 1];
static char buffer[BUFFER], pattern[BOLT_MOST_CONTENT + BOLT_LETTERS];

static void usage(void)
{
	fprintf(stderr, "usage: boltload --port N [--connections N] [--calls N] [--body N] [--answer N] [--mixed] [--errors] [--shuffled]\n"
			"                [--seconds S] [--warmup S] [--rate R] [--hold] [--gate] [--patience S]\n");
	exit(2);
}

static void parse(int argc, char **argv)
{
	static const struct option options[] = {
		{"port", 1, NULL, 'p'}, {"connections", 1, NULL, 'c'}, {"calls", 1, NULL, 'n'}, {"body", 1, NULL, 'b'}, {"answer", 1, NULL, 'a'},
		{"mixed", 0, NULL, 'm'}, {"errors", 0, NULL, 'e'}, {"shuffled", 0, NULL, 'l'}, {"seconds", 1, NULL, 's'}, {"warmup", 1, NULL, 'w'},
		{"rate", 1, NULL, 'r'}, {"hold", 0, NULL, 'h'}, {"gate", 0, NULL, 'g'}, {"patience", 1, NULL, 'y'}, {0},
	};
	for (int o; (o = getopt_long(argc, argv, "", options, NULL)) != -1;)
		switch (o) {
		case 'p': want.port = atoi(optarg); break;
		case 'c': want.connections = atoi(optarg); break;
		case 'n': want.calls = atoi(optarg); break;
		case 'b': want.body = strtoull(optarg, NULL, 10); break;
		case 'a': want.answer = strtoull(optarg, NULL, 10); break;
		case 'm': want.mixed = true; break;
		case 'e': want.errors = true; break;
		case 'l': want.shuffled = true; break;
		case 's': want.seconds = atof(optarg); break;
		case 'w': want.warmup = atof(optarg); break;
		case 'r': rate = atof(optarg); break;
		case 'h': want.hold = true; break;
		case 'g': want.gate = true; break;
		case 'y': want.patience = atof(optarg); break;
		default: usage();
		}
	if (optind != argc || want.port <= 0 || want.port > 65535 || want.connections <= 0 || want.connections > 100000 || want.calls <= 0 ||
	    want.calls > MAX_CALLS || want.body < CALL_PREFIX || want.body > BOLT_MOST_CONTENT || want.answer < ANSWER_PREFIX ||
	    want.answer > BOLT_MOST_CONTENT || want.seconds < 0 || want.seconds > 600 || want.warmup < 0 || want.warmup > 600 || rate < 0 ||
	    rate > 1e7 || want.patience < 0 || want.patience > 86400)
		usage();
}

static size_t put_text(char *p, const char *text)
{
	put32(p, strlen(text));
	memcpy(p + 4, text, strlen(text));
	return 4 + strlen(text);
}

/* What SOFARPC sends with a call, more or less. */
static void make_template(int version)
{
	static const char *const fields[] = {
		"service", "com.alipay.sofa.rpc.bench.EchoService:1.0", "sofa_head_target_service", "com.alipay.sofa.rpc.bench.EchoService:1.0",
		"sofa_head_method_name", "echo", "sofa_head_target_app", "bench", "rpc_trace_context.sofaTraceId", "0a0fe8ec15987654321001001",
		"rpc_trace_context.sofaRpcId", "0", "rpc_trace_context.sofaCallerApp", "load",
	};
	struct template *t = &templates[version];
	char block[1024];
	size_t block_len = 0, class_len = sizeof BOLT_REQUEST_CLASS - 1;
	for (size_t i = 0; i < sizeof fields / sizeof *fields; i++)
		block_len += put_text(block + block_len, fields[i]);
	if (!(t->bytes = malloc(32 + class_len + block_len + want.body + BOLT_SUM)))
		die("malloc");
	size_t fixed = bolt_put_fixed(t->bytes, version, BOLT_REQUEST, BOLT_CALL, version == BOLT_2, 0, BOLT_TIMEOUT);
	bolt_put_lengths(t->bytes, fixed, class_len, block_len, want.body);
	memcpy(t->bytes + fixed, BOLT_REQUEST_CLASS, class_len);
	memcpy(t->bytes + fixed + class_len, block, block_len);
	t->content_at = fixed + class_len + block_len;
	char *content = t->bytes + t->content_at;
	memset(content, 0, CALL_PREFIX);
	put32(content + 8, want.answer);
	memcpy(content + CALL_PREFIX, pattern, want.body - CALL_PREFIX);
	t->len = t->content_at + want.body;
}

/* Connecting blocks: it is loopback, and outside the phases except after a failure. */
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
	c->held_len = c->out_at = c->out_len = 0;
}

static void set_free(struct call *a)
{
	a->key = 0;
	put_free(a);
}

/* The connection makes no sense any more, or has ended: so have its calls, and it is replaced. */
static void fail(struct conn *c, enum failure why)
{
	if (why != BAD_CLOSED)
		count_failure(why);
	int lost = 0;
	for (int i = 0; i < want.calls; i++)
		if (c->calls[i].key) {
			count_failure(BAD_CLOSED);
			in_flight--;
			lost++;
			set_free(&c->calls[i]);
		}
	if (why == BAD_CLOSED && !lost)
		count_failure(BAD_CLOSED); /* an idle one, and yet: the server should not */
	close(c->fd);
	reconnects++;
	open_conn(c);
}

/* Puts a call behind what its connection has to write. */
static void start(void *place, uint64_t due)
{
	static uint64_t serial;
	struct call *a = place;
	struct conn *c = a->conn;
	serial++;
	a->due = due;
	a->key = serial;
	a->version = want.mixed && serial % MIXED == 0 ? BOLT_2 : BOLT_1;
	a->status = want.errors && serial % ERRORS == 0 ? BOLT_ERROR : BOLT_SUCCESS;
	a->id = (uint32_t)(a - c->calls) | (uint32_t)serial << call_bits;
	const struct template *t = &templates[a->version];
	if (c->out_len + t->len + BOLT_SUM > c->out_cap) {
		c->out_cap = (c->out_len + t->len + BOLT_SUM) * 2;
		if (!(c->out = realloc(c->out, c->out_cap)))
			die("realloc");
	}
	char *frame = c->out + c->out_len, *content = frame + t->content_at;
	memcpy(frame, t->bytes, t->len);
	put32(frame + bolt_id_at(a->version), a->id);
	put64(content, a->key);
	put16(content + 12, a->status);
	content[14] = want.shuffled && serial % SHUFFLED == 0 ? CALL_LATE : 0;
	c->out_len += t->len;
	if (a->version == BOLT_2) {
		bolt_put_sum(frame, t->len);
		c->out_len += BOLT_SUM;
	}
	if (!c->dirty) {
		c->dirty = true;
		dirty[dirty_count++] = c;
	}
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

/* What is wrong with the answer to a call; FAILURES when nothing is. */
static enum failure judge(const struct call *a, const char *bytes, const struct bolt_frame *f)
{
	if (f->version != a->version || !bolt_class_is(f, BOLT_RESPONSE_CLASS))
		return f->status != a->status ? BAD_STATUS : BAD_FRAME;
	if (f->summed != (a->version == BOLT_2) || !bolt_sum_fits(bytes, f))
		return BAD_SUM;
	if (f->status != a->status)
		return BAD_STATUS;
	if (f->content_len != want.answer)
		return BAD_LENGTH;
	if (get64((const uint8_t *)f->content) != a->key || memcmp(f->content + ANSWER_PREFIX, pattern, f->content_len - ANSWER_PREFIX) != 0)
		return BAD_BODY;
	return FAILURES;
}

static void take_answer(struct conn *c, const char *bytes, const struct bolt_frame *f, uint64_t t)
{
	struct call *a = &c->calls[f->id & ((1u << call_bits) - 1)];
	if ((int)(a - c->calls) >= want.calls || !a->key || a->id != f->id) {
		count_failure(BAD_EXTRA);
		return;
	}
	enum failure wrong = judge(a, bytes, f);
	if (wrong != FAILURES) {
		count_failure(wrong);
		in_flight--;
		set_free(a);
	} else if (count_answer(a->due, t)) {
		start_at(a, t);
	} else {
		set_free(a);
	}
}

/* Takes whole frames; returns how many bytes, or -1 when the connection was replaced. */
static ssize_t take(struct conn *c, const char *bytes, size_t n)
{
	uint64_t t = now();
	size_t at = 0;
	for (struct bolt_frame f; at < n; at += f.len) {
		enum bolt_parsed parsed = bolt_parse(bytes + at, n - at, &f);
		if (parsed == BOLT_PART)
			break;
		if (parsed == BOLT_WHOLE && f.command == BOLT_GOAWAY)
			continue; /* the proxy will leave; what is in flight it answers */
		if (parsed == BOLT_BAD || f.kind != BOLT_RESPONSE || f.command != BOLT_ANSWER) {
			fail(c, BAD_FRAME);
			return -1;
		}
		take_answer(c, bytes + at, &f, t);
	}
	return at;
}

static void on_readable(struct conn *c)
{
	memcpy(buffer, c->held_len ? c->held : "", c->held_len);
	ssize_t n = recv(c->fd, buffer + c->held_len, sizeof buffer - c->held_len, 0);
	if (n <= 0) {
		if (n == 0 || (errno != EAGAIN && errno != EINTR))
			fail(c, BAD_CLOSED);
		return;
	}
	phase.bytes += n;
	size_t all = c->held_len + n;
	ssize_t used = take(c, buffer, all);
	if (used < 0)
		return;
	c->held_len = all - used;
	if (!c->held_len)
		return;
	if (!(c->held = realloc(c->held, c->held_len)))
		die("realloc");
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
		for (int k = 0; k < want.calls; k++)
			if (conns[i].calls[k].key)
				unfinished(conns[i].calls[k].due, t);
}

/* Opens the connections; with --hold each serves one call, OPENING of them at a time. */
static void open_all(void)
{
	begin_phase(0);
	for (int i = 0; i < want.connections;) {
		int first = i;
		for (; i < want.connections && i < first + OPENING; i++) {
			struct conn *c = &conns[i];
			if (!(c->calls = calloc(want.calls, sizeof *c->calls)))
				die("calloc");
			for (int k = 0; k < want.calls; k++)
				c->calls[k].conn = c;
			open_conn(c);
			if (want.hold)
				start_at(&c->calls[0], now());
		}
		started_some();
		wait_for_answers();
	}
	/* One place of each connection after the other: the load is spread evenly. */
	for (int k = want.hold ? want.calls : 0; k < want.calls; k++)
		for (int i = 0; i < want.connections; i++)
			put_free(&conns[i].calls[k]);
}

int main(int argc, char **argv)
{
	parse(argc, argv);
	prepare((size_t)want.connections * want.calls, want.seconds + want.warmup + want.patience);
	bolt_make_crc();
	for (size_t i = 0; i < sizeof pattern; i++)
		pattern[i] = 'a' + i % BOLT_LETTERS;
	make_template(BOLT_1);
	make_template(BOLT_2);
	while (1 << call_bits < want.calls)
		call_bits++;
	conns = calloc(want.connections, sizeof *conns);
	dirty = calloc(want.connections, sizeof *dirty);
	if (!conns || !dirty)
		die("start");
	open_all();
	if (want.warmup > 0 && !want.hold)
		run_phase(want.warmup);
	if (want.gate)
		gate();
	if (!want.hold)
		run_phase(want.seconds);
	int alive = 0;
	for (int i = 0; i < want.connections; i++)
		alive += is_alive(conns[i].fd);
	print_result(alive);
	for (int i = 0; i < want.connections; i++)
		close_for_good(conns[i].fd);
	return 0;
}
