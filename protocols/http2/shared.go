package http2

import (
	"math/bits"

	"sluice/protocols"
	"sluice/protocols/http2/hpack"
)

// shared is what the HTTP/2 codecs of a loop have in common: callbacks run one at a time, so scratch space serves all, and
// what an idle connection does not need goes back to free lists.
type shared struct {
	header  protocols.Header // into which heads are decoded; the Env's own may be lent to a read buffer
	scratch hpack.Scratch
	block   []byte // a field block: one that came in pieces, or one to be sent
	free    *stream
	idle    int            // records in free
	tables  [8][][]*stream // free slots of tables, by the logarithm of their number
	queues  []*queue
	early   map[*conn][]any // owners of requests for tunnels that came before the peer's SETTINGS

	requests int // streams of clients
	crowded  bool
}

const (
	chunk      = 32   // records that are made at once
	keepFree   = 8192 // records that stay in the free list
	keepTables = 1024 // tables of each size that stay
)

func sharedOf(env *protocols.Env) *shared {
	l, ok := env.Shared[protocols.ProtocolHTTP2].(*shared)
	if !ok {
		l = new(shared)
		env.Shared[protocols.ProtocolHTTP2] = l
	}
	return l
}

// stream returns an empty record.
func (l *shared) stream() *stream {
	if l.free == nil {
		records := make([]stream, chunk)
		for i := range records {
			records[i].next = l.free
			l.free = &records[i]
		}
		l.idle += chunk
	}
	s := l.free
	l.free, s.next = s.next, nil
	l.idle--
	return s
}

func (l *shared) dropStream(s *stream) {
	*s = stream{}
	if l.idle < keepFree {
		s.next, l.free = l.free, s
		l.idle++
	}
}

// slots returns n empty slots; n is a power of two.
func (l *shared) slots(n int) []*stream {
	if class := bits.Len(uint(n)) - bits.Len(firstSlots); class < len(l.tables) {
		if list := l.tables[class]; len(list) > 0 {
			t := list[len(list)-1]
			l.tables[class] = list[:len(list)-1]
			return t
		}
	}
	return make([]*stream, n)
}

// dropSlots takes slots back.
func (l *shared) dropSlots(t []*stream) {
	if len(t) == 0 {
		return
	}
	if class := bits.Len(uint(len(t))) - bits.Len(firstSlots); class < len(l.tables) && len(l.tables[class]) < keepTables {
		clear(t)
		l.tables[class] = append(l.tables[class], t)
	}
}

func (l *shared) queue() *queue {
	if n := len(l.queues); n > 0 {
		q := l.queues[n-1]
		l.queues = l.queues[:n-1]
		return q
	}
	return new(queue)
}

// addEarly remembers owner, whose request for a tunnel has to wait until the peer of c says whether it takes such requests.
func (l *shared) addEarly(c *conn, owner any) {
	if l.early == nil {
		l.early = map[*conn][]any{}
	}
	c.flags |= asksEarly
	for _, o := range l.early[c] {
		if o == owner {
			return
		}
	}
	l.early[c] = append(l.early[c], owner)
}

// takeEarly forgets the owners that c has, and returns them.
func (l *shared) takeEarly(c *conn) []any {
	owners := l.early[c]
	delete(l.early, c)
	c.flags &^= asksEarly
	return owners
}

// dropQueue takes an empty queue back.
func (l *shared) dropQueue(q *queue) {
	if q != nil && len(l.queues) < keepTables {
		l.queues = append(l.queues, q)
	}
}
