/*
 * What load.c's bytes travel over: a socket, or, if it is compiled with WITH_TLS, TLS on one. channel_recv and channel_send
 * are recv and send with the same errors.
 */
#ifndef CHANNEL_H
#define CHANNEL_H

#include <stdbool.h>

#include "../common/program.h"
#include "options.h"

#ifdef WITH_TLS

#include "../common/tls.h"

struct channel {
	int fd;
	SSL *ssl;
};

/* Begins on a connected socket that blocks, and shakes hands. */
static inline void channel_open(struct channel *c)
{
	static SSL_CTX *ctx;
	if (!ctx)
		ctx = tls_client(TLS1_3_VERSION, want.certificate);
	c->ssl = tls_connect(ctx, c->fd);
	if (SSL_do_handshake(c->ssl) != 1)
		tls_die("handshake");
}

static inline void channel_close(struct channel *c)
{
	SSL_free(c->ssl);
	close(c->fd);
}

static inline ssize_t channel_send(struct channel *c, const void *bytes, size_t n) { return tls_send(c->ssl, bytes, n); }
static inline ssize_t channel_recv(struct channel *c, void *bytes, size_t n) { return tls_recv(c->ssl, bytes, n); }

/* Whether bytes wait that the socket does not tell of. */
static inline bool channel_pending(struct channel *c) { return SSL_has_pending(c->ssl); }

#else

struct channel {
	int fd;
};

static inline void channel_open(struct channel *c)
{
	(void)c;
	if (want.certificate) {
		fprintf(stderr, "load: it is compiled without TLS\n");
		exit(2);
	}
}

static inline void channel_close(struct channel *c) { close(c->fd); }
static inline ssize_t channel_send(struct channel *c, const void *bytes, size_t n) { return send(c->fd, bytes, n, MSG_NOSIGNAL); }
static inline ssize_t channel_recv(struct channel *c, void *bytes, size_t n) { return recv(c->fd, bytes, n, 0); }

static inline bool channel_pending(struct channel *c)
{
	(void)c;
	return false;
}

#endif
#endif
