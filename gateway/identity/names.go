package identity

import (
	"crypto/x509"
	"encoding/asn1"
)

// uris are the URIs that a certificate is made out to, byte for byte: url.URL would write some of them in another way than
// the authority has, and a list compares what was signed.
func uris(c *x509.Certificate) (all []string) {
	if len(c.URIs) == 0 {
		return nil
	}
	const tagURI = 6 // RFC 5280, 4.2.1.6: "uniformResourceIdentifier [6] IA5String"
	for _, e := range c.Extensions {
		if !e.Id.Equal(asn1.ObjectIdentifier{2, 5, 29, 17}) {
			continue
		}
		var names asn1.RawValue
		if _, err := asn1.Unmarshal(e.Value, &names); err != nil {
			return nil // crypto/x509 has read it: it can't be
		}
		for rest := names.Bytes; len(rest) > 0; {
			var name asn1.RawValue
			var err error
			if rest, err = asn1.Unmarshal(rest, &name); err != nil {
				return nil
			}
			if name.Class == asn1.ClassContextSpecific && name.Tag == tagURI {
				all = append(all, string(name.Bytes))
			}
		}
	}
	return all
}
