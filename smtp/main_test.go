package smtp

import (
	"os"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	kind := os.Getenv(benchServerEnv)
	if kind != "" {
		benchServer(kind)
		return
	}
	goleak.VerifyTestMain(m)
}
