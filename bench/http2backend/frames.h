/* HTTP/2's frames (RFC 9113 section 4, 6) and the header blocks of the one answer there is (RFC 7541). */
#ifndef FRAMES_H
#define FRAMES_H

#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "../common/bytes.h"

#define PREFACE "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"

enum { PREFACE_LEN = 24, FRAME_HEAD = 9, MAX_PAYLOAD = 16384, DEFAULT_WINDOW = 65535, DEFAULT_TABLE = 4096 };

enum frame_type {
	DATA = 0, HEADERS = 1, PRIORITY = 2, RST_STREAM = 3, SETTINGS = 4, PUSH_PROMISE = 5, PING = 6, GOAWAY = 7,
	WINDOW_UPDATE = 8, CONTINUATION = 9,
};

enum { END_STREAM = 0x1, ACK = 0x1, END_HEADERS = 0x4 };

enum { SETTINGS_HEADER_TABLE_SIZE = 1, SETTINGS_MAX_CONCURRENT_STREAMS = 3, SETTINGS_INITIAL_WINDOW_SIZE = 4 };

static inline void put_frame_head(char *p, size_t n, enum frame_type type, uint8_t flags, uint32_t id)
{
	p[0] = n >> 16;
	put16(p + 1, n);
	p[3] = type;
	p[4] = flags;
	put32(p + 5, id);
}

/*
 * What a peer's HPACK decoder holds of our fields, which decides how the next block is written:
 *
 *   TABLE_EMPTY --first head--> TABLE_HEAD --first trailers--> TABLE_ALL
 *   any --the peer wants a smaller table--> TABLE_SHRINKS --next block says so--> TABLE_OFF
 */
enum table { TABLE_EMPTY, TABLE_HEAD, TABLE_ALL, TABLE_SHRINKS, TABLE_OFF, TABLES };

struct block {
	char bytes[192];
	size_t len;
};

/* The blocks of the one answer, by the state of the table, and the state that follows. */
struct answer_blocks {
	struct block head[TABLES], trailers[TABLES];
	enum table after_head[TABLES], after_trailers[TABLES];
};

/* A literal field whose name is in the static table, its value plain and shorter than 127 bytes. */
static inline void put_literal(struct block *b, int indexed, unsigned name, const char *value)
{
	char *p = b->bytes + b->len;
	if (indexed) {
		*p++ = 0x40 | name; /* section 6.2.1: with incremental indexing; all names here are below 63 */
	} else {
		*p++ = 0x0f; /* section 6.2.2: without indexing, an index of 15 or more goes on in the next byte */
		*p++ = name - 15;
	}
	*p++ = strlen(value);
	memcpy(p, value, strlen(value));
	b->len = p + strlen(value) - b->bytes;
}

enum { FIRST_DYNAMIC = 62, INDEXED = 0x80, SIZE_UPDATE = 0x20, INCREMENTAL = 0x40 };

/* The head of an answer; length is NULL for gRPC, which has none. */
static inline void make_head(struct block *b, enum table t, const char *length)
{
	enum { STATUS_200 = 8, CONTENT_LENGTH = 28, CONTENT_TYPE = 31, DATE = 33, SERVER = 54 };
	int fields = length ? 4 : 3;
	if (t == TABLE_SHRINKS)
		b->bytes[b->len++] = SIZE_UPDATE; /* section 6.3: to nothing */
	b->bytes[b->len++] = (char)(INDEXED | STATUS_200);
	if (t == TABLE_HEAD || t == TABLE_ALL) {
		int newest = FIRST_DYNAMIC + (t == TABLE_ALL); /* the trailer's field came later */
		while (fields-- > 0)			       /* they were added in the order that is sent here */
			b->bytes[b->len++] = (char)(INDEXED | (newest + fields));
		return;
	}
	put_literal(b, t == TABLE_EMPTY, SERVER, "backend");
	put_literal(b, t == TABLE_EMPTY, DATE, "Mon, 02 Nov 2026 10:00:00 GMT");
	put_literal(b, t == TABLE_EMPTY, CONTENT_TYPE, length ? "text/plain" : "application/grpc");
	if (length)
		put_literal(b, t == TABLE_EMPTY, CONTENT_LENGTH, length);
}

/* The trailers of a gRPC answer: grpc-status: 0. */
static inline void make_trailers(struct block *b, enum table t)
{
	static const char name[] = "grpc-status";
	if (t == TABLE_SHRINKS)
		b->bytes[b->len++] = SIZE_UPDATE;
	if (t == TABLE_ALL) {
		b->bytes[b->len++] = (char)(INDEXED | FIRST_DYNAMIC);
		return;
	}
	b->bytes[b->len++] = t == TABLE_HEAD ? INCREMENTAL : 0; /* a new name, with and without indexing */
	b->bytes[b->len++] = sizeof name - 1;
	memcpy(b->bytes + b->len, name, sizeof name - 1);
	b->len += sizeof name - 1;
	b->bytes[b->len++] = 1;
	b->bytes[b->len++] = '0';
}

static inline void make_blocks(struct answer_blocks *all, size_t length, int grpc)
{
	char digits[24];
	snprintf(digits, sizeof digits, "%zu", length);
	memset(all, 0, sizeof *all);
	for (enum table t = 0; t < TABLES; t++) {
		make_head(&all->head[t], t, grpc ? NULL : digits);
		make_trailers(&all->trailers[t], t);
		all->after_head[t] = t == TABLE_EMPTY ? TABLE_HEAD : t == TABLE_SHRINKS ? TABLE_OFF : t;
		all->after_trailers[t] = t == TABLE_HEAD ? TABLE_ALL : t == TABLE_SHRINKS ? TABLE_OFF : t;
	}
}

#endif
