package cms

import (
	"testing"
)

func TestPeersNewlyReadable(t *testing.T) {
	for name, who := range map[string]string{"env-openssl-refuse-gcm": "alice", "env-openssl-refuse-ec": "p256", "env-openssl-with-ec": "p256"} {
		plain, err := decrypt(fixture(t, name+".p7m"), recipientKey(t, who))
		if err != nil || !isContent(t, plain) {
			t.Errorf("%s: %d octets, %v", name, len(plain), err)
		}
	}
}
