package secure

import (
	"crypto/tls"
	"time"

	"sluice/loop"
)

// Defaults of Config and EngineOptions.
const (
	DefaultTimeout  = 10 * time.Second
	DefaultMaxHello = 16 << 10
)

// maxHandshake bounds what a peer may send before the handshake is done, certificates included.
const maxHandshake = 256 << 10

// handshakeCost is about what a handshake costs that waits for its peer: a stack, a tls.Conn and a few buffers. What the peer has
// sent comes on top: crypto/tls keeps parts of messages, of a certificate up to 256 KiB.
const handshakeCost = 10 << 10

// maxControl bounds what tls.Conn itself writes (answers to KeyUpdate) while the peer reads nothing.
const maxControl = 16 << 10

// readAhead is how much plaintext a turn of a connection may make, recordsPerTurn in how many records: one-byte records
// cost hundreds of times their size.
const (
	readAhead      = 64 << 10
	recordsPerTurn = 256
)

// A Config says how to shake hands. It is shared by connections and by loops, and must not be changed.
type Config struct {
	// TLS is given to crypto/tls as it is. Its callbacks run on workers, and on loops: they must not block.
	TLS *tls.Config
	// Owner is whatever the caller wants to find again when Conn.Choice gives it the Config.
	Owner any
	// AsksClients: a server that may ask for a certificate. How long it takes to verify one is the client's choice, so that no
	// step of such a handshake is taken by a loop; nor is one that we begin.
	AsksClients bool
	// Timeout is from the accept, or the connect's success, to the end of the handshake; 0 means DefaultTimeout.
	Timeout time.Duration
	// MaxHello is the longest ClientHello, with its record headers; 0 means DefaultMaxHello.
	MaxHello int

	refusing *tls.Config // see For; nil: nobody is refused for what it speaks but by crypto/tls
}

// Choosing returns a Config for servers that goes by another Config for each client, the one that choose returns: its TLS
// is used, and Conn.Choice tells which it was. choose runs on workers; an error refuses the client (ErrNoCertificate). From
// and to are the lowest and the highest version of all that may be chosen: what a ClientHelloInfo says is supported depends
// on them. Each of the others must have session ticket keys of its own, or none: a ticket is good for the Config that it was
// given under.
func Choosing(from, to uint16, choose func(*tls.ClientHelloInfo) (*Config, error)) *Config {
	return &Config{TLS: &tls.Config{
		MinVersion: from, MaxVersion: to, SessionTicketsDisabled: true,
		GetConfigForClient: func(hello *tls.ClientHelloInfo) (*tls.Config, error) {
			cfg, err := choose(hello)
			if err != nil {
				return nil, err
			}
			if w, ok := hello.Conn.(*wire); ok {
				w.handshake.choice = cfg
			}
			return cfg.For(hello), nil
		},
	}}
}

// EngineOptions configure an Engine.
type EngineOptions struct {
	Executor Executor // who runs the steps of handshakes; it is needed
	// MaxUnread is how much unconsumed plaintext a connection may keep; 0 means loop.MaxUnread. What the loop keeps of
	// ciphertext comes on top.
	MaxUnread int
	// Lobby is where accepted connections wait until their handshakes are done: what they hold counts there, and who is made to
	// leave has failed with ReasonOverload. Nil means one without a limit.
	Lobby *loop.Lobby
}

// An Engine is TLS on one loop: the buffers and counters of its connections. All methods but Counters belong to the loop.
type Engine struct {
	loop      loop.Loop
	executor  Executor
	home      *home
	lobby     *loop.Lobby
	thrift    thrift
	maxUnread int
	plain     []byte // what one call of Received decrypts
	record    []byte // lent to tls.Conn for a Read
	inputs    inputs
	bufs      loop.Buffers
	counters  counters
	// accepting is the connection whose Acceptor is asked, and choice the Config that it was established by.
	accepting *Conn
	choice    *Config
}

// NewEngine returns an Engine for l. It may be called on any goroutine.
func NewEngine(l loop.Loop, o EngineOptions) *Engine {
	if o.MaxUnread <= 0 {
		o.MaxUnread = loop.MaxUnread
	}
	if o.Lobby == nil {
		o.Lobby = new(loop.Lobby)
	}
	return &Engine{
		loop: l, executor: o.Executor, home: newHome(l), lobby: o.Lobby, maxUnread: o.MaxUnread,
		plain: make([]byte, readAhead+maxPlain), record: make([]byte, recordBuffer), inputs: findInputs(),
	}
}

// Server returns the handler of raw, an accepted socket, and is called in the Acceptor of its listener. When the
// handshake is done it asks a, with a *Conn, for the handler of what is inside; a refusal closes the connection. A
// handshake that fails closes it too: a never hears of it, the counters do.
func (e *Engine) Server(raw loop.Conn, cfg *Config, a loop.Acceptor) loop.Handler {
	s := &Conn{engine: e, raw: raw, h: nobody{}}
	s.opening = newOpening(s, cfg)
	s.opening.accept = a
	s.opening.arm()
	return s
}

// Dial is loop.Dial with a handshake: h.Opened follows when that is done, h.Closed (with an *Error) when it failed. The
// time limit of o is the connect's. The result is a *Conn.
func (e *Engine) Dial(o loop.DialOptions, cfg *Config, h loop.Handler) (loop.Conn, error) {
	s := &Conn{engine: e, h: h, phase: phaseConnecting}
	raw, err := e.loop.Dial(o, s)
	if err != nil {
		return nil, err
	}
	s.raw = raw
	s.opening = newOpening(s, cfg)
	return s, nil
}

// Counters returns a snapshot. It is safe on any goroutine.
func (e *Engine) Counters() Counters { return e.counters.snapshot() }

// nobody is the handler of a connection whose handshake is not done.
type nobody struct{}

func (nobody) Opened(loop.Conn)                   {}
func (nobody) Received(_ loop.Conn, b []byte) int { return len(b) }
func (nobody) ReadClosed(loop.Conn, []byte)       {}
func (nobody) Drained(loop.Conn)                  {}
func (nobody) Closed(loop.Conn, error)            {}
