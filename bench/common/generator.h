/*
 * What load generators have in common: a schedule, the books, a gate, and the result. load.c says what open and closed loops
 * are. To be included after _GNU_SOURCE is defined.
 *
 * Requests are made at places: what can hold one request at a time (a connection, a slot of a connection). The program that
 * includes this defines what happens at one:
 */
#ifndef GENERATOR_H
#define GENERATOR_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "histogram.h"
#include "program.h"

static void start(void *place, uint64_t due);		/* send a request; it has been counted */
static void started_some(void);				/* start has been called, perhaps often, and will not be for now */
static void on_event(void *data, uint32_t events);	/* of epoll */
static void age_unfinished(uint64_t t);			/* unfinished(due, t) for every request that is in flight */

enum { EVENTS = 256, MAX_FAILURES = 1000 };
static const uint64_t SECOND = 1000000000, DRAIN = 5;

enum failure { BAD_CLOSED, BAD_STATUS, BAD_LENGTH, BAD_BODY, BAD_EXTRA, BAD_FRAME, BAD_SUM, BAD_HANDSHAKE, BAD_RESUMPTION, UNFINISHED, FAILURES };
static const char *const failure_names[FAILURES] = {"closed", "status", "length", "body", "extra", "frame", "sum", "handshake", "resumption", "unfinished"};

/* One phase: the warm-up, or the measurement. */
static struct {
	uint64_t begin, end, last_answer;
	uint64_t total; /* open loop: how many are due in all */
	uint64_t started, done, bytes;
	struct histogram latency, lateness;
} phase;

static double rate;		     /* open loop: requests per second; 0: closed loop */
static void **free_ring;	     /* the places that are free, longest first */
static size_t places, free_head, free_count;
static int in_flight, epoll_fd;
static uint64_t failures[FAILURES], failed, reconnects, all_requests;

static uint64_t now(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * SECOND + t.tv_nsec;
}

/* Prepares for a number of places, none of which is free yet. */
static void prepare(size_t n, double seconds)
{
	raise_file_limit();
	alarm((unsigned)seconds + 60); /* whatever happens, it ends */
	prctl(PR_SET_TIMERSLACK, 1);   /* the default of 50 us would make the open loop late */
	places = n;
	free_ring = calloc(n, sizeof *free_ring);
	epoll_fd = epoll_create1(0);
	if (!free_ring || epoll_fd < 0)
		die("start");
}

static void watch(void *data, int fd, int op, bool out)
{
	struct epoll_event ev = {.events = out ? EPOLLIN | EPOLLOUT : EPOLLIN, .data.ptr = data};
	if (epoll_ctl(epoll_fd, op, fd, &ev) < 0)
		die("epoll_ctl");
}

static void put_free(void *place)
{
	free_ring[(free_head + free_count++) % places] = place;
}

static void *take_free(void)
{
	void *place = free_ring[free_head];
	free_head = (free_head + 1) % places;
	free_count--;
	return place;
}

/* Counts a failure. One that goes on failing ends the run: numbers of a broken peer are worth nothing. */
static void count_failure(enum failure why)
{
	failures[why]++;
	if (++failed > MAX_FAILURES) {
		fprintf(stderr, "%s: gave up after %d failures, the last: %s\n", program_invocation_short_name, MAX_FAILURES, failure_names[why]);
		exit(1);
	}
}

static void unfinished(uint64_t due, uint64_t t)
{
	failures[UNFINISHED]++;
	histogram_add(&phase.latency, t - due);
}

static void start_at(void *place, uint64_t due)
{
	in_flight++;
	phase.started++;
	all_requests++;
	start(place, due);
}

/* How many requests are due by a time: request k is due at begin + k/rate. */
static uint64_t due_by(uint64_t t)
{
	uint64_t n = (uint64_t)((double)(t - phase.begin) / SECOND * rate) + 1;
	return n < phase.total ? n : phase.total;
}

static uint64_t due_at(uint64_t k)
{
	return phase.begin + (uint64_t)((double)k / rate * SECOND);
}

/* Starts what is due (open loop), or what is free (closed loop). */
static void start_due(uint64_t t)
{
	while (free_count > 0) {
		uint64_t due = t;
		if (rate > 0) {
			if (phase.started >= due_by(t))
				break;
			due = due_at(phase.started);
			histogram_add(&phase.lateness, t > due ? t - due : 0);
		} else if (t >= phase.end) {
			break;
		}
		start_at(take_free(), due);
	}
	started_some();
}

