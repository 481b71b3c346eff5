package gateway

import (
	"testing"

	"postern/internal/cms"
	"postern/mime"
	"postern/trust/reason"
)

// What stays comes before what may pass: another try would be in vain. Without a
// signing key nobody needs to ask further.
func TestSealingIsRefusedForWhatStays(t *testing.T) {
	c := &Core{Sealing: Sealing{To: map[mime.Domain]cms.EncryptOptions{"gcm.example": {Cipher: cms.AES256GCM}}}}
	route := func(to string, code reason.Code) Route { return Route{Recipient: addr(t, to), Code: code} }
	ok, late, never := route("a@b.example", reason.OK), route("b@b.example", reason.RevocationDown), route("c@b.example", reason.Revoked)
	other := route("d@b.example", reason.Expired)
	signer := []cms.Signer{{}}
	for name, tt := range map[string]struct {
		signers []cms.Signer
		routes  []Route
		want    reason.Code
		hint    string
	}{
		"all pass":         {signer, []Route{ok, ok}, reason.OK, ""},
		"one may pass":     {signer, []Route{ok, late}, reason.RevocationDown, ""},
		"one stays":        {signer, []Route{late, never, other, ok}, reason.Revoked, ""},
		"the first stays":  {signer, []Route{other, late, never}, reason.Expired, ""},
		"no signer":        {nil, []Route{ok, never}, reason.NoSigningKey, ""},
		"two ways to seal": {signer, []Route{ok, route("e@gcm.example", reason.OK)}, reason.Unsupported, "seal one message for each recipient"},
	} {
		var to []mime.Address
		for _, r := range tt.routes {
			to = append(to, r.Recipient)
		}
		report := SealReport{Signers: tt.signers, Routes: tt.routes}
		c.judgeSealing(new(Directory), &report, addr(t, "nurse@a.example"), to)
		code := reason.OK
		if report.Refused != nil {
			code = report.Refused.Code
		}
		equal(t, name, code, tt.want)
		equal(t, name+": hint", report.Hint, tt.hint)
	}
}
