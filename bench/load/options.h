/* The options of load.c, which says what each means. They do not change after parse. */
#ifndef OPTIONS_H
#define OPTIONS_H

#include <getopt.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_ANSWER = 1 << 20, MAX_BODY = 64 << 20, MAX_MESSAGE = 125 };

static struct {
	int port, connections, fields, routes;
	const char *path, *certificate;
	size_t answer, body;
	double seconds, warmup, rate, patience;
	bool hold, gate, fresh, websocket;
} want = {.connections = 64, .path = "/tiny", .answer = 64, .seconds = 1, .patience = 60};

static void usage(void)
{
	fprintf(stderr, "usage: load --port N [--path P] [--answer N] [--body N] [--connections N] [--seconds S] [--warmup S]\n"
			"            [--rate R] [--fields N] [--routes N] [--fresh] [--websocket] [--hold] [--gate] [--tls FILE] [--patience S]\n");
	exit(2);
}

static void parse(int argc, char **argv)
{
	static const struct option options[] = {
		{"port", 1, NULL, 'p'}, {"path", 1, NULL, 'u'}, {"answer", 1, NULL, 'a'}, {"body", 1, NULL, 'b'},
		{"connections", 1, NULL, 'c'}, {"seconds", 1, NULL, 's'}, {"warmup", 1, NULL, 'w'}, {"rate", 1, NULL, 'r'},
		{"fields", 1, NULL, 'f'}, {"routes", 1, NULL, 'n'}, {"fresh", 0, NULL, 'x'}, {"websocket", 0, NULL, 'e'}, {"hold", 0, NULL, 'h'}, {"tls", 1, NULL, 't'}, {"gate", 0, NULL, 'g'}, {"patience", 1, NULL, 'y'}, {0},
	};
	for (int o; (o = getopt_long(argc, argv, "", options, NULL)) != -1;)
		switch (o) {
		case 'p': want.port = atoi(optarg); break;
		case 'u': want.path = optarg; break;
		case 't': want.certificate = optarg; break;
		case 'a': want.answer = strtoull(optarg, NULL, 10); break;
		case 'b': want.body = strtoull(optarg, NULL, 10); break;
		case 'c': want.connections = atoi(optarg); break;
		case 's': want.seconds = atof(optarg); break;
		case 'w': want.warmup = atof(optarg); break;
		case 'r': want.rate = atof(optarg); break;
		case 'f': want.fields = atoi(optarg); break;
		case 'n': want.routes = atoi(optarg); break;
		case 'x': want.fresh = true; break;
		case 'e': want.websocket = true; break;
		case 'h': want.hold = true; break;
		case 'y': want.patience = atof(optarg); break;
		case 'g': want.gate = true; break;
		default: usage();
		}
	if (optind != argc || want.port <= 0 || want.port > 65535 || want.connections <= 0 || want.connections > 100000 ||
	    want.fields < 0 || want.fields > 100 || want.routes < 0 || want.routes > 1000000 || want.answer > MAX_ANSWER || want.body > MAX_BODY || strlen(want.path) > 512 || want.seconds < 0 ||
	    want.seconds > 600 || want.warmup < 0 || want.warmup > 600 || want.rate < 0 || want.rate > 1e7 || want.patience < 0 || want.patience > 86400 ||
	    (want.websocket && (want.body == 0 || want.body > MAX_MESSAGE || want.certificate)))
		usage();
}

#endif
