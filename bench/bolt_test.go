package main

import (
	"bufio"
	"encoding/binary"
	"encoding/json"
	"io"
	"net"
	"strconv"
	"testing"
)

// TestBolt shares one backend among the tests of both programs.
func TestBolt(t *testing.T) {
	b := testBench(t)
	b.options.workloads = boltWorkloads()
	if err := b.prepareBolt(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name string
		test func(t *testing.T, b *bench)
	}{
		{"load counts what the backend serves", testBoltCounts},
		{"open loop", testBoltOpenLoop},
		{"idle connections", testBoltIdle},
		{"wrong answers", testWrongBoltAnswers},
		{"damaged calls", testDamagedBoltCalls},
		{"heartbeats", testBoltHeartbeats},
	} {
		t.Run(c.name, func(t *testing.T) { c.test(t, b) })
	}
}

// boltServed asks the Bolt backend what it has served.
func boltServed(t *testing.T, b *bench) (requests, bodyBytes uint64) {
	t.Helper()
	a, err := callBolt(t.Context(), b.boltPort, boltCall{class: boltStatsClass})
	if err != nil {
		t.Fatal(err)
	}
	var stats struct {
		Requests  uint64 `json:"requests"`
		BodyBytes uint64 `json:"body_bytes"`
	}
	if err := json.Unmarshal(a.content, &stats); err != nil {
		t.Fatalf("%q: %v", a.content, err)
	}
	return stats.Requests, stats.BodyBytes
}

// runBolt runs the load generator against a port.
func runBolt(t *testing.T, b *bench, port string, args ...string) loadResult {
	t.Helper()
	run, err := b.startLoad(t.Context(), bolt, append([]string{"--gate", "--port", port}, args...))
	if err != nil {
		t.Fatal(err)
	}
	defer b.closeLoad(run)
	result, err := b.finish(t.Context(), run)
	if err != nil {
		t.Fatal(err)
	}
	return result
}

func testBoltCounts(t *testing.T, b *bench) {
	for _, c := range []struct {
		name string
		w    workload
		more []string
	}{
		{"one at a time", workload{connections: 8, streams: 1, body: 128, answer: 128}, nil},
		{"many", workload{connections: 8, streams: 16, body: 128, answer: 128}, nil},
		{"versions and CRC32 mixed", workload{connections: 8, streams: 5, body: 77, answer: 1000, mixed: true}, nil},
		{"errors, out of order", workload{connections: 8, streams: 16, body: 16, answer: 8, mixed: true}, []string{"--errors", "--shuffled"}},
		{"short reads and writes", workload{connections: 2, streams: 4, body: 1 << 20, answer: 1 << 20, mixed: true}, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			requestsBefore, bytesBefore := boltServed(t, b)
			c.w.link = link{bolt, bolt}
			args := append(c.w.args(b.boltPort), "--warmup", "0.05", "--seconds", "0.15")
			run, err := b.startLoad(t.Context(), bolt, append(args, c.more...))
			if err != nil {
				t.Fatal(err)
			}
			defer b.closeLoad(run)
			result, err := b.finish(t.Context(), run)
			if err != nil || result.failed() != nil {
				t.Fatal(err, result.failed())
			}
			requests, bytes := boltServed(t, b)
			if got := requests - requestsBefore; got != result.AllRequests || result.Requests == 0 || result.Requests > got {
				t.Errorf("the backend served %d, the load generator counts %d, %d of them measured", got, result.AllRequests, result.Requests)
			}
			if got, want := bytes-bytesBefore, result.AllRequests*uint64(c.w.body); got != want {
				t.Errorf("the backend got %d bytes of content, want %d", got, want)
			}
			checkHistogram(t, result)
		})
	}
}

func testBoltOpenLoop(t *testing.T, b *bench) {
	w := workload{link: link{bolt, bolt}, connections: 4, streams: 4, body: 128, answer: 128}
	run, err := b.startLoad(t.Context(), bolt, append(w.args(b.boltPort), "--rate", "1000", "--seconds", "0.25"))
	if err != nil {
		t.Fatal(err)
	}
	defer b.closeLoad(run)
	if result, err := b.finish(t.Context(), run); err != nil || result.Requests != 250 || result.Latency.Count != 250 || result.failed() != nil {
		t.Errorf("%+v, %v; 1000 per second for 0.25 s are 250", result, err)
	}
}

func testBoltIdle(t *testing.T, b *bench) {
	before, _ := boltServed(t, b)
	w := workload{kind: idleHold, link: link{bolt, bolt}, connections: 300, streams: 1, body: 128, answer: 128}
	run, err := b.startLoad(t.Context(), bolt, w.args(b.boltPort))
	if err != nil {
		t.Fatal(err)
	}
	defer b.closeLoad(run)
	if after, _ := boltServed(t, b); after-before != 300 {
		t.Errorf("at the gate %d calls were served, want 300", after-before)
	}
	if result, err := b.finish(t.Context(), run); err != nil || result.Alive != 300 {
		t.Errorf("%d of 300 alive, %v", result.Alive, err)
	}
}

func testDamagedBoltCalls(t *testing.T, b *bench) {
	const codecException = 9
	for _, c := range []struct {
		name string
		call boltCall
		want uint16
	}{
		{"right", boltCall{answer: 8}, 0},
		{"an error that was asked for", boltCall{answer: 8, status: 1}, 1},
		{"a damaged byte", boltCall{answer: 8, damage: true}, codecException},
		{"another class", boltCall{answer: 8, class: "com.example.Other"}, codecException},
	} {
		if a, err := callBolt(t.Context(), b.boltPort, c.call); err != nil || a.status != c.want {
			t.Errorf("%s: status %d, %v; want %d", c.name, a.status, err, c.want)
		}
	}
}

