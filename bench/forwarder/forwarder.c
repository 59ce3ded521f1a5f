/*
 * forwarder LISTEN_PORT UPSTREAM_PORT
 *
 * The floor of the benchmarks: what it costs to move bytes between two TCP connections on one thread, when nothing is
 * parsed, routed, counted or logged. One upstream connection per downstream connection, made when it is accepted.
 * Level-triggered epoll: a short read needs no second one, so an exchange of one request and one answer is four system
 * calls for data (recv, send, recv, send) and no epoll_ctl.
 *
 * It is correct, so that it can be compared: short writes wait for EPOLLOUT while the other side is not read (at most
 * BUFFER bytes are held per direction), a half-close is passed on, and errors close both sides.
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

enum { BUFFER = 60 << 10, BATCH = 256 };

/* One connection. "rest" is what waits to be sent to it: taken from the peer by a read that it could not take whole. */
struct side {
	int fd;
	uint32_t interest;
	bool eof; /* it has sent FIN */
	struct side *peer;
	struct pair *pair;
	char *rest;
	size_t rest_from, rest_to;
};

struct pair {
	struct side down, up;
	bool dead;
	struct pair *next_dead;
};

static int epoll_fd;
static struct pair *graveyard; /* closed in this batch: events for it may still follow, so it is freed after the batch */
static char buffer[BUFFER];

static void set_interest(struct side *s, uint32_t interest)
{
	if (s->interest == interest)
		return;
	s->interest = interest;
	struct epoll_event ev = {.events = interest, .data.ptr = s};
	if (epoll_ctl(epoll_fd, EPOLL_CTL_MOD, s->fd, &ev) < 0)
		die("epoll_ctl");
}

static void close_pair(struct pair *p)
{
	if (p->dead)
		return;
	p->dead = true;
	close(p->down.fd);
	close(p->up.fd);
	p->next_dead = graveyard;
	graveyard = p;
}

static void bury(void)
{
	while (graveyard) {
		struct pair *p = graveyard;
		graveyard = p->next_dead;
		free(p->down.rest);
		free(p->up.rest);
		free(p);
	}
}

/* The peer has sent FIN and all its bytes have left: pass the FIN on, and end when both directions have ended. */
static void finish_direction_to(struct side *s)
{
	shutdown(s->fd, SHUT_WR);
	if (s->eof && !s->peer->rest)
		close_pair(s->pair);
}

/* Keeps what s could not take, stops reading its peer, and asks to be told when s can take more. */
static void keep_rest(struct side *s, const char *bytes, size_t n)
{
	s->rest = malloc(n);
	if (!s->rest)
		die("malloc");
	memcpy(s->rest, bytes, n);
	s->rest_from = 0;
	s->rest_to = n;
	set_interest(s, s->interest | EPOLLOUT);
	set_interest(s->peer, s->peer->interest & ~EPOLLIN);
}

static void on_readable(struct side *s)
{
	ssize_t n = recv(s->fd, buffer, sizeof buffer, 0);
	if (n > 0) {
		/* While the upstream connection is being made this is EAGAIN: it waits like any short write. */
		ssize_t w = send(s->peer->fd, buffer, n, MSG_NOSIGNAL);
		if (w == n)
			return;
		if (w < 0 && errno != EAGAIN && errno != EINTR) {
			close_pair(s->pair);
			return;
		}
		w = w < 0 ? 0 : w;
		keep_rest(s->peer, buffer + w, n - w);
		return;
	}
	if (n < 0) {
		if (errno != EAGAIN && errno != EINTR)
			close_pair(s->pair);
		return;
	}
	s->eof = true;
	set_interest(s, s->interest & ~EPOLLIN);
	if (!s->peer->rest)
		finish_direction_to(s->peer);
}

static void on_writable(struct side *s)
{
	ssize_t w = send(s->fd, s->rest + s->rest_from, s->rest_to - s->rest_from, MSG_NOSIGNAL);
	if (w < 0) {
		if (errno != EAGAIN && errno != EINTR)
			close_pair(s->pair);
		return;
	}
	s->rest_from += w;
	if (s->rest_from < s->rest_to)
		return;
	free(s->rest);
	s->rest = NULL;
	set_interest(s, s->interest & ~EPOLLOUT);
	if (s->peer->eof)
		finish_direction_to(s);
	else
		set_interest(s->peer, s->peer->interest | EPOLLIN);
}

static void on_event(struct side *s, uint32_t events)
{
	if (s->pair->dead)
		return;
	if ((events & (EPOLLERR | EPOLLHUP)) && !(s->interest & EPOLLIN)) {
		close_pair(s->pair); /* reset while it is not read: level-triggered epoll would repeat it for ever */
		return;
	}
	if ((events & EPOLLOUT) && s->rest)
		on_writable(s);
	if (!s->pair->dead && (s->interest & EPOLLIN) && (events & (EPOLLIN | EPOLLERR | EPOLLHUP)))
		on_readable(s);
}

static void watch(struct side *s, int fd, struct pair *p, struct side *peer)
{
	int on = 1;
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
	s->fd = fd;
	s->pair = p;
	s->peer = peer;
	s->interest = EPOLLIN;
	struct epoll_event ev = {.events = EPOLLIN, .data.ptr = s};
	if (epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &ev) < 0)
		die("epoll_ctl");
}

static void accept_all(int listener, const struct sockaddr_in *upstream)
{
	for (;;) {
		int down = accept4(listener, NULL, NULL, SOCK_NONBLOCK);
		if (down < 0)
			return;
		int up = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
		struct pair *p = calloc(1, sizeof *p);
		if (up < 0 || !p)
			die("accept");
		if (connect(up, (const struct sockaddr *)upstream, sizeof *upstream) < 0 && errno != EINPROGRESS) {
			close(up);
			close(down);
			free(p);
			continue;
		}
		watch(&p->down, down, p, &p->up);
		watch(&p->up, up, p, &p->down);
	}
}

int main(int argc, char **argv)
{
	if (argc != 3) {
		fprintf(stderr, "usage: forwarder LISTEN_PORT UPSTREAM_PORT\n");
		return 2;
	}
	raise_file_limit();
	struct sockaddr_in upstream = {.sin_family = AF_INET, .sin_port = htons(atoi(argv[2])),
				       .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
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
			if (events[i].data.ptr)
				on_event(events[i].data.ptr, events[i].events);
			else
				accept_all(listener, &upstream);
		}
		bury();
	}
}
