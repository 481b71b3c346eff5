package tlscert_test

import (
	"crypto/tls"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	"postern/internal/testnet"
	"postern/internal/tlscert"
)

// A running listener shows new files to whoever comes next, and nothing of a pair that
// cannot be used.
func TestFilesAreReloaded(t *testing.T) {
	now := time.Now()
	clock := testnet.NewClock(now)
	f := newFolder(t)
	var l log
	logger := slog.New(slog.NewTextHandler(&l, nil))
	_, err := tlscert.Open(f.cert, f.key, clock.Now, logger)
	if !errors.Is(err, tlscert.ErrFiles) {
		t.Errorf("without files: %v", err)
	}
	until := now.Add(time.Hour)
	one, two, three := newPair(t, "one.example", now, until), newPair(t, "two.example", now, until), newPair(t, "three.example", now, until)
	f.put(f.cert, one.cert)
	f.put(f.key, one.key)
	files, err := tlscert.Open(f.cert, f.key, clock.Now, logger)
	if err != nil {
		t.Fatal(err)
	}
	keeper := &tlscert.Keeper{Files: files, Now: clock.Now}
	at := listen(t, keeper.Config())
	equal(t, "at first", nameShown(t, at), "one.example")

	f.rename(f.cert, two.cert)
	equal(t, "half of a new pair", nameShown(t, at), "one.example")
	logs(t, &l, "WARN", "the one before it stays")
	for range 3 {
		equal(t, "still", nameShown(t, at), "one.example")
	}
	equal(t, "told again", l.take(), "")
	f.rename(f.key, two.key)
	equal(t, "the other half", nameShown(t, at), "two.example")
	equal(t, "failed", keeper.Status().FailedReloads, 0)
	l.take()

	for name, broken := range map[string][]byte{
		"no PEM": []byte("rubbish"), "empty": {}, "gone": nil,
		"cut off": three.cert[:len(three.cert)/2], "a key": three.key, "another's": three.cert,
	} {
		f.put(f.cert, broken)
		equal(t, name, nameShown(t, at), "two.example")
		logs(t, &l, "WARN", "cannot be used yet")
		clock.Advance(10 * time.Second)
		equal(t, name+", later", nameShown(t, at), "two.example")
		logs(t, &l, "ERROR", "cannot be used, the one before it stays")
		clock.Advance(10 * time.Second)
		equal(t, name+", still", nameShown(t, at), "two.example")
		equal(t, name+", told again", l.take(), "")
		f.put(f.cert, two.cert)
		equal(t, name+", mended", nameShown(t, at), "two.example")
		l.take()
	}
	f.put(f.key, three.key)
	f.put(f.cert, three.cert)
	equal(t, "written in place", nameShown(t, at), "three.example")
	status := keeper.Status()
	equal(t, "reloads", status.Reloads, 8)
	equal(t, "failed", status.FailedReloads, 6)
	equal(t, "end", status.Leaf.NotAfter.Unix(), until.Unix())
	equal(t, "issued", status.Issued, false)
}

// logs fails unless one line was logged since, at a level and with some words.
func logs(t *testing.T, l *log, level, words string) {
	t.Helper()
	text := l.take()
	if strings.Count(text, "\n") != 1 || !strings.Contains(text, "level="+level+" ") || !strings.Contains(text, words) {
		t.Errorf("logged %q, want one %s with %q", text, level, words)
	}
}

// What is written again and again and never fits is an error all the same, and each
// change after that is told anew.
func TestFilesThatNeverFit(t *testing.T) {
	now := time.Now()
	clock := testnet.NewClock(now)
	f := newFolder(t)
	one := newPair(t, "one.example", now, now.Add(time.Hour))
	f.put(f.cert, one.cert)
	f.put(f.key, one.key)
	var l log
	files, err := tlscert.Open(f.cert, f.key, clock.Now, slog.New(slog.NewTextHandler(&l, nil)))
	if err != nil {
		t.Fatal(err)
	}
	change := func() {
		f.rename(f.cert, newPair(t, "other.example", now, now.Add(time.Hour)).cert)
		equal(t, "shown", files.Certificate().Leaf.DNSNames[0], "one.example")
	}
	change()
	logs(t, &l, "WARN", "cannot be used yet")
	for range 2 {
		clock.Advance(4 * time.Second)
		change()
		equal(t, "while it may still be written", l.take(), "")
	}
	clock.Advance(4 * time.Second)
	change()
	logs(t, &l, "ERROR", "cannot be used, the one before it stays")
	change()
	logs(t, &l, "WARN", "cannot be used yet")
}

