package hpack

import (
	"bytes"
	"strings"
	"testing"
)

// RFC 7541 appendix C.1.
func TestIntegers(t *testing.T) {
	for _, c := range []struct {
		v      int
		prefix uint
		want   string
	}{
		{10, 5, "0a"},
		{1337, 5, "1f9a0a"},
		{42, 8, "2a"},
		{30, 5, "1e"},
		{31, 5, "1f00"},
		{1<<32 - 1, 5, "1fe0ffffff0f"},
		{1<<32 - 1, 7, "7f80ffffff0f"},
	} {
		want := unhex(t, c.want)
		if got := appendInt(nil, 0, c.prefix, c.v); !bytes.Equal(got, want) {
			t.Errorf("%d with %d bits is %x, want %x", c.v, c.prefix, got, want)
		}
		v, used, err := parseInt(append(want, 0xff), c.prefix)
		if v != c.v || used != len(want) || err != nil {
			t.Errorf("%x with %d bits is %d in %d bytes, %v; want %d", want, c.prefix, v, used, err, c.v)
		}
	}
}

// An exampleBlock is a block of appendix C and what is in the table behind it.
type exampleBlock struct {
	plain   string // hexadecimal
	huffman string
	fields  string // one a line
	table   string // the newest first
	size    int
}

func (x exampleBlock) list() (all []testField) {
	for _, line := range split(x.fields) {
		i := strings.Index(line[1:], ": ") + 1
		all = append(all, fieldOf(line[:i], line[i+2:]))
	}
	return all
}

func split(s string) []string {
	var all []string
	for _, line := range strings.Split(strings.TrimSpace(s), "\n") {
		if line = strings.TrimSpace(line); line != "" {
			all = append(all, line)
		}
	}
	return all
}

// RFC 7541 appendices C.3 and C.4.
func exampleRequests() []exampleBlock {
	return []exampleBlock{{
		plain:   "8286 8441 0f77 7777 2e65 7861 6d70 6c65 2e63 6f6d",
		huffman: "8286 8441 8cf1 e3c2 e5f2 3a6b a0ab 90f4 ff",
		fields:  ":method: GET\n:scheme: http\n:path: /\n:authority: www.example.com",
		table:   ":authority: www.example.com",
		size:    57,
	}, {
		plain:   "8286 84be 5808 6e6f 2d63 6163 6865",
		huffman: "8286 84be 5886 a8eb 1064 9cbf",
		fields:  ":method: GET\n:scheme: http\n:path: /\n:authority: www.example.com\ncache-control: no-cache",
		table:   "cache-control: no-cache\n:authority: www.example.com",
		size:    110,
	}, {
		plain:   "8287 85bf 400a 6375 7374 6f6d 2d6b 6579 0c63 7573 746f 6d2d 7661 6c75 65",
		huffman: "8287 85bf 4088 25a8 49e9 5ba9 7d7f 8925 a849 e95b b8e8 b4bf",
		fields:  ":method: GET\n:scheme: https\n:path: /index.html\n:authority: www.example.com\ncustom-key: custom-value",
		table:   "custom-key: custom-value\ncache-control: no-cache\n:authority: www.example.com",
		size:    164,
	}}
}

// RFC 7541 appendices C.5 and C.6, for tables of 256 bytes.
func exampleResponses() []exampleBlock {
	return []exampleBlock{{
		plain: `4803 3330 3258 0770 7269 7661 7465 611d 4d6f 6e2c 2032 3120 4f63 7420 3230 3133
			2032 303a 3133 3a32 3120 474d 546e 1768 7474 7073 3a2f 2f77 7777 2e65 7861 6d70 6c65 2e63 6f6d`,
		huffman: `4882 6402 5885 aec3 771a 4b61 96d0 7abe 9410 54d4 44a8 2005 9504 0b81 66e0 82a6
			2d1b ff6e 919d 29ad 1718 63c7 8f0b 97c8 e9ae 82ae 43d3`,
		fields: ":status: 302\ncache-control: private\ndate: Mon, 21 Oct 2013 20:13:21 GMT\nlocation: https://www.example.com",
		table:  "location: https://www.example.com\ndate: Mon, 21 Oct 2013 20:13:21 GMT\ncache-control: private\n:status: 302",
		size:   222,
	}, {
		plain:   "4803 3330 37c1 c0bf",
		huffman: "4883 640e ffc1 c0bf",
		fields:  ":status: 307\ncache-control: private\ndate: Mon, 21 Oct 2013 20:13:21 GMT\nlocation: https://www.example.com",
		table:   ":status: 307\nlocation: https://www.example.com\ndate: Mon, 21 Oct 2013 20:13:21 GMT\ncache-control: private",
		size:    222,
	}, {
		plain: `88c1 611d 4d6f 6e2c 2032 3120 4f63 7420 3230 3133 2032 303a 3133 3a32 3220 474d
			54c0 5a04 677a 6970 7738 666f 6f3d 4153 444a 4b48 514b 425a 584f 5157 454f 5049 5541 5851 5745 4f49
			553b 206d 6178 2d61 6765 3d33 3630 303b 2076 6572 7369 6f6e 3d31`,
		huffman: `88c1 6196 d07a be94 1054 d444 a820 0595 040b 8166 e084 a62d 1bff c05a 839b d9ab
			77ad 94e7 821d d7f2 e6c7 b335 dfdf cd5b 3960 d5af 2708 7f36 72c1 ab27 0fb5 291f 9587 3160 65c0
			03ed 4ee5 b106 3d50 07`,
		fields: ":status: 200\ncache-control: private\ndate: Mon, 21 Oct 2013 20:13:22 GMT\n" +
			"location: https://www.example.com\ncontent-encoding: gzip\n" +
			"set-cookie: foo=ASDJKHQKBZXOQWEOPIUAXQWEOIU; max-age=3600; version=1",
		table: "set-cookie: foo=ASDJKHQKBZXOQWEOPIUAXQWEOIU; max-age=3600; version=1\n" +
			"content-encoding: gzip\ndate: Mon, 21 Oct 2013 20:13:22 GMT",
		size: 215,
	}}
}

