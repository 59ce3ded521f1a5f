package hpack

import "sluice/protocols"

// A known is a small integer for every name that this package has by heart: the well-known names, the pseudo fields and
// the rest of the static table. Entries of the dynamic tables keep it instead of the name's bytes.
//
//	0          a name that is not known
//	1 .. 63    protocols.NameID
//	64 .. 71   firstPseudo + Pseudo
//	72 ..      the names that only the static table has
type known uint8

const (
	unknown     known = 0
	firstPseudo known = 64
	firstStatic known = 72
	maxKnown          = 128
)

// A knownName is what there is to say about a known name.
type knownName struct {
	name   []byte // in lower case
	id     protocols.NameID
	pseudo Pseudo
	index  uint8 // of its first entry in the static table; 0 for none
	// literal is the name as a string literal of RFC 7541 section 5.2.
	literal string
}

// knownNames are the known names; the rest is empty.
var knownNames = buildKnownNames()

func buildKnownNames() (t [maxKnown]knownName) {
	for id := protocols.NameID(1); id.String() != ""; id++ {
		t[id] = knownName{name: []byte(id.String()), id: id}
	}
	for p := PseudoMethod; p < PseudoUnknown; p++ {
		t[firstPseudo+known(p)] = knownName{name: []byte(p.String()), pseudo: p}
	}
	next := firstStatic
	for i, f := range staticTable {
		k := unknown
		for j := range t {
			if string(t[j].name) == f.name {
				k = known(j)
			}
		}
		if k == unknown {
			k = next
			next++
			t[k].name = []byte(f.name)
		}
		if t[k].index == 0 {
			t[k].index = uint8(i + 1)
		}
	}
	for k := range t {
		if len(t[k].name) > 0 {
			t[k].literal = string(appendString(nil, t[k].name))
		}
	}
	return t
}

const knownSlots = 512

// knownSlot finds a known name by a hash of its length and some of its bytes; slots that are taken spill into the next.
var knownSlot = buildKnownSlots()

func buildKnownSlots() (t [knownSlots]known) {
	for k := range knownNames {
		name := knownNames[k].name
		if len(name) == 0 {
			continue
		}
		slot := knownHash(name)
		for t[slot] != unknown {
			slot = (slot + 1) % knownSlots
		}
		t[slot] = known(k)
	}
	return t
}

// knownHash is for names that are not empty.
func knownHash(name []byte) uint32 {
	n := len(name)
	h := uint32(n)*145 + uint32(name[0])*245 + uint32(name[n/2])*253 + uint32(name[n-1])*239
	return h % knownSlots
}

// lookupKnown finds name, which must be in lower case to be found.
func lookupKnown(name []byte) known {
	if len(name) == 0 {
		return unknown
	}
	for slot := knownHash(name); ; slot = (slot + 1) % knownSlots {
		k := knownSlot[slot]
		if k == unknown || string(knownNames[k].name) == string(name) {
			return k
		}
	}
}
