package control

import "context"

// AddAlias gives an account another address.
func (c *Client) AddAlias(ctx context.Context, address, account string) error {
	_, err := call[AliasOrder, None](ctx, c, "alias/add", AliasOrder{address, account})
	return err
}

// Aliases lists the aliases, in the order of their addresses.
func (c *Client) Aliases(ctx context.Context) ([]AliasInfo, error) {
	return call[None, []AliasInfo](ctx, c, "alias/list", None{})
}

// RemoveAlias ends an alias, with the keys of its address.
func (c *Client) RemoveAlias(ctx context.Context, address string, untold bool) error {
	_, err := call[Removal, None](ctx, c, "alias/remove", Removal{AccountName{address}, untold})
	return err
}

// AddGroup makes an address whose mail goes to several accounts.
func (c *Client) AddGroup(ctx context.Context, address string, members []string) error {
	_, err := call[GroupOrder, None](ctx, c, "group/add", GroupOrder{address, members})
	return err
}

// Groups lists the groups, in the order of their addresses.
func (c *Client) Groups(ctx context.Context) ([]GroupInfo, error) {
	return call[None, []GroupInfo](ctx, c, "group/list", None{})
}

// ChangeGroup changes the members of a group and returns them.
func (c *Client) ChangeGroup(ctx context.Context, in MemberChange) (GroupInfo, error) {
	return call[MemberChange, GroupInfo](ctx, c, "group/members", in)
}

// RemoveGroup ends a group, with the keys of its address.
func (c *Client) RemoveGroup(ctx context.Context, address string, untold bool) error {
	_, err := call[Removal, None](ctx, c, "group/remove", Removal{AccountName{address}, untold})
	return err
}

// ChangeSenders changes what an account may send as and returns that.
func (c *Client) ChangeSenders(ctx context.Context, in MemberChange) (SendersInfo, error) {
	return call[MemberChange, SendersInfo](ctx, c, "account/senders", in)
}
