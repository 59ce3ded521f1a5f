package protocoltest

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"sluice/protocols"
)

// A transcript is a conversation with one end of a connection, as text:
//
//	server head_bytes=100         the end, and its limits where they are not the defaults
//	> GET / HTTP/1.1              bytes that arrive, with CR LF behind; successive ones arrive together
//	>> ab\x00\r\n                 the same without CR LF
//	>* 1000 xy                    the same, so many times
//	eof                           the peer closes its sending direction
//	encode head 200 length=5      the owner encodes an event; also: head GET /path authority=a
//	+ name: value                 a field of that head or trailer
//	encode data "hello" end
//	encode trailer | reset | goaway | credit 10
//
// (a server's events belong to the last request that came, a client's to the last head that it encoded)
//
// and, behind each of these, what came of it:
//
//	= 1 head GET / authority=a    events
//	! protocol_error: ...         the error
//	< HTTP/1.1 200 OK             bytes sent, a line that ends with CR LF
//	<< hello                      bytes sent, without CR LF behind them
//	@ open idle                   the status; "left" bytes were not consumed
//
// After each step the owner offers what was left again, as a loop does. Lines with # are comments.
type transcript struct {
	server bool
	limits protocols.Limits
	steps  []stepText
}

// stepText is one input of a transcript and its expected outcome.
type stepText struct {
	source  []string // its lines, with the comments in front of it
	kind    string   // "recv", "eof", "encode", or "" for the lines in front of the first step
	bytes   []byte   // recv
	event   protocols.Event
	outcome []string
}

// Transcripts plays the transcripts that match the pattern and compares their outcomes.
func Transcripts(t *testing.T, p *protocols.Protocol, pattern string) {
	t.Helper()
	for _, file := range files(t, pattern) {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			tr := parse(t, file)
			player := newPlayer(p, tr)
			var got strings.Builder
			for i := range tr.steps {
				s := &tr.steps[i]
				outcome := player.play(s, nil)
				for _, line := range append(s.source, outcome...) {
					got.WriteString(line + "\n")
				}
				if want := strings.Join(s.outcome, "\n"); !*rewrite && want != strings.Join(outcome, "\n") {
					t.Errorf("%s: behind\n%s\ngot:\n%s\nwant:\n%s\n(-rewrite accepts what it got)", file,
						strings.Join(s.source, "\n"), strings.Join(outcome, "\n"), want)
				}
			}
			if *rewrite {
				if err := os.WriteFile(file, []byte(got.String()), 0o644); err != nil {
					t.Fatal(err)
				}
			}
		})
	}
}

func files(t *testing.T, pattern string) []string {
	t.Helper()
	names, err := filepath.Glob(pattern)
	if err != nil || len(names) == 0 {
		t.Fatalf("no transcripts match %s (%v)", pattern, err)
	}
	return names
}

func parse(t *testing.T, file string) *transcript {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	tr := &transcript{steps: []stepText{{}}}
	for i, line := range strings.Split(strings.TrimSuffix(string(text), "\n"), "\n") {
		if err := tr.parseLine(line); err != nil {
			t.Fatalf("%s:%d: %v", file, i+1, err)
		}
	}
	return tr
}

func (tr *transcript) parseLine(line string) error {
	last := &tr.steps[len(tr.steps)-1]
	word, rest, _ := strings.Cut(line, " ")
	switch word {
	case "=", "!", "<", "<<", "@":
		last.outcome = append(last.outcome, line)
		return nil
	case "", "#":
		if last.kind != "" {
			tr.steps = append(tr.steps, stepText{})
			last = &tr.steps[len(tr.steps)-1]
		}
		last.source = append(last.source, line)
		return nil
	case "server", "client":
		tr.server = word == "server"
		last.source = append(last.source, line)
		return tr.parseLimits(rest)
	case "+":
		last.source = append(last.source, line)
		return last.parseField(rest)
	}
	kind := word
	if word[0] == '>' {
		kind = "recv"
	}
	if last.kind != "" && (kind != "recv" || last.kind != kind || len(last.outcome) > 0) {
		tr.steps = append(tr.steps, stepText{})
		last = &tr.steps[len(tr.steps)-1]
	}
	last.kind = kind
	last.source = append(last.source, line)
	switch kind {
	case "recv":
		return last.parseBytes(word, rest)
	case "encode":
		return last.parseEvent(rest)
	case "eof":
		return nil
	}
	return fmt.Errorf("%q is no step", word)
}

func (tr *transcript) parseLimits(text string) error {
	known := map[string]*int{"head_bytes": &tr.limits.HeadBytes, "head_fields": &tr.limits.HeadFields,
		"request_line": &tr.limits.RequestLine, "trailer_bytes": &tr.limits.TrailerBytes,
		"trailer_fields": &tr.limits.TrailerFields, "discard_bytes": &tr.limits.DiscardBytes}
	for _, word := range strings.Fields(text) {
		name, value, _ := strings.Cut(word, "=")
		n, err := strconv.Atoi(value)
		if known[name] == nil || err != nil {
			return fmt.Errorf("%q is no limit", word)
		}
		*known[name] = n
	}
	return nil
}

func (s *stepText) parseBytes(word, rest string) error {
	times := 1
	if word == ">*" {
		count, text, _ := strings.Cut(rest, " ")
		n, err := strconv.Atoi(count)
		if err != nil {
			return err
		}
		times, rest = n, text
	}
	text, err := unescape(rest)
	if err != nil {
		return err
	}
	if word == ">" {
		text += "\r\n"
	}
	s.bytes = append(s.bytes, bytes.Repeat([]byte(text), times)...)
	return nil
}

// unescape reads \r, \n, \x00 and the like in text; quotes stand for themselves.
func unescape(text string) (string, error) {
	raw, err := strconv.Unquote(`"` + strings.ReplaceAll(text, `"`, `\"`) + `"`)
	if err != nil {
		return "", fmt.Errorf("%q: %w", text, err)
	}
	return raw, nil
}

func (s *stepText) parseField(text string) error {
	text, err := unescape(text)
	if err != nil {
		return err
	}
	name, value, ok := strings.Cut(text, ": ")
	if !ok || s.event.Header == nil {
		return fmt.Errorf("%q is no field of a head", text)
	}
	s.event.Header.AddString(name, value)
	return nil
}
