package login

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/xdg-go/scram"
)

// A scramServer is the server's end of SCRAM-SHA-256 (RFC 5802, RFC 7677). The
// library's conversation is about one secret; here is one for each that the user has,
// all with the same nonce, and at most one of them ends well.
type scramServer struct {
	*exchange
	plus bool

	step  int
	user  string
	marks []string
	all   []*scram.ServerConversation
}

// errIdentity says that a client wants to act for another than the one it is.
var errIdentity = errors.New("authorization as another user")

// Next implements sasl.Server. The last message of the server needs an answer of the
// client: neither SMTP nor IMAP carries it with success, and a client that does not
// know the server by it breaks off (RFC 4954 §4, RFC 5802 §5).
func (s *scramServer) Next(response []byte) (challenge []byte, done bool, err error) {
	if s.step == 0 && response == nil {
		return []byte{}, false, nil
	}
	s.step++
	switch s.step {
	case 1:
		challenge, err = s.first(string(response))
		return challenge, false, err
	case 2:
		challenge, err = s.final(string(response))
		return challenge, false, err
	case 3:
		if len(response) > 0 {
			return nil, false, ErrMalformed
		}
		return nil, true, nil
	}
	return nil, false, errOver
}

// first answers the client's first message with nonce, salt and iterations.
func (s *scramServer) first(message string) ([]byte, error) {
	binding, err := s.bound(message)
	if err != nil {
		return nil, err
	}
	nonce := base64.StdEncoding.EncodeToString(random(18))
	// The name is known once a conversation has read the message.
	var found Verifiers
	probe, err := s.converse(binding, nonce, func(user string) (scram.StoredCredentials, error) {
		s.user = user
		found, s.decided = s.Verifiers(Attempt{Client: s.Client, Method: Scram, User: user})
		return scram.StoredCredentials{}, s.decided
	})
	if err != nil {
		return nil, err
	}
	_, err = probe.Step(message)
	if err != nil {
		return nil, err
	}
	if id := probe.AuthzID(); id != "" && id != s.user {
		return nil, errors.Join(errIdentity, s.login(Attempt{Method: Scram, User: s.user}))
	}
	// What is missing are secrets that nobody can prove: each user takes as long as any
	// other, also one that there is not.
	credentials := slices.Clone(found.Credentials)
	for len(credentials) < MaxCredentials {
		credentials = append(credentials, Credential{StoredKey: random(sha256.Size), ServerKey: random(sha256.Size)})
	}
	var challenge string
	for _, c := range credentials {
		conversation, err := s.converse(binding, nonce, func(string) (scram.StoredCredentials, error) {
			return scram.StoredCredentials{
				KeyFactors: scram.KeyFactors{Salt: string(found.Salt), Iters: found.Iterations},
				StoredKey:  c.StoredKey, ServerKey: c.ServerKey,
			}, nil
		})
		if err != nil {
			return nil, err
		}
		challenge, err = conversation.Step(message)
		if err != nil {
			return nil, err
		}
		s.marks = append(s.marks, c.Mark)
		s.all = append(s.all, conversation)
	}
	return []byte(challenge), nil
}

// converse makes a conversation of the library.
func (s *scramServer) converse(b scram.ChannelBinding, nonce string, look scram.CredentialLookup) (*scram.ServerConversation, error) {
	server, err := scram.SHA256.NewServer(look)
	if err != nil {
		return nil, err
	}
	server.WithNonceGenerator(func() string { return nonce })
	return server.NewConversationWithChannelBinding(b), nil
}

// bound finds the channel that a first message is bound to. With PLUS there must be
// one, and without there must not (RFC 5802 §6). Who says that we offer none, where
// we do, was lied to: the library refuses it. Where PLUS is not offered it is the truth.
func (s *scramServer) bound(message string) (scram.ChannelBinding, error) {
	flag, _, _ := strings.Cut(message, ",")
	name, wants := strings.CutPrefix(flag, "p=")
	if wants != s.plus {
		return scram.ChannelBinding{}, fmt.Errorf("%w: the mechanism and its channel binding are at odds", ErrMalformed)
	}
	if !s.Offer.Plus {
		return scram.ChannelBinding{}, nil // and who says that we offer none, is right
	}
	for _, b := range s.Client.bindings() {
		if !wants || string(b.Type) == name {
			return b, nil
		}
	}
	if wants {
		return scram.ChannelBinding{}, fmt.Errorf("%w: a channel binding that is not offered", ErrMalformed)
	}
	return scram.ChannelBinding{}, nil
}

// final looks whose proof it is, and has the backend decide before the client hears
// anything: the server's end of the proof would tell that a guess was right.
func (s *scramServer) final(message string) ([]byte, error) {
	var mark, proof string
	for i, c := range s.all {
		answer, err := c.Step(message)
		if err == nil && c.Valid() && s.marks[i] != "" {
			mark, proof = s.marks[i], answer
		}
	}
	err := s.login(Attempt{Method: Scram, User: s.user, Proved: mark})
	switch {
	case err != nil:
		return nil, err
	case mark == "":
		return nil, errors.New("let in without a proof")
	}
	return []byte(proof), nil
}

func random(n int) []byte {
	b := make([]byte, n)
	rand.Read(b) // never fails, as crypto/rand promises
	return b
}
