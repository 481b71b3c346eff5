package control

import (
	"bytes"
	"context"

	"postern/internal/gateway/care"
	"postern/store"
)

// AddDomain makes a domain ours.
func (c *Client) AddDomain(ctx context.Context, name string) error {
	_, err := call[DomainName, None](ctx, c, "domain/add", DomainName{name})
	return err
}

// Domains lists our domains.
func (c *Client) Domains(ctx context.Context) ([]DomainInfo, error) {
	return call[None, []DomainInfo](ctx, c, "domain/list", None{})
}

// RemoveDomain ends a domain that has no accounts.
func (c *Client) RemoveDomain(ctx context.Context, name string, untold bool) (RemovedDomain, error) {
	return call[DomainRemoval, RemovedDomain](ctx, c, "domain/remove", DomainRemoval{DomainName{name}, untold})
}

// MakeAccount makes an account with its INBOX.
func (c *Client) MakeAccount(ctx context.Context, order AccountOrder) (AddedAccount, error) {
	return call[AccountOrder, AddedAccount](ctx, c, "account/add", order)
}

// AddAccount is MakeAccount where no damaged record stands.
func (c *Client) AddAccount(ctx context.Context, address string, password []byte) error {
	_, err := c.MakeAccount(ctx, AccountOrder{Address: address, Password: password})
	return err
}

// AddPatient is AddAccount for an address that a patient controls.
func (c *Client) AddPatient(ctx context.Context, address string, password []byte) error {
	_, err := c.MakeAccount(ctx, AccountOrder{Address: address, Password: password, Patient: true})
	return err
}

// SetPatient says whether a patient controls an account's address.
func (c *Client) SetPatient(ctx context.Context, address string, patient bool) error {
	_, err := call[PatientOrder, None](ctx, c, "account/patient", PatientOrder{address, patient})
	return err
}

// Accounts lists the accounts.
func (c *Client) Accounts(ctx context.Context) ([]AccountInfo, error) {
	return call[None, []AccountInfo](ctx, c, "account/list", None{})
}

// ChangePassword sets an account's password.
func (c *Client) ChangePassword(ctx context.Context, address string, password []byte) error {
	_, err := call[AccountSecret, None](ctx, c, "account/passwd", AccountSecret{address, password})
	return err
}

// SetDisabled shuts an account out, or lets it in again.
func (c *Client) SetDisabled(ctx context.Context, address string, off bool) error {
	name := "account/enable"
	if off {
		name = "account/disable"
	}
	_, err := call[AccountName, None](ctx, c, name, AccountName{address})
	return err
}

// ImportCertificates stores certificates, with their private keys or for key
// requests of ours.
func (c *Client) ImportCertificates(ctx context.Context, in Import) ([]ImportedCertificate, error) {
	return call[Import, []ImportedCertificate](ctx, c, "cert/import", in)
}

// Certificates lists our certificates.
func (c *Client) Certificates(ctx context.Context, in CertificateFilter) ([]CertificateInfo, error) {
	return call[CertificateFilter, []CertificateInfo](ctx, c, "cert/list", in)
}

// ShowCertificate shows those of our certificates whose SHA-256 begins so.
func (c *Client) ShowCertificate(ctx context.Context, sha256 string) ([]ShownCertificate, error) {
	return call[Fingerprint, []ShownCertificate](ctx, c, "cert/show", Fingerprint{sha256})
}

// IssueCertificate issues a certificate from the local test CA.
func (c *Client) IssueCertificate(ctx context.Context, in KeyOrder) (Issued, error) {
	return call[KeyOrder, Issued](ctx, c, "cert/issue", in)
}

// ExportCertificate returns a certificate of ours as a file, with or without its key.
func (c *Client) ExportCertificate(ctx context.Context, in Export) (Exported, error) {
	return call[Export, Exported](ctx, c, "cert/export", in)
}

// RetireCertificate retires a certificate of ours, or takes it back into use.
func (c *Client) RetireCertificate(ctx context.Context, in Retire) (Retired, error) {
	return call[Retire, Retired](ctx, c, "cert/retire", in)
}

// MakeKeyRequest makes a key and a request for its certificate.
func (c *Client) MakeKeyRequest(ctx context.Context, in KeyOrder) (MadeRequest, error) {
	return call[KeyOrder, MadeRequest](ctx, c, "cert/csr", in)
}

// KeyRequests lists the keys that wait for their certificates.
func (c *Client) KeyRequests(ctx context.Context) ([]KeyRequestInfo, error) {
	return call[None, []KeyRequestInfo](ctx, c, "cert/csr/list", None{})
}

// ForgetKeyRequest removes a key that waits for its certificate.
func (c *Client) ForgetKeyRequest(ctx context.Context, in RequestName) (KeyRequestInfo, error) {
	return call[RequestName, KeyRequestInfo](ctx, c, "cert/csr/forget", in)
}

// AddAnchors makes a domain, or with "" every domain, trust certificates.
func (c *Client) AddAnchors(ctx context.Context, in AnchorsToAdd) ([]AddedAnchor, error) {
	return call[AnchorsToAdd, []AddedAnchor](ctx, c, "anchor/add", in)
}

// Anchors lists every anchor, also those of bundles.
func (c *Client) Anchors(ctx context.Context) ([]AnchorInfo, error) {
	list, err := c.ListAnchors(ctx, AnchorFilter{})
	return list.Anchors, err
}

