package control

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"postern/internal/publish"
	"postern/mime"
)

// A FileOrder asks for what is published of a domain, as a file.
type FileOrder struct {
	Domain  string `json:"domain"`
	Generic bool   `json:"generic"` // CERT records as TYPE37 (RFC 3597)
}

// A PublishedFile is such a file.
type PublishedFile struct {
	Domain string `json:"domain"`
	Text   string `json:"text,omitempty"`
	// Warnings are of what the file cannot say.
	Warnings []string `json:"warnings"`
}

func (s *Service) handlePublish(mux *http.ServeMux) {
	handle(mux, commandBytes, "publish/zone", s.writeZone)
	handle(mux, commandBytes, "publish/ldif", s.writeLDIF)
	handle(mux, commandBytes, "publish/check", s.checkPublished)
}

func (s *Service) writeZone(ctx context.Context, in FileOrder) (PublishedFile, error) {
	form := publish.Named
	if in.Generic {
		form = publish.Generic
	}
	var problems []publish.Problem
	file, err := s.publishedFile(ctx, in, func(b *strings.Builder, set *publish.Set, domain mime.Domain) (err error) {
		problems, err = publish.WriteZone(b, set, domain, form)
		return err
	})
	for _, p := range problems {
		file.Warnings = append(file.Warnings, plain(p.Error(), maxDetail))
	}
	return file, err
}

func (s *Service) writeLDIF(ctx context.Context, in FileOrder) (PublishedFile, error) {
	return s.publishedFile(ctx, in, func(b *strings.Builder, set *publish.Set, domain mime.Domain) error {
		return publish.WriteLDIF(b, set, domain)
	})
}

func (s *Service) publishedFile(ctx context.Context, in FileOrder, write func(*strings.Builder, *publish.Set, mime.Domain) error) (PublishedFile, error) {
	file := PublishedFile{Warnings: []string{}}
	domain, err := mime.ParseDomain(in.Domain)
	if err != nil {
		return file, err
	}
	set, err := s.Core.Published(ctx)
	if err != nil {
		return file, err
	}
	var b strings.Builder
	err = write(&b, set, domain)
	if errors.Is(err, publish.ErrNotPublished) {
		return file, &Error{Kind: Negative, Message: fmt.Sprintf("the domain %s is not one of ours", domain), Hint: "postern domain list shows ours"}
	}
	if err != nil { // of what is in the set, for writing to memory does not fail
		return file, &Error{Kind: Negative, Message: plain(err.Error(), maxDetail), Hint: "the table publish of the configuration names our servers; postern config describe explains it"}
	}
	file.Domain, file.Text = string(domain), b.String()
	return file, nil
}
