package main

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"os/exec"
	"slices"
	"strconv"
	"time"
)

// prepareBolt compiles the Bolt load generator and starts the Bolt backend, when a workload needs them.
func (b *bench) prepareBolt(ctx context.Context) error {
	if !slices.ContainsFunc(b.options.workloads, func(w workload) bool { return w.link.down == bolt }) {
		return nil
	}
	var err error
	if b.boltLoadBinary, err = b.shop.compile(ctx, "boltload"); err != nil {
		return err
	}
	binary, err := b.shop.compile(ctx, "boltbackend")
	if err != nil {
		return err
	}
	if b.boltPort, err = freePort(); err != nil {
		return err
	}
	backend, err := b.launch.start("boltbackend", b.options.loadCPU, b.shop.path("boltbackend.log"), exec.Command(binary, strconv.Itoa(b.boltPort)))
	if err != nil {
		return err
	}
	return answers(ctx, backend, asking{port: b.boltPort, speaks: bolt})
}

// What a call of Bolt says: bench/common/bolt.h shows the frames, and what the backend makes of a call's content.
const (
	boltRequestClass  = "com.alipay.sofa.rpc.core.request.SofaRequest"
	boltResponseClass = "com.alipay.sofa.rpc.core.response.SofaResponse"
	boltStatsClass    = "stats"
)

// A boltCall is one call of version 1; the zero value is as boring as can be.
type boltCall struct {
	class  string // boltRequestClass when it is ""
	id     uint32
	key    uint64
	answer uint32 // bytes of content that are wanted
	status uint16 // that is wanted
	damage bool   // the content is not what the backend knows
}

// frame is the call as it is sent.
func (c boltCall) frame() []byte {
	const kindRequest, commandCall, hessian, timeout, body = 1, 1, 1, 10000, 64
	class := c.class
	if class == "" {
		class = boltRequestClass
	}
	var block []byte
	for _, text := range []string{"service", "com.alipay.sofa.rpc.bench.EchoService:1.0"} {
		block = append(binary.BigEndian.AppendUint32(block, uint32(len(text))), text...)
	}
	content := binary.BigEndian.AppendUint64(nil, c.key)
	content = binary.BigEndian.AppendUint32(content, c.answer)
	content = append(binary.BigEndian.AppendUint16(content, c.status), 0, 0)
	content = append(content, pattern(body-len(content))...)
	if c.damage {
		content[body-1]++
	}
	frame := []byte{1, kindRequest, 0, commandCall, 1}
	frame = append(binary.BigEndian.AppendUint32(frame, c.id), hessian)
	frame = binary.BigEndian.AppendUint32(frame, timeout)
	frame = binary.BigEndian.AppendUint16(frame, uint16(len(class)))
	frame = binary.BigEndian.AppendUint16(frame, uint16(len(block)))
	frame = binary.BigEndian.AppendUint32(frame, uint32(len(content)))
	return slices.Concat(frame, []byte(class), block, content)
}

// pattern is the first n bytes of what all programs of the benchmark send as bodies.
func pattern(n int) []byte {
	out := make([]byte, n)
	for i := range out {
		out[i] = byte('a' + i%26)
	}
	return out
}

// A boltAnswer is what came back.
type boltAnswer struct {
	id      uint32
	status  uint16
	class   string
	content []byte
}

// readBoltAnswer reads one frame, which must be an answer of version 1.
func readBoltAnswer(r io.Reader) (boltAnswer, error) {
	const fixed, commandAnswer, most = 20, 2, 1 << 21
	var a boltAnswer
	head := make([]byte, fixed)
	if _, err := io.ReadFull(r, head); err != nil {
		return a, err
	}
	class, block, content := int(binary.BigEndian.Uint16(head[12:])), int(binary.BigEndian.Uint16(head[14:])), binary.BigEndian.Uint32(head[16:])
	if !bytes.Equal(head[:4], []byte{1, 0, 0, commandAnswer}) || content > most {
		return a, fmt.Errorf("not an answer of Bolt: % x", head)
	}
	rest := make([]byte, class+block+int(content))
	if _, err := io.ReadFull(r, rest); err != nil {
		return a, err
	}
	a.id, a.status = binary.BigEndian.Uint32(head[5:]), binary.BigEndian.Uint16(head[10:])
	a.class, a.content = string(rest[:class]), rest[class+block:]
	return a, nil
}

// callBolt makes one call to a port on 127.0.0.1.
func callBolt(ctx context.Context, port int, c boltCall) (boltAnswer, error) {
	conn, err := new(net.Dialer).DialContext(ctx, "tcp4", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
	if err != nil {
		return boltAnswer{}, err
	}
	defer conn.Close()
	deadline, ok := ctx.Deadline()
	if !ok {
		deadline = time.Now().Add(10 * time.Second)
	}
	_, errWrite := conn.Write(c.frame())
	if err := errors.Join(conn.SetDeadline(deadline), errWrite); err != nil {
		return boltAnswer{}, err
	}
	return readBoltAnswer(conn)
}

// callBoltOnce makes one call and checks its answer.
func callBoltOnce(ctx context.Context, port int) error {
	c := boltCall{id: 0x01020304, key: 0x1122334455667788, answer: 128}
	a, err := callBolt(ctx, port, c)
	if err != nil {
		return err
	}
	want := append(binary.BigEndian.AppendUint64(nil, c.key), pattern(int(c.answer)-8)...)
	if a.id != c.id || a.status != 0 || a.class != boltResponseClass || !bytes.Equal(a.content, want) {
		return fmt.Errorf("a call of Bolt was answered with status %d, id %#x, class %q, content %.40q", a.status, a.id, a.class, a.content)
	}
	return nil
}
