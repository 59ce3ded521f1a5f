package identity

import (
	"encoding/asn1"
	"strings"
	"unicode/utf8"
)

// attributeName is the short name of an attribute type: one of those of RFC 4514, section 3, or what OpenSSL writes of the rest
// that are usual in certificates.
func attributeName(oid asn1.ObjectIdentifier) (name string, known bool) {
	text := oid.String()
	name, known = map[string]string{
		"2.5.4.3": "CN", "2.5.4.7": "L", "2.5.4.8": "ST", "2.5.4.10": "O", "2.5.4.11": "OU", "2.5.4.6": "C", "2.5.4.9": "STREET",
		"0.9.2342.19200300.100.1.25": "DC", "0.9.2342.19200300.100.1.1": "UID",
		"2.5.4.5": "serialNumber", "2.5.4.17": "postalCode", "2.5.4.12": "title", "2.5.4.4": "SN", "2.5.4.42": "GN",
		"2.5.4.97": "organizationIdentifier", "1.2.840.113549.1.9.1": "emailAddress",
	}[text]
	if !known {
		name = text
	}
	return name, known
}

// distinguishedName writes a name as RFC 4514 (and 2253) wants it, the last part first, in printable ASCII, and without a
// quote or an unpaired backslash: "CN=a,O=Example\, Inc."; what is not so is written as pairs of hexadecimal digits, which
// RFC 4514 allows for every byte. Bad DER gives "".
func distinguishedName(der []byte) string {
	type attribute struct {
		Type  asn1.ObjectIdentifier
		Value asn1.RawValue
	}
	var parts []asn1.RawValue
	if rest, err := asn1.Unmarshal(der, &parts); err != nil || len(rest) > 0 {
		return ""
	}
	var b strings.Builder
	for i := len(parts) - 1; i >= 0; i-- {
		var set []attribute
		if _, err := asn1.UnmarshalWithParams(parts[i].FullBytes, &set, "set"); err != nil {
			return ""
		}
		for j, a := range set {
			switch {
			case j > 0:
				b.WriteByte('+')
			case b.Len() > 0:
				b.WriteByte(',')
			}
			name, known := attributeName(a.Type)
			b.WriteString(name)
			b.WriteByte('=')
			if value, ok := text(a.Value); known && ok {
				escapeValue(&b, value)
			} else {
				b.WriteByte('#')
				for _, c := range a.Value.FullBytes {
					writeHex(&b, c)
				}
			}
		}
	}
	return b.String()
}

// text is the value of a string as UTF-8; false when it is none.
func text(v asn1.RawValue) (string, bool) {
	if v.Class != asn1.ClassUniversal {
		return "", false
	}
	switch v.Tag {
	case asn1.TagUTF8String, asn1.TagPrintableString, asn1.TagIA5String, asn1.TagNumericString, asn1.TagGeneralString:
		return string(v.Bytes), utf8.Valid(v.Bytes)
	case asn1.TagT61String: // in practice it holds ISO 8859-1
		runes := make([]rune, len(v.Bytes))
		for i, c := range v.Bytes {
			runes[i] = rune(c)
		}
		return string(runes), true
	case asn1.TagBMPString:
		var s string
		_, err := asn1.Unmarshal(v.FullBytes, &s)
		return s, err == nil
	}
	return "", false
}

// escapeValue writes a value. RFC 4514, 2.4, says what must be escaped; quotes and backslashes are, as pairs of digits, so
// that whoever reads the name inside of quotes finds their end whatever it takes a backslash for.
func escapeValue(b *strings.Builder, value string) {
	for i := range len(value) {
		c := value[i]
		switch {
		case c < ' ' || c >= 0x7f || c == '"' || c == '\\':
			b.WriteByte('\\')
			writeHex(b, c)
		case c == ',' || c == '+' || c == ';' || c == '<' || c == '>',
			c == ' ' && (i == 0 || i == len(value)-1), c == '#' && i == 0:
			b.WriteByte('\\')
			b.WriteByte(c)
		default:
			b.WriteByte(c)
		}
	}
}

func writeHex(b *strings.Builder, c byte) {
	const digits = "0123456789ABCDEF"
	b.WriteByte(digits[c>>4])
	b.WriteByte(digits[c&15])
}
