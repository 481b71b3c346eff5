package interop

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"go.uber.org/goleak"

	"postern/internal/testnet/acmeca"
	"postern/internal/testnet/spawn"
)

// binaryDir is the folder of the binary under test.
var binaryDir string

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "postern-interop-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	binaryDir = dir
	goleak.VerifyTestMain(m, acmeca.Leak(), goleak.Cleanup(func(code int) {
		_ = os.RemoveAll(dir)
		os.Exit(code)
	}))
}

// build makes the binary once for all tests, as it ships: static, without cgo.
var build = sync.OnceValues(func() (string, error) {
	path := filepath.Join(binaryDir, "postern")
	return path, spawn.Build(context.Background(), path)
})

func binary(t testing.TB) string {
	t.Helper()
	path, err := build()
	if err != nil {
		t.Fatal(err)
	}
	return path
}
