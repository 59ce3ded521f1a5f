/*
 * Frames of SOFABolt, and the call that the benchmark makes with them. Numbers are big-endian.
 *
 *   version 1                                     version 2
 *    0  version                                    0
 *                                                  1  ver1: 2 when the switch byte counts
 *    1  type: response 0, request 1, one-way 2     2
 *    2  command                            16 bits 3
 *    4  ver2                                       5
 *    5  request id                         32 bits 6
 *    9  codec                                     10
 *                                                 11  switch: with bit 0 a CRC32 ends the frame
 *   10  request: timeout in ms             32 bits 12
 *       response: status                   16 bits
 *   14  lengths of class and header block  16 bits 16 (response: 12, 14)
 *   18  length of the content              32 bits 20 (response: 16, 18)
 *   22  class, header block, content               24 (response: 20, 22)
 *
 * A call's content says what its answer must be; the rest of it, and of the answer's, is the pattern that all programs share:
 *
 *   request:  0  key, 64 bits   8  length of the answer's content, 32 bits   12  its status, 16 bits   14  CALL_LATE: answer
 *             behind the others that came with it   16  pattern
 *   answer:   0  the key        8  pattern
 */
#ifndef BOLT_H
#define BOLT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "bytes.h"

enum { BOLT_1 = 1, BOLT_2 = 2 };
enum { BOLT_RESPONSE = 0, BOLT_REQUEST = 1, BOLT_ONE_WAY = 2 };
enum { BOLT_HEARTBEAT = 0, BOLT_CALL = 1, BOLT_ANSWER = 2, BOLT_GOAWAY = 100 };
enum { BOLT_SUCCESS = 0, BOLT_ERROR = 1, BOLT_CODEC_EXCEPTION = 9 };
enum { BOLT_HESSIAN = 1, BOLT_SUM = 4, BOLT_MOST_CONTENT = 1 << 20, BOLT_MOST = BOLT_MOST_CONTENT + 2 * 65536 + 32, BOLT_TIMEOUT = 10000 };
enum { CALL_PREFIX = 16, ANSWER_PREFIX = 8, CALL_LATE = 1, BOLT_LETTERS = 26 };

#define BOLT_REQUEST_CLASS "com.alipay.sofa.rpc.core.request.SofaRequest"
#define BOLT_RESPONSE_CLASS "com.alipay.sofa.rpc.core.response.SofaResponse"
#define BOLT_STATS_CLASS "stats" /* the backend's own: what it has served */

struct bolt_frame {
	uint8_t version, kind;
	bool summed;
	uint16_t command, status, class_len, block_len;
	uint32_t id, content_len;
	const char *class_name, *block, *content, *sum; /* in the bytes that were parsed */
	size_t len;
};

/* Where a frame's id stands. */
static inline size_t bolt_id_at(int version) { return 4 + version; }

/* The length of a frame's fixed part. */
static inline size_t bolt_fixed(int version, int kind) { return (kind == BOLT_RESPONSE ? 20 : 22) + 2 * (version - BOLT_1); }

enum bolt_parsed { BOLT_BAD = -1, BOLT_PART = 0, BOLT_WHOLE = 1 };

/* Reads the frame at the start of some bytes, if all of it is there. */
static inline enum bolt_parsed bolt_parse(const char *bytes, size_t n, struct bolt_frame *f)
{
	const uint8_t *p = (const uint8_t *)bytes;
	if (n == 0)
		return BOLT_PART;
	f->version = p[0];
	if (f->version != BOLT_1 && f->version != BOLT_2)
		return BOLT_BAD;
	int more = f->version - BOLT_1;
	if (n < 2 + (size_t)more)
		return BOLT_PART;
	f->kind = p[1 + more];
	if (f->kind > BOLT_ONE_WAY)
		return BOLT_BAD;
	size_t fixed = bolt_fixed(f->version, f->kind);
	if (n < fixed)
		return BOLT_PART;
	f->command = get16(p + 2 + more);
	f->id = get32(p + bolt_id_at(f->version));
	f->status = f->kind == BOLT_RESPONSE ? get16(p + 10 + 2 * more) : 0;
	f->summed = more && p[1] == 2 && (p[11] & 1);
	f->class_len = get16(p + fixed - 8);
	f->block_len = get16(p + fixed - 6);
	f->content_len = get32(p + fixed - 4);
	if (f->content_len > BOLT_MOST_CONTENT)
		return BOLT_BAD;
	f->class_name = bytes + fixed;
	f->block = f->class_name + f->class_len;
	f->content = f->block + f->block_len;
	f->sum = f->content + f->content_len;
	f->len = fixed + f->class_len + f->block_len + f->content_len + (f->summed ? BOLT_SUM : 0);
	return n < f->len ? BOLT_PART : BOLT_WHOLE;
}

