package loop_test

import (
	"bufio"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"sluice/loop"
)

// fewFilesEnv makes the test binary a server with a low limit of open files.
const fewFilesEnv = "SLUICE_TEST_FEW_FILES"

// serveWithFewFiles echoes until its input ends. To each line it answers how many accepts have failed and how much CPU
// time it has used, in milliseconds.
func serveWithFewFiles() int {
	g, err := loop.NewGroup(loop.Options{Loops: 1})
	if err != nil {
		fmt.Println(err)
		return 1
	}
	defer g.Stop()
	l, err := g.Listen(loop.ListenOptions{Name: "few", Addr: anyPort}, echo{})
	if err != nil {
		fmt.Println(err)
		return 1
	}
	var limit syscall.Rlimit
	limit.Cur, limit.Max = 40, 40
	if err = syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		fmt.Println(err)
		return 1
	}
	fmt.Println(l.Addr())
	for in := bufio.NewScanner(os.Stdin); in.Scan(); {
		var u syscall.Rusage
		_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u)
		fmt.Println(g.Counters()[0].NoFiles, (u.Utime.Nano()+u.Stime.Nano())/1e6)
	}
	return 0
}

func TestOutOfFiles(t *testing.T) {
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), fewFilesEnv+"=1")
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err = cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { in.Close(); _ = cmd.Wait() }()
	out := bufio.NewScanner(stdout)
	line := func() string {
		if !out.Scan() {
			t.Fatal("the server has ended")
		}
		return out.Text()
	}
	address := line()
	ask := func() (failed, cpu int) {
		fmt.Fprintln(in)
		words := strings.Fields(line())
		failed, _ = strconv.Atoi(words[0])
		cpu, _ = strconv.Atoi(words[1])
		return failed, cpu
	}
	var clients []net.Conn
	for range 60 {
		c, err := net.Dial("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		clients = append(clients, c)
	}
	wantEcho(t, clients[0], "served")
	eventually(t, "accepts fail", func() bool { failed, _ := ask(); return failed >= 3 })
	failed, cpu := ask()
	if failed > 100 || cpu > 2000 {
		t.Errorf("%d accepts failed, %d ms of CPU: it spins", failed, cpu)
	}
	wantEcho(t, clients[0], "still served")
	for _, c := range clients {
		c.Close()
	}
	c, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	wantEcho(t, c, "accepts again")
}
