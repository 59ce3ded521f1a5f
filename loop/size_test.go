package loop

import (
	"testing"
	"unsafe"
)

func TestConnStaysSmall(t *testing.T) {
	if n := unsafe.Sizeof(conn{}); n > 240 {
		t.Errorf("a connection takes %d bytes", n)
	} else {
		t.Log(n)
	}
}
