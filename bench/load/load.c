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
 *   --tls FILE         over TLS 1.3, from a server that has the certificate in the file; the program must be compiled for it
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
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include "../common/generator.h"
#include "channel.h"
#include "options.h"
#include "request.h"
#include "websocket.h"

enum { BUFFER = 256 << 10, HEAD = 4 << 10, PATTERN = MAX_ANSWER, OPENING = 64, SOURCES = 200 };

/*
 *   FREE --request--> SENDING --all sent--> HEAD_WAIT --head--> BODY_WAIT --all read--> FREE
 *   any --failure, or "Connection: close" after the answer--> reconnected, FREE
 */
enum state { FREE, SENDING, HEAD_WAIT, BODY_WAIT };

struct conn {
	struct channel to;
	enum state state;
	bool close_after, watches_out;
	uint64_t due; /* when its request was due */
	size_t sent, body_at, head_len;
	unsigned route; /* the number of its path */
	char *head; /* an unfinished head, or NULL */
};

static struct conn *conns;
static char buffer[BUFFER], pattern[PATTERN + LETTERS];

/* Connecting blocks: it is loopback, and outside the phases except after a failure. */
static void open_conn(struct conn *c)
{
	struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(want.port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int on = 1;
	c->to.fd = socket(AF_INET, SOCK_STREAM, 0);
	if (want.fresh && c->to.fd >= 0) {
		static unsigned turn;
		struct sockaddr_in from = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK + 1 + turn++ % SOURCES)};
		setsockopt(c->to.fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof on);
		if (bind(c->to.fd, (struct sockaddr *)&from, sizeof from) < 0)
			die("bind");
	}
	if (c->to.fd < 0 || connect(c->to.fd, (struct sockaddr *)&to, sizeof to) < 0)
		die("connect");
	setsockopt(c->to.fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
	if (want.websocket)
		shake_hands(c->to.fd, DRAIN);
	channel_open(&c->to);
	if (fcntl(c->to.fd, F_SETFL, O_NONBLOCK) < 0)
		die("fcntl");
	watch(c, c->to.fd, EPOLL_CTL_ADD, false);
	c->watches_out = false;
	c->state = FREE;
	c->close_after = want.fresh;
	c->head_len = 0;
}

static void reopen(struct conn *c)
{
	channel_close(&c->to);
	reconnects++;
	open_conn(c);
}

static void set_free(struct conn *c)
{
	c->state = FREE;
	put_free(c);
}

/* Counts a failure, and replaces the connection. */
static void fail(struct conn *c, enum failure why)
{
	count_failure(why);
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
	ssize_t n = channel_send(&c->to, request + c->sent, request_len - c->sent);
	if (n < 0 && errno != EAGAIN && errno != EINTR) {
		fail(c, BAD_CLOSED);
		return;
	}
	c->sent += n < 0 ? 0 : n;
	bool all = c->sent == request_len;
	if (all == c->watches_out)
		watch(c, c->to.fd, EPOLL_CTL_MOD, c->watches_out = !all);
	if (all)
		c->state = want.websocket ? BODY_WAIT : HEAD_WAIT;
}

static void start(void *place, uint64_t due)
{
	static uint64_t dice;
	struct conn *c = place;
	dice = dice * 6364136223846793005 + 1442695040888963407; /* Knuth's linear congruence */
	c->route = want.routes ? (dice >> 33) % want.routes : 0;
	c->due = due;
	c->sent = c->body_at = 0;
	c->state = SENDING;
	send_more(c);
}

static void started_some(void) {}

static void finish(struct conn *c)
{
	uint64_t t = now();
	bool again = count_answer(c->due, t);
	if (c->close_after)
		reopen(c);
	if (again)
		start_at(c, t);
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

static void on_event(void *data, uint32_t events)
{
	struct conn *c = data;
	if ((events & EPOLLOUT) && c->state == SENDING)
		send_more(c);
	if (!(events & (EPOLLIN | EPOLLERR | EPOLLHUP)))
		return;
	ssize_t n;
	do {
		n = channel_recv(&c->to, buffer, sizeof buffer);
		if (n > 0 && c->state == FREE)
			fail(c, BAD_EXTRA);
		else if (n > 0)
			take_answer(c, buffer, n);
		else if (n == 0 || (errno != EAGAIN && errno != EINTR))
			fail(c, BAD_CLOSED);
	} while (n > 0 && channel_pending(&c->to));
}

static void age_unfinished(uint64_t t)
{
	for (int i = 0; i < want.connections; i++)
		if (conns[i].state != FREE)
			unfinished(conns[i].due, t);
}

/* Opens the connections; with --hold each serves one request, OPENING of them at a time. */
static void open_all(void)
{
	begin_phase(0);
	for (int i = 0; i < want.connections;) {
		int first = i;
		for (; i < want.connections && i < first + OPENING; i++) {
			open_conn(&conns[i]);
			if (want.hold)
				start_at(&conns[i], now());
			else
				set_free(&conns[i]);
		}
		wait_for_answers();
	}
}

int main(int argc, char **argv)
{
	parse(argc, argv);
	prepare(want.connections, want.seconds + want.warmup + want.patience);
	rate = want.rate;
	for (size_t i = 0; i < sizeof pattern; i++)
		pattern[i] = 'a' + i % LETTERS;
	if (want.websocket)
		make_message();
	else
		make_request();
	if (!(conns = calloc(want.connections, sizeof *conns)))
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
		alive += is_alive(conns[i].to.fd);
	print_result(alive);
	for (int i = 0; i < want.connections; i++)
		close_for_good(conns[i].to.fd);
	return 0;
}
