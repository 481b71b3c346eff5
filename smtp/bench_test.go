package smtp

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	gosmtp "github.com/emersion/go-smtp"

	"postern/mime"
)

// benchServerEnv makes the test binary a server: "backbone" is ours, "bare" the
// library alone. It prints its address, serves until standard input ends and
// prints the processor time it used, in nanoseconds.
const benchServerEnv = "POSTERN_SMTP_BENCH_SERVER"

func benchServer(kind string) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	if kind == "bare" {
		s := gosmtp.NewServer(gosmtp.BackendFunc(func(*gosmtp.Conn) (gosmtp.Session, error) { return bare{}, nil }))
		s.MaxMessageBytes, s.ReadTimeout, s.WriteTimeout = 50<<20, time.Minute, time.Minute
		go s.Serve(l)
	} else {
		go NewBackbone(discard{}, ServerOptions{}).Serve(context.Background(), l)
	}
	before := processorTime()
	fmt.Println(l.Addr())
	io.Copy(io.Discard, os.Stdin)
	fmt.Println(processorTime() - before)
}

func processorTime() int64 {
	var u syscall.Rusage
	err := syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	if err != nil {
		return 0
	}
	return u.Utime.Nano() + u.Stime.Nano()
}

type bare struct{}

func (bare) Reset()                                 {}
func (bare) Logout() error                          { return nil }
func (bare) Mail(string, *gosmtp.MailOptions) error { return nil }
func (bare) Rcpt(string, *gosmtp.RcptOptions) error { return nil }
func (bare) Data(r io.Reader) error                 { _, err := io.Copy(io.Discard, r); return err }

type discard struct{}

func (discard) CheckRecipient(context.Context, mime.Address) error { return nil }

func (discard) Refused(context.Context, Envelope, []Refusal) {}

func (discard) Ready(context.Context, Envelope) error { return nil }

func (discard) Accept(_ context.Context, _ Envelope, r io.Reader) (string, error) {
	_, err := io.Copy(io.Discard, r)
	return "m", err
}

// BenchmarkB18_Receive measures the processor time of the server per message,
// discarding it, against the library alone: a process each, one session, the two
// in turn.
func BenchmarkB18_Receive(b *testing.B) {
	for _, row := range []struct{ size, messages int }{{10 << 10, 1000}, {100 << 10, 300}, {1 << 20, 60}} {
		b.Run(strconv.Itoa(row.size>>10)+"KiB", func(b *testing.B) {
			var ours, library time.Duration
			for b.Loop() {
				library += receive(b, "bare", row.size, row.messages)
				ours += receive(b, "backbone", row.size, row.messages)
			}
			per := float64(b.N) * float64(row.messages) * float64(time.Microsecond)
			b.ReportMetric(float64(ours)/per, "cpu-us/message")
			b.ReportMetric(float64(library)/per, "bare-cpu-us/message")
			b.ReportMetric(float64(ours)/float64(library), "ratio")
			b.ReportMetric(0, "ns/op")
		})
	}
}

// receive sends messages to a server in a process of its own and returns the
// processor time it took.
func receive(b *testing.B, kind string, size, messages int) time.Duration {
	b.Helper()
	server := exec.Command(os.Args[0])
	server.Env = append(os.Environ(), benchServerEnv+"="+kind)
	server.Stderr = os.Stderr
	stop, err := server.StdinPipe()
	check(b, err)
	out, err := server.StdoutPipe()
	check(b, err)
	check(b, server.Start())
	printed := bufio.NewReader(out)
	addr, err := printed.ReadString('\n')
	check(b, err)
	conn, err := net.Dial("tcp", strings.TrimSpace(addr))
	check(b, err)
	sendMany(b, conn, size, messages)
	check(b, conn.Close())
	check(b, stop.Close())
	spent, err := printed.ReadString('\n')
	check(b, err)
	check(b, server.Wait())
	n, err := strconv.ParseInt(strings.TrimSpace(spent), 10, 64)
	check(b, err)
	return time.Duration(n)
}

func sendMany(b *testing.B, conn net.Conn, size, messages int) {
	b.Helper()
	line := strings.Repeat("x", 76) + "\r\n"
	text := []byte(strings.Repeat(line, size/len(line)) + ".\r\n")
	r := bufio.NewReader(conn)
	expect := func(code string) {
		for {
			line, err := r.ReadString('\n')
			check(b, err)
			if !strings.HasPrefix(line, code) {
				b.Fatalf("got %q, want %s", line, code)
			}
			if line[3] == ' ' {
				return
			}
		}
	}
	say := func(text, code string) {
		_, err := io.WriteString(conn, text)
		check(b, err)
		expect(code)
	}
	expect("220")
	say("EHLO far.test\r\n", "250")
	for range messages {
		say("MAIL FROM:<carol@far.test>\r\n", "250")
		say("RCPT TO:<bob@near.test>\r\n", "250")
		say("DATA\r\n", "354")
		_, err := conn.Write(text)
		check(b, err)
		expect("250")
	}
}

func check(b *testing.B, err error) {
	b.Helper()
	if err != nil {
		b.Fatal(err)
	}
}
