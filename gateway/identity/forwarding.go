package identity

// Forwarding says what becomes of the X-Forwarded-Client-Cert field of requests; the names are Envoy's.
type Forwarding uint8

// What may become of it. All but AlwaysForwardOnly remove it from the requests of clients without a certificate.
const (
	Sanitize          Forwarding = iota // it is removed
	ForwardOnly                         // what a client with a certificate says is passed on
	AppendForward                       // so it is, and the client's certificate is told behind it
	SanitizeSet                         // the client's certificate is told, and nothing else
	AlwaysForwardOnly                   // what any client says is passed on
	forwardings
)

// Forwardings are the names of all, in their order.
func Forwardings() (names []string) {
	for f := range forwardings {
		names = append(names, f.String())
	}
	return names
}

func (f Forwarding) String() string {
	return [forwardings]string{"SANITIZE", "FORWARD_ONLY", "APPEND_FORWARD", "SANITIZE_SET", "ALWAYS_FORWARD_ONLY"}[f]
}

// Tells reports whether the client's certificate is told.
func (f Forwarding) Tells() bool { return f == AppendForward || f == SanitizeSet }
