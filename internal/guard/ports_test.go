package guard

import (
	"errors"
	"testing"
)

func TestPortsOfOtherProtocols(t *testing.T) {
	for _, port := range []uint16{22, 23, 25, 110, 143, 389, 465, 587, 636, 993, 995, 6667} {
		if err := CheckPort(port); !errors.Is(err, ErrForbidden) {
			t.Errorf("%d: %v", port, err)
		}
	}
	for _, port := range []uint16{80, 443, 8080, 8443, 10389, 40000} {
		if err := CheckPort(port); err != nil {
			t.Error(err)
		}
	}
	if CheckPort(389, 389, 636) != nil || CheckPort(25, 389, 636) == nil {
		t.Error("a protocol's own port is forbidden, or another's is not")
	}
}
