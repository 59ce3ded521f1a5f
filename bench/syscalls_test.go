package main

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const traced = `100  epoll_wait(4, [{events=EPOLLIN}], 128, -1) = 1
100  read(7, ""..., 65536)                   = 90
100  write(8, ""..., 90)                     = 90
101  futex(0xc000080148, FUTEX_WAIT_PRIVATE, 0, NULL <unfinished ...>
100  read(8,  <unfinished ...>
101  <... futex resumed>)                    = -1 EAGAIN (Resource temporarily unavailable)
100  <... read resumed>""..., 65536)         = -1 EAGAIN (Resource temporarily unavailable)
100  read(8, ""..., 65536)                   = 200
100  write(7, ""..., 200)                    = 200
100  write(5, ""..., 8)                      = 8
101  read(5, ""..., 8)                       = 8
101  read(6, ""..., 8)                       = 8
100  --- SIGURG {si_signo=SIGURG, si_code=SI_TKILL, si_pid=100, si_uid=0} ---
101  +++ exited with 0 +++
100  epoll_wait(4,  <unfinished ...>
`

func TestParseStrace(t *testing.T) {
	kinds := map[int]string{5: "eventfd", 6: "timerfd"}
	got, err := parseStrace(strings.NewReader(traced), func(_, fd int) string {
		if kind, ok := kinds[fd]; ok {
			return kind
		}
		return "socket"
	})
	if err != nil {
		t.Fatal(err)
	}
	want := syscallCount{
		Calls:    map[string]uint64{"epoll_wait": 2, "read": 5, "write": 3, "futex": 1},
		OnOthers: map[string]uint64{"eventfd": 2, "timerfd": 1},
		Again:    1,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
	got.Requests = 1
	if got.data() != 5 || got.eventfd() != 2 || got.perRequest(pollCalls[:]...) != 2 {
		t.Errorf("per request: data %v, eventfd %v", got.data(), got.eventfd())
	}
}

func TestParseStraceRefusesOtherText(t *testing.T) {
	if _, err := parseStrace(strings.NewReader("strace: attach: Operation not permitted\n"), nil); err == nil {
		t.Error("no error")
	}
}

func TestKindOfLink(t *testing.T) {
	for link, want := range map[string]string{
		"socket:[4711]": "socket", "anon_inode:[eventfd]": "eventfd", "anon_inode:[eventpoll]": "eventpoll",
		"anon_inode:inotify": "inotify", "pipe:[5]": "pipe", "/dev/null": "file",
	} {
		if got := kindOfLink(link); got != want {
			t.Errorf("%s is %s, want %s", link, got, want)
		}
	}
}

func TestBetween(t *testing.T) {
	const text = "100 1000.5 close(3)  = 0\n101 1001.25 futex(0xc0, FUTEX_WAKE_PRIVATE, 1) = 1\n100   1001.5 <... futex resumed>) = 0\n100 1003.0 close(4) = 0\n"
	got, err := between(strings.NewReader(text), 1001, 1002)
	if want := "101 futex(0xc0, FUTEX_WAKE_PRIVATE, 1) = 1\n100 <... futex resumed>) = 0\n"; err != nil || got != want {
		t.Errorf("%q, %v; want %q", got, err, want)
	}
	if _, err := between(strings.NewReader("100 close(3) = 0\n"), 0, 1); err == nil {
		t.Error("a line without a time, and no error")
	}
}

func TestRestIsOfTheSecondPass(t *testing.T) {
	c := syscallCount{Requests: 10, Calls: map[string]uint64{"read": 20, "futex": 10, "epoll_wait": 1, "getsockopt": 10}}
	if c.rest("futex") != 1 || c.rest() != 2 {
		t.Errorf("one pass: futex %v, all %v; want 1, 2", c.rest("futex"), c.rest())
	}
	c.RestRequests, c.Rest = 1000, map[string]uint64{"futex": 5, "getsockopt": 1000}
	if c.rest("futex") != 0.005 || c.rest() != 1.005 {
		t.Errorf("two passes: futex %v, all %v; want 0.005, 1.005", c.rest("futex"), c.rest())
	}
}
