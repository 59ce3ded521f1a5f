package hpack

import "sluice/protocols"

// A Decoder decodes the header blocks of one direction of a connection. The zero Decoder is ready; it belongs to the
// connection's loop.
//
//	Begin, then Next until it reports the end, for every block in the order in which they came: a block that is not
//	read to its end leaves a table that is not the peer's. After an error the Decoder must not be used.
type Decoder struct {
	block   []byte
	pos     int
	scratch *Scratch
	table   table
	touched int  // the age of the table entry that the last field came from or went into; 0 for none
	allowed int  // SETTINGS_HEADER_TABLE_SIZE below or above the default, as table.missing
	lowest  int  // while an update is due: the value that it must not exceed
	due     bool // allowed was lowered below the table's maximum size
	state   blockState
}

// blockState is where in a block the decoder is.
//
//	start ──(table size update)──> start
//	start ──(field)──> fields, an error if an update is due
//	fields ──(field)──> fields          fields ──(table size update)──> error
type blockState uint8

const (
	blockStart blockState = iota
	blockFields
)

// SetAllowed says what our SETTINGS_HEADER_TABLE_SIZE was, in bytes, once the peer has acknowledged it; at most
// MaxTableSize. Call it between blocks. Initially it is 4096.
func (d *Decoder) SetAllowed(n int) {
	n = min(max(n, 0), MaxTableSize)
	d.allowed = defaultTableSize - n
	if n >= d.table.max() {
		return
	}
	// RFC 7541 section 4.2: "the smallest maximum table size that occurs in that interval MUST be signaled".
	if !d.due || n < d.lowest {
		d.due, d.lowest = true, n
	}
}

// Begin starts on a whole header block, which is lent until the last Next.
func (d *Decoder) Begin(block []byte, scratch *Scratch) {
	d.block, d.pos, d.scratch, d.touched, d.state = block, 0, scratch, 0, blockStart
}

// Next returns the next field, which belongs to the Scratch and is valid until the next call; more is false at the end of
// the block, when there is none. An error is a [*protocols.Error] and final.
func (d *Decoder) Next() (f *Field, more bool, err error) {
	for d.pos < len(d.block) {
		b := d.block[d.pos]
		if b&0xe0 == 0x20 { // RFC 7541 section 6.3: 001xxxxx
			if err = d.update(); err != nil {
				return nil, false, err
			}
			continue
		}
		if d.state == blockStart {
			// RFC 7541 section 4.2: "This dynamic table size update MUST occur at the beginning of the first header
			// block following the change to the dynamic table size."
			if d.due {
				return nil, false, errUpdateMissing
			}
			d.state = blockFields
		}
		f = &d.scratch.field
		if b >= 0x80 { // RFC 7541 section 6.1: 1xxxxxxx
			err = d.indexed(f)
		} else {
			err = d.literal(f, b)
		}
		return f, err == nil, err
	}
	d.block, d.scratch, d.touched = nil, nil, 0
	return nil, false, nil
}

// MarkChecked remembers that the field that Next has just returned is valid: whenever its table entry is named again, it
// comes with Checked set. Without an entry it does nothing.
func (d *Decoder) MarkChecked() {
	if d.touched != 0 {
		d.table.at(d.touched).checked = true
	}
}

// update reads a dynamic table size update (RFC 7541 section 6.3).
func (d *Decoder) update() error {
	// RFC 7541 section 4.2: "at the beginning of the first header block following the change".
	if d.state != blockStart {
		return errUpdateLate
	}
	n, used, err := parseInt(d.block[d.pos:], 5)
	if err != nil {
		return err
	}
	// RFC 7541 section 6.3: "The new maximum size MUST be lower than or equal to the limit determined by the protocol
	// using HPACK."
	if n > defaultTableSize-d.allowed {
		return errUpdateTooLarge
	}
	if d.due && n > d.lowest {
		return errUpdateMissing
	}
	d.due = false
	d.table.resize(n)
	d.pos += used
	return nil
}

