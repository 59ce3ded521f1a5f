/* What load.c says over WebSockets (RFC 6455): the handshake, one message, and the echo that it must get. */
#ifndef WEBSOCKET_H
#define WEBSOCKET_H

#include "options.h"
#include "request.h"

/* The handshake has the key of section 1.3. */
static char handshake[512], echo[2 + MAX_MESSAGE];
static size_t handshake_len, echo_len;

/* A binary message, masked as a client's must be, with the key 0, so that its echo holds the same bytes (section 5.2). */
static inline void make_message(void)
{
	enum { BINARY = 0x82, MASKED = 0x80, HEADER = 2, KEY = 4 };
	handshake_len = snprintf(handshake, sizeof handshake,
				 "GET /echo HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
				 "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n", want.port);
	request_len = HEADER + KEY + want.body;
	request = calloc(1, request_len);
	if (!request)
		die("calloc");
	request[0] = echo[0] = (char)BINARY;
	request[1] = (char)(MASKED | want.body);
	echo[1] = (char)want.body;
	for (size_t i = 0; i < want.body; i++)
		request[HEADER + KEY + i] = echo[HEADER + i] = 'a' + i % LETTERS;
	echo_len = HEADER + want.body;
}

/* Makes a new connection a WebSocket. It blocks, as connecting does. */
static inline void shake_hands(int fd, int seconds)
{
	struct timeval limit = {.tv_sec = seconds};
	char answer[4096];
	size_t n = 0;
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
	if (send(fd, handshake, handshake_len, MSG_NOSIGNAL) != (ssize_t)handshake_len)
		die("send a WebSocket handshake");
	while (n < sizeof answer && !memmem(answer, n, "\r\n\r\n", 4)) {
		ssize_t more = recv(fd, answer + n, sizeof answer - n, 0);
		if (more <= 0)
			die("wait for the answer to a WebSocket handshake");
		n += more;
	}
	if (n < 12 || memcmp(answer, "HTTP/1.1 101", 12) != 0) {
		fprintf(stderr, "load: a WebSocket handshake was answered with %.*s\n", (int)(n < 80 ? n : 80), answer);
		exit(1);
	}
}

#endif
