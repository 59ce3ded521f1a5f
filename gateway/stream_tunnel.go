package gateway

import (
	"crypto/sha1" //nolint:gosec // RFC 6455 section 4.2.2 names it; nothing is kept secret by it
	"encoding/base64"
	"encoding/binary"

	"sluice/protocols"
)

// Names that WebSocket's handshake has over HTTP/1 only: RFC 8441 section 5: "The Sec-WebSocket-Key and
// Sec-WebSocket-Accept header fields [...] are not used in the WebSocket over HTTP/2 handshake".
const (
	webSocketKey    = "Sec-WebSocket-Key"
	webSocketAccept = "Sec-WebSocket-Accept"
)

// editTunnel makes the request for a WebSocket one that the upstream's protocol understands.
func (st *stream) editTunnel() {
	if !st.webSocket() || st.s.protocol.Multiplexed == st.protocol.Multiplexed {
		return
	}
	h := &st.req
	if st.protocol.Multiplexed {
		st.accept = acceptOf(h.Lookup(webSocketKey))
		h.DelName(webSocketKey)
		return
	}
	var nonce [16]byte
	binary.LittleEndian.PutUint64(nonce[:], st.w.rng.Uint64())
	binary.LittleEndian.PutUint64(nonce[8:], st.w.rng.Uint64())
	var key [24]byte
	base64.StdEncoding.Encode(key[:], nonce[:])
	st.accept = acceptOf(key[:])
	h.Set(webSocketKey, key[:])
}

// webSocket reports whether the request asks for one.
func (st *stream) webSocket() bool { return protocols.EqualFold(st.req.Upgrade(), "websocket") }

// editTunnelAnswer makes the answer to it one that the client's protocol understands. It reports false for an HTTP/1 server
// that has not read the request it answers.
func (st *stream) editTunnelAnswer() bool {
	if st.accept == "" || st.resp.Status != 101 {
		return true
	}
	if st.protocol.Multiplexed {
		st.resp.SetString(webSocketAccept, st.accept)
		return true
	}
	ok := string(st.resp.Lookup(webSocketAccept)) == st.accept
	st.resp.DelName(webSocketAccept)
	return ok
}

// acceptOf is the proof that RFC 6455 section 4.2.2 asks for.
func acceptOf(key []byte) string {
	const guid = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
	sum := sha1.Sum(append(append([]byte(nil), key...), guid...)) //nolint:gosec // see the import
	return base64.StdEncoding.EncodeToString(sum[:])
}
