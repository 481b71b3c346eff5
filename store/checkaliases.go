package store

import (
	"slices"

	"postern/mime"
)

func (c *checker) checkAliases() error {
	return walkRecords(c, bucketAliases, func(k []byte, a Alias) {
		c.report.Aliases++
		if string(k) != a.Address.Key() {
			c.problem("alias %s is stored under another address", a.Address)
		}
		c.isOf(a.Era)
		if c.exists(bucketAccounts, k) {
			c.problem("%s is both an account and an alias", a.Address)
		}
		err := c.checkMembers(a)
		if err != nil {
			c.problem("%v", err)
		}
		if !slices.EqualFunc(a.Members, inOrder(a.Members), mime.Address.Same) {
			c.problem("the members of alias %s are not in order", a.Address)
		}
	})
}

func (c *checker) checkSentAs() error {
	return walkRecords(c, bucketSentAs, func(k []byte, s SentAs) {
		if string(k) != s.Address.Key() {
			c.problem("who sent as %s is stored under another address", s.Address)
		}
		if !c.exists(bucketAccounts, []byte(s.Account.Key())) {
			c.problem("%s, who sent as %s, is no account", s.Account, s.Address)
		}
	})
}
