package hpack

import (
	"slices"
	"strings"
	"testing"

	xhpack "golang.org/x/net/http2/hpack"
)

// cutBlocks cuts data into header blocks: each begins with its length, modulo 128.
func cutBlocks(data []byte) (blocks [][]byte) {
	for len(data) > 0 {
		n := min(int(data[0]&0x7f), len(data)-1)
		blocks = append(blocks, data[1:1+n])
		data = data[1+n:]
	}
	return blocks
}

func joinBlocks(blocks ...[]byte) (data []byte) {
	for _, b := range blocks {
		data = append(append(data, byte(len(b))), b...)
	}
	return data
}

// FuzzDecoder looks for a panic, for a table that contradicts itself, and for blocks that x/net reads differently.
func FuzzDecoder(f *testing.F) {
	for _, examples := range [][]exampleBlock{exampleRequests(), exampleResponses()} {
		var plain, huffman [][]byte
		for _, x := range examples {
			plain, huffman = append(plain, unhex(f, x.plain)), append(huffman, unhex(f, x.huffman))
		}
		f.Add(joinBlocks(plain...))
		f.Add(joinBlocks(huffman...))
	}
	var e Encoder
	f.Add(joinBlocks(appendFields(&e, nil, request(1)[:4]), appendFields(&e, nil, response()), appendFields(&e, nil, response())))
	for _, block := range []string{
		"80", "ffe0ffffff0e", "ff808080808000", "203fe11f82", "3f21 4001610162 7e0163 20", "4184ffffffff", "41821fff",
		"4183fffffc", "4184fffffff3", "417f80ffffff0f61", "400000", "8220", "2a 4001610162 be",
	} {
		f.Add(joinBlocks(unhex(f, block), unhex(f, "82be")))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		var (
			d Decoder
			s Scratch
		)
		x := xhpack.NewDecoder(4096, nil)
		for _, block := range cutBlocks(data) {
			got, err := decodeLines(&d, block, &s)
			if err := d.table.check(); err != nil {
				t.Fatal(err)
			}
			want, xerr := x.DecodeFull(block)
			if excused(err, xerr) {
				return
			}
			if (err == nil) != (xerr == nil) {
				t.Fatalf("block %x: %v, x/net: %v", block, err, xerr)
			}
			if err != nil {
				return
			}
			if !slices.Equal(got, xnetLines(want)) {
				t.Fatalf("block %x:\n got %q\nwant %q", block, got, xnetLines(want))
			}
		}
	})
}

// excused reports whether the decoders differ for a known reason.
func excused(err, xerr error) bool {
	switch {
	case err == errInteger: //nolint:errorlint // made once, never wrapped
		return true // x/net reads integers of 63 bits
	case err == errUpdateLate: //nolint:errorlint // made once, never wrapped
		return true // x/net lets updates come late while the table is empty
	case xerr != nil && strings.Contains(xerr.Error(), "MUST occur at the beginning"):
		return true // x/net refuses a second update where the first has left something in the table
	}
	return false
}

// FuzzRoundTrip looks for fields that come out otherwise than they went in.
func FuzzRoundTrip(f *testing.F) {
	f.Add("accept", "text/html", "X-Name", "value", uint16(4096), uint8(0))
	f.Add(":path", "/", "cookie", "short", uint16(0), uint8(1))
	f.Add("x-request-id", "\x00\xff", "", "", uint16(100), uint8(2))
	f.Fuzz(func(t *testing.T, name1, value1, name2, value2 string, size uint16, policy uint8) {
		var (
			e Encoder
			d Decoder
		)
		s := Scratch{Max: 1 << 20}
		fields := []testField{fieldOf(name1, value1), fieldOf(name2, value2), fieldOf(name1, value2), fieldOf(name1, value1)}
		for i := range 3 {
			block := e.Begin(nil)
			for j, f := range fields {
				block = f.append(&e, block, Policy((int(policy)+i+j)%4))
			}
			got, err := decodeLines(&d, block, &s)
			if err != nil || !slices.Equal(got, lines(fields)) {
				t.Fatalf("%v\n got %q\nwant %q", err, got, lines(fields))
			}
			if !slices.Equal(e.index.contents(), d.table.contents()) {
				t.Fatalf("the tables differ:\n%q\n%q", e.index.contents(), d.table.contents())
			}
			e.SetMax(int(size) * i)
		}
	})
}
