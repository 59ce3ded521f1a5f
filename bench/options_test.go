package main

import (
	"bytes"
	"errors"
	"flag"
	"strings"
	"testing"
)

func TestOptions(t *testing.T) {
	o, err := parseOptions([]string{"--quick", "--workload", "tiny,open", "--peer", "nginx,sluice", "--rounds", "7"}, &bytes.Buffer{})
	if err != nil {
		t.Fatal(err)
	}
	if got := namesOf(o.workloads, workloadName); got != "tiny, open" {
		t.Errorf("workloads: %s", got)
	}
	if got := namesOf(o.peers, peerName); got != "sluice, nginx" { // in the order of a round, whatever was asked
		t.Errorf("peers: %s", got)
	}
	if o.rounds != 7 || o.seconds != 0.5 || o.save != "" {
		t.Errorf("rounds %d, seconds %g, save %q", o.rounds, o.seconds, o.save)
	}
}

func TestFullRunHasNineRoundsOfEverything(t *testing.T) {
	o, err := parseOptions(nil, &bytes.Buffer{})
	if err != nil || o.rounds < 9 || len(o.workloads) != len(workloads()) || len(o.peers) != len(peers()) {
		t.Errorf("%d rounds, %d workloads, %d peers, %v", o.rounds, len(o.workloads), len(o.peers), err)
	}
}

func TestQuickRunIsAFewWorkloads(t *testing.T) {
	o, err := parseOptions([]string{"--quick"}, &bytes.Buffer{})
	if err != nil {
		t.Fatal(err)
	}
	if got := namesOf(o.workloads, workloadName); got != "tiny, load50, idle, h2-h1, h2-h2, bolt, https, https-h2" {
		t.Errorf("workloads: %s", got)
	}
	if o, err = parseOptions([]string{"--quick", "--workload", "1m"}, &bytes.Buffer{}); err != nil || len(o.workloads) != 1 {
		t.Errorf("a workload that was asked for is not there: %v, %v", o.workloads, err)
	}
}

func TestMistakenOptions(t *testing.T) {
	for _, c := range []struct{ args, want string }{
		{"--peer apache", `no peer is called "apache"; there are: forwarder, sluice, nginx, haproxy, nghttpx, envoy, caddy, traefik, mosn`},
		{"--workload huge", `no workload is called "huge"`},
		{"--rounds -1", "--rounds -1: must be from 1 to 1000"},
		{"--seconds 1e9", "must be from 0.05 to 300"},
		{"--profile f --peer nginx", "sluice, which --peer leaves out"},
		{"--profile f --workload idle,open", "under a closed loop, and --workload names none"},
		{"--record", "--record is part of --guard"},
		{"--install --no-install", "contradict"},
		{"extra", `unexpected argument "extra"`},
	} {
		_, err := parseOptions(strings.Fields(c.args), &bytes.Buffer{})
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", c.args, err, c.want)
		}
	}
}

func TestHelpNamesEverything(t *testing.T) {
	var out bytes.Buffer
	if _, err := parseOptions([]string{"--help"}, &out); !errors.Is(err, flag.ErrHelp) {
		t.Fatal(err)
	}
	for _, p := range peers() {
		if !strings.Contains(out.String(), p.name) {
			t.Errorf("help does not name the peer %s", p.name)
		}
	}
	for _, w := range workloads() {
		if !strings.Contains(out.String(), w.name) {
			t.Errorf("help does not name the workload %s", w.name)
		}
	}
}