// A pair that is over, or not in date yet, does not replace one that is good.
func TestFilesThatAreNotInDate(t *testing.T) {
	now := time.Now()
	clock := testnet.NewClock(now)
	f := newFolder(t)
	put := func(p pair) {
		f.put(f.key, p.key)
		f.put(f.cert, p.cert)
	}
	var l log
	put(newPair(t, "over.example", now.Add(-2*time.Hour), now.Add(-time.Hour)))
	files, err := tlscert.Open(f.cert, f.key, clock.Now, slog.New(slog.NewTextHandler(&l, nil)))
	if err != nil {
		t.Fatal(err)
	}
	name := func() string { return files.Certificate().Leaf.DNSNames[0] }
	equal(t, "nothing better", name(), "over.example")
	put(newPair(t, "good.example", now, now.Add(3*time.Hour)))
	equal(t, "good", name(), "good.example")
	l.take()
	put(newPair(t, "older.example", now.Add(-3*time.Hour), now.Add(-time.Minute)))
	equal(t, "over", name(), "good.example")
	if !strings.Contains(l.take(), "the one before it stays") {
		t.Error("it is not logged")
	}
	put(newPair(t, "next.example", now.Add(time.Hour), now.Add(9*time.Hour)))
	equal(t, "too early", name(), "good.example")
	clock.Advance(time.Hour)
	equal(t, "in its time", name(), "next.example")
}

// A pair that was half written under one date of a coarse file system is tried again.
func TestFilesThatLookTheSameAreTriedAgain(t *testing.T) {
	now := time.Now()
	clock := testnet.NewClock(now)
	f := newFolder(t)
	one := newPair(t, "one.example", now, now.Add(time.Hour))
	f.put(f.cert, one.cert)
	f.put(f.key, one.key)
	files, err := tlscert.Open(f.cert, f.key, clock.Now, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	two := newPair(t, "two.example", now, now.Add(time.Hour))
	half := append([]byte(strings.Repeat("x", 10)), two.cert[10:]...)
	f.dated(now, half, two.key)
	equal(t, "half", files.Certificate().Leaf.DNSNames[0], "one.example")
	f.dated(now, two.cert, two.key)
	equal(t, "looks the same", files.Certificate().Leaf.DNSNames[0], "one.example")
	clock.Advance(time.Minute)
	equal(t, "later", files.Certificate().Leaf.DNSNames[0], "two.example")
}

// EP-4, RFC 8996: TLS 1.2 and 1.3 alone, and of 1.2 forward secrecy alone.
func TestEP4_VersionsAndCiphers(t *testing.T) {
	now := time.Now()
	f := newFolder(t)
	one := newPair(t, "one.example", now, now.Add(time.Hour))
	f.put(f.cert, one.cert)
	f.put(f.key, one.key)
	files, err := tlscert.Open(f.cert, f.key, time.Now, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	keeper := &tlscert.Keeper{Files: files, Now: time.Now}
	at := listen(t, keeper.Config())
	for version, good := range map[uint16]bool{tls.VersionTLS10: false, tls.VersionTLS11: false, tls.VersionTLS12: true, tls.VersionTLS13: true} {
		state, err := shown(t, at, func(c *tls.Config) { c.MinVersion, c.MaxVersion = version, version })
		equal(t, tls.VersionName(version), err == nil, good)
		if good && state.Version != version {
			t.Errorf("%s became %s", tls.VersionName(version), tls.VersionName(state.Version))
		}
	}
	for _, s := range append(tls.CipherSuites(), tls.InsecureCipherSuites()...) {
		_, err := shown(t, at, func(c *tls.Config) {
			c.MinVersion, c.MaxVersion, c.CipherSuites = tls.VersionTLS12, tls.VersionTLS12, []uint16{s.ID}
		})
		if err == nil && !strings.HasPrefix(s.Name, "TLS_ECDHE_") {
			t.Errorf("%s has no forward secrecy and is taken", s.Name)
		}
		if err == nil && (strings.Contains(s.Name, "RC4") || strings.Contains(s.Name, "3DES")) {
			t.Errorf("%s is taken", s.Name)
		}
	}
}
