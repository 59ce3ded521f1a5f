package protocoltest

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"strconv"
	"strings"

	"sluice/protocols"
)

// rewrite is set by the command line of a test and by nothing else.
var rewrite = flag.Bool("rewrite", false, "write the outcomes into the transcripts instead of comparing them")

// player is one end of a connection and its owner.
type player struct {
	codec  protocols.Codec
	sink   Recorder
	out    Output
	input  []byte // what Decode has left
	server bool
	failed bool               // Decode has returned an error
	stream protocols.StreamID // of the last head, in either direction
}

func newPlayer(p *protocols.Protocol, tr *transcript) *player {
	env := protocols.NewEnv(tr.limits)
	if !tr.server {
		return &player{codec: p.Client(env)}
	}
	x := &player{codec: p.Server(env), server: true}
	x.sink.Then = func(ev *protocols.Event) protocols.Verdict {
		if ev.Kind == protocols.KindHead {
			x.stream = ev.Stream
		}
		return protocols.More
	}
	return x
}

// play does one step and tells what came of it. Bytes that arrive are cut behind each of the offsets in cuts.
func (p *player) play(s *stepText, cuts []int) (outcome []string) {
	var errs []error
	switch s.kind {
	case "":
		return nil
	case "recv":
		from := 0
		for _, to := range append(append([]int(nil), cuts...), len(s.bytes)) {
			p.input = append(p.input, s.bytes[from:to]...)
			errs = append(errs, p.decode())
			from = to
		}
	case "eof":
		if !p.failed {
			err := p.codec.DecodeEOF(0, p.input, &p.sink, &p.out)
			p.failed = err != nil
			errs = append(errs, err, p.decode())
		}
	case "encode":
		n, err := p.encode(&s.event)
		if err == nil && s.event.Kind == protocols.KindData && n < len(s.event.Data) {
			outcome = append(outcome, fmt.Sprintf("= took %d of %d", n, len(s.event.Data)))
		}
		errs = append(errs, err, p.decode())
	}
	for _, line := range p.sink.Take() {
		outcome = append(outcome, "= "+line)
	}
	if err := errors.Join(errs...); err != nil {
		outcome = append(outcome, "! "+err.Error())
	}
	outcome = append(outcome, wire(p.out.Take())...)
	return append(outcome, "@ "+p.status())
}

func (p *player) encode(ev *protocols.Event) (int, error) {
	e := *ev // a header is the encoder's to change, so the step keeps its own
	if ev.Header != nil {
		e.Header = new(protocols.Header)
		e.Header.CopyFrom(ev.Header)
	}
	if e.Stream == 0 && (p.server || e.Kind != protocols.KindHead) {
		e.Stream = p.stream
	}
	n, err := p.codec.Encode(0, &e, &p.out)
	if e.Kind == protocols.KindHead && err == nil {
		p.stream = e.Stream
	}
	return n, err
}

// decode offers the codec what waits until it takes no more.
func (p *player) decode() error {
	for !p.failed {
		n, err := p.codec.Decode(0, bytes.Clone(p.input), &p.sink, &p.out)
		p.input = p.input[n:]
		p.failed = err != nil
		if err != nil || n == 0 || len(p.input) == 0 {
			return err
		}
	}
	return nil
}

func (p *player) status() string {
	s := p.codec.Status()
	text := [...]string{"open", "draining", "closing", "tunnel", "abort"}[s.Phase]
	text += mark(s.Idle, " idle") + mark(s.Linger, " linger")
	if s.Room > 0 {
		text += fmt.Sprintf(" room=%d", s.Room)
	}
	if len(p.input) > 0 && !p.failed {
		text += fmt.Sprintf(" left=%d", len(p.input))
	}
	return text
}

// wire shows bytes as lines.
func wire(b []byte) (lines []string) {
	for len(b) > 0 {
		i := bytes.Index(b, []byte("\r\n"))
		if i < 0 {
			return append(lines, "<< "+show(b))
		}
		lines = append(lines, strings.TrimSuffix("< "+show(b[:i]), " "))
		b = b[i+2:]
	}
	return lines
}

func show(b []byte) string {
	q := quote(b)
	if q[0] != '"' {
		return q
	}
	return strings.ReplaceAll(q[1:len(q)-1], `\"`, `"`)
}

// parseEvent reads what stands behind "encode".
func (s *stepText) parseEvent(text string) error {
	word, rest, _ := strings.Cut(text, " ")
	s.event = protocols.Event{Kind: kinds[word]}
	switch s.event.Kind {
	case protocols.KindHead:
		return s.parseHead(rest)
	case protocols.KindTrailer:
		s.event.Header, s.event.End = newHeader(), true
		return nil
	case protocols.KindData:
		return s.parseData(rest)
	case protocols.KindCredit:
		n, err := strconv.Atoi(rest)
		s.event.N = n
		return err
	case protocols.KindReset, protocols.KindGoAway:
		return nil
	}
	return fmt.Errorf("%q is no event", word)
}

var kinds = map[string]protocols.Kind{"head": protocols.KindHead, "interim": protocols.KindHead, "data": protocols.KindData,
	"trailer": protocols.KindTrailer, "reset": protocols.KindReset, "credit": protocols.KindCredit,
	"goaway": protocols.KindGoAway}

func newHeader() *protocols.Header {
	h := new(protocols.Header)
	h.Reset()
	return h
}

func (s *stepText) parseHead(text string) error {
	h := newHeader()
	s.event.Header = h
	words := strings.Fields(text)
	if len(words) == 0 {
		return errors.New("a head needs a status, or a method and a path")
	}
	for i, word := range words {
		raw, err := unescape(word)
		if err != nil {
			return err
		}
		words[i] = raw
	}
	if status, err := strconv.Atoi(words[0]); err == nil {
		h.Status = status
		s.event.Interim = status < 200 && status != 101
		words = words[1:]
	} else if len(words) > 1 {
		h.SetMethod([]byte(words[0]))
		if words[1] != "-" {
			h.SetPath([]byte(words[1]))
		}
		words = words[2:]
	}
	for _, word := range words {
		name, value, _ := strings.Cut(word, "=")
		switch name {
		case "end":
			s.event.End = true
		case "authority":
			h.SetAuthority([]byte(value))
		case "upgrade":
			h.SetUpgrade([]byte(value))
		case "length":
			n, err := strconv.ParseInt(value, 10, 64)
			if err != nil {
				return err
			}
			h.ContentLength = n
		default:
			return fmt.Errorf("%q is no part of a head", word)
		}
	}
	return nil
}

func (s *stepText) parseData(text string) error {
	if text, s.event.End = strings.CutSuffix(text, "end"); s.event.End {
		text = strings.TrimSpace(text)
	}
	if text == "" {
		return nil
	}
	times := 1
	if count, quoted, ok := strings.Cut(text, ` "`); ok {
		n, err := strconv.Atoi(count)
		if err != nil {
			return err
		}
		times, text = n, `"`+quoted
	}
	data, err := strconv.Unquote(text)
	s.event.Data = bytes.Repeat([]byte(data), times)
	return err
}
