package named

import "net"

// Listen binds an address such as ":53" for TCP and for UDP. With port 0 both get
// the same one. The errors of package net say what was being done.
func Listen(addr string) (net.Listener, net.PacketConn, error) {
	var err error
	for range 10 { // a port that is free for one may be taken for the other
		var l net.Listener
		l, err = net.Listen("tcp", addr)
		if err != nil {
			break
		}
		var pc net.PacketConn
		pc, err = net.ListenPacket("udp", l.Addr().String())
		if err == nil {
			return l, pc, nil
		}
		_ = l.Close()
	}
	return nil, nil, err
}
