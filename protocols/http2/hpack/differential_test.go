package hpack

import (
	"bytes"
	"slices"
	"testing"

	xhpack "golang.org/x/net/http2/hpack"
	"pgregory.net/rapid"
)

// names that the generated fields have: of both tables, well known, unknown, in both cases.
var testNames = []string{
	":method", ":path", ":scheme", ":status", ":authority", ":protocol", "accept-encoding", "Accept-Language", "age",
	"user-agent", "cookie", "x-request-id", "X-Forwarded-For", "traceparent", "grpc-status", "authorization",
	"x-a", "X-B", "x-custom-header-with-a-long-name", "x-c", "",
}

// fieldGen makes fields that often repeat.
func fieldGen() *rapid.Generator[testField] {
	name := rapid.SampledFrom(testNames)
	value := rapid.OneOf(
		rapid.SampledFrom([]string{"", "GET", "200", "/", "gzip, deflate", "a", "text/html; charset=utf-8", "503"}),
		rapid.StringMatching(`[a-z0-9/=;, .-]{0,60}`),
		rapid.Map(rapid.SliceOfN(rapid.Byte(), 0, 40), func(b []byte) string { return string(b) }),
		rapid.Map(rapid.IntRange(0, 5000), func(n int) string { return string(bytes.Repeat([]byte("v"), n)) }),
	)
	return rapid.Custom(func(t *rapid.T) testField { return fieldOf(name.Draw(t, "name"), value.Draw(t, "value")) })
}

func TestEncoderAgainstXNet(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var (
			e Encoder
			d Decoder
			s Scratch
		)
		x := xhpack.NewDecoder(4096, nil)
		policies := rapid.SliceOfN(rapid.IntRange(int(PolicyIndex), int(PolicyNever)), 1, 8).Draw(t, "policies")
		for range rapid.IntRange(1, 30).Draw(t, "blocks") {
			for _, size := range rapid.SliceOfN(rapid.IntRange(0, 6000), 0, 2).Draw(t, "sizes") {
				e.SetMax(size)
			}
			fields := rapid.SliceOfN(fieldGen(), 0, 12).Draw(t, "fields")
			block := e.Begin(nil)
			for i, f := range fields {
				block = f.append(&e, block, Policy(policies[i%len(policies)]))
			}
			own, err := decodeLines(&d, block, &s)
			if err != nil || !slices.Equal(own, lines(fields)) {
				t.Fatalf("our decoder: %v\n got %q\nwant %q", err, own, lines(fields))
			}
			if err := e.index.check(); err != nil {
				t.Fatal(err)
			}
			if err := d.table.check(); err != nil {
				t.Fatal(err)
			}
			if !slices.Equal(e.index.contents(), d.table.contents()) {
				t.Fatalf("the tables differ:\n%q\n%q", e.index.contents(), d.table.contents())
			}
			// x/net refuses a second update behind one that has left something in the table: give it each for itself.
			for len(block) > 0 && block[0]&0xe0 == 0x20 {
				_, used, _ := parseInt(block, 5)
				if _, err := x.DecodeFull(block[:used]); err != nil {
					t.Fatal(err)
				}
				block = block[used:]
			}
			got, err := x.DecodeFull(block)
			if err != nil || !slices.Equal(xnetLines(got), lines(fields)) {
				t.Fatalf("x/net: %v\n got %q\nwant %q", err, got, lines(fields))
			}
		}
	})
}

func xnetLines(fields []xhpack.HeaderField) (all []string) {
	for _, f := range fields {
		all = append(all, f.Name+": "+f.Value)
	}
	return all
}

func TestDecoderAgainstXNet(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var (
			d   Decoder
			s   Scratch
			buf bytes.Buffer
		)
		x := xhpack.NewEncoder(&buf)
		for range rapid.IntRange(1, 30).Draw(t, "blocks") {
			if rapid.IntRange(0, 5).Draw(t, "resize") == 0 {
				x.SetMaxDynamicTableSize(uint32(rapid.IntRange(0, 4096).Draw(t, "size")))
			}
			buf.Reset()
			fields := rapid.SliceOfN(fieldGen(), 0, 12).Draw(t, "fields")
			var want []string
			for _, f := range fields {
				sensitive := rapid.Bool().Draw(t, "sensitive")
				_ = x.WriteField(xhpack.HeaderField{Name: string(f.name), Value: string(f.value), Sensitive: sensitive})
				want = append(want, string(f.name)+": "+string(f.value))
			}
			got, err := decodeLines(&d, buf.Bytes(), &s)
			if err != nil || !slices.Equal(got, want) {
				t.Fatalf("%v\n got %q\nwant %q", err, got, want)
			}
			if err := d.table.check(); err != nil {
				t.Fatal(err)
			}
		}
	})
}

func TestStaticTableAgainstXNet(t *testing.T) {
	var (
		d Decoder
		s Scratch
	)
	for i := 1; i <= staticLen; i++ {
		block := appendInt(nil, 0x80, 7, i)
		want, err := xhpack.NewDecoder(4096, nil).DecodeFull(block)
		if err != nil {
			t.Fatal(err)
		}
		got, err := decodeLines(&d, block, &s)
		if err != nil || !slices.Equal(got, xnetLines(want)) {
			t.Errorf("index %d is %q, %v; want %q", i, got, err, want)
		}
	}
}

func TestHuffmanAgainstXNet(t *testing.T) {
	text := rapid.OneOf(
		rapid.StringMatching(`[ -~]{0,200}`),
		rapid.Map(rapid.SliceOfN(rapid.Byte(), 0, 200), func(b []byte) string { return string(b) }),
	)
	rapid.Check(t, func(t *rapid.T) {
		plain := text.Draw(t, "text")
		coded := appendHuffman(nil, []byte(plain))
		if want := xhpack.AppendHuffmanString(nil, plain); !bytes.Equal(coded, want) || huffmanSize([]byte(plain)) != len(want) {
			t.Fatalf("%q is %x of %d bytes, want %x", plain, coded, huffmanSize([]byte(plain)), want)
		}
		var s Scratch
		if got, err := s.huffman(coded); err != nil || string(got) != plain {
			t.Fatalf("%x is %q, %v; want %q", coded, got, err, plain)
		}
		// Any bytes: both must read the same, or both refuse.
		noise := []byte(text.Draw(t, "noise"))
		if rapid.Bool().Draw(t, "cut") {
			noise = coded[:rapid.IntRange(0, len(coded)).Draw(t, "length")]
		}
		want, xerr := xhpack.HuffmanDecodeToString(noise)
		got, err := s.huffman(noise)
		if (err == nil) != (xerr == nil) || err == nil && string(got) != want {
			t.Fatalf("%x is %q, %v; want %q, %v", noise, got, err, want, xerr)
		}
	})
}
