/*
 * handshake --port N --tls FILE [options]: opens TLS connections, one after the other at each of several places, on one
 * thread. A request is a connection: a handshake, close_notify and FIN, and the server's end of it. It is counted when the
 * server has closed, so all that the server has to do for it is done.
 *
 *   --port N           where to connect, on 127.0.0.1
 *   --tls FILE         the server's certificate; it is verified
 *   --version V        1.2 or 1.3; 1.3
 *   --resume           each handshake but a place's first resumes the session of the one before, with its newest ticket
 *   --connections N    how many at a time; 16
 *   --rate R           open loop: R handshakes per second on a fixed schedule; 0 means closed loop
 *   --seconds S, --warmup S, --gate, --patience S   as for load.c
 *
 * The suite is AES-128-GCM-SHA256, the group X25519. Without --resume a session is never offered. Whether a handshake was
 * full or resumed is checked for each of them, by what the server has said: anything else than what was asked for is a
 * failure ("resumption"), and so is an end of the connection that is none of TLS's. The result is one JSON object on stdout.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <getopt.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include "../common/generator.h"
#include "../common/tls.h"

enum { SOURCES = 200, SINK = 4096 };

/*
 *   FREE --begin--> SHAKING --done, close_notify and FIN--> CLOSING --the server's end--> FREE
 *   any --failure--> FREE
 */
enum state { FREE, SHAKING, CLOSING };

struct place {
	int fd;
	enum state state;
	bool watches_out;
	uint64_t due;
	SSL *ssl;
	SSL_SESSION *session; /* the newest that the server has given, or NULL */
};

static struct {
	int port, connections, version;
	const char *certificate;
	double seconds, warmup, rate, patience;
	bool resume, gate;
} want = {.connections = 16, .version = TLS1_3_VERSION, .seconds = 1, .patience = 60};

static struct place *all;
static SSL_CTX *ctx;
static bool opening; /* first handshakes, which have nothing to resume */

/* Makes a session the one to resume next, and its owner. */
static void keep(struct place *p, SSL_SESSION *session)
{
	SSL_SESSION_free(p->session);
	p->session = session;
}

/* OpenSSL has a new session, with a ticket. */
static int on_session(SSL *ssl, SSL_SESSION *session)
{
	if (!want.resume)
		return 0;
	keep(SSL_get_app_data(ssl), session);
	return 1; /* it is ours now */
}

static void end(struct place *p)
{
	SSL_free(p->ssl);
	close(p->fd);
	p->ssl = NULL;
	p->state = FREE;
}

static void fail(struct place *p, enum failure why)
{
	if (why == BAD_HANDSHAKE && failed == 0)
		fprintf(stderr, "handshake: %s\n", errno == EPROTO ? "TLS failed" : strerror(errno));
	end(p);
	count_failure(why);
	in_flight--;
	put_free(p);
}

static void finish(struct place *p)
{
	end(p);
	uint64_t t = now();
	if (count_answer(p->due, t))
		start_at(p, t);
	else
		put_free(p);
}

static void watch_for(struct place *p, bool out)
{
	if (out != p->watches_out)
		watch(p, p->fd, EPOLL_CTL_MOD, p->watches_out = out);
}

static void shake(struct place *p)
{
	errno = 0;
	int n = SSL_do_handshake(p->ssl);
	if (n != 1) {
		if (SSL_get_error(p->ssl, n) == SSL_ERROR_WANT_READ) {
			watch_for(p, false);
			return;
		}
		if (SSL_get_error(p->ssl, n) == SSL_ERROR_WANT_WRITE) {
			watch_for(p, true);
			return;
		}
		tls_result(p->ssl, n);
		fail(p, BAD_HANDSHAKE);
		return;
	}
	if (SSL_session_reused(p->ssl) != (want.resume && !opening)) {
		fail(p, BAD_RESUMPTION);
		return;
	}
	/* The new ticket of a resumed session of TLS 1.2 is told of by nobody, and makes the old one useless. */
	if (want.resume && want.version == TLS1_2_VERSION)
		keep(p, SSL_get1_session(p->ssl));
	watch_for(p, false);
	p->state = CLOSING;
	SSL_shutdown(p->ssl);
	shutdown(p->fd, SHUT_WR);
}

