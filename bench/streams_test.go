package main

import (
	"encoding/binary"
	"io"
	"net"
	"testing"
)

// TestGRPCStreams lets the load generator and the backend talk to each other, through the forwarder.
func TestGRPCStreams(t *testing.T) {
	b := testBench(t)
	all := http2Workloads()
	w := all[slicesIndex(t, all, grpcStream)]
	b.options.workloads, b.http2Ports = []workload{w}, map[http2Answer]int{}
	if err := b.prepareStreams(t.Context()); err != nil {
		t.Fatal(err)
	}
	floorBinary, err := peers()[0].find(t.Context(), b)
	if err != nil {
		t.Fatal(err)
	}
	p, err := b.startProxy(t.Context(), contestant{peer: peers()[0], binary: floorBinary}, b.deploymentFor(w))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name                       string
		connections, streams, body int
		rate                       string
	}{
		{"small messages", 4, 8, 128, "0"},
		{"larger than a window", 2, 100, 16384, "0"},
		{"the least", 1, 1, 13, "0"},
		{"open loop", 2, 4, 128, "1000"},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := w
			w.connections, w.streams, w.body = c.connections, c.streams, c.body
			run, err := b.startWorkload(t.Context(), w, p.setup.Listen, "--warmup", "0.05", "--seconds", "0.25", "--rate", c.rate)
			if err != nil {
				t.Fatal(err)
			}
			defer b.closeLoad(run)
			result, err := b.finish(t.Context(), run)
			if err != nil || result.failed() != nil || result.Requests == 0 {
				t.Fatalf("%+v, %v, %v", result, err, result.failed())
			}
			if c.rate != "0" && result.Requests != 250 {
				t.Errorf("%d messages; 1000 per second for 0.25 s are 250", result.Requests)
			}
			if least := result.Requests * uint64(c.body+frameHead); result.Bytes < least {
				t.Errorf("%d bytes for %d messages, which are at least %d", result.Bytes, result.Requests, least)
			}
			checkHistogram(t, result)
		})
	}
}

func slicesIndex(t *testing.T, all []workload, name string) int {
	t.Helper()
	for i, w := range all {
		if w.name == name {
			return i
		}
	}
	t.Fatalf("no workload is called %s", name)
	return -1
}

// TestWrongStreamsAreNoticed by the load generator: each server does one thing wrong.
func TestWrongStreamsAreNoticed(t *testing.T) {
	b := testBench(t)
	binaryPath, err := b.shop.compile(t.Context(), "streamload")
	if err != nil {
		t.Fatal(err)
	}
	const accepted, refused = "\x88", "\x8d" // :status 200 and 404, RFC 7541, appendix A
	echo := func(message []byte) []byte { return message }
	for _, c := range []struct {
		name, status, failure string
		answer                func(message []byte) []byte
		flags                 byte
	}{
		{"refused", refused, "status", echo, 0},
		{"another key", accepted, "body", func(m []byte) []byte { m[7]++; return m }, 0},
		{"another last byte", accepted, "body", func(m []byte) []byte { m[len(m)-1]++; return m }, 0},
		{"too much", accepted, "extra", func(m []byte) []byte { return append(m, 'x') }, 0},
		{"the end", accepted, "closed", echo, flagEndStream},
	} {
		t.Run(c.name, func(t *testing.T) {
			listener, err := net.Listen("tcp4", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			defer listener.Close()
			go func() {
				for {
					conn, err := listener.Accept()
					if err != nil {
						return
					}
					go echoWrongly(conn, c.status, c.flags, c.answer)
				}
			}()
			_, port, _ := net.SplitHostPort(listener.Addr().String())
			args := []string{"--port", port, "--connections", "1", "--streams", "1", "--seconds", "60"} // it gives up long before
			text, err := output(t.Context(), "", binaryPath, args...)
			if err == nil {
				t.Fatalf("no failure was noticed: %.300s", text)
			}
			want := "the last: " + c.failure
			if got := err.Error(); len(got) < len(want) || got[len(got)-len(want):] != want {
				t.Errorf("%q, want it to end in %q", got, want)
			}
		})
	}
}

// echoWrongly serves the one stream of a connection: its head as told, and every message after it has been changed.
func echoWrongly(conn net.Conn, status string, flags byte, change func([]byte) []byte) {
	defer conn.Close()
	preface := make([]byte, 24)
	if _, err := io.ReadFull(conn, preface); err != nil {
		return
	}
	if _, err := conn.Write(http2Frame(frameSettings, 0, 0, nil)); err != nil {
		return
	}
	for {
		var head [frameHead]byte
		if _, err := io.ReadFull(conn, head[:]); err != nil {
			return
		}
		payload := make([]byte, binary.BigEndian.Uint32(head[:])>>8)
		if _, err := io.ReadFull(conn, payload); err != nil {
			return
		}
		var answer []byte
		switch stream := binary.BigEndian.Uint32(head[5:]); head[3] {
		case frameHeaders:
			answer = http2Frame(frameHeaders, flagEndHeaders, stream, []byte(status))
		case frameData:
			answer = http2Frame(frameData, flags, stream, change(payload))
		}
		if _, err := conn.Write(answer); err != nil {
			return
		}
	}
}
