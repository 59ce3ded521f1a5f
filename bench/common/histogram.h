/*
 * A histogram of nanoseconds with a bounded relative error, as HdrHistogram has it: values below 256 are exact, above that
 * each power of two is cut in 128 steps, so a value is off by less than 0.8 %. Recording is an add.
 */
#ifndef HISTOGRAM_H
#define HISTOGRAM_H

#include <stdint.h>
#include <stdio.h>

enum { STEP_BITS = 7, STEPS = 1 << STEP_BITS, BUCKETS = (64 - STEP_BITS) * STEPS + STEPS };

struct histogram {
	uint64_t count, sum, max;
	uint64_t bucket[BUCKETS];
};

static inline unsigned histogram_bucket(uint64_t value)
{
	if (value < 2 * STEPS)
		return value;
	unsigned shift = 63 - __builtin_clzll(value) - STEP_BITS;
	return shift * STEPS + (value >> shift);
}

/* The largest value that falls into a bucket. */
static inline uint64_t histogram_upper(unsigned bucket)
{
	if (bucket < 2 * STEPS)
		return bucket;
	unsigned shift = bucket / STEPS - 1;
	return ((uint64_t)(bucket - shift * STEPS + 1) << shift) - 1;
}

static inline void histogram_add(struct histogram *h, uint64_t value)
{
	h->count++;
	h->sum += value;
	if (value > h->max)
		h->max = value;
	h->bucket[histogram_bucket(value)]++;
}

/* The smallest recorded value that at least the given fraction of all are not above. */
static inline uint64_t histogram_quantile(const struct histogram *h, double fraction)
{
	uint64_t want = (uint64_t)(fraction * h->count + 0.999999), seen = 0;
	if (want < 1)
		want = 1;
	for (unsigned i = 0; i < BUCKETS; i++) {
		seen += h->bucket[i];
		if (seen >= want)
			return histogram_upper(i) < h->max ? histogram_upper(i) : h->max;
	}
	return h->max;
}

/* Writes a member of a JSON object, with the comma that follows it. */
static inline void histogram_print_quantiles(const char *name, const struct histogram *h)
{
	printf("\"%s\":{\"count\":%llu,\"mean\":%.0f,\"p50\":%llu,\"p90\":%llu,\"p99\":%llu,\"p999\":%llu,\"max\":%llu},", name,
	       (unsigned long long)h->count, h->count ? (double)h->sum / h->count : 0,
	       (unsigned long long)histogram_quantile(h, 0.50), (unsigned long long)histogram_quantile(h, 0.90),
	       (unsigned long long)histogram_quantile(h, 0.99), (unsigned long long)histogram_quantile(h, 0.999),
	       (unsigned long long)h->max);
}

/* Writes the elements of a JSON array: [largest value, count] of every bucket that is not empty. */
static inline void histogram_print_buckets(const struct histogram *h)
{
	const char *comma = "";
	for (unsigned i = 0; i < BUCKETS; i++)
		if (h->bucket[i]) {
			printf("%s[%llu,%llu]", comma, (unsigned long long)histogram_upper(i), (unsigned long long)h->bucket[i]);
			comma = ",";
		}
}

#endif
