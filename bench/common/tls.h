/* What the load generators need of OpenSSL. To be included after _GNU_SOURCE is defined, and linked with -lssl -lcrypto. */
#ifndef TLS_H
#define TLS_H

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <signal.h>

#include "program.h"

/* tls_die ends the program; what is the call that failed. */
static inline void tls_die(const char *what)
{
	fprintf(stderr, "%s: %s: ", program_invocation_short_name, what);
	ERR_print_errors_fp(stderr);
	exit(1);
}

/*
 * tls_client returns what all connections share. The version is TLS1_2_VERSION or TLS1_3_VERSION. There is one cipher suite
 * and one wanted group, so that all servers do the same work (P-256 is for the certificate, which TLS 1.2 asks about). The server must have the certificate in the file.
 */
static inline SSL_CTX *tls_client(int version, const char *certificate)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
	X509_VERIFY_PARAM *verify = ctx ? SSL_CTX_get0_param(ctx) : NULL;
	if (!ctx || !SSL_CTX_set_min_proto_version(ctx, version) || !SSL_CTX_set_max_proto_version(ctx, version) ||
	    !SSL_CTX_set_ciphersuites(ctx, "TLS_AES_128_GCM_SHA256") || !SSL_CTX_set_cipher_list(ctx, "ECDHE-ECDSA-AES128-GCM-SHA256") ||
	    !SSL_CTX_set1_groups_list(ctx, "X25519:P-256") || !SSL_CTX_load_verify_locations(ctx, certificate, NULL) ||
	    !X509_VERIFY_PARAM_set1_ip_asc(verify, "127.0.0.1"))
		tls_die("prepare TLS");
	SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, NULL);
	/* As with send: a part may be taken, and what is offered again may lie elsewhere. Idle connections keep no buffers. */
	SSL_CTX_set_mode(ctx, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | SSL_MODE_RELEASE_BUFFERS);
	SSL_CTX_set_read_ahead(ctx, 1); /* one read for a record instead of two */
	signal(SIGPIPE, SIG_IGN);	/* OpenSSL writes without MSG_NOSIGNAL */
	return ctx;
}

/* tls_connect returns a client on a connected socket; its handshake has not begun. */
static inline SSL *tls_connect(SSL_CTX *ctx, int fd)
{
	static const unsigned char http1[] = "\x08http/1.1";
	SSL *ssl = SSL_new(ctx);
	if (!ssl || !SSL_set_fd(ssl, fd) || SSL_set_alpn_protos(ssl, http1, sizeof http1 - 1) != 0)
		tls_die("begin TLS");
	SSL_set_connect_state(ssl);
	return ssl;
}

/* tls_result turns what an SSL call returned into what the system call of the same name would have: errno is EAGAIN when it
 * waits, EPROTO when TLS failed. 0 is close_notify, or a FIN without it. */
static inline ssize_t tls_result(SSL *ssl, int n)
{
	if (n > 0)
		return n;
	switch (SSL_get_error(ssl, n)) {
	case SSL_ERROR_WANT_READ:
	case SSL_ERROR_WANT_WRITE:
		errno = EAGAIN;
		break;
	case SSL_ERROR_ZERO_RETURN:
		return 0;
	case SSL_ERROR_SYSCALL:
		if (errno == 0)
			return 0;
		break;
	default:
		/* OpenSSL 3 tells a FIN without close_notify this way. */
		if (ERR_GET_REASON(ERR_peek_error()) == SSL_R_UNEXPECTED_EOF_WHILE_READING) {
			ERR_clear_error();
			return 0;
		}
		errno = EPROTO;
	}
	ERR_clear_error();
	return -1;
}

static inline ssize_t tls_send(SSL *ssl, const void *bytes, size_t n)
{
	errno = 0;
	return tls_result(ssl, SSL_write(ssl, bytes, n));
}

static inline ssize_t tls_recv(SSL *ssl, void *bytes, size_t n)
{
	errno = 0;
	return tls_result(ssl, SSL_read(ssl, bytes, n));
}

#endif
