//go:build !race && !windows

package gateway

import (
	"fmt"
	"io"
	"net"
	"reflect"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"
	"unsafe"

	"sluice/gateway/config/mosn"
)

// cacheLine is what processors share memory by.
const cacheLine = 64

// TestLoopsWriteNoCacheLineInCommon looks at the memory of a gateway with two loops, while requests pass through one and then
// through the other: no line may change with every request of both. It sees all that is reachable from the Gateway by pointers,
// slices, interfaces and maps: loops, connections, pools, tables, counters; not what closures have caught. It looks when the
// request waits at its upstream and when it has been answered, so a count that goes up and down again shows as well; a lock
// that is taken and given back meanwhile does not. (Objects that a loop makes while it runs are apart by Go's allocator, which gives
// processors memory of their own; what is made for all loops at the start has to be apart by itself.)
func TestLoopsWriteNoCacheLineInCommon(t *testing.T) {
	up := newHeldUpstream(t)
	g := startTwoLoops(t, up.Addr().String())
	if len(g.workers) != 2 {
		t.Skipf("this process may have %d loop only", len(g.workers))
	}
	clients := clientOfEachLoop(t, g, up)
	m := newMemory(g)
	var written [2]map[uintptr]bool
	for i, client := range clients {
		written[i] = m.writtenByEach(t, 12, func() { client.ask(t) }, func() { up.answer(t); client.read(t) })
	}
	for i := range written {
		if len(written[i]) < 10 {
			t.Errorf("only %d lines were seen to change with requests through loop %d: the test does not look at what it should", len(written[i]), i)
		}
	}
	for line := range written[0] {
		if written[1][line] {
			t.Errorf("two loops write the line at %#x with every request: %s", line, m.describe(line))
		}
	}
	t.Logf("%d bytes in %d pieces; lines that every request of a loop changes: %d, %d", m.size(), len(m.pieces), len(written[0]), len(written[1]))
}

// TestMemorySeesASharedLine is the other way round.
func TestMemorySeesASharedLine(t *testing.T) {
	var shared struct {
		counters [2]struct{ n, m int }
		apart    [2]*[128]byte
		byName   map[string]*int
		any      any
		atomic   atomic.Pointer[int]
		_        [48]byte // to two whole lines
	}
	shared.apart = [2]*[128]byte{new([128]byte), new([128]byte)}
	shared.byName = map[string]*int{"x": new(int)}
	shared.any = new(int)
	shared.atomic.Store(new(int))
	m := newMemory(&shared)
	count := func(i int) map[uintptr]bool {
		return m.writtenByEach(t, 3, func() { shared.counters[i].n++ }, func() { shared.counters[i].n--; shared.apart[i][64]++ })
	}
	first, second := count(0), count(1)
	common := 0
	for line := range first {
		if second[line] {
			common++
			if text := m.describe(line); !strings.Contains(text, "counters") {
				t.Errorf("the line is said to hold %q", text)
			}
		}
	}
	if common != 1 || len(first) != 2 || len(second) != 2 {
		t.Errorf("%d lines in common of %d and %d, want 1 of 2 and 2", common, len(first), len(second))
	}
	for _, p := range []*int{shared.byName["x"], shared.any.(*int), shared.atomic.Load()} {
		if n := len(m.writtenByEach(t, 2, func() { *p++ }, func() {})); n != 1 {
			t.Errorf("%d lines changed with a number behind a map, an interface or an atomic pointer, want 1", n)
		}
	}
}

// A piece is a part of the memory that is looked at, with the way to it.
type piece struct {
	at    uintptr
	bytes []byte
	path  string
}

// A memory is all that was reachable from a root when it was made. What was reachable then is kept.
type memory struct {
	root   reflect.Value
	pieces []piece // by address; none is within another
}

func newMemory(root any) *memory { return newMemoryOf(reflect.ValueOf(root)) }

func newMemoryOf(root reflect.Value) *memory {
	w := memoryWalk{seen: map[visit]bool{}}
	w.value(root, root.Type().String())
	slices.SortFunc(w.pieces, func(a, b piece) int {
		switch {
		case a.at != b.at:
			return int(int64(a.at) - int64(b.at))
		default:
			return len(b.bytes) - len(a.bytes)
		}
	})
	m := &memory{root: root}
	end := uintptr(0)
	for _, p := range w.pieces {
		if past := p.at + uintptr(len(p.bytes)); past > end {
			if p.at < end { // two views of one array
				p.bytes, p.at = p.bytes[end-p.at:], end
			}
			m.pieces, end = append(m.pieces, p), past
		}
	}
	return m
}

type visit struct {
	at uintptr
	t  reflect.Type
}

type memoryWalk struct {
	seen   map[visit]bool
	pieces []piece
}

// piece adds n bytes from an address on.
func (w *memoryWalk) piece(at unsafe.Pointer, n uintptr, path string) {
	if n > 0 && at != nil {
		w.pieces = append(w.pieces, piece{at: uintptr(at), bytes: unsafe.Slice((*byte)(at), n), path: path})
	}
}

