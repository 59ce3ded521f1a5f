package loop

import (
	"testing"
	"unsafe"
)

func TestConnStaysSmall(t *testing.T) {
	if n := unsafe.Sizeof(conn{}); n > 224 {
		t.Errorf("a connection takes %d bytes", n)
	} else {
		t.Log(n)
	}
}
