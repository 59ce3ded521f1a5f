package e2e

import (
	"fmt"
	"hash/crc32"
	"io"
	"math/rand/v2"
	"net/http"
	"testing"
)

// A largeBody reads size bytes that repeat only after an odd length, so that a piece which is lost, doubled or moved
// changes the sum.
type largeBody struct {
	block []byte
	at    int
	left  int64
}

func newLargeBody(size int64) *largeBody {
	b := &largeBody{block: make([]byte, 1<<20+7), left: size}
	rng := rand.NewChaCha8([32]byte{1})
	_, _ = rng.Read(b.block) // it never fails
	return b
}

func (b *largeBody) Read(p []byte) (n int, err error) {
	if b.left == 0 {
		return 0, io.EOF
	}
	n = copy(p[:min(int64(len(p)), b.left)], b.block[b.at:])
	b.at = (b.at + n) % len(b.block)
	b.left -= int64(n)
	return n, nil
}

// sum reads r to its end and says how much it was.
func sum(r io.Reader) (string, error) {
	h := crc32.New(crc32.MakeTable(crc32.Castagnoli))
	n, err := io.CopyBuffer(h, struct{ io.Reader }{r}, make([]byte, 1<<17))
	return fmt.Sprintf("%d bytes, %08x", n, h.Sum32()), err
}

// TestLargeFile carries a file of 1 GiB each way: down with a length, up without one.
func TestLargeFile(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	want, _ := sum(newLargeBody(largeFile))
	upstream := w.handler(func(rw http.ResponseWriter, r *http.Request) {
		if r.Method == "PUT" {
			got, err := sum(r.Body)
			fmt.Fprintf(rw, "%s, %v", got, err)
			return
		}
		rw.Header().Set("Content-Length", fmt.Sprint(largeFile))
		_, _ = io.CopyBuffer(struct{ io.Writer }{rw}, newLargeBody(largeFile), make([]byte, 1<<17)) // a failure shows at the client
	})
	url := "http://" + w.proxy(sketch{hosts: []string{upstream}})
	c := w.client()

	r, err := c.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	got, err := sum(r.Body)
	r.Body.Close()
	if err != nil || got != want || r.ContentLength != largeFile {
		t.Errorf("down: %s (%v), length %d, want %s", got, err, r.ContentLength, want)
	}

	up, err := http.NewRequest("PUT", url, io.MultiReader(newLargeBody(largeFile)))
	if err != nil {
		t.Fatal(err)
	}
	r, err = c.Do(up)
	if err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(r.Body)
	r.Body.Close()
	if string(b) != want+", <nil>" || err != nil {
		t.Errorf("up: %q (%v), want %s", b, err, want)
	}
}
