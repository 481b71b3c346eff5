package control

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strconv"

	"postern/internal/audit"
	"postern/internal/gateway/care"
	"postern/store"
)

// sizeTrailer carries the length of a backup after it, so that one that was
// cut short is not taken for whole.
const sizeTrailer = "Postern-Size"

func (s *Service) handleStore(mux *http.ServeMux) {
	handle(mux, commandBytes, "store/check", func(ctx context.Context, _ None) (store.CheckReport, error) {
		return s.Core.Store.Check(ctx)
	})
	handle(mux, commandBytes, "store/rotate", func(ctx context.Context, in RotateOrder) (care.Rotation, error) {
		return s.Core.Care.Rotate(ctx, actor(ctx), in.DiscardOld)
	})
	mux.HandleFunc("POST /store/backup", s.backup)
}

// A RotateOrder is for a new master key.
type RotateOrder struct {
	// DiscardOld says that the old key is not kept beside the new one.
	DiscardOld bool `json:"discard_old"`
}

func (s *Service) backup(w http.ResponseWriter, r *http.Request) {
	err := s.Core.Audit(r.Context(), s.told(r.Context(), audit.Backup, deed{object: "store", detail: "a copy is handed out"}))
	if err != nil {
		writeError(w, refusal(err))
		return
	}
	w.Header().Set("Trailer", sizeTrailer)
	n, err := s.Core.Store.Backup(r.Context(), w)
	if err != nil {
		s.Core.Log.Error("backup failed", "err", err)
		if n == 0 {
			writeError(w, refusal(err))
		}
		return // without the trailer the client knows that it is not whole
	}
	w.Header().Set(sizeTrailer, strconv.FormatInt(n, 10))
}

// Backup writes a copy of the store to w and returns its size in bytes. An
// error says that the copy is not whole.
func (c *Client) Backup(ctx context.Context, w io.Writer) (int64, error) {
	response, err := c.send(ctx, "store/backup", http.NoBody, nil)
	if err != nil {
		return 0, err
	}
	defer response.Body.Close()
	n, err := io.Copy(w, response.Body)
	if err != nil {
		return n, fmt.Errorf("reading the backup: %w", err)
	}
	if response.Trailer.Get(sizeTrailer) != strconv.FormatInt(n, 10) {
		return n, &Error{Kind: Temporary, Message: "the backup broke off", Hint: "the server's log has the cause"}
	}
	return n, nil
}