/* A request has its answer. What the place does next is in the result: true, start at once (closed loop, one look at the clock). */
static bool count_answer(uint64_t due, uint64_t t)
{
	histogram_add(&phase.latency, t - due);
	phase.last_answer = t;
	phase.done++;
	in_flight--;
	return rate == 0 && t < phase.end;
}

/* Waits for events, at most until a time. */
static void poll_until(uint64_t limit)
{
	static struct epoll_event events[EVENTS];
	uint64_t t = now(), wait = limit > t ? limit - t : 0;
	struct timespec timeout = {.tv_sec = wait / SECOND, .tv_nsec = wait % SECOND};
	int n = epoll_pwait2(epoll_fd, events, EVENTS, &timeout, NULL);
	if (n < 0 && errno != EINTR)
		die("epoll_pwait2");
	for (int i = 0; i < n; i++)
		on_event(events[i].data.ptr, events[i].events);
}

/* When the loop must look at the clock again: the next request that is due and has a place, or the end. */
static uint64_t next_look(uint64_t deadline)
{
	if (rate > 0 && free_count > 0 && phase.started < phase.total)
		return due_at(phase.started);
	return deadline;
}

/* Begins a phase. One of no seconds starts nothing by itself. */
static void begin_phase(double seconds)
{
	memset(&phase, 0, sizeof phase);
	phase.begin = phase.last_answer = now();
	phase.end = phase.begin + (uint64_t)(seconds * SECOND);
	phase.total = (uint64_t)(seconds * rate);
}

static void run_phase(double seconds)
{
	begin_phase(seconds);
	uint64_t deadline = phase.end + DRAIN * SECOND;
	for (;;) {
		uint64_t t = now();
		if (t >= deadline)
			break;
		start_due(t);
		bool all_started = rate > 0 ? phase.started >= phase.total : t >= phase.end;
		if (all_started && in_flight == 0)
			break;
		poll_until(next_look(rate == 0 && t < phase.end ? phase.end : deadline));
	}
	uint64_t t = now();
	age_unfinished(t);
	for (uint64_t k = phase.started; k < phase.total; k++)
		unfinished(due_at(k), t);
}

/* Waits for every answer that is due, while connections are opened. */
static void wait_for_answers(void)
{
	uint64_t deadline = now() + DRAIN * SECOND;
	while (in_flight > 0) {
		if (now() >= deadline) {
			errno = ETIMEDOUT;
			die("waiting for the answer on a new connection");
		}
		poll_until(deadline);
	}
}

/* Tells whoever started the program that nothing is in flight, and waits for a line. */
static void gate(void)
{
	char line[16];
	printf("{\"ready\":true}\n");
	fflush(stdout);
	if (!fgets(line, sizeof line, stdin))
		exit(1); /* whoever started it is gone */
}

/* Whether a connection is open and silent. */
static inline bool is_alive(int fd)
{
	char c;
	return recv(fd, &c, 1, MSG_PEEK | MSG_DONTWAIT) < 0 && errno == EAGAIN;
}

/* Reset instead of FIN: thousands of TIME_WAIT sockets would burden who is measured next. */
static inline void close_for_good(int fd)
{
	struct linger reset = {.l_onoff = 1, .l_linger = 0};
	setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
	close(fd);
}

static void print_result(int alive)
{
	struct rusage use;
	getrusage(RUSAGE_SELF, &use);
	printf("{\"requests\":%llu,\"all_requests\":%llu,\"seconds\":%.6f,\"bytes\":%llu,\"reconnects\":%llu,\"alive\":%d,",
	       (unsigned long long)phase.done, (unsigned long long)all_requests,
	       (double)(phase.last_answer - phase.begin) / SECOND, (unsigned long long)phase.bytes,
	       (unsigned long long)reconnects, alive);
	printf("\"cpu_seconds\":%.6f,", use.ru_utime.tv_sec + use.ru_stime.tv_sec + (use.ru_utime.tv_usec + use.ru_stime.tv_usec) / 1e6);
	printf("\"failures\":{");
	for (int i = 0; i < FAILURES; i++)
		printf("%s\"%s\":%llu", i ? "," : "", failure_names[i], (unsigned long long)failures[i]);
	printf("},");
	histogram_print_quantiles("latency", &phase.latency);
	histogram_print_quantiles("lateness", &phase.lateness);
	printf("\"histogram\":[");
	histogram_print_buckets(&phase.latency);
	printf("]}\n");
	fflush(stdout);
}

#endif