// ListAnchors lists the anchors that fit.
func (c *Client) ListAnchors(ctx context.Context, in AnchorFilter) (AnchorList, error) {
	return call[AnchorFilter, AnchorList](ctx, c, "anchor/list", in)
}

// ShowAnchor shows the anchors whose SHA-256 begins so.
func (c *Client) ShowAnchor(ctx context.Context, sha256 string) ([]ShownAnchor, error) {
	return call[Fingerprint, []ShownAnchor](ctx, c, "anchor/show", Fingerprint{sha256})
}

// RemoveAnchor removes one anchor that was added by hand.
func (c *Client) RemoveAnchor(ctx context.Context, in AnchorName) (AnchorInfo, error) {
	return call[AnchorName, AnchorInfo](ctx, c, "anchor/remove", in)
}

// AddBundle stores a bundle, or changes one, and fetches it.
func (c *Client) AddBundle(ctx context.Context, in BundleOrder) (AddedBundle, error) {
	return call[BundleOrder, AddedBundle](ctx, c, "bundle/add", in)
}

// Bundles lists the bundles.
func (c *Client) Bundles(ctx context.Context) ([]BundleInfo, error) {
	return call[None, []BundleInfo](ctx, c, "bundle/list", None{})
}

// ShowBundle shows a bundle with its anchors.
func (c *Client) ShowBundle(ctx context.Context, name string) (ShownBundle, error) {
	return call[BundleName, ShownBundle](ctx, c, "bundle/show", BundleName{name})
}

// DiffBundle tells what a refresh of a bundle would change.
func (c *Client) DiffBundle(ctx context.Context, name string) (BundleDiff, error) {
	return call[BundleName, BundleDiff](ctx, c, "bundle/diff", BundleName{name})
}

// RefreshBundles fetches bundles now; without names, all.
func (c *Client) RefreshBundles(ctx context.Context, names []string) ([]BundleRefresh, error) {
	return call[BundleNames, []BundleRefresh](ctx, c, "bundle/refresh", BundleNames{names})
}

// RemoveBundle removes a bundle, or has one domain not believe it any longer.
func (c *Client) RemoveBundle(ctx context.Context, in BundleRemoval) (RemovedBundle, error) {
	return call[BundleRemoval, RemovedBundle](ctx, c, "bundle/remove", in)
}

// Zone writes the DNS zone of a domain of ours.
func (c *Client) Zone(ctx context.Context, in FileOrder) (PublishedFile, error) {
	return call[FileOrder, PublishedFile](ctx, c, "publish/zone", in)
}

// LDIF writes the directory of a domain of ours.
func (c *Client) LDIF(ctx context.Context, in FileOrder) (PublishedFile, error) {
	return call[FileOrder, PublishedFile](ctx, c, "publish/ldif", in)
}

// CheckPublished looks domains and addresses of ours up as others do; without
// names, all.
func (c *Client) CheckPublished(ctx context.Context, names []string) (PublishReport, error) {
	return call[PublishNames, PublishReport](ctx, c, "publish/check", PublishNames{names})
}

// Lookup shows what a send to an address would find and decide.
func (c *Client) Lookup(ctx context.Context, in Lookup) (LookupAnswer, error) {
	return call[Lookup, LookupAnswer](ctx, c, "lookup", in)
}

// Seal seals a message without sending it.
func (c *Client) Seal(ctx context.Context, in SealRequest) (SealAnswer, error) {
	var sealed bytes.Buffer
	verdict, err := callMessage[SealRequest, SealVerdict](ctx, c, "seal", &sealed, in, in.Message)
	if err != nil {
		return SealAnswer{}, err
	}
	answer := SealAnswer{Verdict: verdict}
	if verdict.Verdict == sealedWell {
		answer.Message = sealed.Bytes()
	}
	return answer, nil
}

// Open opens a message without delivering it.
func (c *Client) Open(ctx context.Context, in OpenRequest) (OpenAnswer, error) {
	var inner bytes.Buffer
	verdict, err := callMessage[OpenRequest, OpenVerdict](ctx, c, "open", &inner, in, in.Message)
	if err != nil {
		return OpenAnswer{}, err
	}
	answer := OpenAnswer{Verdict: verdict}
	if verdict.Verdict == accepted {
		answer.Message = inner.Bytes()
	}
	return answer, nil
}

// Track tells the life of a message, or of the newest that share a Message-ID.
func (c *Client) Track(ctx context.Context, id string) (Lives, error) {
	return call[MessageName, Lives](ctx, c, "track", MessageName{id})
}

// RotateMaster gives the store a new master key.
func (c *Client) RotateMaster(ctx context.Context, in RotateOrder) (care.Rotation, error) {
	return call[RotateOrder, care.Rotation](ctx, c, "store/rotate", in)
}

// SetQuota bounds the mailboxes of an account.
func (c *Client) SetQuota(ctx context.Context, in QuotaOrder) error {
	_, err := call[QuotaOrder, None](ctx, c, "account/quota", in)
	return err
}

// Check reads the whole store and reports what is wrong with it.
func (c *Client) Check(ctx context.Context) (store.CheckReport, error) {
	return call[None, store.CheckReport](ctx, c, "store/check", None{})
}
