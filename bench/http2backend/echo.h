/* The bytes that a stream has received and not yet sent back. */
#ifndef ECHO_H
#define ECHO_H

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_ECHO = 1 << 20 }; /* a peer that makes us hold more, by taking nothing back, is dropped */

struct echo {
	char *bytes;
	size_t at, len, cap;
};

static inline size_t echo_left(const struct echo *e) { return e->len - e->at; }

/* False when it would be too much. */
static inline bool echo_add(struct echo *e, const uint8_t *p, size_t n)
{
	if (e->at == e->len)
		e->at = e->len = 0;
	if (e->len + n > MOST_ECHO)
		return false;
	if (e->len + n > e->cap) {
		e->cap = (e->len + n) * 2;
		if (!(e->bytes = realloc(e->bytes, e->cap)))
			die("realloc");
	}
	memcpy(e->bytes + e->len, p, n);
	e->len += n;
	return true;
}

static inline void echo_free(struct echo *e)
{
	free(e->bytes);
	memset(e, 0, sizeof *e);
}

#endif
