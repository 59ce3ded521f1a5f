package mosn

import (
	"encoding/json"
	"slices"
	"strings"

	"github.com/valyala/bytebufferpool"
)

// Redacted stands where a secret was.
const Redacted = "***REDACTED***"

// redacted writes the document as JSON, its keys in their order, its secrets replaced.
func redacted(root *node) []byte {
	b := bytebufferpool.Get()
	defer bytebufferpool.Put(b)
	appendNode(b, root, false)
	return slices.Clone(b.B) // it lives as long as the configuration: no room to spare
}

// appendNode writes n; secret says that every string and number in it is to be hidden.
func appendNode(b *bytebufferpool.ByteBuffer, n *node, secret bool) {
	switch n.kind {
	case kindNull:
		b.WriteString("null")
	case kindBool:
		b.WriteString(n.text)
	case kindNumber:
		if secret {
			appendString(b, Redacted)
			return
		}
		b.WriteString(n.text)
	case kindString:
		if n.text != "" && (secret || strings.Contains(n.text, "PRIVATE KEY-----")) {
			appendString(b, Redacted)
			return
		}
		appendString(b, n.text)
	case kindArray:
		b.WriteByte('[')
		for i, item := range n.items {
			if i > 0 {
				b.WriteByte(',')
			}
			appendNode(b, item, secret)
		}
		b.WriteByte(']')
	case kindObject:
		carries := carriesSecret(n)
		b.WriteByte('{')
		for i, m := range n.members {
			if i > 0 {
				b.WriteByte(',')
			}
			appendString(b, m.key)
			b.WriteByte(':')
			appendNode(b, m.value, secret || secretKey(m.key) || carries && strings.EqualFold(m.key, "value"))
		}
		b.WriteByte('}')
	}
}

func appendString(b *bytebufferpool.ByteBuffer, s string) {
	e := json.NewEncoder(b)
	e.SetEscapeHTML(false)
	if err := e.Encode(s); err != nil {
		panic("mosn: a string does not marshal: " + err.Error())
	}
	b.B = b.B[:b.Len()-1] // the line break that Encode adds
}

// secretKey reports whether the value of key is nobody's business. private_key may be a path; MOSN hides that as well.
func secretKey(key string) bool {
	k := strings.ToLower(strings.NewReplacer("_", "", "-", "").Replace(key))
	switch k {
	case "privatekey", "authentication", "credential", "credentials", "apikey", "accesskey", "accesskeyid", "authorization":
		return true
	}
	for _, end := range []string{"password", "passwd", "secret", "secretkey", "token"} {
		if strings.HasSuffix(k, end) {
			return true
		}
	}
	return false
}

// carriesSecret reports whether n is a header {"key": ..., "value": ...} (or a match by "name") that carries credentials.
func carriesSecret(n *node) bool {
	for _, name := range []string{"key", "name"} {
		if v := n.member(name); v != nil && v.kind == kindString {
			switch strings.ToLower(v.text) {
			case "authorization", "proxy-authorization", "cookie", "set-cookie":
				return true
			}
			if secretKey(strings.TrimPrefix(strings.ToLower(v.text), "x-")) {
				return true
			}
		}
	}
	return false
}
