package gateway

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"maps"
	"slices"
	"strings"
	"testing"

	"sluice/loop/looptest"
)

// What the bytes of a frame mean, for peers that the tests play.
const (
	boltResponse = 0
	boltRequest  = 1
	boltOneWay   = 2

	boltHeartbeat = 0
	boltCall      = 1
	boltReply     = 2
	boltGoAway    = 100
)

// A boltFrame is a frame of Bolt, either version.
type boltFrame struct {
	version byte // 0: 1
	summed  bool // version 2 with a CRC32
	kind    byte
	command uint16
	id      uint32
	coding  byte   // 0: 1
	value   uint32 // a request's timeout in ms, an answer's status
	class   string
	fields  map[string]string
	content string
}

func call(id uint32, service, content string) boltFrame {
	return boltFrame{kind: boltRequest, command: boltCall, id: id, value: 1<<32 - 1, class: "com.example.Request",
		fields: map[string]string{"service": service}, content: content}
}

// answer is the answer to f.
func (f boltFrame) answer(status uint32, content string) boltFrame {
	return boltFrame{version: f.version, summed: f.summed, command: boltReply, id: f.id, coding: f.coding, value: status,
		class: "com.example.Answer", content: content}
}

func (f boltFrame) bytes() []byte {
	var block []byte
	for _, k := range slices.Sorted(maps.Keys(f.fields)) {
		for _, s := range []string{k, f.fields[k]} {
			block = append(binary.BigEndian.AppendUint32(block, uint32(len(s))), s...)
		}
	}
	b := []byte{max(f.version, 1)}
	if f.version == 2 {
		ver1 := byte(1)
		if f.summed {
			ver1 = 2
		}
		b = append(b, ver1)
	}
	b = append(b, f.kind, byte(f.command>>8), byte(f.command), 1)
	b = append(binary.BigEndian.AppendUint32(b, f.id), max(f.coding, 1))
	if f.version == 2 {
		b = append(b, map[bool]byte{true: 1}[f.summed])
	}
	if f.kind == boltResponse {
		b = binary.BigEndian.AppendUint16(b, uint16(f.value))
	} else {
		b = binary.BigEndian.AppendUint32(b, f.value)
	}
	b = binary.BigEndian.AppendUint16(b, uint16(len(f.class)))
	b = binary.BigEndian.AppendUint16(b, uint16(len(block)))
	b = binary.BigEndian.AppendUint32(b, uint32(len(f.content)))
	b = append(append(append(b, f.class...), block...), f.content...)
	if f.summed {
		b = binary.BigEndian.AppendUint32(b, crc32.ChecksumIEEE(b))
	}
	return b
}

// parseBolt reads the frame at the start of b; n is 0 when it is not complete.
func parseBolt(b []byte) (f boltFrame, n int, err error) {
	if len(b) < 2 {
		return f, 0, nil
	}
	f.version = b[0]
	more := int(f.version) - 1
	if more != 0 && more != 1 {
		return f, 0, fmt.Errorf("a frame of version %d", f.version)
	}
	if f.kind = b[1+more]; f.kind > boltOneWay {
		return f, 0, fmt.Errorf("a frame of type %d", f.kind)
	}
	fixed := 20 + 2*more
	if f.kind != boltResponse {
		fixed += 2
	}
	if len(b) < fixed {
		return f, 0, nil
	}
	f.command = binary.BigEndian.Uint16(b[2+more:])
	f.id = binary.BigEndian.Uint32(b[5+more:])
	f.coding = b[9+more]
	f.summed = more == 1 && b[1] == 2 && b[11]&1 != 0
	if at := 10 + 2*more; f.kind == boltResponse {
		f.value = uint32(binary.BigEndian.Uint16(b[at:]))
	} else {
		f.value = binary.BigEndian.Uint32(b[at:])
	}
	class, block := int(binary.BigEndian.Uint16(b[fixed-8:])), int(binary.BigEndian.Uint16(b[fixed-6:]))
	n = fixed + class + block + int(binary.BigEndian.Uint32(b[fixed-4:]))
	size := n
	if f.summed {
		size += 4
	}
	if len(b) < size {
		return f, 0, nil
	}
	if f.summed && binary.BigEndian.Uint32(b[n:]) != crc32.ChecksumIEEE(b[:n]) {
		return f, 0, fmt.Errorf("a wrong CRC32")
	}
	f.class = string(b[fixed : fixed+class])
	f.content = string(b[fixed+class+block : n])
	f.fields = map[string]string{}
	for rest := b[fixed+class : fixed+class+block]; len(rest) > 0; {
		var pair [2]string
		for i := range pair {
			size := int(binary.BigEndian.Uint32(rest))
			pair[i], rest = string(rest[4:4+size]), rest[4+size:]
		}
		f.fields[pair[0]] = pair[1]
	}
	return f, size, nil
}

