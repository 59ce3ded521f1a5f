package loop_test

import (
	"slices"
	"testing"

	"pgregory.net/rapid"

	"sluice/loop"
)

// A guest is a connection that can be sent away.
type guest struct {
	loop.Guest
	name   int
	told   *[]int
	onward func()
}

func (g *guest) Evict() {
	*g.told = append(*g.told, g.name)
	if g.onward != nil {
		g.onward()
	}
}

// The oldest of those who wait leave; who is served stays, and waits anew behind the others.
func TestLobby(t *testing.T) {
	var l loop.Lobby
	l.SetRoom(100)
	var told []int
	g := make([]*guest, 6)
	for i := range g {
		g[i] = &guest{name: i, told: &told}
	}
	want := func(held int64, names ...int) {
		t.Helper()
		if l.Held() != held || !slices.Equal(told, names) || l.Evicted() != int64(len(names)) {
			t.Fatalf("%d held, %d evicted, %v; want %d, %v", l.Held(), l.Evicted(), told, held, names)
		}
	}
	for _, x := range g[:4] {
		l.Hold(&x.Guest, x, 20)
	}
	want(80)
	l.Hold(&g[0].Guest, g[0], 30) // holding more does not make it younger
	l.Serve(&g[1].Guest)
	want(90)
	l.Hold(&g[4].Guest, g[4], 20)
	want(80, 0)
	l.Hold(&g[1].Guest, g[1], 20)
	l.Hold(&g[4].Guest, g[4], 10)
	want(70, 0)
	l.Hold(&g[5].Guest, g[5], 70)
	want(100, 0, 2, 3)
	g[4].onward = func() { l.Leave(&g[1].Guest); l.Leave(&g[4].Guest) } // who leaves may take others along
	l.Hold(&g[0].Guest, g[0], 5)
	want(75, 0, 2, 3, 4)
	l.Hold(&g[0].Guest, g[0], 101) // nobody is larger than the room
	want(0, 0, 2, 3, 4, 5, 0)
	if g[0].Waits() || g[5].Waits() {
		t.Error("who was sent away waits")
	}
	l.Leave(&g[0].Guest)
	want(0, 0, 2, 3, 4, 5, 0)
}

// Whatever is done, the room is enough for those who wait, and the account is exact.
func TestLobbyAccount(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var l loop.Lobby
		room := rapid.IntRange(1, 100).Draw(t, "room")
		l.SetRoom(room)
		var told []int
		g := make([]*guest, 8)
		held := map[int]int{}
		for i := range g {
			g[i] = &guest{name: i, told: &told, onward: func() { delete(held, i) }}
		}
		for range rapid.IntRange(1, 300).Draw(t, "steps") {
			i := rapid.IntRange(0, len(g)-1).Draw(t, "guest")
			switch rapid.IntRange(0, 3).Draw(t, "step") {
			case 0:
				l.Leave(&g[i].Guest)
				delete(held, i)
			case 1:
				l.Serve(&g[i].Guest)
			default:
				n := rapid.IntRange(1, 40).Draw(t, "bytes")
				held[i] = n
				l.Hold(&g[i].Guest, g[i], n)
			}
			sum, served := 0, 0
			for i, n := range held {
				if sum += n; !g[i].Waits() {
					served += n
				}
			}
			if int(l.Held()) != sum || sum > max(room, served) {
				t.Fatalf("%d are held, %d by the account, %d of them served; there is room for %d", sum, l.Held(), served, room)
			}
		}
	})
}
