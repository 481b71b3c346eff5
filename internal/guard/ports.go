package guard

import (
	"fmt"
	"slices"
)

// CheckPort returns an error that is ErrForbidden if a server that strangers name
// may not be at a port: one of a protocol that would read something else in what
// we send, such as mail. Those in but are for the caller's own protocol.
func CheckPort(port uint16, but ...uint16) error {
	if slices.Contains(but, port) || !slices.Contains(foreignPorts, port) {
		return nil
	}
	return portError(port)
}

type portError uint16

func (e portError) Error() string { return fmt.Sprintf("port %d is for another protocol", uint16(e)) }

func (e portError) Is(target error) bool { return target == ErrForbidden }

// foreignPorts are those to which browsers do not connect either (WHATWG Fetch,
// "port blocking"), less port 1, at which nobody listens.
var foreignPorts = []uint16{
	0, 7, 9, 11, 13, 15, 17, 19, 20, 21, 22, 23, 25, 37, 42, 43, 53, 69, 77, 79, 87, 95, 101, 102, 103, 104, 109, 110,
	111, 113, 115, 117, 119, 123, 135, 137, 139, 143, 161, 179, 389, 427, 465, 512, 513, 514, 515, 526, 530, 531, 532,
	540, 548, 554, 556, 563, 587, 601, 636, 989, 990, 993, 995, 1719, 1720, 1723, 2049, 3659, 4045, 4190, 5060, 5061,
	6000, 6566, 6665, 6666, 6667, 6668, 6669, 6679, 6697, 10080,
}
