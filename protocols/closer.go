package protocols

// A Closer is a codec that holds what must be given back when its connection is over.
type Closer interface {
	// Closed tells the codec that its connection is gone, however it went. It emits no event: the owner knows its streams.
	// What the codec counts in its Env (Owed) and keeps of the loop's is given back. It may be called more than once; no
	// other method but Status may be called afterwards.
	Closed()
}
