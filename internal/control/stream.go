package control

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"

	"postern/internal/cms/smime"
	"postern/trust/reason"
)

// A command about a message carries its request in a header field and the
// message as the body, as it is. So a large message costs its own size and no
// more. What comes back is in frames; frames.go tells of them.
const requestHeader = "Postern-Request"

// handleMessage serves a command about a message of at most limit bytes.
func handleMessage[Request, Answer any](mux *http.ServeMux, name string, limit int64, do func(context.Context, io.Writer, Request, smime.Source) (Answer, error)) {
	mux.HandleFunc("POST /"+name, func(w http.ResponseWriter, r *http.Request) {
		var request Request
		err := unpack(r.Header.Get(requestHeader), &request)
		if err != nil {
			writeError(w, unreadable(err))
			return
		}
		message, err := readMessage(r, limit)
		if err != nil {
			writeError(w, refusal(err))
			return
		}
		answer, err := do(r.Context(), messageWriter{w}, request, message)
		// A client that went away needs no answer.
		if err != nil {
			_ = writeValue(w, errorFrame, refusal(err))
			return
		}
		_ = writeValue(w, answerFrame, answer)
	})
}

// readMessage takes the message into memory: its plaintext must not touch the
// disk. Its length is known, so it is held once.
func readMessage(r *http.Request, limit int64) (smime.Source, error) {
	if r.ContentLength < 0 {
		return nil, invalid(fmt.Errorf("the length of the message is missing"), "use the postern command of the same version as the server")
	}
	if r.ContentLength > limit {
		return nil, reason.New(reason.TooLarge, "the message is longer than %d bytes", limit)
	}
	data := make([]byte, r.ContentLength)
	_, err := io.ReadFull(r.Body, data)
	if err != nil {
		return nil, fmt.Errorf("reading the message: %w", err)
	}
	return smime.SectionSource(bytes.NewReader(data), r.ContentLength), nil
}

// callMessage sends a command about a message, writes the message that comes
// back to w, and returns the rest of the answer. After an error nothing that was
// written counts.
func callMessage[Request, Answer any](ctx context.Context, c *Client, name string, w io.Writer, request Request, message []byte) (Answer, error) {
	var answer Answer
	response, err := c.send(ctx, name, bytes.NewReader(message), http.Header{
		requestHeader: {pack(request)},
		"Expect":      {"100-continue"}, // one that is too large is refused before it comes, else the refusal is lost behind it
	})
	if err != nil {
		return answer, err
	}
	defer response.Body.Close()
	kind, value, err := readFrames(response.Body, w)
	if err != nil {
		return answer, &Error{Kind: Temporary, Message: name + ": the answer broke off: " + err.Error(), Hint: "the server's log has the cause"}
	}
	if kind == errorFrame {
		var e Error
		err := decode(value, &e)
		if err != nil {
			return answer, fmt.Errorf("%s: reading the refusal: %w", name, err)
		}
		return answer, &e
	}
	err = decode(value, &answer)
	if err != nil {
		return answer, fmt.Errorf("%s: reading the answer: %w", name, err)
	}
	return answer, nil
}

// pack makes a value fit for a header field.
func pack(v any) string {
	text, err := json.Marshal(v)
	if err != nil { // requests and answers are plain records
		return ""
	}
	return base64.StdEncoding.EncodeToString(text)
}

func unpack(field string, v any) error {
	text, err := base64.StdEncoding.DecodeString(field)
	if err != nil {
		return err
	}
	return decode(text, v)
}

func decode(text []byte, v any) error {
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.DisallowUnknownFields()
	return decoder.Decode(v)
}
