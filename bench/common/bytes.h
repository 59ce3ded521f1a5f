/* Big-endian numbers, as protocols write them. */
#ifndef BYTES_H
#define BYTES_H

#include <stdint.h>

static inline uint32_t get16(const uint8_t *p) { return p[0] << 8 | p[1]; }
static inline uint32_t get24(const uint8_t *p) { return p[0] << 16 | p[1] << 8 | p[2]; }
static inline uint32_t get32(const uint8_t *p) { return (uint32_t)p[0] << 24 | get24(p + 1); }
static inline uint64_t get64(const uint8_t *p) { return (uint64_t)get32(p) << 32 | get32(p + 4); }

static inline void put16(char *p, uint32_t v)
{
	p[0] = v >> 8;
	p[1] = v;
}

static inline void put32(char *p, uint32_t v)
{
	put16(p, v >> 16);
	put16(p + 2, v);
}

static inline void put64(char *p, uint64_t v)
{
	put32(p, v >> 32);
	put32(p + 4, v);
}

#endif