// boltFrames takes the frames that p has received.
func boltFrames(t testing.TB, p *looptest.Peer) (all []boltFrame) {
	t.Helper()
	b := []byte(p.Take())
	for len(b) > 0 {
		f, n, err := parseBolt(b)
		if err != nil || n == 0 {
			t.Fatalf("%v, in %q", err, b)
		}
		all, b = append(all, f), b[n:]
	}
	return all
}

// sendBolt sends frames together.
func sendBolt(p *looptest.Peer, frames ...boltFrame) {
	var b []byte
	for _, f := range frames {
		b = append(b, f.bytes()...)
	}
	p.SendBytes(b)
}

// String is what the tests compare: the answer's id, status, reason and content.
func (f boltFrame) String() string {
	s := fmt.Sprintf("v%d #%d %d", f.version, f.id, f.value)
	if r := f.fields["sluice-reason"]; r != "" {
		s += " " + r
	}
	if f.content != "" {
		s += " " + f.content
	}
	return s
}

// wantBolt compares the answers that p has received since the last call.
func wantBolt(t testing.TB, p *looptest.Peer, want ...string) {
	t.Helper()
	var got []string
	for _, f := range boltFrames(t, p) {
		got = append(got, f.String())
	}
	if !slices.Equal(got, want) {
		t.Errorf("answers\n  %s\nwant\n  %s", strings.Join(got, "\n  "), strings.Join(want, "\n  "))
	}
}

// A boltDoc is a gateway between Bolt and Bolt; its texts are members of JSON objects, each behind a comma.
type boltDoc struct {
	speaks  string // "": bolt
	rules   string // in front of the one for every service, each followed by a comma
	route   string
	proxy   string
	cluster string
	filters string // stream filters
	logs    string
}

func (d boltDoc) String() string {
	if d.speaks == "" {
		d.speaks = "bolt"
	}
	return fmt.Sprintf(`{"servers":[{"default_log_path":"stdout","processor":1,
 "routers":[{"router_config_name":"r","virtual_hosts":[{"name":"v","domains":["*"],"routers":[%s
  {"match":{"headers":[{"name":"service","value":".*"}]},"route":{"cluster_name":"c"%s}}]}]}],
 "listeners":[{"name":"l","address":"127.0.0.1:1","bind_port":true,"stream_filters":[%s],"access_logs":[%s],
  "filter_chains":[{"filters":[{"type":"proxy","config":{"downstream_protocol":%q,"router_config_name":"r",
   "forwarded":{"via":false,"x_forwarded_for":false,"x_forwarded_proto":false,"x_forwarded_host":false,"x_request_id":false}%s}}]}]}]}],
 "cluster_manager":{"clusters":[{"name":"c","type":"SIMPLE","lb_type":"LB_ROUNDROBIN","hosts":[{"address":"10.0.0.1:80"}]%s}]}}`,
		d.rules, d.route, d.filters, d.logs, d.speaks, d.proxy, d.cluster)
}

// counts are what the codecs of the first listener have counted.
func (r *rig) counts() string {
	c := *r.g.listeners[0].locals[0].env.Counts
	return fmt.Sprintf("late %d unknown %d refused %d", c.Late, c.Unknown, c.Refused)
}

// idle fails the test when anything is left in progress, apart from connections.
func (r *rig) idle() {
	r.t.Helper()
	if w := r.g.workers[0]; w.active != 0 {
		r.t.Errorf("%d exchanges are still in progress", w.active)
	}
	if n := r.l.Counters().Panics; n != 0 {
		r.t.Errorf("%d panics", n)
	}
}