// readBoltCall reads a call of version 1 and returns its id and key.
func readBoltCall(r io.Reader) (id uint32, key []byte, err error) {
	head := make([]byte, 22)
	if _, err := io.ReadFull(r, head); err != nil {
		return 0, nil, err
	}
	before := int(binary.BigEndian.Uint16(head[14:])) + int(binary.BigEndian.Uint16(head[16:]))
	rest := make([]byte, before+int(binary.BigEndian.Uint32(head[18:])))
	_, err = io.ReadFull(r, rest)
	return binary.BigEndian.Uint32(head[5:]), rest[before : before+8], err
}

// goodBoltAnswer is what the load generator wants to see, of 64 bytes of content.
func goodBoltAnswer(id uint32, key []byte) []byte {
	content := append(append([]byte{}, key...), pattern(56)...)
	frame := []byte{1, 0, 0, 2, 1}
	frame = append(binary.BigEndian.AppendUint32(frame, id), 1, 0, 0)
	frame = binary.BigEndian.AppendUint16(frame, uint16(len(boltResponseClass)))
	frame = append(frame, 0, 0)
	frame = binary.BigEndian.AppendUint32(frame, uint32(len(content)))
	return append(append(frame, boltResponseClass...), content...)
}

// testWrongBoltAnswers, each by its own name.
func testWrongBoltAnswers(t *testing.T, b *bench) {
	class := len(boltResponseClass)
	for _, c := range []struct {
		name   string
		damage func(answer []byte) []byte
		want   string
		lost   uint64 // right answers that are missing
	}{
		{"status", func(a []byte) []byte { a[11] = 3; return a }, "status", 1},
		{"an answer of the gateway", func(a []byte) []byte { // a frame without class and content
			a = a[:20]
			clear(a[11:])
			a[11] = 6
			return a
		}, "status", 1},
		{"class", func(a []byte) []byte { a[20]++; return a }, "frame", 1},
		{"length", func(a []byte) []byte { a[19]--; return a[:len(a)-1] }, "length", 1},
		{"key", func(a []byte) []byte { a[20+class+7]++; return a }, "body", 1},
		{"a damaged byte", func(a []byte) []byte { a[len(a)-1]++; return a }, "body", 1},
		{"twice", func(a []byte) []byte { return append(a, a...) }, "extra", 0},
		{"another's id", func(a []byte) []byte { stray := append([]byte{}, a...); stray[5] ^= 0x40; return append(stray, a...) }, "extra", 0},
		{"not Bolt", func([]byte) []byte { return []byte("HTTP/1.1 400 Bad Request\r\n\r\n") }, "frame", 1},
		{"a request", func(a []byte) []byte { a[1] = 1; return append(a, a...) }, "frame", 1},
		{"version 2 without a CRC32", func(a []byte) []byte {
			head := append([]byte{2, 1}, a[1:10]...)
			return append(append(append(head, 0), a[10:20]...), a[20:]...)
		}, "frame", 1},
		{"cut", func(a []byte) []byte { return a[:len(a)-1] }, "closed", 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			// The first call is answered wrongly, the later ones well: the run goes on.
			first := make(chan struct{}, 1)
			first <- struct{}{}
			port := scriptedServer(t, func(conn net.Conn) {
				reader := bufio.NewReader(conn)
				for {
					id, key, err := readBoltCall(reader)
					if err != nil {
						return
					}
					answer := goodBoltAnswer(id, key)
					select {
					case <-first:
						answer = c.damage(answer)
					default:
					}
					if _, err := conn.Write(answer); err != nil || c.want == "closed" && len(answer) < 20+class+64 {
						return
					}
				}
			})
			result := runBolt(t, b, port, "--connections", "1", "--rate", "200", "--seconds", "0.05", "--answer", "64")
			if result.Failures[c.want] != 1 || result.failed() == nil || result.Requests != 10-c.lost {
				t.Errorf("failures %v, %d right answers; want one of %q, and %d", result.Failures, result.Requests, c.want, 10-c.lost)
			}
		})
	}
}

// testBoltHeartbeats, of both versions.
func testBoltHeartbeats(t *testing.T, b *bench) {
	for _, c := range []struct{ call, answer string }{
		{
			"\x01\x01\x00\x00\x01\x00\x00\x00\x07\x01\xff\xff\xff\xff\x00\x00\x00\x00\x00\x00\x00\x00",
			"\x01\x00\x00\x00\x01\x00\x00\x00\x07\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00",
		},
		{
			"\x02\x01\x01\x00\x00\x01\x00\x00\x00\x07\x01\x00\xff\xff\xff\xff\x00\x00\x00\x00\x00\x00\x00\x00",
			"\x02\x01\x00\x00\x00\x01\x00\x00\x00\x07\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00",
		},
	} {
		conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp4", net.JoinHostPort("127.0.0.1", strconv.Itoa(b.boltPort)))
		if err != nil {
			t.Fatal(err)
		}
		got := make([]byte, len(c.answer))
		_, errWrite := io.WriteString(conn, c.call)
		_, errRead := io.ReadFull(conn, got)
		_ = conn.Close()
		if errWrite != nil || errRead != nil || string(got) != c.answer {
			t.Errorf("% x, %v, %v; want % x", got, errWrite, errRead, c.answer)
		}
	}
}
