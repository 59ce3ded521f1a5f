package hpack

import (
	"bytes"
	"strconv"
	"testing"

	xhpack "golang.org/x/net/http2/hpack"
)

// request is what a browser sends; its path and cookie are different in each request.
func request(i int) []testField {
	return []testField{
		fieldOf(":method", "GET"),
		fieldOf(":scheme", "https"),
		fieldOf(":authority", "www.example.com"),
		fieldOf(":path", "/api/v1/items/"+strconv.Itoa(100000+i)+"?page=2&sort=name"),
		fieldOf("user-agent", "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36"),
		fieldOf("accept", "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8"),
		fieldOf("accept-encoding", "gzip, deflate, br, zstd"),
		fieldOf("accept-language", "en-US,en;q=0.9,de;q=0.8"),
		fieldOf("cookie", "session="+strconv.Itoa(1e15+i*7919)+"; theme=dark; _ga=GA1.2.1234567890.1718000000"),
		fieldOf("cache-control", "max-age=0"),
	}
}

func response() []testField {
	return []testField{
		fieldOf(":status", "200"),
		fieldOf("content-type", "application/json"),
		fieldOf("server", "nginx"),
		fieldOf("vary", "accept-encoding"),
		fieldOf("x-frame-options", "DENY"),
	}
}

// decodeAll reads a block to its end.
func decodeAll(d *Decoder, block []byte, s *Scratch) (n int, err error) {
	d.Begin(block, s)
	for {
		f, more, err := d.Next()
		if err != nil || !more {
			return n, err
		}
		if !f.Checked {
			d.MarkChecked()
		}
		n += len(f.Name) + len(f.Value)
	}
}

// Lists of fields that the benchmarks repeat.
func typical() [][]testField {
	lists := make([][]testField, 256)
	for i := range lists {
		lists[i] = request(i)
	}
	return lists
}

func indexed() [][]testField { return [][]testField{response()} }

// peerBlocks are blocks by x/net's encoder, which uses Huffman code as most clients do. It puts everything into the table
// that is not sensitive, which clients do not do with paths and cookies.
func peerBlocks(lists [][]testField) (warm, blocks [][]byte) {
	var buf bytes.Buffer
	e := xhpack.NewEncoder(&buf)
	for range 2 {
		warm, blocks = blocks, nil
		for _, list := range lists {
			buf.Reset()
			for _, f := range list {
				_ = e.WriteField(xnetField(f))
			}
			blocks = append(blocks, bytes.Clone(buf.Bytes()))
		}
	}
	return warm, blocks
}

func xnetField(f testField) xhpack.HeaderField {
	name := string(f.name)
	return xhpack.HeaderField{Name: name, Value: string(f.value), Sensitive: name == ":path" || name == "cookie"}
}

func benchEncode(b *testing.B, lists [][]testField) {
	var e Encoder
	dst := make([]byte, 0, 4096)
	for _, list := range lists {
		dst = appendFields(&e, dst[:0], list)
	}
	b.ReportAllocs()
	b.ResetTimer()
	bytesOut := 0
	for i := range b.N {
		dst = appendFields(&e, dst[:0], lists[i%len(lists)])
		bytesOut += len(dst)
	}
	b.ReportMetric(float64(bytesOut)/float64(b.N), "B/block")
}

func benchDecode(b *testing.B, warm, blocks [][]byte) {
	var (
		d Decoder
		s Scratch
	)
	for _, block := range warm {
		if _, err := decodeAll(&d, block, &s); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportAllocs()
	b.ResetTimer()
	for i := range b.N {
		if _, err := decodeAll(&d, blocks[i%len(blocks)], &s); err != nil {
			b.Fatal(err)
		}
	}
}

// ownBlocks are blocks by our encoder: the first insert, those of the second round are what a connection sees later on.
func ownBlocks(lists [][]testField) (warm, blocks [][]byte) {
	var e Encoder
	for _, list := range lists {
		warm = append(warm, appendFields(&e, nil, list))
	}
	for _, list := range lists {
		blocks = append(blocks, appendFields(&e, nil, list))
	}
	return warm, blocks
}

func BenchmarkEncode(b *testing.B) {
	b.Run("typical", func(b *testing.B) { benchEncode(b, typical()) })
	b.Run("indexed", func(b *testing.B) { benchEncode(b, indexed()) })
}

func BenchmarkDecode(b *testing.B) {
	warm, blocks := ownBlocks(typical())
	b.Run("typical", func(b *testing.B) { benchDecode(b, warm, blocks) })
	peerWarm, peer := peerBlocks(typical())
	b.Run("typical-huffman", func(b *testing.B) { benchDecode(b, peerWarm, peer) })
	warm, blocks = ownBlocks(indexed())
	b.Run("indexed", func(b *testing.B) { benchDecode(b, warm, blocks) })
}

func BenchmarkXNetEncode(b *testing.B) {
	for name, lists := range map[string][][]testField{"typical": typical(), "indexed": indexed()} {
		b.Run(name, func(b *testing.B) {
			var buf bytes.Buffer
			e := xhpack.NewEncoder(&buf)
			fields := make([][]xhpack.HeaderField, len(lists))
			for i, list := range lists {
				for _, f := range list {
					fields[i] = append(fields[i], xnetField(f))
				}
			}
			b.ReportAllocs()
			b.ResetTimer()
			for i := range b.N {
				buf.Reset()
				for _, f := range fields[i%len(lists)] {
					_ = e.WriteField(f)
				}
			}
		})
	}
}

func BenchmarkXNetDecode(b *testing.B) {
	for name, lists := range map[string][][]testField{"typical": typical(), "indexed": indexed()} {
		warm, blocks := peerBlocks(lists)
		b.Run(name, func(b *testing.B) {
			d := xhpack.NewDecoder(4096, func(xhpack.HeaderField) {})
			for _, block := range warm {
				_, _ = d.Write(block)
				_ = d.Close()
			}
			b.ReportAllocs()
			b.ResetTimer()
			for i := range b.N {
				_, _ = d.Write(blocks[i%len(blocks)])
				_ = d.Close()
			}
		})
	}
}

func BenchmarkHuffman(b *testing.B) {
	for _, text := range []string{"GA1.2.1718", "/api/v1/items/100000?page=2&sort=name",
		"session=1000000000007919; theme=dark; _ga=GA1.2.1234567890.1718000000; other=abcdefghijklmnopqrstuvwxyz"} {
		size := strconv.Itoa(len(text))
		plain := []byte(text)
		coded := appendHuffman(nil, plain)
		dst := make([]byte, 0, 512)
		b.Run("encode/"+size, func(b *testing.B) {
			for range b.N {
				dst = appendString(dst[:0], plain)
			}
		})
		b.Run("plain/"+size, func(b *testing.B) {
			for range b.N {
				dst = appendPlain(dst[:0], plain)
			}
		})
		b.Run("decode/"+size, func(b *testing.B) {
			for range b.N {
				if _, err := decodeHuffman(dst[:200], coded); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