// value follows what a value refers to.
func (w *memoryWalk) value(v reflect.Value, path string) {
	switch v.Kind() {
	case reflect.Pointer:
		if v.IsNil() || w.done(v.UnsafePointer(), v.Type()) {
			return
		}
		w.piece(v.UnsafePointer(), v.Type().Elem().Size(), path)
		w.value(v.Elem(), path)
	case reflect.Slice:
		if v.Cap() == 0 || w.done(v.UnsafePointer(), v.Type()) {
			return
		}
		w.piece(v.UnsafePointer(), uintptr(v.Cap())*v.Type().Elem().Size(), path+"[]")
		if refers(v.Type().Elem()) {
			whole := v.Slice3(0, v.Cap(), v.Cap()) // a free list keeps what is behind its length
			for i := range whole.Len() {
				w.value(whole.Index(i), path+"[]")
			}
		}
	case reflect.Array:
		for i := 0; refers(v.Type().Elem()) && i < v.Len(); i++ {
			w.value(v.Index(i), path+"[]")
		}
	case reflect.Struct:
		if t := v.Type(); t.PkgPath() == "sync/atomic" && strings.HasPrefix(t.Name(), "Pointer[") {
			// It begins with _ [0]*T, and ends in an unsafe.Pointer.
			w.value(reflect.NewAt(t.Field(0).Type.Elem(), unsafe.Pointer(v.Field(t.NumField()-1).UnsafeAddr())).Elem(), path)
			return
		}
		for i := range v.NumField() {
			w.value(v.Field(i), path+"."+v.Type().Field(i).Name)
		}
	case reflect.Interface:
		if !v.IsNil() && !isRuntimes(v.Elem().Type()) {
			w.value(v.Elem(), path)
		}
	case reflect.Map:
		if v.IsNil() || w.done(v.UnsafePointer(), v.Type()) {
			return
		}
		w.piece(v.UnsafePointer(), 8, path) // the number of entries
		for entries := v.MapRange(); entries.Next(); {
			w.value(entries.Key(), path+"[key]")
			w.value(entries.Value(), path+"[...]")
		}
	default: // numbers, strings, which nobody writes, and what cannot be seen through
	}
}

func (w *memoryWalk) done(at unsafe.Pointer, t reflect.Type) bool {
	v := visit{uintptr(at), t}
	was := w.seen[v] || isRuntimes(t)
	w.seen[v] = true
	return was
}

// isRuntimes tells what is Go's own.
func isRuntimes(t reflect.Type) bool {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	return slices.Contains([]string{"reflect", "runtime", "internal/abi"}, t.PkgPath())
}

// refers tells whether values of a type can refer to something.
func refers(t reflect.Type) bool {
	switch t.Kind() {
	case reflect.Pointer, reflect.Slice, reflect.Interface, reflect.Map:
		return true
	case reflect.Array:
		return refers(t.Elem())
	case reflect.Struct:
		if t.PkgPath() == "sync/atomic" && strings.HasPrefix(t.Name(), "Pointer[") {
			return true
		}
		for i := range t.NumField() {
			if refers(t.Field(i).Type) {
				return true
			}
		}
	default:
	}
	return false
}

func (m *memory) size() (n int) {
	for _, p := range m.pieces {
		n += len(p.bytes)
	}
	return n
}

// now is a copy that does not change meanwhile: two in a row were equal.
func (m *memory) now(t *testing.T) []byte {
	t.Helper()
	read := func() []byte {
		all := make([]byte, 0, m.size())
		for _, p := range m.pieces {
			all = append(all, p.bytes...)
		}
		return all
	}
	before := read()
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); {
		time.Sleep(time.Millisecond)
		after := read()
		if string(before) == string(after) {
			return after
		}
		before = after
	}
	t.Fatal("the gateway's memory does not come to rest")
	return nil
}

// changed adds the lines in which two copies differ.
func (m *memory) changed(before, after []byte, lines map[uintptr]bool) {
	at := 0
	for _, p := range m.pieces {
		for i := range p.bytes {
			if before[at] != after[at] {
				lines[(p.at+uintptr(i))&^(cacheLine-1)] = true
			}
			at++
		}
	}
}

// writtenByEach are the lines that change in every one of n rounds of two steps.
func (m *memory) writtenByEach(t *testing.T, n int, first, second func()) map[uintptr]bool {
	t.Helper()
	var all map[uintptr]bool
	for range n {
		lines := map[uintptr]bool{}
		before := m.now(t)
		for _, step := range []func(){first, second} {
			step()
			after := m.now(t)
			m.changed(before, after, lines)
			before = after
		}
		for line := range all {
			if !lines[line] {
				delete(all, line)
			}
		}
		if all == nil {
			all = lines
		}
	}
	return all
}

