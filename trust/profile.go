package trust

import "fmt"

// A Profile is the version of the Applicability Statement whose rules apply.
// The zero Profile is V13.
type Profile uint8

// The profiles.
const (
	V13 Profile = iota // v1.3, ANSI/DS 2019-01-100-2021
	V12                // v1.2, named by 45 CFR 170.202(a)(2)
)

// ParseProfile reads a profile as the configuration writes it: "1.3" or "1.2".
func ParseProfile(s string) (Profile, error) {
	switch s {
	case "1.3":
		return V13, nil
	case "1.2":
		return V12, nil
	}
	return V13, fmt.Errorf("unknown profile %q: it must be 1.3 or 1.2", s)
}

// String returns the profile as the configuration writes it.
func (p Profile) String() string {
	if p == V12 {
		return "1.2"
	}
	return "1.3"
}
