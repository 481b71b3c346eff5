package control

import "context"

// A ShownBundle is a bundle with the anchors of the set that counts.
type ShownBundle struct {
	BundleInfo
	Certificates []BundleCertificate `json:"certificates"`
}

func (s *Service) showBundle(ctx context.Context, in BundleName) (ShownBundle, error) {
	info, err := s.bundle(ctx, in.Name)
	if err != nil {
		return ShownBundle{}, err
	}
	_, anchors, err := s.readBundle(ctx, in.Name)
	if err != nil {
		return ShownBundle{}, err
	}
	return ShownBundle{info, DescribeAnchors(anchors)}, nil
}