// indexed reads an indexed field (RFC 7541 section 6.1).
func (d *Decoder) indexed(f *Field) error {
	index := int(d.block[d.pos] & 0x7f)
	used := 1
	if index == 0x7f {
		var err error
		if index, used, err = parseInt(d.block[d.pos:], 7); err != nil {
			return err
		}
	}
	d.pos += used
	if index <= staticLen {
		// RFC 7541 section 6.1: "The index value of 0 is not used. It MUST be treated as a decoding error".
		if index == 0 {
			return errIndexZero
		}
		d.touched = 0
		s := &staticFields[index]
		f.ID, f.Pseudo, f.Checked, f.NameChecked, f.Never = s.ID, s.Pseudo, true, true, false
		f.Name, f.Value = s.Name, s.Value
		return nil
	}
	// RFC 7541 section 2.3.3: "Indices strictly greater than the sum of the lengths of both tables MUST be treated as a
	// decoding error."
	age := index - staticLen
	if age > d.table.count {
		return errIndex
	}
	d.touched = age
	e := d.table.at(age)
	d.table.name(f, e)
	f.Checked, f.Never = e.checked, false
	f.Value = d.table.valueBytes(e)
	return nil
}

// name sets the name of f to that of e.
func (t *table) name(f *Field, e *entry) {
	if e.name != unknown {
		f.setName(e.name)
		return
	}
	f.setUnknown(t.nameBytes(e))
	f.NameChecked = e.checked
}

// setName sets the name of f to a known one.
func (f *Field) setName(k known) {
	n := &knownNames[k]
	f.ID, f.Pseudo, f.NameChecked, f.Name = n.id, n.pseudo, true, n.name
}

// setUnknown sets the name of f to one that is not known.
func (f *Field) setUnknown(name []byte) {
	f.ID, f.Pseudo, f.NameChecked, f.Name = protocols.NameOther, PseudoNone, false, name
	if len(name) > 0 && name[0] == ':' {
		f.Pseudo = PseudoUnknown
	}
}

// literal reads a literal field, whose first byte is b:
//
//	01xxxxxx  with incremental indexing  RFC 7541 section 6.2.1
//	0000xxxx  without indexing           section 6.2.2
//	0001xxxx  never indexed              section 6.2.3
func (d *Decoder) literal(f *Field, b byte) error {
	insert, prefix := b&0x40 != 0, uint(4)
	if insert {
		prefix = 6
	}
	f.Checked, f.Never = false, b&0xf0 == 0x10
	d.touched = 0
	d.scratch.reset()
	index, used, err := parseInt(d.block[d.pos:], prefix)
	if err != nil {
		return err
	}
	d.pos += used
	var k known
	switch {
	case index == 0:
		name, err := d.string()
		if err != nil {
			return err
		}
		if k = lookupKnown(name); k != unknown {
			f.setName(k)
		} else {
			f.setUnknown(name)
		}
	case index <= staticLen:
		k = staticKnown[index]
		f.setName(k)
	case index-staticLen <= d.table.count:
		e := d.table.at(index - staticLen)
		d.table.name(f, e)
		// RFC 7541 section 4.4: "A new entry can reference the name of an entry in the dynamic table that will be
		// evicted when adding this new entry".
		if k = e.name; k == unknown && insert {
			f.Name = d.scratch.copy(f.Name)
		}
	default:
		return errIndex
	}
	if f.Value, err = d.string(); err != nil {
		return err
	}
	if insert && d.table.insert(k, f.Name, f.Value) != nil {
		d.touched = 1
	}
	return nil
}

// string reads a string literal (RFC 7541 section 5.2).
func (d *Decoder) string() ([]byte, error) {
	if d.pos >= len(d.block) {
		return nil, errTruncated
	}
	b := d.block[d.pos:]
	n, used, err := parseInt(b, 7)
	if err != nil {
		return nil, err
	}
	if n > len(b)-used {
		return nil, errStringLength
	}
	d.pos += used + n
	s := b[used : used+n : used+n]
	if b[0]&huffmanFlag != 0 {
		return d.scratch.huffman(s)
	}
	return s, nil
}