func testExampleDecoding(t *testing.T, blocks []exampleBlock, size int, wire func(exampleBlock) string) {
	t.Helper()
	var (
		d Decoder
		s Scratch
	)
	d.table.resize(size)
	for i, x := range blocks {
		got, err := decodeLines(&d, unhex(t, wire(x)), &s)
		if err != nil {
			t.Fatalf("block %d: %v", i, err)
		}
		wantLines(t, "fields", got, split(x.fields))
		wantLines(t, "table", d.table.contents(), split(x.table))
		if d.table.size != x.size {
			t.Errorf("block %d: table size %d, want %d", i, d.table.size, x.size)
		}
	}
}

func TestAppendixDecoding(t *testing.T) {
	for name, wire := range map[string]func(exampleBlock) string{
		"plain":   func(x exampleBlock) string { return x.plain },
		"huffman": func(x exampleBlock) string { return x.huffman },
	} {
		t.Run(name, func(t *testing.T) {
			testExampleDecoding(t, exampleRequests(), 4096, wire)
			testExampleDecoding(t, exampleResponses(), 256, wire)
		})
	}
}

func testExampleEncoding(t *testing.T, blocks []exampleBlock, size int) {
	t.Helper()
	var e Encoder
	e.index.resize(size)
	for i, x := range blocks {
		got := e.Begin(nil)
		for _, f := range x.list() {
			got = f.append(&e, got, PolicyIndex)
		}
		want := unhex(t, x.huffman)
		// "307" in Huffman code is as long as it is plain, which this encoder prefers.
		want = bytes.Replace(want, []byte{0x48, 0x83, 0x64, 0x0e, 0xff}, []byte("\x48\x03307"), 1)
		if !bytes.Equal(got, want) {
			t.Errorf("block %d:\n got %x\nwant %x", i, got, want)
		}
		wantLines(t, "table", e.index.contents(), split(x.table))
		if e.index.size != x.size {
			t.Errorf("block %d: table size %d, want %d", i, e.index.size, x.size)
		}
	}
}

func TestAppendixEncoding(t *testing.T) {
	testExampleEncoding(t, exampleRequests(), 4096)
	testExampleEncoding(t, exampleResponses(), 256)
}

// RFC 7541 appendix C.2.
func TestAppendixRepresentations(t *testing.T) {
	for _, c := range []struct {
		wire, field, table string
		never              bool
	}{
		{"400a 6375 7374 6f6d 2d6b 6579 0d63 7573 746f 6d2d 6865 6164 6572", "custom-key: custom-header", "custom-key: custom-header", false},
		{"040c 2f73 616d 706c 652f 7061 7468", ":path: /sample/path", "", false},
		{"1008 7061 7373 776f 7264 0673 6563 7265 74", "password: secret", "", true},
		{"82", ":method: GET", "", false},
	} {
		var (
			d Decoder
			s Scratch
		)
		d.Begin(unhex(t, c.wire), &s)
		f, more, err := d.Next()
		if err != nil || !more || string(f.Name)+": "+string(f.Value) != c.field || f.Never != c.never {
			t.Errorf("%s: got %v %v %v", c.field, f, more, err)
		}
		wantLines(t, c.field, d.table.contents(), split(c.table))
		if _, more, err = d.Next(); more || err != nil {
			t.Errorf("%s: more behind it, or %v", c.field, err)
		}
	}
	var e Encoder
	if got := e.Append(nil, 0, []byte("password"), []byte("secret"), PolicyNever); !bytes.Equal(got,
		unhex(t, "1008 7061 7373 776f 7264 0673 6563 7265 74")) {
		t.Errorf("a field never to be indexed is %x", got)
	}
}