static inline bool bolt_class_is(const struct bolt_frame *f, const char *name)
{
	return f->class_len == strlen(name) && memcmp(f->class_name, name, f->class_len) == 0;
}

/* Writes a frame's fixed part and returns its length. Version 2 has a CRC32 if summed. The last number is a timeout or a status. */
static inline size_t bolt_put_fixed(char *p, int version, int kind, int command, bool summed, uint32_t id, uint32_t number)
{
	size_t fixed = bolt_fixed(version, kind);
	int more = version - BOLT_1;
	memset(p, 0, fixed);
	p[0] = version;
	p[1 + more] = kind;
	put16(p + 2 + more, command);
	p[4 + more] = 1;
	put32(p + bolt_id_at(version), id);
	p[9 + more] = BOLT_HESSIAN;
	if (more) {
		p[1] = summed ? 2 : 1;
		p[11] = summed;
	}
	if (kind == BOLT_RESPONSE)
		put16(p + 10 + 2 * more, number);
	else
		put32(p + 10 + 2 * more, number);
	return fixed;
}

/* Writes the three lengths at the end of a fixed part. */
static inline void bolt_put_lengths(char *p, size_t fixed, size_t class_len, size_t block_len, size_t content_len)
{
	put16(p + fixed - 8, class_len);
	put16(p + fixed - 6, block_len);
	put32(p + fixed - 4, content_len);
}

/* Tables for eight bytes of a CRC32 (IEEE 802.3) at a time: table k is the effect of a byte that k more follow. */
static uint32_t bolt_crc_table[8][256];

static inline void bolt_make_crc(void)
{
	for (uint32_t i = 0; i < 256; i++) {
		uint32_t c = i;
		for (int bit = 0; bit < 8; bit++)
			c = c >> 1 ^ (c & 1 ? 0xedb88320 : 0);
		bolt_crc_table[0][i] = c;
	}
	for (int k = 1; k < 8; k++)
		for (int i = 0; i < 256; i++)
			bolt_crc_table[k][i] = bolt_crc_table[k - 1][i] >> 8 ^ bolt_crc_table[0][bolt_crc_table[k - 1][i] & 0xff];
}

static inline uint32_t bolt_crc(const char *bytes, size_t n)
{
	const uint8_t *p = (const uint8_t *)bytes;
	uint32_t c = 0xffffffff;
	for (; n >= 8; p += 8, n -= 8) {
		c ^= (uint32_t)p[3] << 24 | (uint32_t)p[2] << 16 | (uint32_t)p[1] << 8 | p[0];
		c = bolt_crc_table[7][c & 0xff] ^ bolt_crc_table[6][c >> 8 & 0xff] ^ bolt_crc_table[5][c >> 16 & 0xff] ^
		    bolt_crc_table[4][c >> 24] ^ bolt_crc_table[3][p[4]] ^ bolt_crc_table[2][p[5]] ^
		    bolt_crc_table[1][p[6]] ^ bolt_crc_table[0][p[7]];
	}
	for (; n > 0; p++, n--)
		c = c >> 8 ^ bolt_crc_table[0][(c ^ *p) & 0xff];
	return ~c;
}

/* Whether a frame's CRC32 is right; one that has none is not wrong. It begins where the bytes that were parsed do. */
static inline bool bolt_sum_fits(const char *bytes, const struct bolt_frame *f)
{
	return !f->summed || bolt_crc(bytes, f->sum - bytes) == get32((const uint8_t *)f->sum);
}

/* Ends a frame of n bytes with its CRC32. */
static inline void bolt_put_sum(char *frame, size_t n) { put32(frame + n, bolt_crc(frame, n)); }

#endif