// describe names what a line holds.
func (m *memory) describe(line uintptr) string {
	var names []string
	for _, p := range m.pieces {
		if p.at < line+cacheLine && line < p.at+uintptr(len(p.bytes)) {
			names = append(names, fmt.Sprintf("%s (of %d bytes, from byte %d on)", p.path, len(p.bytes), int64(line)-int64(p.at)))
		}
	}
	return strings.Join(names, "; ")
}

const linesRequest = "GET /x HTTP/1.1\r\nHost: example.com\r\nUser-Agent: test\r\n\r\n"

// startTwoLoops starts a gateway in front of an upstream, with what people use: counters, an access log, edits of heads.
func startTwoLoops(t *testing.T, up string) *Gateway {
	t.Helper()
	document := strings.ReplaceAll(`{"servers":[{"default_log_path":"stdout","processor":2,
 "routers":[{"router_config_name":"r","virtual_hosts":[{"name":"v","domains":["*"],"routers":[{"match":{"prefix":"/"},
   "route":{"cluster_name":"c","request_headers_to_add":[{"header":{"key":"x-a","value":"1"}}]}}]}]}],
 "listeners":[{"name":"l","address":"127.0.0.1:0","bind_port":true,"access_logs":[{"log_path":"/dev/null"}],
  "filter_chains":[{"filters":[{"type":"proxy","config":{"downstream_protocol":"Http1","router_config_name":"r"}}]}]}]}],
 "cluster_manager":{"clusters":[{"name":"c","type":"SIMPLE","lb_type":"LB_LEAST_REQUEST",
  "circuit_breakers":[{"max_connections":100,"max_requests":100}],"hosts":[{"address":"UPSTREAM"}]}]}}`, "UPSTREAM", up)
	cfg, problems, err := mosn.Parse("test.json", []byte(document), mosn.Options{})
	if err != nil {
		t.Fatalf("%v\n%v", err, problems)
	}
	g, err := New(cfg, Options{Stdout: io.Discard, Stderr: io.Discard})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(g.Stop)
	if err := g.Start(); err != nil {
		t.Fatal(err)
	}
	return g
}

// A heldUpstream answers one request at a time, when it is told to.
type heldUpstream struct {
	net.Listener
	arrived, release chan struct{}
}

func newHeldUpstream(t *testing.T) *heldUpstream {
	t.Helper()
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	u := &heldUpstream{Listener: l, arrived: make(chan struct{}), release: make(chan struct{})}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go u.serve(conn)
		}
	}()
	return u
}

func (u *heldUpstream) serve(conn net.Conn) {
	defer conn.Close()
	for got := ""; ; {
		piece := make([]byte, 4096)
		n, err := conn.Read(piece)
		if err != nil {
			return
		}
		if got += string(piece[:n]); !strings.HasSuffix(got, "\r\n\r\n") {
			continue
		}
		got = ""
		u.arrived <- struct{}{}
		<-u.release
		if _, err := conn.Write([]byte("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")); err != nil {
			return
		}
	}
}

func (u *heldUpstream) answer(t *testing.T) {
	t.Helper()
	select {
	case <-u.arrived:
	case <-time.After(20 * time.Second):
		t.Fatal("the request has not arrived")
	}
	u.release <- struct{}{}
}

// A lineClient is a client's connection.
type lineClient struct{ net.Conn }

func (c lineClient) ask(t *testing.T) {
	t.Helper()
	if _, err := io.WriteString(c, linesRequest); err != nil {
		t.Fatal(err)
	}
}

func (c lineClient) read(t *testing.T) {
	t.Helper()
	_ = c.SetReadDeadline(time.Now().Add(20 * time.Second))
	got := make([]byte, 4096)
	for n := 0; !strings.HasSuffix(string(got[:n]), "\r\n\r\nok"); {
		m, err := c.Read(got[n:])
		if err != nil {
			t.Fatalf("after %q: %v", got[:n], err)
		}
		n += m
	}
}

// clientOfEachLoop connects until the kernel has given a connection to each loop; all that the two will need has been made.
func clientOfEachLoop(t *testing.T, g *Gateway, up *heldUpstream) [2]lineClient {
	t.Helper()
	var clients [2]lineClient
	counters := newMemoryOf(reflect.ValueOf(g.workers[0].shard).Elem().FieldByName("cells"))
	for tries := 0; clients[0].Conn == nil || clients[1].Conn == nil; tries++ {
		if tries == 64 {
			t.Fatal("all of 64 connections went to one loop")
		}
		conn, err := net.Dial("tcp4", g.Listeners()[0].Address)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = conn.Close() })
		c := lineClient{conn}
		exchange := func() {
			c.ask(t)
			up.answer(t)
			c.read(t)
		}
		exchange()
		before := counters.now(t)
		for range 20 {
			exchange()
		}
		lines := map[uintptr]bool{}
		counters.changed(before, counters.now(t), lines)
		if len(lines) > 0 {
			clients[0] = c
		} else {
			clients[1] = c
		}
	}
	return clients
}
