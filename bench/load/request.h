/* The request that load.c sends again and again, as its options say. */
#ifndef REQUEST_H
#define REQUEST_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../common/program.h"
#include "options.h"

enum { LETTERS = 26, DIGITS = 6 };

static char *request;
static size_t request_len, digits_at; /* where the number of a route stands in it */

/* Writes the number of a route into the path. */
static inline void request_route(unsigned number)
{
	for (unsigned i = DIGITS; i-- > 0; number /= 10)
		request[digits_at + i] = '0' + number % 10;
}

static inline void make_request(void)
{
	char head[8192];
	int n = snprintf(head, sizeof head, "%s %s", want.body ? "POST" : "GET", want.path);
	digits_at = n;
	n += snprintf(head + n, sizeof head - n, "%s HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nUser-Agent: load/1.0\r\nAccept: */*\r\n",
		      want.routes ? "000000" : "", want.port);
	if (want.fresh)
		n += snprintf(head + n, sizeof head - n, "Connection: close\r\n");
	for (int i = 0; i < want.fields; i++)
		n += snprintf(head + n, sizeof head - n, "X-Field-%02d: the value of field number %d\r\n", i, i);
	if (want.body)
		n += snprintf(head + n, sizeof head - n, "Content-Type: text/plain\r\nContent-Length: %zu\r\n", want.body);
	n += snprintf(head + n, sizeof head - n, "\r\n");
	request_len = n + want.body;
	request = malloc(request_len);
	if (!request)
		die("malloc");
	memcpy(request, head, n);
	for (size_t i = 0; i < want.body; i++)
		request[n + i] = 'a' + i % LETTERS;
}

#endif