/* Reads what is left, tickets among it, to the end. */
static void drain(struct place *p)
{
	char sink[SINK];
	ssize_t n = tls_recv(p->ssl, sink, sizeof sink);
	if (n > 0) {
		fail(p, BAD_EXTRA);
		return;
	}
	if (n < 0) {
		if (errno != EAGAIN && errno != EINTR)
			fail(p, BAD_CLOSED);
		return;
	}
	/* The server's close_notify, if it sends one; what counts is that it has closed the socket. */
	ssize_t rest = recv(p->fd, sink, sizeof sink, MSG_DONTWAIT);
	if (rest < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (rest != 0)
		fail(p, BAD_CLOSED);
	else if (want.resume && !(p->session && SSL_SESSION_has_ticket(p->session)))
		fail(p, BAD_RESUMPTION);
	else
		finish(p);
}

static void start(void *place, uint64_t due)
{
	static unsigned turn;
	struct place *p = place;
	struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(want.port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	/* From many addresses (127.0.0.2 and above), lest ports run out. */
	struct sockaddr_in from = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK + 1 + turn++ % SOURCES)};
	int on = 1;
	p->fd = socket(AF_INET, SOCK_STREAM, 0);
	if (p->fd < 0)
		die("socket");
	setsockopt(p->fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof on);
	/* Connecting blocks: it is loopback. */
	if (bind(p->fd, (struct sockaddr *)&from, sizeof from) < 0 || connect(p->fd, (struct sockaddr *)&to, sizeof to) < 0)
		die("connect");
	setsockopt(p->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
	if (fcntl(p->fd, F_SETFL, O_NONBLOCK) < 0)
		die("fcntl");
	watch(p, p->fd, EPOLL_CTL_ADD, p->watches_out = false);
	p->ssl = tls_connect(ctx, p->fd);
	SSL_set_app_data(p->ssl, p);
	if (p->session && !SSL_set_session(p->ssl, p->session))
		tls_die("resume");
	p->due = due;
	p->state = SHAKING;
	reconnects++;
	shake(p);
}

static void started_some(void) {}

static void on_event(void *data, uint32_t events)
{
	struct place *p = data;
	(void)events;
	if (p->state == SHAKING)
		shake(p);
	if (p->state == CLOSING)
		drain(p);
}

static void age_unfinished(uint64_t t)
{
	for (int i = 0; i < want.connections; i++)
		if (all[i].state != FREE)
			unfinished(all[i].due, t);
}

static void usage(void)
{
	fprintf(stderr, "usage: handshake --port N --tls FILE [--version 1.2|1.3] [--resume] [--connections N] [--rate R]\n"
			"                 [--seconds S] [--warmup S] [--gate] [--patience S]\n");
	exit(2);
}

static void parse(int argc, char **argv)
{
	static const struct option options[] = {
		{"port", 1, NULL, 'p'}, {"tls", 1, NULL, 't'}, {"version", 1, NULL, 'v'}, {"resume", 0, NULL, 'r'}, {"connections", 1, NULL, 'c'},
		{"rate", 1, NULL, 'R'}, {"seconds", 1, NULL, 's'}, {"warmup", 1, NULL, 'w'}, {"gate", 0, NULL, 'g'}, {"patience", 1, NULL, 'y'}, {0},
	};
	for (int o; (o = getopt_long(argc, argv, "", options, NULL)) != -1;)
		switch (o) {
		case 'p': want.port = atoi(optarg); break;
		case 't': want.certificate = optarg; break;
		case 'v': want.version = !strcmp(optarg, "1.3") ? TLS1_3_VERSION : !strcmp(optarg, "1.2") ? TLS1_2_VERSION : 0; break;
		case 'r': want.resume = true; break;
		case 'c': want.connections = atoi(optarg); break;
		case 'R': want.rate = atof(optarg); break;
		case 's': want.seconds = atof(optarg); break;
		case 'w': want.warmup = atof(optarg); break;
		case 'g': want.gate = true; break;
		case 'y': want.patience = atof(optarg); break;
		default: usage();
		}
	if (optind != argc || want.port <= 0 || want.port > 65535 || !want.certificate || !want.version || want.connections <= 0 ||
	    want.connections > 10000 || want.seconds < 0 || want.seconds > 600 || want.warmup < 0 || want.warmup > 600 ||
	    want.rate < 0 || want.rate > 1e6 ||
	    want.patience < 0 || want.patience > 86400)
		usage();
}

int main(int argc, char **argv)
{
	parse(argc, argv);
	prepare(want.connections, want.seconds + want.warmup + want.patience);
	ctx = tls_client(want.version, want.certificate);
	SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
	SSL_CTX_sess_set_new_cb(ctx, on_session);
	if (!(all = calloc(want.connections, sizeof *all)))
		die("start");
	/* Each place's first handshake: with --resume, the one whose session the others resume. */
	opening = true;
	begin_phase(0);
	for (int i = 0; i < want.connections; i++)
		start_at(&all[i], now());
	wait_for_answers();
	opening = false;
	rate = want.rate;
	if (want.warmup > 0)
		run_phase(want.warmup);
	if (want.gate)
		gate();
	run_phase(want.seconds);
	print_result(0);
	return 0;
}
